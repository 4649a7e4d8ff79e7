//! Locks: what is asked, what is granted, and the fencing check. The queue behind them is in `queue`.

use crate::bus::Bus;
use crate::error::{BusError, LockLost};
use model::{Lock, LockMode, RegistrationId, SessionId, Timestamp};
use std::time::Duration;

/// Most paths in one request.
pub const LOCK_PATHS_MAX: usize = 256;
/// Longest lease.
pub const LOCK_TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// A wish for locks on all of `paths`, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// Canonical path of the worktree.
    pub worktree: String,
    /// Paths or globs relative to the worktree. See [`crate::Pattern`] for what a glob may hold.
    pub paths: Vec<String>,
    pub mode: LockMode,
    /// A live registration.
    pub holder: RegistrationId,
    /// How long the lease lasts unless renewed, from the moment of the grant.
    pub ttl: Duration,
}

/// Granted locks, in the order of the request's paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    pub locks: Vec<Lock>,
}

/// A request in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Place in the queue: lower is earlier.
    pub id: i64,
    pub worktree: String,
    pub paths: Vec<String>,
    pub mode: LockMode,
    pub holder: RegistrationId,
    pub agent: String,
    pub session: Option<SessionId>,
    pub since: Timestamp,
    /// Whom it waits for now: holders, and earlier waiters.
    pub blocked_by: Vec<RegistrationId>,
}

impl Bus {
    /// Takes the locks now or not at all ([`BusError::Contended`]).
    pub fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        let _ = request;
        todo!()
    }

    /// Takes the locks, waiting in line for at most `timeout` of the bus's clock. `on_wait` is called once, when the
    /// request has joined the queue, with the locks in its way.
    pub fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError> {
        let _ = (request, timeout, on_wait);
        todo!()
    }

    /// Takes every waiting request of this registration out of the queue; their callers get
    /// [`BusError::Canceled`]. Returns how many there were.
    pub fn cancel_waits(&self, holder: RegistrationId) -> Result<usize, BusError> {
        let _ = holder;
        todo!()
    }

    /// Sets the lease to `ttl` from now. Refused with [`BusError::Lost`] when it has run out, even if
    /// nobody took the lock: what happened in between is unknown.
    pub fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        let _ = (token, holder, ttl);
        todo!()
    }

    /// Gives a lock back. [`BusError::Lost`] says that it was lost before, so what was done under it may not stand.
    pub fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        let _ = (token, holder);
        todo!()
    }

    /// Gives back everything the registration holds and returns it. Its waits stay.
    pub fn release_all(&self, holder: RegistrationId) -> Result<Vec<Lock>, BusError> {
        let _ = holder;
        todo!()
    }

    /// Takes a lock from whoever holds it, by order of a person.
    pub fn break_lock(&self, token: u64) -> Result<Lock, BusError> {
        let _ = token;
        todo!()
    }

    /// The fencing check: may `holder` write `path` under `token` now? Ask while nobody else can
    /// write the file, then write.
    pub fn check(
        &self,
        token: u64,
        worktree: &str,
        path: &str,
        holder: RegistrationId,
    ) -> Result<(), BusError> {
        let _ = (token, worktree, path, holder);
        let _: Option<LockLost> = None;
        todo!()
    }

    /// Locks in force, oldest token first; of one worktree or of all.
    pub fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        let _ = worktree;
        todo!()
    }

    /// The queue, earliest first.
    pub fn waits(&self) -> Result<Vec<Wait>, BusError> {
        todo!()
    }
}
