use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Worktree;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Worktree>, Failure> {
    let id = app.engine.resolve_worktree(&call.caller, &id)?;
    Ok(Json(show::worktree(app.engine.restore_worktree(&call, id).await?)))
}
