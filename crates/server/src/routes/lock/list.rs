use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Lock, LockTable};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<LockTable>, Failure> {
    let items = app.engine.locks()?.into_iter().map(Lock::from).collect();
    let waits = app.engine.waits()?.into_iter().map(show::wait).collect();
    Ok(Json(LockTable { items, next: None, waits }))
}
