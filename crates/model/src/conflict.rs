//! Conflicts: worktrees that are on their way to change the same things.

use crate::{ConflictId, RepoId, RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// Paths that a conflict names, at most; the others are counted.
pub const CONFLICT_PATHS_MAX: usize = 50;

/// How bad it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both changed a file, in different lines.
    SameFile,
    /// Both changed the same lines, in a way that would merge.
    SameHunk,
    /// A merge of the two would stop.
    MergeConflict,
    /// A merge with the branch of the repo's checkout would stop.
    BaseConflict,
}

impl ConflictKind {
    pub const ALL: [Self; 4] = [Self::SameFile, Self::SameHunk, Self::MergeConflict, Self::BaseConflict];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameFile => "same_file",
            Self::SameHunk => "same_hunk",
            Self::MergeConflict => "merge_conflict",
            Self::BaseConflict => "base_conflict",
        }
    }
}

/// What became of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPhase {
    Found,
    /// Its kind is a worse one.
    Worsened,
    Changed,
    Gone,
}

impl ConflictPhase {
    pub const ALL: [Self; 4] = [Self::Found, Self::Worsened, Self::Changed, Self::Gone];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Worsened => "worsened",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// One conflict, between two worktrees of a repo or between one and the branch of the repo's checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub id: ConflictId,
    pub repo: RepoId,
    pub kind: ConflictKind,
    /// Files it is about.
    pub paths: Vec<RepoPath>,
    /// How many more there are.
    pub more: u32,
    /// Canonical paths of the worktrees, in order; one when it is with the checkout's branch.
    pub worktrees: Vec<String>,
    /// Sessions that were seen in them since it was found.
    pub sessions: Vec<SessionId>,
    /// What those who were seen in them are called.
    pub agents: Vec<String>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictChange {
    pub phase: ConflictPhase,
    /// As it is now; gone, as it was last.
    pub conflict: Conflict,
}
