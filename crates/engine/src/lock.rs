//! Locks: what is held, by whom; taking and giving back.

use crate::{Call, Caller, Engine, WaitView};
use bus::LockRequest;
use model::{Lock, LockMode, Refusal, RefusalKind, Registration, RegistrationId, RepoId};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct NewLock {
    pub repo: RepoId,
    /// Paths or globs relative to the repository's root; all or nothing.
    pub paths: Vec<String>,
    pub mode: LockMode,
    pub ttl_seconds: u64,
}

impl Engine {
    /// Takes locks for the caller, or says who holds them. It does not wait.
    pub async fn acquire_lock(&self, call: &Call, new: NewLock) -> Result<Vec<Lock>, Refusal> {
        let worktree = self.repo(new.repo)?.path;
        let holder = self.holder(call);
        let (paths, mode, ttl) = (new.paths, new.mode, Duration::from_secs(new.ttl_seconds));
        let request = LockRequest { worktree, paths, mode, holder, ttl };
        self.shared
            .blocking(move |shared| {
                shared.bus.acquire(&request).map(|acquired| acquired.locks).map_err(|error| error.refusal())
            })
            .await
    }

    /// Gives a lock of the caller back.
    pub async fn release_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        let holder = self.holder(call);
        self.shared
            .blocking(move |shared| shared.bus.release(token, holder).map_err(|error| error.refusal()))
            .await
    }

    /// Takes a lock from whoever holds it. The journal says so.
    pub async fn break_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        call.only_user()?;
        self.shared
            .blocking(move |shared| shared.bus.break_lock(token).map(drop).map_err(|error| error.refusal()))
            .await
    }

    pub fn locks(&self) -> Result<Vec<Lock>, Refusal> {
        self.shared.bus.locks(None).map_err(|error| error.refusal())
    }

    pub fn waits(&self) -> Result<Vec<WaitView>, Refusal> {
        let locks = self.locks()?;
        let waits = self.shared.bus.waits().map_err(|error| error.refusal())?;
        let view = |wait: bus::Wait| WaitView {
            blocked_by: locks
                .iter()
                .filter(|lock| lock.worktree == wait.worktree && wait.blocked_by.contains(&lock.holder))
                .cloned()
                .collect(),
            waiter: wait.holder,
            agent: wait.agent,
            worktree: wait.worktree,
            paths: wait.paths,
            since: wait.since,
        };
        Ok(waits.into_iter().map(view).collect())
    }

    pub fn registrations(&self) -> Result<Vec<Registration>, Refusal> {
        self.shared.bus.registrations().map_err(|error| error.refusal())
    }

    /// The lock with this token, while it is held.
    pub fn check_lock(&self, token: u64) -> Result<Lock, Refusal> {
        self.locks()?
            .into_iter()
            .find(|lock| lock.token == token)
            .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "not_found", format!("no lock `{token}`")))
    }

    pub(crate) fn holder(&self, call: &Call) -> RegistrationId {
        match &call.caller {
            Caller::User => self.shared.user,
            Caller::Run { registration, .. } => *registration,
        }
    }
}
