use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::WholeBoard;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, Id(id): Id) -> Result<Json<WholeBoard>, Failure> {
    let board = app.engine.resolve_board(&id)?;
    Ok(Json(show::whole_board(app.engine.board(board)?)))
}
