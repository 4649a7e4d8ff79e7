//! The merge queue: finished worktrees on their way to a branch.

use crate::{AgentName, MergeId, RepoId, RepoPath, SessionId, TaskId, TestReport, Timestamp, WorktreeId};
use serde::{Deserialize, Serialize};

/// How often the work of one entry is tried before it has failed.
pub const MERGE_TRIES: u32 = 4;
/// Files that are named when an entry does not go together with its branch; the others are counted in the text.
pub const MERGE_PATHS_MAX: usize = 50;

/// How entries are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeMode {
    /// Each by itself.
    #[default]
    OneByOne,
    /// All that wait for the same branch together; when their checks fail, each half by itself.
    Bisect,
}

impl MergeMode {
    pub const ALL: [Self; 2] = [Self::OneByOne, Self::Bisect];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneByOne => "one_by_one",
            Self::Bisect => "bisect",
        }
    }
}

/// How work is put on top of its branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStyle {
    /// Forward, or by a merge commit where both have moved.
    #[default]
    Merge,
    /// Its commits are made again on the branch.
    Rebase,
}

impl MergeStyle {
    pub const ALL: [Self; 2] = [Self::Merge, Self::Rebase];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
        }
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeState {
    /// It waits for an order.
    Held,
    Queued,
    /// It is put on its branch, checked and landed.
    Running,
    /// Whoever made it repairs it; then it is tried again.
    Returned,
    Landed,
    Failed,
    Canceled,
}

impl MergeState {
    pub const ALL: [Self; 7] =
        [Self::Held, Self::Queued, Self::Running, Self::Returned, Self::Landed, Self::Failed, Self::Canceled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Returned => "returned",
            Self::Landed => "landed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Landed | Self::Failed | Self::Canceled)
    }
}

/// Work that is to land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeEntry {
    pub id: MergeId,
    pub repo: RepoId,
    /// `repo/name`, or `session/agent` of an agent's own worktree.
    pub name: String,
    /// Canonical path of the worktree.
    pub path: String,
    /// Of a named worktree.
    pub worktree: Option<WorktreeId>,
    /// Whose work it is, when there is somebody to hand it back to.
    pub session: Option<SessionId>,
    pub agent: Option<AgentName>,
    /// Branch it is to land on.
    pub into: String,
    pub mode: MergeMode,
    pub style: MergeStyle,
    /// Higher goes first.
    pub priority: i32,
    /// It waits for an order.
    pub held: bool,
    /// Of the merge commit, where one is needed.
    pub message: Option<String>,
    pub created_at: Timestamp,
}

/// Entries that have another place now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOrder {
    pub repo: RepoId,
    pub places: Vec<MergePlace>,
}

/// Among equals of priority the lower rank goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergePlace {
    pub merge: MergeId,
    pub priority: i32,
    pub rank: u64,
}

/// An entry stands elsewhere now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeChange {
    pub merge: MergeId,
    pub repo: RepoId,
    pub state: MergeState,
    /// How often it was tried, counted from 1; 0 before the first time.
    pub attempt: u32,
    /// Set when it is tried in another way from now on.
    pub mode: Option<MergeMode>,
    /// What came of it, or why.
    pub text: String,
    /// Files that stood in the way.
    pub paths: Vec<RepoPath>,
    /// What the checks said.
    pub report: Option<TestReport>,
    /// Where the branch stands, once it has landed.
    pub head: Option<String>,
    /// In which it is repaired.
    pub task: Option<TaskId>,
}
