use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Status;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Status>, Failure> {
    Ok(Json(show::status(&app, app.engine.status()?)))
}
