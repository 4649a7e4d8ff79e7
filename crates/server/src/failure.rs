//! Answers that are not a success: one type, one place where a refusal becomes a status and a body.
//!
//! A handler returns a [`Failure`]; the outermost layer, which knows the correlation id, writes the body.
//! Invariant: the inside of a fault of ours is logged and never sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Refusal, RefusalKind};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) refusal: Refusal,
    /// Seconds after which it may work.
    pub(crate) retry_after: Option<u64>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(protocol::status(refusal.kind));
        let retry_after = (refusal.kind == RefusalKind::Busy).then_some(1);
        Self { status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), refusal, retry_after }
    }
}

impl Failure {
    /// A failure of HTTP itself, for which no refusal has a kind.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, refusal: Refusal::new(RefusalKind::Invalid, code, message), retry_after: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.refusal = self.refusal.hint(hint);
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "this needs the token of the data root")
            .hint("the CLI finds it by itself; for the page run `coditect open`")
    }

    pub(crate) fn too_many(code: &'static str, message: &str, seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
            .hint("wait as long as `retry-after` says")
            .retry_after(seconds)
    }

    pub(crate) fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, protocol::DRAINING, "the daemon is stopping")
            .hint("start it again with `coditect up`")
            .retry_after(1)
    }

    pub(crate) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn not_found(path: &str) -> Self {
        let shown: String = path.chars().take(80).collect();
        Self::new(StatusCode::NOT_FOUND, "no_such_route", format!("there is nothing at {shown}"))
            .hint("GET /api/v1/openapi.json lists what there is")
    }
}

impl IntoResponse for Failure {
    /// An empty response that carries the failure; `correlate` writes it out.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_refusal_says_when_to_come_back() {
        let failure = Failure::from(Refusal::new(RefusalKind::Busy, "queue_full", "64 tasks wait"));
        assert_eq!(failure.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(failure.into_response().headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn who_is_unknown_is_told_how_to_be_known() {
        let response = Failure::unauthorized().into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
