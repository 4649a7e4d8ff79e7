use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::BoardDocument;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, Id(id): Id) -> Result<Json<BoardDocument>, Failure> {
    let board = app.engine.resolve_board(&id)?;
    Ok(Json(show::document(app.engine.export_board(board)?)))
}
