use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewScriptRun, Worktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewScriptRun>,
) -> Result<Json<Worktree>, Failure> {
    let id = app.engine.resolve_worktree(&call.caller, &id)?;
    Ok(Json(show::worktree(app.engine.start_script(&call, id, body.script).await?)))
}
