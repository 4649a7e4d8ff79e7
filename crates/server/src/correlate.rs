//! The outermost layer: an id for every request, in its log lines, its headers and its errors; the
//! bodies of failures; and the headers that keep browsers honest.

use crate::app::App;
use crate::failure::Failure;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use model::{Entropy, RefusalKind};
use protocol::{CORRELATION_HEADER, ErrorBody, limits::CORRELATION_MAX};
use std::sync::Arc;
use tracing::Instrument;

/// What the page may load: itself, and nothing from anywhere else. Markup becomes part of the page in one
/// place only, which the browser enforces by Trusted Types.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types dompurify";
/// Answers of the API are data; a browser that shows one runs nothing of it.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The id of the request at hand.
#[derive(Debug, Clone)]
pub(crate) struct Correlation(pub(crate) Arc<str>);

pub(crate) async fn correlate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| made(&*app.options.entropy));
    request.extensions_mut().insert(Correlation(Arc::clone(&id)));
    let wants_page = wants_page(&request);
    // The query is left out: it may carry a launch code.
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", correlation = %id, method = %request.method(), path);
    let started = app.options.clock.uptime();
    async move {
        let mut response = written_out(next.run(request).await, &id, wants_page);
        let elapsed = app.options.clock.uptime().saturating_sub(started);
        tracing::debug!(
            status = response.status().as_u16(),
            elapsed_ms = elapsed.as_millis() as u64,
            "answered"
        );
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(CORRELATION_HEADER, value);
        }
        harden(response.headers_mut());
        response
    }
    .instrument(span)
    .await
}

/// The client's own id, when it is one that can be written anywhere.
fn given(headers: &HeaderMap) -> Option<Arc<str>> {
    let id = headers.get(CORRELATION_HEADER)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!id.is_empty() && id.len() <= CORRELATION_MAX && id.bytes().all(plain)).then(|| id.into())
}

fn made(entropy: &dyn Entropy) -> Arc<str> {
    let mut bytes = [0u8; 8];
    entropy.fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes)).into()
}

/// Whether somebody looks at this with a browser rather than a program.
fn wants_page(request: &Request) -> bool {
    let api = request.uri().path().starts_with(protocol::API_PREFIX) && !is_launch(request);
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    !api && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

fn is_launch(request: &Request) -> bool {
    request.uri().path().strip_prefix(protocol::API_PREFIX) == Some("/launch")
}

/// Gives a failure its body. A bare status that a library made gets one too, so that every error has the one form.
fn written_out(mut response: Response, correlation: &str, wants_page: bool) -> Response {
    let failure = response.extensions_mut().remove::<Arc<Failure>>();
    let status = response.status();
    let failure = match failure {
        Some(failure) => failure,
        None if status.is_client_error() || status.is_server_error() => Arc::new(bare(status)),
        None => return response,
    };
    if failure.refusal.kind == RefusalKind::Internal {
        tracing::error!(code = %failure.refusal.code, error = %failure.refusal.message, "a request failed");
    } else {
        tracing::debug!(code = %failure.refusal.code, "a request was refused");
    }
    let body = ErrorBody::of(&failure.refusal, correlation);
    let (kind, text) = if wants_page {
        ("text/html; charset=utf-8", crate::ui::error_page(status, &body.error))
    } else {
        ("application/json", serde_json::to_string(&body).unwrap_or_default())
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(text);
    response
}

fn bare(status: StatusCode) -> Failure {
    let (code, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this cannot be done here with this method"),
        StatusCode::NOT_FOUND => ("no_such_route", "there is nothing here"),
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "the body is over the limit"),
        StatusCode::UPGRADE_REQUIRED | StatusCode::BAD_REQUEST => ("malformed", "the request is malformed"),
        _ => ("refused", "the request was refused"),
    };
    let mut failure = Failure::new(status, code, message);
    if status.is_server_error() {
        failure.refusal.kind = RefusalKind::Internal;
    }
    failure
}

fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(DATA_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_are_safe_to_write_are_taken_over() {
        let of = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CORRELATION_HEADER, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            given(&headers).map(|id| id.to_string())
        };
        assert_eq!(of("web-17_a.b"), Some("web-17_a.b".to_owned()));
        assert_eq!(of(&"x".repeat(CORRELATION_MAX)), Some("x".repeat(CORRELATION_MAX)));
        for bad in ["", "a b", "a\"b", "<b>", &"x".repeat(CORRELATION_MAX + 1), "ä"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    /// The page's own tests run against a stand-in; what they prove holds only under the same policy.
    #[test]
    fn the_pages_tests_run_under_the_policy_of_the_daemon() {
        let mock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/e2e/mock.ts");
        let source = std::fs::read_to_string(mock).unwrap();
        let (_, rest) = source.split_once("export const CSP = [").unwrap();
        let (listed, _) = rest.split_once("].join('; ')").unwrap();
        let rules: Vec<&str> = listed
            .lines()
            .map(|line| line.trim().trim_end_matches(','))
            .filter(|line| !line.is_empty())
            .map(|quoted| &quoted[1..quoted.len() - 1])
            .collect();
        assert_eq!(rules.join("; "), PAGE_POLICY);
    }

    #[test]
    fn made_ids_differ() {
        let dice = testkit::SeededEntropy::new(1);
        assert_ne!(made(&dice), made(&dice));
    }
}
