//! Worktrees: checkouts of a repository that sessions work in, and what became of them.

use crate::{AgentName, RepoId, RepoPath, SessionId, Timestamp, WorktreeId};
use serde::{Deserialize, Serialize};

/// Ports a worktree may count on, beginning with its `port_base`.
pub const PORT_SPAN: u16 = 20;
/// First port that is given to a worktree.
pub const PORT_FIRST: u16 = 20_000;
/// Worktrees that can have ports of their own at the same time.
pub const PORT_BLOCKS: u16 = 600;

/// A worktree that is registered, lent or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    pub id: WorktreeId,
    pub repo: RepoId,
    /// Unique among the live ones of its repo.
    pub name: String,
    /// Canonical absolute path.
    pub path: String,
    /// Branch it was made on; none when HEAD was detached.
    pub branch: Option<String>,
    /// The commit it was made from.
    pub base: Option<String>,
    /// Name of its folder among the repository's worktrees.
    pub git_id: String,
    /// Its branch was made with it, so it may go with it once its work is elsewhere.
    pub made_branch: bool,
    /// Somebody else made it.
    pub adopted: bool,
    /// First of [`PORT_SPAN`] ports that no other live worktree has.
    pub port_base: u16,
    /// Whose it is, when it is an agent's own.
    pub lent: Option<Lender>,
    pub created_at: Timestamp,
}

/// The agent of a session that a worktree is lent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lender {
    pub session: SessionId,
    pub agent: AgentName,
}

/// A worktree that was put into the trash. It says everything that is needed to bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashedWorktree {
    pub worktree: Worktree,
    /// Where its folder is now.
    pub path: String,
    /// The commit it stood on; none on an unborn branch.
    pub head: Option<String>,
    /// Branch it was on.
    pub branch: Option<String>,
    /// Ref of the checkpoint with what was not committed; none when all was.
    pub kept_as: Option<String>,
    /// Why it would have stayed without an order; none when nothing would have been lost.
    pub forced: Option<String>,
    /// When it goes for good; none: only by an order, for some of it is nowhere else.
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeRestored {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    pub port_base: u16,
    /// Its branch stands elsewhere by now, so it is on a commit and on no branch.
    pub detached: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreePurged {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    /// What it was called, where it had been, and the ref that keeps what was in it; none in what older versions wrote.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub kept_as: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeMerged {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    /// Branch that has its work now.
    pub into: String,
    /// Where that branch stands.
    pub head: String,
    /// Whether a merge commit was made.
    pub merged: bool,
    /// How many files changed on that branch.
    pub files: u64,
    /// Which, when it was merged by an order; so the order that comes again is answered.
    #[serde(default)]
    pub changed: Vec<RepoPath>,
}

/// A session works in a named worktree from its next turn on, or in its repo's checkout again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeAssignment {
    pub session: SessionId,
    /// None: the repo's checkout.
    pub worktree: Option<WorktreeId>,
}

/// What a trusted repo may have done to its worktrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptKind {
    /// After it was made.
    Setup,
    /// When it is asked for, until it ends or is ended.
    Run,
    /// Before it is put into the trash.
    Teardown,
}

impl ScriptKind {
    pub const ALL: [Self; 3] = [Self::Setup, Self::Run, Self::Teardown];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Run => "run",
            Self::Teardown => "teardown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStart {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    pub script: ScriptKind,
    /// Hash of the script that was run, and trusted.
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptEnd {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    pub script: ScriptKind,
    pub hash: String,
    pub end: ScriptOutcome,
    /// Exit code, where it had one.
    pub code: Option<i32>,
    /// The end of what it wrote.
    pub tail: String,
    pub elapsed_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptOutcome {
    /// It said that all is well.
    Done,
    Failed,
    TimedOut,
    Canceled,
    /// It was not run: nobody has trusted what it is now.
    Untrusted,
}

impl ScriptOutcome {
    pub const ALL: [Self; 5] = [Self::Done, Self::Failed, Self::TimedOut, Self::Canceled, Self::Untrusted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Canceled => "canceled",
            Self::Untrusted => "untrusted",
        }
    }
}
