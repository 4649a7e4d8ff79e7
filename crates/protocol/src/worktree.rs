//! Worktrees that are lent to agents, on the wire.

use crate::operation::{Access::User, Method::Get, Method::Post, Operation};
use model::{AgentName, RepoPath, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A worktree that is lent to an agent of a session, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worktree {
    #[schema(value_type = String)]
    pub session: SessionId,
    pub session_short: String,
    #[schema(value_type = String)]
    pub agent: AgentName,
    /// The repository's short name.
    pub repo: String,
    pub path: String,
    pub branch: String,
    /// The commit it stands on.
    pub head: String,
    /// Files in it that are not committed.
    pub dirty: usize,
    /// Its commits that are on no branch or tag of the user's.
    pub unlanded: usize,
    /// Why it would not be taken away; none when nothing would be lost.
    pub kept_because: Option<String>,
}

/// Body of `POST /sessions/{id}/land`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLanding {
    /// Whose work; without it, that of every agent of the session that has a worktree.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
}

/// What was landed of an agent's worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Landed {
    #[schema(value_type = String)]
    pub agent: AgentName,
    /// The branch that is checked out; none when HEAD is detached.
    pub branch: Option<String>,
    /// Where it stands now.
    pub head: String,
    /// Whether both sides had moved, so that a merge commit was made.
    pub merged: bool,
    /// Files that changed in the checkout; none when everything was there already.
    #[schema(value_type = Vec<String>)]
    pub changed: Vec<RepoPath>,
}

/// Body of `POST /worktrees/remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorktreeRemoval {
    /// Id or short id of the session, or the start of it.
    pub session: String,
    #[schema(value_type = String)]
    pub agent: AgentName,
    /// Take it away though work in it is nowhere else; everything is kept as a checkpoint first.
    #[serde(default)]
    pub discard: bool,
}

/// What became of a worktree that was to be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedWorktree {
    pub session_short: String,
    #[schema(value_type = String)]
    pub agent: AgentName,
    pub path: String,
    /// Ref of the checkpoint that keeps what was in it and nowhere else.
    pub kept_as: Option<String>,
    /// Why it is still there; none when it is gone.
    pub kept_because: Option<String>,
}

/// What can be done with worktrees.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("worktrees", id, method, path, User, summary);
    vec![
        op("list_worktrees", Get, "/worktrees", "Lists the worktrees that are lent to agents.")
            .lists::<Worktree>(),
        op(
            "land_session",
            Post,
            "/sessions/{id}/land",
            "Brings agents' work to the branch that is checked out.",
        )
        .body::<NewLanding>()
        .lists::<Landed>(),
        op("remove_worktree", Post, "/worktrees/remove", "Takes a worktree away whose work is elsewhere.")
            .body::<WorktreeRemoval>()
            .returns::<RemovedWorktree>(),
        op("prune_worktrees", Post, "/worktrees/prune", "Takes away every worktree whose work is elsewhere.")
            .lists::<RemovedWorktree>(),
    ]
}
