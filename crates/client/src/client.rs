//! Requests: one at a time over proven connections that are kept for the next.

use crate::ClientError;
use crate::connection::Connection;
use crate::place::{Credential, Place};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, header};
use protocol::{
    API_PREFIX, API_REVISION, CORRELATION_HEADER, Challenge, Cursor, DataRoot, Entropy, ErrorBody,
    ErrorDetail, IDEMPOTENCY_HEADER, MCP_PATH, Method, RegistrationId, Version,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Largest answer taken, in bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// Connections kept for the next request.
const IDLE_MAX: usize = 8;

/// What a client is told instead of looking it up.
#[derive(Clone)]
pub struct Options {
    pub data_root: DataRoot,
    pub credential: Credential,
    pub entropy: Arc<dyn Entropy>,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

impl Options {
    /// The user's client, with 30 s for an answer.
    pub fn user(data_root: DataRoot, entropy: Arc<dyn Entropy>) -> Self {
        Self { data_root, credential: Credential::User, entropy, timeout: Duration::from_secs(30) }
    }
}

/// A client of the daemon of one data root. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) place: Place,
    pub(crate) options: Options,
    idle: Mutex<Vec<Connection>>,
    pub(crate) tasks: TaskTracker,
}

/// What lets a program act for a session on the bus over HTTP. Its `Debug` shows no token.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct LentToken {
    pub registration: RegistrationId,
    pub token: String,
    /// Where the tools of agents are.
    pub url: String,
}

impl std::fmt::Debug for LentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LentToken({}, {})", self.registration, self.url)
    }
}

/// An answer with the cursor it is at least as new as.
#[derive(Debug, Clone)]
pub struct Fresh<T> {
    pub value: T,
    pub cursor: Option<Cursor>,
}

/// One request before it has an address and a credential.
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Option<Bytes>,
    kind: &'static str,
    key: Option<String>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, kind: "application/json", key: None }
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let text =
            serde_json::to_vec(body).map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
        self.body = Some(text.into());
        Ok(self)
    }

    fn request(&self, connection: &Connection) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(format!("{API_PREFIX}{}", self.path))
            .header(header::HOST, &connection.host)
            .header(header::AUTHORIZATION, connection.authorization());
        if let Some(key) = &self.key {
            request = request.header(IDEMPOTENCY_HEADER, key);
        }
        if self.body.is_some() {
            request = request.header(header::CONTENT_TYPE, self.kind);
        }
        request.body(Full::new(self.body.clone().unwrap_or_default()))
    }

    /// Bytes as they are.
    pub(crate) fn bytes(self, content: Vec<u8>) -> Self {
        Self { body: Some(content.into()), kind: "application/octet-stream", ..self }
    }

    /// A key of the caller's own, so that even a repeat by another process is harmless.
    pub(crate) fn key(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }
}

impl Client {
    /// A client that has not talked yet; it connects at its first request.
    pub fn new(options: Options) -> Self {
        let place = Place { root: options.data_root.clone() };
        Self {
            shared: Arc::new(Shared { place, options, idle: Mutex::default(), tasks: TaskTracker::new() }),
        }
    }

    /// A client whose daemon is there, proven, and of the same API revision.
    pub async fn connect(options: Options) -> Result<(Self, Version), ClientError> {
        let client = Self::new(options);
        let version = client.version().await?;
        if version.api_revision != API_REVISION {
            return Err(ClientError::Revision { daemon: version.api_revision, client: API_REVISION });
        }
        Ok((client, version))
    }

    /// A token that speaks for one session on the bus, for as long as that lives, and where the tools of agents are.
    ///
    /// # Errors
    /// No daemon has announced itself, or the user's token cannot be used.
    pub fn lend(&self, registration: RegistrationId) -> Result<LentToken, ClientError> {
        let place = &self.shared.place;
        let url = format!("http://{}{MCP_PATH}", place.info()?.address);
        Ok(LentToken { registration, token: place.token()?.lend(registration), url })
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ClientError> {
        Ok(self.ask_fresh(ask).await?.value)
    }

    pub(crate) async fn ask_fresh<T: DeserializeOwned>(&self, ask: Ask) -> Result<Fresh<T>, ClientError> {
        let (parts, body) = self.exchange(ask).await?;
        let cursor = parts
            .headers
            .get(protocol::CURSOR_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        // 204 has no body; `()` reads from `null`.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        let value = serde_json::from_slice(body)
            .map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
        Ok(Fresh { value, cursor })
    }

    async fn exchange(&self, mut ask: Ask) -> Result<(hyper::http::response::Parts, Bytes), ClientError> {
        if ask.method != Method::Get && ask.key.is_none() {
            ask.key = Some(self.fresh_key());
        }
        let limit = self.shared.options.timeout;
        let answering = async {
            // A kept connection may have been closed by the daemon meanwhile. Every mutation has a key, so
            // asking a second time cannot do a thing twice.
            if let Some(connection) = self.idle()
                && let Ok(answer) = self.attempt(connection, &ask).await
            {
                return answer;
            }
            let connection = self.open().await?;
            self.attempt(connection, &ask).await.unwrap_or_else(|error| {
                Err(ClientError::Unreachable { address: "its socket".to_owned(), reason: error.to_string() })
            })
        };
        tokio::time::timeout(limit, answering).await.unwrap_or(Err(ClientError::TimedOut { limit }))
    }

    /// The outer error is a broken connection, the inner one an answer.
    async fn attempt(
        &self,
        mut connection: Connection,
        ask: &Ask,
    ) -> Result<
        Result<(hyper::http::response::Parts, Bytes), ClientError>,
        Box<dyn std::error::Error + Send + Sync>,
    > {
        let request = ask.request(&connection)?;
        let (parts, body) = connection.send(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        self.keep(connection);
        Ok(match parts.status.is_success() {
            true => Ok((parts, body)),
            false => Err(refused(parts.status.as_u16(), &parts.headers, &body)),
        })
    }

    /// Asks for what may be longer than memory.
    pub(crate) async fn download(&self, ask: Ask) -> Result<Download, ClientError> {
        let limit = self.shared.options.timeout;
        let mut connection = self.open().await?;
        let gone = |reason: String| ClientError::Unreachable { address: "its socket".to_owned(), reason };
        let request = ask.request(&connection).map_err(|error| gone(error.to_string()))?;
        let answered = tokio::time::timeout(limit, connection.send(request)).await;
        let response = answered
            .map_err(|_| ClientError::TimedOut { limit })?
            .map_err(|error| gone(error.to_string()))?;
        if !response.status().is_success() {
            return Err(refused_upgrade(response).await);
        }
        Ok(Download { body: response.into_body(), _connection: connection, limit })
    }

    pub(crate) async fn open(&self) -> Result<Connection, ClientError> {
        let shared = &self.shared;
        Connection::open(&shared.place, &shared.options.credential, &shared.options, &shared.tasks).await
    }

    fn idle(&self) -> Option<Connection> {
        let mut idle = self.pool();
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.is_closed())
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.pool();
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        match self.shared.idle.lock() {
            Ok(idle) => idle,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    fn fresh_key(&self) -> String {
        Challenge::new(&*self.shared.options.entropy).to_string()
    }
}

/// An answer of any length, taken as it comes.
pub struct Download {
    body: Incoming,
    /// Lives as long as the answer does.
    _connection: Connection,
    limit: Duration,
}

impl Download {
    /// The next piece; none when all of it has come.
    ///
    /// # Errors
    /// It broke off: what came is not all there is.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = tokio::time::timeout(self.limit, self.body.frame());
            let Ok(frame) = frame.await else { return Err(ClientError::TimedOut { limit: self.limit }) };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| ClientError::Unreachable {
                address: "its socket".to_owned(),
                reason: format!("the answer broke off: {error}"),
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// What the daemon said no with.
pub(crate) fn refused<B: AsRef<[u8]>>(status: u16, headers: &hyper::HeaderMap, body: &B) -> ClientError {
    let detail = match serde_json::from_slice::<ErrorBody>(body.as_ref()) {
        Ok(body) => body.error,
        Err(_) => ErrorDetail {
            code: "http_error".to_owned(),
            message: format!("the daemon answered with status {status}"),
            hint: None,
            correlation: headers.get(CORRELATION_HEADER).and_then(|v| v.to_str().ok()).map(str::to_owned),
        },
    };
    ClientError::Refused { status, detail }
}

/// Reads a response whose status refused an upgrade.
pub(crate) async fn refused_upgrade(response: Response<hyper::body::Incoming>) -> ClientError {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, ANSWER_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    refused(parts.status.as_u16(), &parts.headers, &body)
}
