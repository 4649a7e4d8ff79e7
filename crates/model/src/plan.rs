//! Plans: what several agents propose for one prompt, merged into tasks.

use crate::{AgentName, ParticipantId, PlanId, RepoId, RepoPath, SessionId, TaskId, Timestamp, TurnId};
use serde::{Deserialize, Serialize};

/// One coordinated change of a repository: every agent proposes, the proposals are merged, the
/// tasks are done, the tests run, a checkpoint is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub session: SessionId,
    pub repo: RepoId,
    pub prompt: String,
    pub participants: Vec<ParticipantId>,
    pub created_at: Timestamp,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    Proposing,
    Executing,
    Testing,
    Completed,
    Failed,
}

impl PlanState {
    pub const ALL: [Self; 5] =
        [Self::Proposing, Self::Executing, Self::Testing, Self::Completed, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposing => "proposing",
            Self::Executing => "executing",
            Self::Testing => "testing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// What one agent proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub plan: PlanId,
    pub session: SessionId,
    pub participant: ParticipantId,
    pub agent: AgentName,
    pub tasks: Vec<PlannedTask>,
}

/// A task as an agent proposes it; names are the agent's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Name other proposed tasks refer to.
    pub name: String,
    pub title: String,
    pub instructions: String,
    pub files: Vec<RepoPath>,
    #[serde(default)]
    pub depends_on: Vec<String>,
    #[serde(default)]
    pub priority: i32,
}

/// The one plan made of all proposals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedPlan {
    pub tasks: Vec<MergedTask>,
    /// One sentence per decision, in the order they were taken.
    pub explanation: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedTask {
    pub name: String,
    pub title: String,
    pub instructions: String,
    pub files: Vec<RepoPath>,
    pub assignee: AgentName,
    /// Agents who wanted the same file and review instead.
    pub reviewers: Vec<AgentName>,
    pub depends_on: Vec<String>,
    pub priority: i32,
}

/// A run of the repository's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    pub command: Vec<String>,
    pub exit_code: Option<i32>,
    pub passed: u32,
    pub failed: u32,
    /// Last lines of the output.
    pub tail: String,
    pub elapsed_ms: u64,
}

/// The lock under which somebody tries to edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub path: RepoPath,
    pub token: u64,
}

/// An edit the worktree's writer refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEdit {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub claim: Claim,
    /// `lock_lost`, `stale_base`, `path_refused` or `io`.
    pub code: String,
    pub message: String,
}
