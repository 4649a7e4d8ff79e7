use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{MissingWish, NewImportedBoard, WholeBoard};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewImportedBoard>,
) -> Result<(StatusCode, Json<WholeBoard>), Failure> {
    let copy = show::board_copy(body.document)?;
    let missing = match body.missing {
        MissingWish::Note => engine::MissingWish::Note,
        MissingWish::Refuse => engine::MissingWish::Refuse,
    };
    let made = app.engine.import_board(&call, copy, body.name, missing).await?;
    Ok((StatusCode::CREATED, Json(show::whole_board(made))))
}
