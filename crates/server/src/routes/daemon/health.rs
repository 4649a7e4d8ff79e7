use crate::app::App;
use crate::gate::{Peer, proof};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use protocol::{CHALLENGE_HEADER, PROOF_HEADER};
use std::sync::Arc;

/// Always the same word. With a challenge, also the proof that this is the daemon.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let mut response = "ok".into_response();
    let challenge = headers.get(CHALLENGE_HEADER).and_then(|value| value.to_str().ok());
    let proof = challenge.and_then(|challenge| proof(&app, &peer, challenge));
    if let Some(Ok(value)) = proof.map(|proof| HeaderValue::from_str(&proof)) {
        response.headers_mut().insert(HeaderName::from_static(PROOF_HEADER), value);
    }
    response
}
