use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewRemoval, RemovedWorktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewRemoval>,
) -> Result<Json<RemovedWorktree>, Failure> {
    let id = app.engine.resolve_worktree(&call.caller, &id)?;
    Ok(Json(show::removed_worktree(app.engine.trash_worktree(&call, id, body.force).await?)))
}
