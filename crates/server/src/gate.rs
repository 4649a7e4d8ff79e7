//! The gate: who may come in at all. Every request but two passes here before any route sees it.
//!
//! The order is: are we stopping, is it us that is meant, may this page speak, who is it, how often.
//! Invariant: a handler runs only after this has put a [`Caller`] into the request, or for one of the two open
//! routes. Nothing a request says about who it is counts except its credential.

mod content;
mod cookie;
mod host;
mod launch;

pub(crate) use content::{artifact_too_large, check_content, too_large};
pub(crate) use host::Transport;
pub(crate) use launch::LaunchCodes;

use crate::app::App;
use crate::failure::Failure;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::Caller;
use protocol::{API_PREFIX, CURSOR_HEADER, Challenge, Endpoint, HEALTH_PATH, Token, limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The connection a request came over.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) transport: Transport,
    /// A request on this connection had a right credential.
    pub(crate) proven: Arc<AtomicBool>,
}

/// The token that was in force when the request came in. What outlives the request leaves with it.
#[derive(Debug, Clone)]
pub(crate) struct Under(pub(crate) Arc<Token>);

pub(crate) async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match admit(&app, request) {
        Ok(request) => {
            let newest = app.engine.newest();
            let known = request.extensions().get::<Caller>().is_some();
            let mut response = next.run(request).await;
            if known && let Ok(value) = HeaderValue::from_str(&newest.to_string()) {
                // Read before the handler ran: what it shows is at least as new.
                response.headers_mut().entry(CURSOR_HEADER).or_insert(value);
            }
            response
        }
        Err(failure) => failure.into_response(),
    }
}

fn admit(app: &App, mut request: Request) -> Result<Request, Failure> {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Err(model::Refusal::internal("a request without a connection").into());
    };
    if app.draining.is_cancelled() {
        return Err(Failure::draining());
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits::TARGET_MAX {
        return Err(Failure::new(StatusCode::URI_TOO_LONG, "target_too_long", "the address is too long"));
    }
    if !host::host_is_ours(peer.transport, request.headers(), request.uri()) {
        return Err(Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown_host",
            "the request is meant for another host",
        )
        .hint("ask 127.0.0.1 or localhost, with the port of the daemon"));
    }
    check_page(&peer, &request)?;
    if !is_open(&request) {
        let token = app.token.token();
        let caller = identify(app, token.as_deref(), &peer, &request)?;
        app.right_request(&caller)
            .map_err(|seconds| Failure::too_many("too_many_requests", "too many requests", seconds))?;
        peer.proven.store(true, Ordering::Release);
        request.extensions_mut().insert(caller);
        if let Some(token) = token {
            request.extensions_mut().insert(Under(token));
        }
    }
    check_content(request.method(), request.uri().path(), request.headers())?;
    Ok(request)
}

/// Pages that are not ours may not speak, whatever credential the browser adds.
fn check_page(peer: &Peer, request: &Request) -> Result<(), Failure> {
    let foreign = || {
        Failure::forbidden("foreign_origin", "only the daemon's own page may do this")
            .hint("`coditect open` opens that page")
    };
    let headers = request.headers();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => {}
        (Some(origin), None)
            if origin.to_str().is_ok_and(|origin| host::origin_is_ours(peer.transport, origin)) => {}
        _ => return Err(foreign()),
    }
    let fetch = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match fetch("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        // Somebody else's page may lead here by a link, to the page itself only.
        Some(_) if fetch("sec-fetch-mode") == Some("navigate") && is_page(request) => Ok(()),
        Some(_) => Err(foreign()),
    }
}

fn is_page(request: &Request) -> bool {
    request.method() == Method::GET && (!request.uri().path().starts_with(API_PREFIX) || is_open(request))
}

/// The two routes without a credential.
fn is_open(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::GET
        && (path == HEALTH_PATH || path.strip_prefix(API_PREFIX).is_some_and(|rest| rest == "/launch"))
}

fn identify(app: &App, token: Option<&Token>, peer: &Peer, request: &Request) -> Result<Caller, Failure> {
    let wrong = || match app.wrong_guess() {
        Ok(()) => Failure::unauthorized(),
        Err(seconds) => Failure::too_many("too_many_guesses", "too many wrong credentials", seconds),
    };
    let headers = request.headers();
    let Some(token) = token else { return Err(wrong()) };
    if headers.contains_key(header::AUTHORIZATION) {
        let given = bearer(headers).ok_or_else(wrong)?;
        if token.matches(given) {
            return Ok(Caller::User);
        }
        if let Some(registration) = token.lent_to(given) {
            return app.engine.terminal(registration).ok_or_else(ended);
        }
        return app.engine.authenticate_run(given).ok_or_else(wrong);
    }
    let cookie = match peer.transport {
        Transport::Tcp { port } => page_cookie(headers, port),
        Transport::Unix => None,
    };
    // Nothing given is no guess: a page that was never let in asks once and is told how.
    let Some(cookie) = cookie else { return Err(Failure::unauthorized()) };
    if !cookie::holds(token, cookie, app.options.clock.now()) {
        return Err(wrong());
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if (changes || headers.contains_key(header::UPGRADE)) && !headers.contains_key(header::ORIGIN) {
        return Err(Failure::forbidden(
            "origin_missing",
            "a page that changes something says where it is from",
        )
        .hint("a program uses the token instead of a page's cookie"));
    }
    Ok(Caller::User)
}

/// Right, and late: no guess.
fn ended() -> Failure {
    let what = "the session this token was lent to has ended";
    Failure::new(StatusCode::UNAUTHORIZED, "session_ended", what)
        .hint("`coditect join` begins another; `coditect mcp token` lends it a token")
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn page_cookie(headers: &HeaderMap, port: u16) -> Option<&str> {
    let name = cookie::name(port);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|value| cookie::find(value, &name))
}

/// The cookie header for a browser whose launch code was good.
pub(crate) fn welcome(app: &App, token: &Token) -> String {
    cookie::set(app.port, &cookie::mint(token, &*app.options.clock, &*app.options.entropy))
}

/// The answer to a challenge: proof that we know the token, good for this end of this connection.
pub(crate) fn proof(app: &App, peer: &Peer, challenge: &str) -> Option<String> {
    let challenge = Challenge::parse(challenge)?;
    let endpoint = match peer.transport {
        Transport::Tcp { port } => Endpoint::Tcp(([127, 0, 0, 1], port).into()),
        Transport::Unix => Endpoint::Unix { pid: std::process::id() },
    };
    Some(app.token.token()?.prove(&challenge, &endpoint))
}
