use crate::app::App;
use crate::extract::Bare;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::Stopping;
use std::sync::Arc;

/// Tells the owner of the server, who stops it; the answer goes out before.
pub(super) async fn handle(State(app): State<Arc<App>>, asked: Bare) -> (StatusCode, Json<Stopping>) {
    tracing::info!(correlation = asked.call.correlation, "somebody asked the daemon to stop");
    app.stop_wished.cancel();
    (StatusCode::ACCEPTED, Json(Stopping { pid: std::process::id() }))
}
