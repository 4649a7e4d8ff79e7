//! Locks on the wire: what is held, who waits, and taking and giving back.

use crate::limits::{LOCK_PATHS_MAX, LOCK_TTL_MAX};
use crate::operation::{
    Access::Run,
    Answer,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{LockMode, LockPhase, Refusal, RegistrationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A held lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    /// Canonical path of the worktree the lock is keyed on.
    pub worktree: String,
    /// A path or glob relative to the worktree.
    pub path: String,
    #[schema(value_type = words::LockMode)]
    pub mode: LockMode,
    #[schema(value_type = String)]
    pub holder: RegistrationId,
    /// The holder's label: an agent's name, or what a terminal session called itself.
    pub agent: String,
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// Fencing token; strictly rises, also across restarts and restores. It names the lock in paths.
    pub token: u64,
    #[schema(value_type = String, format = DateTime)]
    pub acquired_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl From<model::Lock> for Lock {
    fn from(lock: model::Lock) -> Self {
        let model::Lock { worktree, path, mode, holder, agent, session, token, acquired_at, expires_at } =
            lock;
        Self { worktree, path, mode, holder, agent, session, token, acquired_at, expires_at }
    }
}

/// Somebody who waits for locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockWait {
    #[schema(value_type = String)]
    pub waiter: RegistrationId,
    pub agent: String,
    pub worktree: String,
    pub paths: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Locks that stand in the way.
    pub blocked_by: Vec<Lock>,
}

/// The lock table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockTable {
    /// What is held.
    pub items: Vec<Lock>,
    pub next: Option<String>,
    /// Who waits.
    pub waits: Vec<LockWait>,
}

/// One change of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockChange {
    #[schema(value_type = words::LockPhase)]
    pub phase: LockPhase,
    pub worktree: String,
    pub path: String,
    #[schema(value_type = words::LockMode)]
    pub mode: LockMode,
    #[schema(value_type = String)]
    pub holder: RegistrationId,
    pub agent: String,
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// 0 while the holder is only waiting.
    pub token: u64,
    /// Who stood in the way, for `waiting`; who lost it, for `taken_over`.
    #[schema(value_type = Option<String>)]
    pub other: Option<RegistrationId>,
}

impl From<model::LockChange> for LockChange {
    fn from(change: model::LockChange) -> Self {
        let model::LockChange { phase, worktree, path, mode, holder, agent, session, token, other } = change;
        Self { phase, worktree, path, mode, holder, agent, session, token, other }
    }
}

/// Body of `POST /locks`: all of the paths or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLock {
    /// Id, short id or slug of the repository.
    pub repo: String,
    /// Paths or globs relative to the repository's root; 1 to 256.
    pub paths: Vec<String>,
    #[serde(default = "exclusive")]
    #[schema(value_type = words::LockMode)]
    pub mode: LockMode,
    /// Seconds the lock lives without renewal; 1 to 86,400.
    #[serde(default = "default_ttl")]
    pub ttl_seconds: u64,
}

fn exclusive() -> LockMode {
    LockMode::Exclusive
}

fn default_ttl() -> u64 {
    300
}

impl NewLock {
    /// Within the bounds of one request; what the paths mean is the bus's to say.
    pub fn checked(self) -> Result<Self, Refusal> {
        if self.paths.is_empty() || self.paths.len() > LOCK_PATHS_MAX {
            let message = format!("a lock is for 1 to {LOCK_PATHS_MAX} paths, not {}", self.paths.len());
            return Err(Refusal::invalid("lock_paths", message));
        }
        if self.ttl_seconds == 0 || self.ttl_seconds > LOCK_TTL_MAX {
            let message = format!("ttl_seconds is not between 1 and {LOCK_TTL_MAX}");
            return Err(Refusal::invalid("lock_ttl", message));
        }
        Ok(self)
    }
}

/// How a lock is given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ReleaseQuery {
    /// Take it away from its holder. For the user only; the holder is told.
    #[serde(rename = "break", skip_serializing_if = "std::ops::Not::not")]
    pub break_it: bool,
}

/// What can be done with locks.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("locks", id, method, path, access, summary);
    vec![
        op("list_locks", Get, "/locks", Run, "Shows what is held and who waits.").returns::<LockTable>(),
        op("acquire_locks", Post, "/locks", Run, "Takes locks on paths of a repository: all or none.")
            .body::<NewLock>()
            .lists::<Lock>(),
        op("release_lock", Delete, "/locks/{token}", Run, "Gives a lock back, or breaks it.")
            .query::<ReleaseQuery>()
            .answers(204, Answer::Nothing),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(paths: usize, ttl_seconds: u64) -> Option<String> {
        let paths = (0..paths).map(|n| format!("f{n}")).collect();
        let new = NewLock { repo: "r".to_owned(), paths, mode: LockMode::Shared, ttl_seconds };
        new.checked().err().map(|refusal| refusal.code.into_owned())
    }

    #[test]
    fn a_request_names_few_paths_for_a_day_at_most() {
        assert_eq!(code(1, 1), None);
        assert_eq!(code(LOCK_PATHS_MAX, LOCK_TTL_MAX), None);
        for (paths, ttl, expected) in [
            (0, 1, "lock_paths"),
            (LOCK_PATHS_MAX + 1, 1, "lock_paths"),
            (1, 0, "lock_ttl"),
            (1, LOCK_TTL_MAX + 1, "lock_ttl"),
        ] {
            assert_eq!(code(paths, ttl).as_deref(), Some(expected));
        }
    }
}
