//! Conflicts between worktrees on the wire.

use crate::operation::{
    Access::{self, Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use model::{ConflictId, ConflictKind, RepoId, RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Two worktrees of a repository that are on their way to change the same things, or one whose work does not go together with
/// the branch of the repository's checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    #[schema(value_type = String)]
    pub id: ConflictId,
    #[schema(value_type = String)]
    pub repo: RepoId,
    #[schema(value_type = words::ConflictKind)]
    pub kind: ConflictKind,
    /// Files it is about.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    /// How many more there are.
    pub more: u32,
    /// Where the worktrees are; one when it is with the checkout's branch.
    pub worktrees: Vec<String>,
    /// Sessions that were seen in them since it was found.
    #[schema(value_type = Vec<String>)]
    pub sessions: Vec<SessionId>,
    /// What those who were seen in them are called.
    pub agents: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

impl From<model::Conflict> for Conflict {
    fn from(conflict: model::Conflict) -> Self {
        let model::Conflict { id, repo, kind, paths, more, worktrees, sessions, agents, since } = conflict;
        Self { id, repo, kind, paths, more, worktrees, sessions, agents, since }
    }
}

/// Which conflicts are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConflictQuery {
    /// Name, id or short id of a repository; without it, of all.
    pub repo: Option<String>,
}

/// What can be done about conflicts.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access: Access, summary| {
        Operation::new("conflicts", id, method, path, access, summary)
            .query::<ConflictQuery>()
            .lists::<Conflict>()
    };
    vec![
        op(
            "list_conflicts",
            Get,
            "/conflicts",
            Run,
            "Lists open conflicts between worktrees, the worst first.",
        ),
        op(
            "sweep_conflicts",
            Post,
            "/conflicts/sweep",
            User,
            "Looks at every worktree now, and lists what is open then.",
        ),
    ]
}
