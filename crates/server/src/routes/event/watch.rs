use crate::app::App;
use crate::failure::Failure;
use crate::ws;
use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| {
        Failure::new(StatusCode::UPGRADE_REQUIRED, "websocket_only", rejection.body_text())
    })?;
    ws::accept(app, upgrade)
}
