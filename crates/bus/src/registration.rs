//! Registrations: who is on the bus and how its life is proven.

use crate::bus::Bus;
use crate::error::BusError;
use model::{Lock, Registration, RegistrationId, SessionId};
use std::path::PathBuf;
use std::time::Duration;

/// How a registration proves that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// Somebody holds `flock` (exclusive) on this file for as long as anything of it runs. The file
    /// must be held before registering, and nobody else may open it for writing.
    LockFile(PathBuf),
    /// A process of this boot; `starttime` is what [`crate::system::process_start`] says.
    Process { pid: u32, starttime: u64 },
    /// It says so itself, at least every `ttl`, with [`Bus::heartbeat`] or by taking locks.
    Lease { ttl: Duration },
}

/// What is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRegistration {
    /// Given when the id was needed before; otherwise one is made.
    pub id: Option<RegistrationId>,
    pub agent: String,
    pub vendor: String,
    pub model: Option<String>,
    pub session: Option<SessionId>,
    /// Canonical path.
    pub worktree: Option<String>,
    pub liveness: Liveness,
}

/// A dead registration that was cleared away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    pub registration: RegistrationId,
    pub agent: String,
    pub session: Option<SessionId>,
    /// `died`, or `expired` for one that lived by lease.
    pub reason: &'static str,
    /// What it held.
    pub locks: Vec<Lock>,
}

impl Bus {
    /// Announces a live session. The same id again with the same data is the same registration.
    pub fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        let _ = new;
        todo!()
    }

    /// Says that the registration lives. Cheap: most calls only read.
    pub fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        let _ = id;
        todo!()
    }

    /// Ends a registration: frees its locks, cancels its waits. `reason` is `finished`, `died` or
    /// a word of the caller's. Ending twice is no error.
    pub fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError> {
        let _ = (id, reason);
        todo!()
    }

    /// Registrations that have not ended, oldest first.
    pub fn registrations(&self) -> Result<Vec<Registration>, BusError> {
        todo!()
    }

    /// False when it has ended, or its liveness shows it dead though nobody has cleared it away yet.
    pub fn is_alive(&self, id: RegistrationId) -> Result<bool, BusError> {
        let _ = id;
        todo!()
    }

    /// Clears away the dead: frees their locks, hands them to who waits. Any process may do it.
    pub fn reap(&self) -> Result<Vec<Reaped>, BusError> {
        todo!()
    }
}
