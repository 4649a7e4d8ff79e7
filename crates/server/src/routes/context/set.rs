use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{ContextVersion, NewContext};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewContext>,
) -> Result<Json<ContextVersion>, Failure> {
    let NewContext { key, value, expected_version } = body;
    Ok(Json(app.engine.set_context(&call, key, value, expected_version).await?.into()))
}
