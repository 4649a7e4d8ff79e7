//! Worktrees on the wire: those that are registered, those lent to agents, those somebody else made, and the trash.

use crate::operation::{
    Access::User,
    Answer,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{AgentName, RepoId, RepoPath, ScriptKind, ScriptOutcome, SessionId, Timestamp, WorktreeId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose a worktree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeKind {
    /// Registered; any number of sessions may work in it.
    Named,
    /// An agent's own, in one session.
    Lent,
    /// Made by somebody else and not registered; `adopt` registers it.
    Foreign,
}

/// What is to be expected of a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeState {
    Live,
    /// Its folder is away or leads elsewhere.
    Missing,
    /// It can be restored.
    Trashed,
}

/// A worktree, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worktree {
    /// None for one that is not registered.
    #[schema(value_type = Option<String>)]
    pub id: Option<WorktreeId>,
    pub short_id: Option<String>,
    pub kind: WorktreeKind,
    pub state: WorktreeState,
    /// The repository's short name.
    pub repo: String,
    /// Unique among the live ones of its repository.
    pub name: Option<String>,
    /// Of an agent's own.
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    pub session_short: Option<String>,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Where it is; in the trash, where it was and will be again.
    pub path: String,
    /// None when HEAD is detached.
    pub branch: Option<String>,
    /// The commit it stands on.
    pub head: Option<String>,
    /// Files in it that are not committed.
    pub dirty: usize,
    /// Its commits that no other branch, tag or remote has.
    pub unlanded: usize,
    /// Who is in it now.
    pub inside: Vec<String>,
    /// Sessions that were told to work in it.
    #[schema(value_type = Vec<String>)]
    pub sessions: Vec<SessionId>,
    /// Why it would not be taken away; none when nothing would be lost.
    pub kept_because: Option<String>,
    /// First of twenty ports that no other worktree has.
    pub port_base: Option<u16>,
    /// What it takes on the disk, as it was counted last; none when it was not yet.
    pub bytes: Option<u64>,
    /// Whether there was more than is counted.
    pub bytes_cut: bool,
    pub scripts: Vec<WorktreeScript>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// When it goes from the trash; none: only by an order.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// In the trash: the ref that keeps what was not committed.
    pub kept_as: Option<String>,
}

/// The last time a script was run in a worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorktreeScript {
    #[schema(value_type = words::ScriptKind)]
    pub script: ScriptKind,
    pub hash: String,
    /// None while it runs.
    #[schema(value_type = Option<words::ScriptOutcome>)]
    pub end: Option<ScriptOutcome>,
    pub code: Option<i32>,
    /// The end of what it wrote.
    pub tail: Option<String>,
    pub elapsed_ms: Option<u64>,
}

/// Query of `GET /worktrees`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WorktreeQuery {
    /// Name, id or short id of the repository; all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// What is in the trash instead of what is not.
    #[serde(default)]
    pub trash: bool,
}

/// Body of `POST /worktrees`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWorktree {
    /// Name, id or short id of the repository.
    pub repo: String,
    /// Letters, digits, `-`, `_` and `.`; begins with a letter or digit.
    pub name: String,
    /// The branch that is made for it; without it, one of its name.
    #[serde(default)]
    pub branch: Option<String>,
    /// Branch, tag or commit that it begins from; without it, what the checkout stands on.
    #[serde(default)]
    pub from: Option<String>,
    /// A branch that is there and is worked on as it is, instead of a new one.
    #[serde(default)]
    pub checkout: Option<String>,
}

/// Body of `POST /worktrees/adopt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdoption {
    /// Name, id or short id of the repository.
    pub repo: String,
    /// Absolute path of the worktree.
    pub path: String,
    /// Without it, its folder's name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Body of `POST /worktrees/{id}/merge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMerge {
    /// Branch that is to have its work; without it, the one that is checked out in the repository.
    #[serde(default)]
    pub into: Option<String>,
    /// Of the merge commit, where one is needed.
    #[serde(default)]
    pub message: Option<String>,
}

/// Body of `POST /worktrees/{id}/remove`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRemoval {
    /// Take it away though work in it is nowhere else: it is kept as a checkpoint first, and it goes into the trash as any other.
    #[serde(default)]
    pub force: bool,
}

/// Body of `POST /worktrees/{id}/scripts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScriptRun {
    #[schema(value_type = words::ScriptKind)]
    pub script: ScriptKind,
}

/// Body of `POST /sessions/{id}/worktree`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// Name, repository/name, id or short id.
    pub worktree: String,
}

/// A worktree's work that came to a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergedWorktree {
    #[schema(value_type = String)]
    pub worktree: WorktreeId,
    /// The branch; none when HEAD of the checkout is detached.
    pub into: Option<String>,
    /// Where it stands now.
    pub head: String,
    /// Whether both sides had moved, so that a merge commit was made.
    pub merged: bool,
    /// Files that changed on it; none when everything was there already.
    #[schema(value_type = Vec<String>)]
    pub changed: Vec<RepoPath>,
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
    /// What `restore` takes; none when it stayed and is not registered.
    #[schema(value_type = Option<String>)]
    pub id: Option<WorktreeId>,
    /// `repo/name`, or `session/agent` of an agent's own.
    pub name: String,
    pub path: String,
    /// Ref of the checkpoint that keeps what was in it and nowhere else.
    pub kept_as: Option<String>,
    /// When it goes from the trash for good; none: only by an order.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Why it is still there; none when it is in the trash.
    pub kept_because: Option<String>,
}

/// A worktree as its event tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorktreeChange {
    #[schema(value_type = String)]
    pub repo: RepoId,
    pub name: String,
    pub path: String,
    pub branch: Option<String>,
    pub port_base: u16,
}

impl From<model::Worktree> for WorktreeChange {
    fn from(worktree: model::Worktree) -> Self {
        let model::Worktree { repo, name, path, branch, port_base, .. } = worktree;
        Self { repo, name, path, branch, port_base }
    }
}

/// What can be done with worktrees.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("worktrees", id, method, path, User, summary);
    vec![
        op("list_worktrees", Get, "/worktrees", "Lists worktrees, whoever made them, or the trash.")
            .query::<WorktreeQuery>()
            .lists::<Worktree>(),
        op("add_worktree", Post, "/worktrees", "Makes a worktree on a new branch or one that is there.")
            .body::<NewWorktree>()
            .creates::<Worktree>(),
        op("adopt_worktree", Post, "/worktrees/adopt", "Registers a worktree that somebody else made.")
            .body::<NewAdoption>()
            .creates::<Worktree>(),
        op("get_worktree", Get, "/worktrees/{id}", "Shows a worktree and counts what it takes on the disk.")
            .returns::<Worktree>(),
        op("assign_worktree", Post, "/sessions/{id}/worktree", "Lets a session work in a named worktree.")
            .body::<NewAssignment>()
            .returns::<Worktree>(),
        op(
            "unassign_worktree",
            Delete,
            "/sessions/{id}/worktree",
            "Lets a session work in its repository's checkout.",
        )
        .answers(204, Answer::Nothing),
        op("merge_worktree", Post, "/worktrees/{id}/merge", "Brings a worktree's work to a branch.")
            .body::<NewMerge>()
            .returns::<MergedWorktree>(),
        op(
            "trash_worktree",
            Post,
            "/worktrees/{id}/remove",
            "Puts a worktree into the trash, with proof or by order.",
        )
        .body::<NewRemoval>()
        .returns::<RemovedWorktree>(),
        op("restore_worktree", Post, "/worktrees/{id}/restore", "Brings a worktree back from the trash.")
            .returns::<Worktree>(),
        op("purge_worktree", Delete, "/worktrees/{id}", "Deletes a worktree that is in the trash, for good.")
            .returns::<RemovedWorktree>(),
        op("start_script", Post, "/worktrees/{id}/scripts", "Runs a trusted script in a worktree.")
            .body::<NewScriptRun>()
            .returns::<Worktree>(),
        op("stop_scripts", Delete, "/worktrees/{id}/scripts", "Ends the scripts that run in a worktree.")
            .returns::<Worktree>(),
        op(
            "land_session",
            Post,
            "/sessions/{id}/land",
            "Brings agents' work to the branch that is checked out.",
        )
        .body::<NewLanding>()
        .lists::<Landed>(),
        op("remove_worktree", Post, "/worktrees/remove", "Puts an agent's own worktree into the trash.")
            .body::<WorktreeRemoval>()
            .returns::<RemovedWorktree>(),
        op(
            "prune_worktrees",
            Post,
            "/worktrees/prune",
            "Puts every worktree into the trash whose work is elsewhere.",
        )
        .lists::<RemovedWorktree>(),
    ]
}
