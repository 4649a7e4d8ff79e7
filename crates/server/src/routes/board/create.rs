use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Board, NewBoard};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewBoard>,
) -> Result<(StatusCode, Json<Board>), Failure> {
    Ok((StatusCode::CREATED, Json(app.engine.create_board(&call, &body.name).await?.into())))
}
