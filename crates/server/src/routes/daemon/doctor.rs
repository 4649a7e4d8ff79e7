use crate::app::App;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Finding, Page};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Json<Page<Finding>> {
    Json(Page::whole(app.engine.doctor().await.into_iter().map(show::finding).collect()))
}
