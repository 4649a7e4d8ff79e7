use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{CheckpointRestore, RestoredCheckpoint};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<CheckpointRestore>,
) -> Result<Json<RestoredCheckpoint>, Failure> {
    let id = app.engine.resolve_checkpoint(&call.caller, &id)?;
    let new = engine::NewCheckpointRestore {
        files: body.files.unwrap_or(true),
        conversation: body.conversation,
        paths: body.paths,
        force: body.force,
    };
    Ok(Json(show::restored_checkpoint(app.engine.restore_checkpoint(&call, id, new).await?)))
}
