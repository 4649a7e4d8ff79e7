use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::RemovedWorktree;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<RemovedWorktree>, Failure> {
    if let Some(gone) = app.engine.purged_before(&call).await? {
        return Ok(Json(show::removed_worktree(gone)));
    }
    let id = app.engine.resolve_worktree(&call.caller, &id)?;
    Ok(Json(show::removed_worktree(app.engine.purge_worktree(&call, id).await?)))
}
