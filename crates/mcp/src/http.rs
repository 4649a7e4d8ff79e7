//! The server over HTTP, in the daemon: one request, one JSON document, no session of the protocol.
//!
//! Who calls is the daemon's to say: it puts a [`Seat`] into each request. Its gate has looked at host, origin and
//! credential before, so the library's own look at them is left out.

use crate::caller::Seat;
use crate::probe;
use crate::server::{Place, Server};
use bus::Bus;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::http::{Method, StatusCode, header};
use hyper::{Request, Response};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::convert::Infallible;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The tools as an HTTP service. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    service: StreamableHttpService<Server, NeverSessionManager>,
    /// Longest body, in bytes.
    body_max: usize,
}

impl Http {
    /// A service on an open bus. `place` stands in no folder; calls that wait when `draining` comes end with it.
    pub fn new(place: Place, bus: Bus, body_max: usize, draining: CancellationToken) -> Self {
        let server = Server::of_requests(place, bus);
        // One document per answer: a stream's first, empty event is taken for a broken answer by a vendor's client.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(body_max)
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_cancellation_token(draining);
        let sessions = Arc::new(NeverSessionManager::default());
        Self { service: StreamableHttpService::new(move || Ok(server.clone()), sessions, config), body_max }
    }

    /// Answers one request of a caller.
    pub async fn answer<B>(&self, seat: Seat, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, self.body_max).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "the body is too long or broke off");
        };
        let body = body.to_bytes();
        if parts.method == Method::POST
            && let Some(answer) = probe::answer(&body)
        {
            return plain(StatusCode::OK, "application/json", answer);
        }
        parts.extensions.insert(seat);
        self.service.handle(Request::from_parts(parts, Full::new(body))).await
    }
}

fn plain(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(text.into()).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
