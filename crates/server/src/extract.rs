//! What handlers are given: who asks, what was asked, and the body read under its limits.

use crate::app::App;
use crate::correlate::Correlation;
use crate::failure::Failure;
use crate::gate::{artifact_too_large, too_large};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use engine::{Call, Caller, Key};
use model::{Refusal, SessionId};
use protocol::{IDEMPOTENCY_HEADER, limits};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// After which a place for an artifact may be free, in seconds.
const UPLOAD_RETRY_SECONDS: u64 = 1;

/// Who asks.
pub(crate) struct Who(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The gate put it there; without it nobody came through the gate.
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(Failure::unauthorized)
    }
}

impl Who {
    /// The session that is meant, when it is the caller's business: an agent sees its own, what came out of it, and what it asked.
    pub(crate) fn session(&self, app: &App, given: &str) -> Result<SessionId, Failure> {
        let session = app.engine.resolve_session_for(&self.0, given)?;
        self.may_see(app, session)?;
        Ok(session)
    }

    pub(crate) fn may_see(&self, app: &App, session: SessionId) -> Result<(), Failure> {
        Ok(app.engine.may_see(&self.0, session)?)
    }

    pub(crate) fn is_user(&self) -> bool {
        self.0 == Caller::User
    }
}

/// The one variable part of a path.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::<String>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(id)) => Ok(Self(id)),
            Err(_) => Err(Failure::new(StatusCode::BAD_REQUEST, "malformed", "the address is malformed")),
        }
    }
}

/// The query, whole and known.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                Err(Failure::new(StatusCode::BAD_REQUEST, "query_malformed", clipped(&rejection.body_text()))
                    .hint("GET /api/v1/openapi.json says what can be asked"))
            }
        }
    }
}

/// A mutation with a JSON body.
pub(crate) struct Command<T> {
    pub(crate) call: Call,
    pub(crate) body: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Command<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, app).await?;
        let call = call(&parts, &bytes)?;
        let body = parsed(&bytes)?;
        Ok(Self { call, body })
    }
}

/// A mutation whose body is bytes as they are, of an artifact.
pub(crate) struct Bytes {
    pub(crate) call: Call,
    pub(crate) body: axum::body::Bytes,
    /// Kept until the answer, while the bytes are in memory.
    pub(crate) place: OwnedSemaphorePermit,
}

impl FromRequest<Arc<App>> for Bytes {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        // Before any of it is read.
        let place = Arc::clone(&app.uploads).try_acquire_owned().map_err(|_| too_many_uploads())?;
        let (parts, body) = request.into_parts();
        let reading = axum::body::to_bytes(body, limits::ARTIFACT_MAX);
        let body = match tokio::time::timeout(limits::ARTIFACT_TIMEOUT, reading).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(artifact_too_large()),
            Err(_) => return Err(too_slow()),
        };
        let call = call(&parts, &body)?;
        Ok(Self { call, body, place })
    }
}

/// A mutation whose JSON body may be left out.
pub(crate) struct Wish<T> {
    pub(crate) call: Call,
    pub(crate) body: T,
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for Wish<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, app).await?;
        let call = call(&parts, &bytes)?;
        let body = if bytes.is_empty() { T::default() } else { parsed(&bytes)? };
        Ok(Self { call, body })
    }
}

/// A mutation that needs no body; an empty object is forgiven.
pub(crate) struct Bare {
    pub(crate) call: Call,
}

impl FromRequest<Arc<App>> for Bare {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, app).await?;
        let empty = bytes.is_empty()
            || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes)
                .is_ok_and(|fields| fields.is_empty());
        if !empty {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "body_malformed", "this takes no body"));
        }
        Ok(Self { call: call(&parts, &bytes)? })
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = clipped(&format!("the body is not it: {error}"));
        Failure::new(StatusCode::BAD_REQUEST, "body_malformed", message)
            .hint("GET /api/v1/openapi.json says what is")
    })
}

pub(crate) async fn read(body: Body, app: &App) -> Result<axum::body::Bytes, Failure> {
    let reading = axum::body::to_bytes(body, limits::BODY_MAX);
    match tokio::time::timeout(app.options.bounds.body_timeout, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Over the limit, or the client went away: in the second case nobody reads this.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(too_slow()),
    }
}

fn too_many_uploads() -> Failure {
    let message = "as many artifacts are taken in as may be at once";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "uploads_busy", message)
        .hint("put it again as late as `retry-after` says")
        .retry_after(UPLOAD_RETRY_SECONDS)
}

fn too_slow() -> Failure {
    Failure::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long")
}

fn call(parts: &Parts, body: &[u8]) -> Result<Call, Failure> {
    let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Failure::unauthorized)?;
    let correlation = parts.extensions.get::<Correlation>().map(|id| id.0.to_string()).unwrap_or_default();
    let key = key(parts, &caller, body)?;
    Ok(Call { caller, key, client: None, correlation })
}

fn key(parts: &Parts, caller: &Caller, body: &[u8]) -> Result<Option<Key>, Failure> {
    let malformed = || {
        let message =
            format!("an idempotency key has 1 to {} printable characters", limits::IDEMPOTENCY_KEY_MAX);
        Failure::from(Refusal::invalid("idempotency_key", message))
    };
    let mut given = parts.headers.get_all(IDEMPOTENCY_HEADER).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let key = key.to_str().map_err(|_| malformed())?;
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if given.next().is_some() || key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_MAX || !printable {
        return Err(malformed());
    }
    Ok(Some(Key { key: key.to_owned(), request_hash: request_hash(parts, caller, body) }))
}

/// What the key was used for. The caller is part of it: one agent's key says nothing to another.
fn request_hash(parts: &Parts, caller: &Caller, body: &[u8]) -> String {
    let who = match caller {
        Caller::User => "user".to_owned(),
        Caller::Run { run, .. } => run.to_string(),
        Caller::Terminal { registration } => registration.to_string(),
    };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let mut hasher = blake3::Hasher::new();
    for part in [parts.method.as_str().as_bytes(), target.as_bytes(), who.as_bytes(), body] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// Messages of libraries quote the input; a little of it is enough.
fn clipped(message: &str) -> String {
    message.chars().take(300).collect()
}
