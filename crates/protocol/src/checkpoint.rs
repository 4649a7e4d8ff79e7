//! Checkpoints on the wire.

use crate::operation::{
    Access::{Run, User},
    Method::{Delete, Get, Post},
    Operation,
};
use crate::{Session, words};
use model::{
    AgentName, CheckpointId, CheckpointKind, Cursor, MessageId, PlanId, RepoId, RepoPath, SessionId,
    Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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
    /// What it changed; at most 200 of a point, whose `changed` counts all.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    #[schema(value_type = Vec<String>)]
    pub co_authors: Vec<AgentName>,
    pub message: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = words::CheckpointKind)]
    pub kind: CheckpointKind,
    pub name: Option<String>,
    /// Of a whole worktree at a moment; none for work.
    pub point: Option<Point>,
}

/// A worktree, and a conversation, at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    pub worktree: String,
    /// Its files, as git names them together.
    pub tree: String,
    /// What HEAD stood on.
    pub base: Option<String>,
    /// The commit before it in its line.
    pub parent: Option<String>,
    pub depth: u32,
    #[schema(value_type = Option<String>)]
    pub turn: Option<TurnId>,
    /// The last message that had been said.
    #[schema(value_type = Option<String>)]
    pub message: Option<MessageId>,
    /// How far the journal was.
    #[serde(with = "crate::event::cursor_text")]
    #[schema(value_type = String)]
    pub at: Cursor,
    /// Files that differ from the point before.
    pub changed: u32,
    /// Files it does not hold.
    pub left_out: u32,
}

impl From<model::Point> for Point {
    fn from(point: model::Point) -> Self {
        let model::Point { worktree, tree, base, parent, depth, turn, message, at, changed, left_out } =
            point;
        Self { worktree, tree, base, parent, depth, turn, message, at, changed, left_out }
    }
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
            kind,
            name,
            point,
        } = checkpoint;
        let point = point.map(Point::from);
        Self {
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
            kind,
            name,
            point,
        }
    }
}

/// Which of a session's checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CheckpointQuery {
    /// Those that nobody asked for, too. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<bool>,
    /// Those before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The newest so many, 1 to 1000. Default 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A checkpoint of what is there now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCheckpoint {
    /// What it is called: 1 to 100 characters.
    pub name: String,
    /// The agent whose own worktree it is of; without it, where the session works, or the running agent that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
}

/// With what a checkpoint is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ComparisonQuery {
    /// Another checkpoint; without it, what is in the worktree now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Only this file, or what is below this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What differs from a checkpoint to another, or to now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointComparison {
    #[schema(value_type = String)]
    pub from: CheckpointId,
    /// None: now.
    #[schema(value_type = Option<String>)]
    pub to: Option<CheckpointId>,
    /// At most 2,000.
    pub files: Vec<ComparedFile>,
    /// How many differ besides.
    pub more: u32,
    /// The differences as text, as far as 1 MiB goes.
    pub diff: String,
    /// The text was cut.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedFile {
    #[schema(value_type = String)]
    pub path: RepoPath,
    pub change: ComparedChange,
    /// Lines; none of what is no text.
    pub added: Option<u32>,
    pub removed: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparedChange {
    Added,
    Modified,
    Removed,
}

impl ComparedChange {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

/// What is to be brought back. Files, unless something else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRestore {
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<bool>,
    /// A fork of the session as it was then. Default false.
    #[serde(default)]
    pub conversation: bool,
    /// Only these files, and what is below these folders; empty: all. At most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    /// Also files that others have locked.
    #[serde(default)]
    pub force: bool,
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoredCheckpoint {
    #[schema(value_type = String)]
    pub checkpoint: CheckpointId,
    /// What was there before: restore it, and all is as it was. None when no file was to be brought back.
    #[schema(value_type = Option<String>)]
    pub before: Option<CheckpointId>,
    pub worktree: Option<String>,
    /// At most 2,000.
    pub files: Vec<ComparedFile>,
    /// How many were brought back besides.
    pub more: u32,
    /// What stayed as it was.
    pub kept: Vec<KeptFile>,
    /// The fork with the conversation as it was.
    pub fork: Option<Session>,
}

/// A file that a restore left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptFile {
    pub path: String,
    pub reason: String,
}

/// A bundle that is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBundleImport {
    /// Absolute path of the file; without it, the bundles that the workspace has of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The session that gets those of sessions nobody knows here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// What came out of bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleImport {
    /// Files that were read, in their order.
    pub files: Vec<String>,
    /// Checkpoints that are there again, or new.
    pub checkpoints: Vec<Checkpoint>,
    /// How many were there already.
    pub known: u32,
    /// Files that gave nothing, and why.
    pub skipped: Vec<KeptFile>,
}

/// What can be done with checkpoints.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("checkpoints", id, method, path, access, summary);
    let of_session = "/sessions/{id}/checkpoints";
    vec![
        op("list_checkpoints", Get, of_session, Run, "Lists the checkpoints of a session, oldest first.")
            .query::<CheckpointQuery>()
            .lists::<Checkpoint>(),
        op(
            "create_checkpoint",
            Post,
            of_session,
            Run,
            "Keeps the files of a worktree as they are now, of the session's or of the asking agent's.",
        )
        .body::<NewCheckpoint>()
        .creates::<Checkpoint>(),
        op("get_checkpoint", Get, "/checkpoints/{id}", Run, "Shows a checkpoint.").returns::<Checkpoint>(),
        op(
            "compare_checkpoint",
            Get,
            "/checkpoints/{id}/changes",
            Run,
            "Compares a checkpoint with another, or with what is there now.",
        )
        .query::<ComparisonQuery>()
        .returns::<CheckpointComparison>(),
        op(
            "restore_checkpoint",
            Post,
            "/checkpoints/{id}/restore",
            Run,
            "Brings files back, or the conversation as a fork, or both. What was there is kept first.",
        )
        .body::<CheckpointRestore>()
        .returns::<RestoredCheckpoint>(),
        op(
            "remove_checkpoint",
            Delete,
            "/checkpoints/{id}",
            User,
            "Removes a checkpoint; its files stay as they are.",
        )
        .returns::<Checkpoint>(),
        op(
            "import_bundle",
            Post,
            "/repos/{id}/bundles/import",
            User,
            "Brings checkpoints back from bundles, or in from elsewhere.",
        )
        .body::<NewBundleImport>()
        .returns::<BundleImport>(),
    ]
}
