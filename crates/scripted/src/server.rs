//! The HTTP face: routes, the way of one request, and the body that is sent piece by piece.

use crate::conversation::tokens;
use crate::dialect::{Dialect, Frame, Refused};
use crate::directive::Nonsense;
use crate::limit;
use crate::program::{self, Told};
use crate::record::{Ended, Exchange, ExchangeUsage, Record};
use crate::reply::{Reply, Verdict, verdict, without_error_once};
use crate::script::{Part, part};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest request body that is read, in bytes.
pub const BODY_MAX: usize = 32 * 1024 * 1024;

/// The models the server claims to have; it takes any name.
const MODELS: &[&str] = &["scripted-claude", "scripted-gemini", "scripted-kimi", "scripted-gpt"];

#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) record: Record,
    /// Pause between two pieces of an answer.
    pub(crate) pace: Duration,
    /// What `error_once` has failed already: the only thing the server remembers.
    pub(crate) failed: Arc<Mutex<HashSet<u64>>>,
}

pub(crate) fn router(face: Face) -> Router {
    Router::new()
        .route("/v1/messages", post(anthropic))
        .route("/v1/messages/count_tokens", post(async |body: Bytes| counted("input_tokens", &body)))
        .route("/v1/responses", post(responses))
        .route("/v1/chat/completions", post(chat))
        .route("/v1beta/models/{call}", post(google))
        .route("/v1/models", get(async || json_response(200, &models())))
        .route("/v1beta/models", get(async || json_response(200, &google_models())))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(face)
}

async fn anthropic(State(face): State<Face>, headers: HeaderMap, body: Bytes) -> Response {
    face.answer(Dialect::Anthropic, &headers, &body, None).await
}

async fn responses(State(face): State<Face>, headers: HeaderMap, body: Bytes) -> Response {
    face.answer(Dialect::Responses, &headers, &body, None).await
}

async fn chat(State(face): State<Face>, headers: HeaderMap, body: Bytes) -> Response {
    face.answer(Dialect::Chat, &headers, &body, None).await
}

async fn google(
    State(face): State<Face>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = match call.rsplit_once(':') {
        Some((model, "streamGenerateContent")) => (model, true),
        Some((model, "generateContent")) => (model, false),
        Some((_, "countTokens")) => return counted("totalTokens", &body),
        _ => return json_response(404, &Dialect::Google.error(404, "no such method")),
    };
    face.answer(Dialect::Google, &headers, &body, Some(path)).await
}

/// The answer to a program that only wants to know how long its prompt is.
fn counted(field: &str, body: &[u8]) -> Response {
    json_response(200, &json!({ field: tokens(body.len()) }))
}

fn models() -> Value {
    let models: Vec<Value> =
        MODELS.iter().map(|id| json!({"id": id, "object": "model", "type": "model"})).collect();
    json!({"object": "list", "data": models, "has_more": false})
}

fn google_models() -> Value {
    let models: Vec<Value> = MODELS.iter().map(|id| json!({"name": format!("models/{id}")})).collect();
    json!({"models": models})
}

impl Face {
    async fn answer(
        &self,
        dialect: Dialect,
        headers: &HeaderMap,
        body: &[u8],
        path: Option<(&str, bool)>,
    ) -> Response {
        let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut exchange = blank(dialect, parsed, headers);
        let program = program::asks(headers);
        let told = if program { program::told(dialect, &exchange.body) } else { Told::default() };
        let read_body = told.body.as_ref().unwrap_or(&exchange.body);
        let key_of = read_body.to_string();
        let read = dialect.read(headers, read_body, path).and_then(|mut conversation| {
            if program {
                told.complete(&mut conversation);
            }
            exchange.agent.clone_from(&conversation.agent);
            exchange.model.clone_from(&conversation.model);
            exchange.stream = conversation.stream;
            let part = part(&conversation).map_err(|error| Refused::bad(format!("script: {error}")))?;
            Ok((conversation, part))
        });
        let (conversation, part) = match read {
            Ok(read) => read,
            Err(refused) => return self.refuse(dialect, exchange, &refused),
        };
        exchange.step = part.index;
        exchange.skipped.clone_from(&part.skipped);
        // A program repeats itself in other words; what is left of them for us is the same.
        let key = key(&part, if program { key_of.as_bytes() } else { body }, exchange.agent.as_deref());
        let id = format!("{:08x}", key & 0xffff_ffff);
        let (mut verdict_now, mut hold) = verdict(&conversation, &part, &id);
        if matches!(verdict_now, Verdict::Error { once: true, .. }) && !self.remember(key) {
            (verdict_now, hold) = verdict(&conversation, &without_error_once(&part), &id);
        }
        exchange.directives = played(&part, &verdict_now);
        match &verdict_now {
            Verdict::Reply(reply) => exchange.usage = Some(figures(reply)),
            Verdict::Error { status, .. } => exchange.status = *status,
            Verdict::Limit { .. } => exchange.status = limit::STATUS,
            Verdict::Nonsense(_) => {}
        }
        exchange.ended = Ended::Open;
        let stream = exchange.stream;
        let open = Open { n: self.record.add(exchange), record: self.record.clone() };
        tokio::time::sleep(hold).await;
        match verdict_now {
            Verdict::Reply(reply) if stream => {
                let frames = dialect.stream(&reply).into();
                event_stream(Sending { frames, pace: self.pace, first: true, open })
            }
            Verdict::Reply(reply) => open.whole(json_response(200, &dialect.whole(&reply))),
            Verdict::Nonsense(kind) => open.whole(nonsense(dialect, kind)),
            Verdict::Limit { seconds } => {
                let (headers, body) = limit::answer(dialect, seconds, self.record.now());
                open.whole((headers, json_response(limit::STATUS, &body)).into_response())
            }
            Verdict::Error { status, retry_after, .. } => open.whole(error(dialect, status, retry_after)),
        }
    }

    /// Whether it is new.
    fn remember(&self, key: u64) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    fn refuse(&self, dialect: Dialect, mut exchange: Exchange, refused: &Refused) -> Response {
        exchange.status = refused.status;
        exchange.refused = Some(refused.message.clone());
        self.record.add(exchange);
        json_response(refused.status, &dialect.error(refused.status, &refused.message))
    }
}

/// Tells requests apart for `error_once` and for the ids of answers: a repeated request has the same
/// key, the next one of its conversation another.
fn key(part: &Part, body: &[u8], agent: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (agent, part.index, body).hash(&mut hasher);
    hasher.finish()
}

fn figures(reply: &Reply) -> ExchangeUsage {
    ExchangeUsage {
        prompt_tokens: reply.prompt.total,
        cached_tokens: reply.prompt.cached,
        output_tokens: reply.text_tokens + reply.thinking_tokens,
    }
}

fn error(dialect: Dialect, status: u16, retry_after: Option<u32>) -> Response {
    let mut response = json_response(status, &dialect.error(status, "scripted error"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn nonsense(dialect: Dialect, kind: Nonsense) -> Response {
    let body = match kind {
        Nonsense::Html => {
            let page = "<!doctype html><title>Sign in</title><p>Please sign in to this network.";
            return ([(header::CONTENT_TYPE, "text/html")], page).into_response();
        }
        Nonsense::Empty | Nonsense::Args => String::new(),
        Nonsense::Json => "event: message_start\ndata: {\"oops\": \n\ndata: }}}\n\n".into(),
        Nonsense::Shape => dialect.wrong_shapes().concat(),
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn blank(dialect: Dialect, body: Value, headers: &HeaderMap) -> Exchange {
    Exchange {
        n: 0,
        ts: None,
        vendor: dialect.vendor(),
        agent: None,
        model: String::new(),
        step: 0,
        stream: false,
        directives: Vec::new(),
        skipped: Vec::new(),
        status: 200,
        refused: None,
        usage: None,
        headers: plain_headers(headers),
        body,
        ended: Ended::Whole,
    }
}

/// All headers but those that hold a key.
fn plain_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| {
            !["authorization", "x-api-key", "x-goog-api-key", "cookie"].contains(&name.as_str())
        })
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

fn played(part: &Part, verdict: &Verdict) -> Vec<&'static str> {
    let before = part.step.before.iter().map(crate::Directive::name);
    match verdict {
        Verdict::Error { .. } | Verdict::Limit { .. } | Verdict::Nonsense(_) => before.collect(),
        Verdict::Reply(_) => before
            .filter(|name| *name != "error_once")
            .chain(part.step.calls.iter().map(|call| call.directive))
            .collect(),
    }
}

fn json_response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// An exchange that has not ended. When the client hangs up it is dropped, which is how that is
/// noticed.
struct Open {
    record: Record,
    n: u64,
}

impl Open {
    fn end(&self, ended: Ended) {
        self.record.end(self.n, ended);
    }

    fn whole(&self, response: Response) -> Response {
        self.end(Ended::Whole);
        response
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Ended::Dropped);
    }
}

/// An answer on its way.
struct Sending {
    frames: VecDeque<Frame>,
    pace: Duration,
    first: bool,
    open: Open,
}

impl Sending {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.frames.pop_front() {
                None => {
                    self.open.end(Ended::Whole);
                    return None;
                }
                Some(Frame::Sleep(time)) => tokio::time::sleep(time).await,
                Some(Frame::Cut) => {
                    // What was said before is to arrive; an error would throw it away unsent.
                    self.rest().await;
                    self.open.end(Ended::Cut);
                    self.frames.clear();
                    return Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by the script")));
                }
                Some(Frame::Bytes(text)) => {
                    if !std::mem::take(&mut self.first) {
                        self.rest().await;
                    }
                    return Some(Ok(text.into()));
                }
            }
        }
    }

    /// Lets what was written go out, so that pieces arrive one by one as from a real vendor.
    async fn rest(&self) {
        if self.pace.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(self.pace).await;
        }
    }
}

fn event_stream(sending: Sending) -> Response {
    let pieces = stream::unfold(sending, async |mut sending| {
        let piece = sending.next().await?;
        Some((halves(piece), sending))
    });
    let body = Body::from_stream(futures_util::StreamExt::flat_map(pieces, stream::iter));
    ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

/// Events do not end where packets do: every piece goes out in two, cut in the middle of whatever
/// is there.
fn halves(piece: io::Result<Bytes>) -> Vec<io::Result<Bytes>> {
    match piece {
        Ok(mut bytes) if bytes.len() > 1 => {
            let tail = bytes.split_off(bytes.len() / 2);
            vec![Ok(bytes), Ok(tail)]
        }
        other => vec![other],
    }
}

#[cfg(test)]
#[path = "tests/server.rs"]
mod tests;
