//! What every handler of one server shares.

use crate::bucket::Bucket;
use crate::gate::LaunchCodes;
use crate::options::ServerOptions;
use crate::token_file::TokenFile;
use engine::{Caller, Engine};
use model::{RegistrationId, Timestamp};
use protocol::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Agents whose request rate is remembered; more than a workspace has alive.
const AGENT_BUCKETS_MAX: usize = 256;

pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) options: ServerOptions,
    pub(crate) started_at: Timestamp,
    /// Port of 127.0.0.1 that is listened on.
    pub(crate) port: u16,
    pub(crate) token: TokenFile,
    pub(crate) codes: LaunchCodes,
    pub(crate) figures: Figures,
    /// Somebody asked the daemon to stop.
    pub(crate) stop_wished: CancellationToken,
    /// No new work is taken.
    pub(crate) draining: CancellationToken,
    /// Whatever is still open is dropped.
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Made when the first call comes.
    pub(crate) tools: OnceLock<mcp::Http>,
    /// Places for artifacts that are taken in.
    pub(crate) uploads: Arc<Semaphore>,
    guesses: Mutex<Bucket>,
    requests: Mutex<Requests>,
}

struct Requests {
    user: Bucket,
    agents: HashMap<RegistrationId, Bucket>,
}

/// Counts for the status page.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) connections: AtomicU32,
    pub(crate) watchers: AtomicU32,
    pub(crate) slow_watchers_cut: AtomicU64,
    pub(crate) refused_credentials: AtomicU64,
}

impl App {
    pub(crate) fn new(engine: Engine, options: ServerOptions, token: TokenFile, port: u16) -> Self {
        let now = options.clock.uptime();
        let bounds = &options.bounds;
        Self {
            guesses: Mutex::new(Bucket::new(bounds.guesses_burst, limits::GUESSES_PER_SECOND, now)),
            requests: Mutex::new(Requests {
                user: Bucket::new(bounds.requests_burst, limits::REQUESTS_PER_SECOND, now),
                agents: HashMap::new(),
            }),
            uploads: Arc::new(Semaphore::new(bounds.uploads)),
            started_at: options.clock.now(),
            engine,
            options,
            port,
            token,
            codes: LaunchCodes::default(),
            figures: Figures::default(),
            stop_wished: CancellationToken::new(),
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tools: OnceLock::new(),
        }
    }

    /// Counts a wrong credential; says for how many seconds no more are looked at.
    pub(crate) fn wrong_guess(&self) -> Result<(), u64> {
        self.figures.refused_credentials.fetch_add(1, Ordering::Relaxed);
        locked(&self.guesses).take(self.now())
    }

    /// Counts a request of a right credential.
    pub(crate) fn right_request(&self, caller: &Caller) -> Result<(), u64> {
        let now = self.now();
        let mut requests = locked(&self.requests);
        match caller {
            Caller::User => requests.user.take(now),
            Caller::Run { registration, .. } | Caller::Terminal { registration } => {
                let agents = &mut requests.agents;
                if agents.len() >= AGENT_BUCKETS_MAX && !agents.contains_key(registration) {
                    agents.clear();
                }
                let burst = self.options.bounds.requests_burst;
                let fresh = || Bucket::new(burst, limits::REQUESTS_PER_SECOND, now);
                agents.entry(*registration).or_insert_with(fresh).take(now)
            }
        }
    }

    fn now(&self) -> Duration {
        self.options.clock.uptime()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// One up for as long as it lives.
pub(crate) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    /// None when that would be more than `most`.
    pub(crate) fn below(counter: &'a AtomicU32, most: usize) -> Option<Self> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        counter
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most).then_some(now + 1))
            .ok()
            .map(|_| Self(counter))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_stops_at_the_most_and_comes_back() {
        let counter = AtomicU32::new(0);
        let first = Counted::below(&counter, 2).unwrap();
        let second = Counted::below(&counter, 2).unwrap();
        assert!(Counted::below(&counter, 2).is_none());
        drop(first);
        assert!(Counted::below(&counter, 2).is_some());
        drop(second);
        assert_eq!(counter.load(Ordering::Acquire), 0);
    }
}
