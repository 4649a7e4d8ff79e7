//! Locks on the wire: what is held, who waits, and taking and giving back.

use crate::operation::{
    Access::Run,
    Answer,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{LockMode, LockPhase, RegistrationId, SessionId, Timestamp};
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
            .creates_list::<Lock>(),
        op("release_lock", Delete, "/locks/{token}", Run, "Gives a lock back, or breaks it.")
            .query::<ReleaseQuery>()
            .answers(204, Answer::Nothing),
    ]
}
