use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewBoard, WholeBoard};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewBoard>,
) -> Result<(StatusCode, Json<WholeBoard>), Failure> {
    let board = app.engine.resolve_board(&id)?;
    let made = app.engine.clone_board(&call, board, &body.name).await?;
    Ok((StatusCode::CREATED, Json(show::whole_board(made))))
}
