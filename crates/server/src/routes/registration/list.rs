use crate::app::App;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Presence};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Presence>>, Failure> {
    Ok(Json(Page::whole(app.engine.presences()?.into_iter().map(Presence::from).collect())))
}
