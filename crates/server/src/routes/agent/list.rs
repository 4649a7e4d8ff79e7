use crate::app::App;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Agent, Page};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Json<Page<Agent>> {
    Json(Page::whole(app.engine.agents().into_iter().map(show::agent).collect()))
}
