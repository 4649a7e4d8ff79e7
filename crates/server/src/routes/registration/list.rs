use crate::app::App;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Registration};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Registration>>, Failure> {
    Ok(Json(Page::whole(app.engine.registrations()?.into_iter().map(Registration::from).collect())))
}
