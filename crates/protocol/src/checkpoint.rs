//! Checkpoints on the wire.

use crate::operation::{Access::Run, Method::Get, Operation};
use model::{AgentName, CheckpointId, PlanId, RepoId, RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A restorable point of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    #[schema(value_type = String)]
    pub id: CheckpointId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = Option<String>)]
    pub plan: Option<PlanId>,
    #[schema(value_type = String)]
    pub repo: RepoId,
    /// Full name of the ref that keeps the commit alive.
    pub git_ref: String,
    pub commit: String,
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    #[schema(value_type = Vec<String>)]
    pub co_authors: Vec<AgentName>,
    pub message: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Checkpoint> for Checkpoint {
    fn from(checkpoint: model::Checkpoint) -> Self {
        let model::Checkpoint {
            id,
            session,
            plan,
            repo,
            git_ref,
            commit,
            paths,
            co_authors,
            message,
            created_at,
        } = checkpoint;
        Self { id, session, plan, repo, git_ref, commit, paths, co_authors, message, created_at }
    }
}

/// What can be done with checkpoints.
pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Lists the checkpoints of a session, oldest first.";
    vec![
        Operation::new("checkpoints", "list_checkpoints", Get, "/sessions/{id}/checkpoints", Run, summary)
            .lists::<Checkpoint>(),
    ]
}
