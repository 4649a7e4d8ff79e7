use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewAssignment, Worktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewAssignment>,
) -> Result<Json<Worktree>, Failure> {
    let session = app.engine.resolve_session(&id)?;
    let worktree = app.engine.resolve_worktree(&call.caller, &body.worktree)?;
    Ok(Json(show::worktree(app.engine.assign_worktree(&call, session, worktree).await?)))
}
