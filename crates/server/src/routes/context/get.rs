use super::key;
use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::ContextEntry;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, Id(id): Id) -> Result<Json<ContextEntry>, Failure> {
    Ok(Json(app.engine.context(&key(&id)?)?.into()))
}
