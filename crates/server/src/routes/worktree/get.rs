use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Worktree;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Worktree>, Failure> {
    let id = app.engine.resolve_worktree(&who.0, &id)?;
    Ok(Json(show::worktree(app.engine.worktree(id).await?)))
}
