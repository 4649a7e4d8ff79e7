use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Checkpoint, NewCheckpoint};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewCheckpoint>,
) -> Result<(StatusCode, Json<Checkpoint>), Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let new = engine::NewCheckpoint { name: body.name, agent: body.agent };
    let made = app.engine.create_checkpoint(&call, session, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
