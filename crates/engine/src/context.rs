//! Shared context, for the faces of the daemon. What is shared is the bus's; here is who asks, and waiting for a change.

use crate::{Call, Engine};
use bus::{BusError, ContextPage, ContextQuery, NewContext};
use model::{ContextChange, ContextEntry, ContextKey, Refusal};
use std::time::Duration;

/// Longest wait of one request for a change.
pub const CONTEXT_WAIT_MAX: Duration = Duration::from_secs(25);
/// A change that was made beside the daemon, and of which nobody rang, is seen within this.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Engine {
    /// Entries whose keys begin with `prefix`, in the order of their keys.
    pub fn context_entries(
        &self,
        prefix: &str,
        after: Option<&ContextKey>,
        limit: usize,
    ) -> Result<Vec<ContextEntry>, Refusal> {
        self.shared.bus.context_entries(prefix, after, limit).map_err(|error| error.refusal())
    }

    pub fn context(&self, key: &ContextKey) -> Result<ContextEntry, Refusal> {
        let found = self.shared.bus.context(key).map_err(|error| error.refusal())?;
        found.ok_or_else(|| BusError::NoContext(key.clone()).refusal())
    }

    /// The versions that are kept, the newest first; of a key that was removed, too.
    pub fn context_versions(&self, key: &ContextKey) -> Result<Vec<ContextChange>, Refusal> {
        let versions = self.shared.bus.context_versions(key).map_err(|error| error.refusal())?;
        if versions.is_empty() {
            return Err(BusError::NoContext(key.clone()).refusal());
        }
        Ok(versions)
    }

    /// Sets or removes an entry in the caller's name; null removes it.
    pub async fn set_context(
        &self,
        call: &Call,
        key: ContextKey,
        value: serde_json::Value,
        expected_version: Option<u64>,
    ) -> Result<ContextChange, Refusal> {
        let new = NewContext { author: self.holder(call), key, value, expected_version };
        self.shared
            .blocking(move |shared| shared.bus.set_context(&new).map_err(|error| error.refusal()))
            .await
    }

    /// Changes after a version; without one, from now on. Waits for the first of them up to `wait`, and not for a daemon
    /// that is to stop.
    pub async fn context_changes(
        &self,
        prefix: String,
        after: Option<u64>,
        limit: usize,
        wait: Duration,
    ) -> Result<ContextPage, Refusal> {
        if wait > CONTEXT_WAIT_MAX {
            let message = format!("one request waits for at most {} s", CONTEXT_WAIT_MAX.as_secs());
            return Err(Refusal::invalid("wait_too_long", message).hint("wait for less, and ask again"));
        }
        // Every change is journaled, and the journal's bell rings after that.
        let mut bell = self.shared.bell.subscribe();
        let after = match after {
            Some(after) => after,
            None => self.shared.bus.newest_context().map_err(|error| error.refusal())?,
        };
        let query = ContextQuery { prefix, after, limit };
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            bell.mark_unchanged();
            let page = self.shared.bus.context_changes(&query).map_err(|error| error.refusal())?;
            let now = tokio::time::Instant::now();
            if !page.changes.is_empty() || now >= deadline || self.shared.stopping.is_cancelled() {
                return Ok(page);
            }
            tokio::select! {
                _ = bell.changed() => {}
                () = self.shared.stopping.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY.min(deadline - now)) => {}
            }
        }
    }
}
