use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{BoardSummary, Page};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<BoardSummary>>, Failure> {
    Ok(Json(Page::whole(app.engine.boards()?.into_iter().map(show::board_summary).collect())))
}
