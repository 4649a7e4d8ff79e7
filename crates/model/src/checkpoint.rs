//! Checkpoints: restorable points of a repository.

use crate::{AgentName, CheckpointId, PlanId, RepoId, RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub id: CheckpointId,
    pub session: SessionId,
    pub plan: Option<PlanId>,
    pub repo: RepoId,
    /// Full name of the ref that keeps the commit alive.
    pub git_ref: String,
    pub commit: String,
    pub paths: Vec<RepoPath>,
    pub co_authors: Vec<AgentName>,
    pub message: String,
    pub created_at: Timestamp,
}
