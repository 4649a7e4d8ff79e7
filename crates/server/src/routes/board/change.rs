use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Board, BoardPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<BoardPatch>,
) -> Result<Json<Board>, Failure> {
    let board = app.engine.resolve_board(&id)?;
    Ok(Json(app.engine.change_board(&call, board, body.name, body.slug).await?.into()))
}
