//! Locks: what is held, by whom; taking and giving back.

use crate::{Call, Engine, WaitView};
use model::{Lock, LockMode, Refusal, Registration, RepoId};

#[derive(Debug, Clone)]
pub struct NewLock {
    pub repo: RepoId,
    /// Paths or globs relative to the repository's root; all or nothing.
    pub paths: Vec<String>,
    pub mode: LockMode,
    pub ttl_seconds: u64,
}

impl Engine {
    pub async fn acquire_lock(&self, call: &Call, new: NewLock) -> Result<Vec<Lock>, Refusal> {
        todo!()
    }

    pub async fn release_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        todo!()
    }

    pub async fn break_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        todo!()
    }

    pub fn locks(&self) -> Result<Vec<Lock>, Refusal> {
        todo!()
    }

    pub fn waits(&self) -> Result<Vec<WaitView>, Refusal> {
        todo!()
    }

    pub fn registrations(&self) -> Result<Vec<Registration>, Refusal> {
        todo!()
    }
}
