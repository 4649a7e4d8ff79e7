//! The locks a run has asked for and not yet got.
//!
//! Invariant: each request waits on a thread of its own, there are at most [`LOCK_REQUESTS_MAX`] of them for a run,
//! and none is left when the turn ends, however long it would have waited.

#[cfg(test)]
mod tests;

use crate::engine::Shared;
use bus::{Acquired, BusError, LockRequest};
use model::{Lock, Refusal, RefusalKind, RegistrationId, RepoPath};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// Requests for locks that one run may have open.
pub(super) const LOCK_REQUESTS_MAX: usize = 8;
/// How often those who still wait are called off when the turn is over.
const CALL_OFF_EVERY: Duration = Duration::from_millis(50);

/// A request that was decided: its number, what was wanted, and what came of it.
pub(super) type Decided = (u64, RepoPath, Result<Acquired, BusError>);

#[derive(Default)]
pub(super) struct LockRequests {
    waiting: JoinSet<Decided>,
}

impl LockRequests {
    /// Asks for a lock. `on_wait` is called, on the request's own thread, when somebody is in the way.
    pub(super) fn ask(
        &mut self,
        shared: &Arc<Shared>,
        (id, path): (u64, RepoPath),
        request: LockRequest,
        patience: Duration,
        on_wait: impl Fn(&[Lock]) + Send + 'static,
    ) -> Result<(), Refusal> {
        if self.waiting.len() >= LOCK_REQUESTS_MAX {
            let message = format!("{LOCK_REQUESTS_MAX} requests for locks wait already");
            return Err(
                Refusal::new(RefusalKind::Busy, "lock_requests_full", message).hint("wait for one of them")
            );
        }
        let shared = Arc::clone(shared);
        self.waiting.spawn_blocking(move || {
            let decided = shared.bus.acquire_wait(&request, patience, &mut |blocking| on_wait(blocking));
            (id, path, decided)
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next decision; none while nothing is asked for.
    pub(super) async fn decided(&mut self) -> Option<Result<Decided, JoinError>> {
        self.waiting.join_next().await
    }

    /// Calls all of them off, those too whose thread has not joined the queue yet. What one of them got at the
    /// last moment goes back with the registration.
    pub(super) async fn end(&mut self, shared: &Arc<Shared>, holder: RegistrationId) {
        self.waiting.abort_all();
        while !self.waiting.is_empty() {
            let called_off = shared
                .blocking(move |shared| shared.bus.cancel_waits(holder).map_err(|error| error.refusal()));
            if let Err(error) = called_off.await {
                tracing::warn!(%error, "the run's wait for a lock could not be called off");
            }
            // Each goes by itself once it finds that nobody waits for it.
            while let Ok(Some(_)) = tokio::time::timeout(CALL_OFF_EVERY, self.waiting.join_next()).await {}
        }
    }
}
