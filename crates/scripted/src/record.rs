//! What the server was asked and how it answered, in memory and as JSON lines.

use model::{Clock, Timestamp, Vendor};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// Counts from 1.
    pub n: u64,
    /// RFC 3339; none when the server was given no clock.
    pub ts: Option<String>,
    pub vendor: Vendor,
    /// Whom the system prompt addresses.
    pub agent: Option<String>,
    pub model: String,
    /// Number of the answer since the prompt, from 0.
    pub step: usize,
    pub stream: bool,
    /// Words of the directives that were played, in order.
    pub directives: Vec<&'static str>,
    /// Words of the directives left out because no offered tool can do them.
    pub skipped: Vec<&'static str>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Why the request was refused.
    pub refused: Option<String>,
    pub usage: Option<ExchangeUsage>,
    /// What the request said of itself; never the key.
    pub headers: BTreeMap<String, String>,
    /// The request as it came.
    pub body: Value,
    /// What became of the answer. In the log it is what was known when the line was written.
    pub ended: Ended,
}

/// The figures the answer gave, before any dialect's way of telling them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExchangeUsage {
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub output_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It is still being sent.
    Open,
    /// All of it was taken.
    Whole,
    /// The client closed the connection before.
    Dropped,
    /// The script broke the connection.
    Cut,
}

/// All requests so far.
#[derive(Clone)]
pub(crate) struct Record {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    clock: Option<Arc<dyn Clock>>,
}

struct State {
    exchanges: Vec<Exchange>,
    log: Option<File>,
}

impl Record {
    pub(crate) fn new(log: Option<&Path>, clock: Option<Arc<dyn Clock>>) -> std::io::Result<Self> {
        let open = |path| File::options().create(true).append(true).open(path);
        let state = State { exchanges: Vec::new(), log: log.map(open).transpose()? };
        let changed = watch::Sender::new(0);
        Ok(Self { inner: Arc::new(Inner { state: Mutex::new(state), changed, clock }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is; 1970 when the server was given no clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.as_ref().map_or(Timestamp::from_millis(0), |clock| clock.now())
    }

    /// Numbers, stamps and keeps it. Returns its number.
    pub(crate) fn add(&self, mut exchange: Exchange) -> u64 {
        let mut state = self.state();
        exchange.n = state.exchanges.len() as u64 + 1;
        exchange.ts = self.inner.clock.as_ref().map(|clock| clock.now().to_string());
        if let Some(log) = &mut state.log
            && let Ok(mut line) = serde_json::to_vec(&exchange)
        {
            line.push(b'\n');
            // A test that reads the log notices a missing line; there is nobody else to tell.
            let _ = log.write_all(&line);
        }
        let n = exchange.n;
        state.exchanges.push(exchange);
        drop(state);
        self.bump();
        n
    }

    pub(crate) fn end(&self, n: u64, ended: Ended) {
        let at = usize::try_from(n - 1).unwrap_or(usize::MAX);
        if let Some(exchange) = self.state().exchanges.get_mut(at)
            && exchange.ended == Ended::Open
        {
            exchange.ended = ended;
        }
        self.bump();
    }

    fn bump(&self) {
        self.inner.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn all(&self) -> Vec<Exchange> {
        self.state().exchanges.clone()
    }

    /// Returns once the requests are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&[Exchange]) -> bool) {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if wanted(&self.state().exchanges) {
                return;
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
