//! Locks: what is held, by whom; taking and giving back.

#[cfg(test)]
mod tests;

use crate::call::Key;
use crate::engine::Shared;
use crate::{Call, Caller, Engine, WaitView};
use bus::{Bus, BusError, LockRequest};
use model::{Lock, LockMode, Presence, Refusal, RefusalKind, RegistrationId, RepoId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct NewLock {
    pub repo: RepoId,
    /// Paths or globs relative to the repository's root; all or nothing.
    pub paths: Vec<String>,
    pub mode: LockMode,
    pub ttl_seconds: u64,
}

/// Answers remembered; the oldest goes for a new one.
const LOCK_ANSWERS_MAX: usize = 1024;

type Name = (RegistrationId, String);

/// What was answered to which key of which holder. In memory: the locks it is about die with the daemon, too.
#[derive(Default)]
pub(crate) struct LockAnswers {
    answers: HashMap<Name, (String, Vec<Lock>)>,
    order: VecDeque<Name>,
}

impl LockAnswers {
    fn of(&self, name: &Name, key: &Key) -> Result<Option<Vec<Lock>>, Refusal> {
        match self.answers.get(name) {
            None => Ok(None),
            Some((request_hash, answer)) if *request_hash == key.request_hash => Ok(Some(answer.clone())),
            Some(_) => {
                let message = format!("the idempotency key `{}` was used for another request", key.key);
                Err(Refusal::conflict("idempotency_conflict", message)
                    .hint("use a new key for a new request"))
            }
        }
    }

    fn keep(&mut self, name: Name, request_hash: String, answer: Vec<Lock>) {
        if self.order.len() >= LOCK_ANSWERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.order.push_back(name.clone());
        self.answers.insert(name, (request_hash, answer));
    }
}

impl Engine {
    /// Takes locks for the caller, or says who holds them. It does not wait.
    pub async fn acquire_lock(&self, call: &Call, new: NewLock) -> Result<Vec<Lock>, Refusal> {
        let worktree = self.repo(new.repo)?.path;
        let holder = self.holder(call);
        let (paths, mode, ttl) = (new.paths, new.mode, Duration::from_secs(new.ttl_seconds));
        let request = LockRequest { worktree, paths, mode, holder, ttl };
        let known = self.shared.known.clone();
        let acquire = move |bus: &Bus| {
            let locks = bus.acquire(&request)?.locks;
            for lock in &locks {
                if let Err(error) = known.granted(lock) {
                    tracing::warn!(%error, path = %lock.path, "what a file held before its lock is not known");
                }
            }
            Ok(locks)
        };
        self.once(call, acquire).await
    }

    /// Gives a lock of the caller back.
    pub async fn release_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        let holder = self.holder(call);
        self.once(call, move |bus| bus.release(token, holder).map(|()| Vec::new())).await.map(drop)
    }

    /// Takes a lock from whoever holds it. The journal says so.
    pub async fn break_lock(&self, call: &Call, token: u64) -> Result<(), Refusal> {
        call.only_user()?;
        let by = Some(self.holder(call));
        self.once(call, move |bus| bus.break_lock_by(token, by).map(|_| Vec::new())).await.map(drop)
    }

    /// Does what a key asks for once, and gives the same answer to whoever asks again with it.
    async fn once(
        &self,
        call: &Call,
        work: impl FnOnce(&Bus) -> Result<Vec<Lock>, BusError> + Send + 'static,
    ) -> Result<Vec<Lock>, Refusal> {
        let work = move |shared: &Shared| work(&shared.bus).map_err(|error| error.refusal());
        let Some(key) = call.key.clone() else { return self.shared.blocking(work).await };
        let (shared, name) = (Arc::clone(&self.shared), (self.holder(call), key.key.clone()));
        // Not dropped with the request: who asked and hung up is to find the answer when it asks again.
        let asked = self.shared.tasks.spawn(async move {
            // One at a time, so that a repeat waits for the answer that is on its way.
            let mut answers = shared.lock_answers.lock().await;
            if let Some(answer) = answers.of(&name, &key)? {
                return Ok(answer);
            }
            let answer = shared.blocking(work).await?;
            answers.keep(name, key.request_hash, answer.clone());
            Ok(answer)
        });
        asked.await.map_err(Refusal::internal)?
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

    /// Everybody on the bus, with what it makes of their signs of life.
    pub fn presences(&self) -> Result<Vec<Presence>, Refusal> {
        self.shared.bus.sessions().map_err(|error| error.refusal())
    }

    /// The lock with this token, while it is held.
    pub fn check_lock(&self, token: u64) -> Result<Lock, Refusal> {
        self.locks()?
            .into_iter()
            .find(|lock| lock.token == token)
            .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "not_found", format!("no lock `{token}`")))
    }

    pub(crate) fn holder(&self, call: &Call) -> RegistrationId {
        self.registration_of(&call.caller)
    }

    /// Who the caller is on the bus.
    pub fn registration_of(&self, caller: &Caller) -> RegistrationId {
        match caller {
            Caller::User => self.shared.user,
            Caller::Run { registration, .. } | Caller::Terminal { registration } => *registration,
        }
    }
}
