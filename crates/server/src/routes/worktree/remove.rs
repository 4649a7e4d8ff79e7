use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{RemovedWorktree, WorktreeRemoval};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<WorktreeRemoval>,
) -> Result<Json<RemovedWorktree>, Failure> {
    let session = app.engine.resolve_session(&body.session)?;
    let removed = app.engine.remove_worktree(&call, session, &body.agent, body.discard).await?;
    Ok(Json(show::removed_worktree(removed)))
}
