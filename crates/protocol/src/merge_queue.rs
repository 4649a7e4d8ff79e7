//! The merge queue on the wire.

use crate::TestReport;
use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use model::{
    AgentName, MergeId, MergeMode, MergeState, MergeStyle, RepoId, RepoPath, SessionId, TaskId, Timestamp,
    WorktreeId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A worktree on its way to a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Merge {
    #[schema(value_type = String)]
    pub id: MergeId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub repo: RepoId,
    /// `repo/name`, or `session/agent` of an agent's own worktree.
    pub name: String,
    /// Where the worktree is.
    pub path: String,
    #[schema(value_type = Option<String>)]
    pub worktree: Option<WorktreeId>,
    /// To which it is handed back.
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Branch it is to land on.
    pub into: String,
    #[schema(value_type = words::MergeMode)]
    pub mode: MergeMode,
    #[schema(value_type = words::MergeStyle)]
    pub style: MergeStyle,
    /// Higher goes first.
    pub priority: i32,
    #[schema(value_type = words::MergeState)]
    pub state: MergeState,
    /// How often it was tried.
    pub attempt: u32,
    /// What came of it last, or why it waits.
    pub text: Option<String>,
    /// Files that stood in the way.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    /// What the repository's checks said last.
    pub report: Option<TestReport>,
    /// Where the branch stood when it had landed.
    pub head: Option<String>,
    /// In which it is repaired.
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskId>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Merge {
    /// An entry as it is added.
    pub fn added(entry: model::MergeEntry) -> Self {
        let model::MergeEntry { id, repo, name, path, worktree, session, agent, into, mode, style, .. } =
            entry;
        Self {
            short_id: id.short(),
            id,
            repo,
            name,
            path,
            worktree,
            session,
            agent,
            into,
            mode,
            style,
            priority: entry.priority,
            state: if entry.held { MergeState::Held } else { MergeState::Queued },
            attempt: 0,
            text: None,
            paths: Vec::new(),
            report: None,
            head: None,
            task: None,
            created_at: entry.created_at,
            updated_at: entry.created_at,
        }
    }

    /// The same after a change.
    pub fn changed(
        self,
        state: MergeState,
        attempt: u32,
        change: Option<model::MergeChange>,
        at: Timestamp,
    ) -> Self {
        let whole = Self { state, attempt, updated_at: at, ..self };
        let Some(model::MergeChange { text, paths, report, head, task, .. }) = change else { return whole };
        Self { text: Some(text), paths, report: report.map(TestReport::from), head, task, ..whole }
    }
}

/// Body of `POST /merges`: a named worktree, or an agent's own in a session. A running agent may leave both out: its own work is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMergeEntry {
    /// Name, repository/name, id or short id of a named worktree.
    #[serde(default)]
    pub worktree: Option<String>,
    /// Id or short id of a session, whose agent's own worktree is meant.
    #[serde(default)]
    pub session: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Branch it is to land on; without it, the one that the repository's checkout is on.
    #[serde(default)]
    pub into: Option<String>,
    #[serde(default)]
    #[schema(value_type = words::MergeMode)]
    pub mode: MergeMode,
    #[serde(default)]
    #[schema(value_type = words::MergeStyle)]
    pub style: MergeStyle,
    #[serde(default)]
    pub priority: i32,
    /// Of the merge commit, where one is needed.
    #[serde(default)]
    pub message: Option<String>,
    /// It waits for an order.
    #[serde(default)]
    pub hold: bool,
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MergeQuery {
    /// Name, id or short id of a repository; without it, of all.
    pub repo: Option<String>,
    /// Those that are over, too.
    #[serde(default)]
    pub ended: bool,
}

/// Body of `POST /merges/{id}/move`: one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeMove {
    /// Higher goes first; among equals its place stays.
    #[serde(default)]
    pub priority: Option<i32>,
    /// Id or short id of a waiting entry of the same queue: just before it.
    #[serde(default)]
    pub before: Option<String>,
    /// Behind all others.
    #[serde(default)]
    pub last: bool,
}

/// Body of `POST /merges/run`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeRun {
    /// Only this entry.
    #[serde(default)]
    pub merge: Option<String>,
    /// Only those of this repository.
    #[serde(default)]
    pub repo: Option<String>,
    /// In which way from now on.
    #[serde(default)]
    #[schema(value_type = Option<words::MergeMode>)]
    pub mode: Option<MergeMode>,
}

/// What can be done with the merge queue.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("merges", id, method, path, access, summary);
    vec![
        op("list_merges", Get, "/merges", Run, "Lists the merge queue in the order in which it is tried.")
            .query::<MergeQuery>()
            .lists::<Merge>(),
        op("add_merge", Post, "/merges", Run, "Puts a worktree into the merge queue.")
            .body::<NewMergeEntry>()
            .creates::<Merge>(),
        op("run_merges", Post, "/merges/run", User, "Tries now what is held or was handed back.")
            .body::<MergeRun>()
            .lists::<Merge>(),
        op("get_merge", Get, "/merges/{id}", Run, "Shows an entry of the merge queue.").returns::<Merge>(),
        op("cancel_merge", Post, "/merges/{id}/cancel", User, "Takes an entry out of the merge queue.")
            .returns::<Merge>(),
        op("move_merge", Post, "/merges/{id}/move", User, "Gives an entry that waits another place.")
            .body::<MergeMove>()
            .lists::<Merge>(),
    ]
}
