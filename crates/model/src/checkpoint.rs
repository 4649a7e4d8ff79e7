//! Checkpoints: restorable points of a worktree's files and of the conversation that was had beside them.

use crate::{
    AgentName, CheckpointId, Cursor, MessageId, PlanId, RepoId, RepoPath, SessionId, Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};

/// Longest name of a checkpoint, in characters.
pub const CHECKPOINT_NAME_MAX: usize = 100;
/// Paths an automatic checkpoint names; more are counted.
pub const CHECKPOINT_PATHS_NAMED: usize = 200;
/// Files a restore names that it left as they are; more are counted.
pub const RESTORE_KEPT_NAMED: usize = 200;

/// What made a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// What a task, a plan, a landing or a removal left: a commit of just its paths.
    #[default]
    Work,
    BeforeTurn,
    AfterTurn,
    /// Somebody asked for it.
    Named,
    /// What was there when a restore began: the way back.
    BeforeRestore,
}

impl CheckpointKind {
    pub const ALL: [Self; 5] =
        [Self::Work, Self::BeforeTurn, Self::AfterTurn, Self::Named, Self::BeforeRestore];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::BeforeTurn => "before_turn",
            Self::AfterTurn => "after_turn",
            Self::Named => "named",
            Self::BeforeRestore => "before_restore",
        }
    }

    /// Made without being asked for, and thinned out when its session is over for long.
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::BeforeTurn | Self::AfterTurn | Self::BeforeRestore)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub id: CheckpointId,
    pub session: SessionId,
    pub plan: Option<PlanId>,
    pub repo: RepoId,
    /// Full name of the ref that keeps the commit alive.
    pub git_ref: String,
    pub commit: String,
    /// What it changed: of work against what it was made from, of a point against the one before; at most
    /// [`CHECKPOINT_PATHS_NAMED`] of a point.
    pub paths: Vec<RepoPath>,
    pub co_authors: Vec<AgentName>,
    pub message: String,
    pub created_at: Timestamp,
    #[serde(default)]
    pub kind: CheckpointKind,
    #[serde(default)]
    pub name: Option<String>,
    /// Of a whole worktree at a moment; none for work.
    #[serde(default)]
    pub point: Option<Point>,
}

/// A worktree, and a conversation, at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Canonical path of the worktree.
    pub worktree: String,
    /// Its files, those that git does not know and does not ignore among them.
    pub tree: String,
    /// What HEAD stood on; none on an unborn branch.
    pub base: Option<String>,
    /// The commit before it in its line; none where a line begins.
    pub parent: Option<String>,
    /// How many come before it in its line.
    pub depth: u32,
    pub turn: Option<TurnId>,
    /// The last message that had been said; none when nothing had.
    pub message: Option<MessageId>,
    /// How far the journal was; written `epoch.seq`.
    #[serde(with = "written")]
    pub at: Cursor,
    /// Files that differ from the point before.
    pub changed: u32,
    /// Files it does not hold: too large, too many, or behind a content filter.
    pub left_out: u32,
}

/// A cursor as people write it.
mod written {
    use crate::Cursor;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cursor)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// It is listed nowhere any more, and its ref is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRemoval {
    pub checkpoint: CheckpointId,
    pub session: SessionId,
    /// `asked` or `expired`.
    pub reason: String,
}

/// Files are about to be brought back. Until [`RestoreEnd`] says so, they may be half there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStart {
    pub session: SessionId,
    pub checkpoint: CheckpointId,
    /// What was there; names the restore, too.
    pub before: CheckpointId,
    pub worktree: String,
    /// Files that are to change.
    pub files: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreEnd {
    pub session: SessionId,
    pub checkpoint: CheckpointId,
    pub before: CheckpointId,
    pub files: u32,
    /// What stayed as it was; at most [`RESTORE_KEPT_NAMED`].
    pub kept: Vec<KeptFile>,
}

/// A file that a restore left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    pub path: String,
    pub reason: String,
}

/// Checkpoints were written into a file beside the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointBundle {
    pub repo: RepoId,
    /// Its name in the repo's folder below `checkpoints/`.
    pub file: String,
    pub bytes: u64,
    /// BLAKE3 of the file, in hex.
    pub hash: String,
    /// It stands alone; the others need those since the last that does.
    pub whole: bool,
    /// Those that are in it and in none before it of the same series.
    pub checkpoints: Vec<CheckpointId>,
    /// Commits that must be there already.
    pub prerequisites: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_before_there_were_kinds_is_work() {
        let text = serde_json::json!({
            "id": "chk_018f000000007000800000000000000a", "session": "ses_018f000000007000800000000000000b",
            "plan": null, "repo": "rep_018f000000007000800000000000000c", "git_ref": "refs/coditect/tasks/x",
            "commit": "00ff", "paths": ["a.txt"], "co_authors": [], "message": "Add", "created_at": "2026-01-31T14:23:01.000Z",
        });
        let read: Checkpoint = serde_json::from_value(text).unwrap();
        assert_eq!((read.kind, read.name, read.point), (CheckpointKind::Work, None, None));
    }

    #[test]
    fn only_what_nobody_asked_for_is_automatic() {
        let automatic = |kind: CheckpointKind| kind.is_automatic();
        assert!(automatic(CheckpointKind::BeforeTurn) && automatic(CheckpointKind::AfterTurn));
        assert!(automatic(CheckpointKind::BeforeRestore));
        assert!(!automatic(CheckpointKind::Work) && !automatic(CheckpointKind::Named));
    }
}
