use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{MergedWorktree, NewMerge};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewMerge>,
) -> Result<Json<MergedWorktree>, Failure> {
    let id = app.engine.resolve_worktree(&call.caller, &id)?;
    let merged = app.engine.merge_worktree(&call, id, body.into, body.message).await?;
    Ok(Json(show::merged_worktree(merged)))
}
