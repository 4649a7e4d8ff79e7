//! Plans: what several agents propose for one prompt, merged into tasks.

use crate::{
    AgentName, ParticipantId, PlanId, RepoId, RepoPath, SessionId, TaskId, Timestamp, TurnId, WorktreeId,
};
use serde::{Deserialize, Serialize};

/// Most tasks one agent may propose; at least one.
pub const PLANNED_TASKS_MAX: usize = 32;
/// Most files of one proposed task.
pub const PLANNED_FILES_MAX: usize = 64;
/// Most dependencies of one proposed task.
pub const PLANNED_DEPENDENCIES_MAX: usize = 32;
/// Longest name of a proposed task, in characters.
pub const PLANNED_NAME_MAX: usize = 64;
/// Longest title of a proposed task, in characters.
pub const PLANNED_TITLE_MAX: usize = 200;
/// Longest instructions of a proposed task, in bytes.
pub const PLANNED_INSTRUCTIONS_MAX: usize = 32 * 1024;

/// One coordinated change of a repository: every agent proposes, the proposals are merged, the
/// tasks are done, the tests run, a checkpoint is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub session: SessionId,
    pub repo: RepoId,
    pub prompt: String,
    pub participants: Vec<ParticipantId>,
    /// The branch that was checked out; none when it was none. The commits go there or nowhere.
    pub branch: Option<String>,
    /// Each agent does its tasks in a worktree of its own.
    #[serde(default)]
    pub worktrees: bool,
    pub created_at: Timestamp,
}

/// What became of the worktrees of a plan that has ended. Those that are not named went into the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanClearing {
    pub plan: PlanId,
    pub session: SessionId,
    pub kept: Vec<KeptWorktree>,
}

/// A worktree that stays when its plan has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWorktree {
    pub worktree: WorktreeId,
    pub name: String,
    pub path: String,
    /// What is in it that is nowhere else, or who is in it.
    pub reason: String,
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

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

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

impl PlannedTask {
    /// Whether a task may be called so: 1 to [`PLANNED_NAME_MAX`] printable characters, no space at
    /// either end, so that two names that look the same are the same.
    pub fn is_name(given: &str) -> bool {
        let length = given.chars().count();
        (1..=PLANNED_NAME_MAX).contains(&length)
            && given.trim() == given
            && !given.chars().any(char::is_control)
    }

    /// What there is too much of, with how much is given and how much is allowed.
    pub fn excess(&self) -> Option<(&'static str, usize, usize)> {
        [
            ("files", self.files.len(), PLANNED_FILES_MAX),
            ("dependencies", self.depends_on.len(), PLANNED_DEPENDENCIES_MAX),
            ("characters of title", self.title.chars().count(), PLANNED_TITLE_MAX),
            ("bytes of instructions", self.instructions.len(), PLANNED_INSTRUCTIONS_MAX),
        ]
        .into_iter()
        .find(|(_, given, max)| given > max)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> PlannedTask {
        PlannedTask {
            name: "auth".to_owned(),
            title: "ü".repeat(PLANNED_TITLE_MAX),
            instructions: "x".repeat(PLANNED_INSTRUCTIONS_MAX),
            files: (0..PLANNED_FILES_MAX).map(|n| format!("src/{n}.rs").parse().unwrap()).collect(),
            depends_on: (0..PLANNED_DEPENDENCIES_MAX).map(|n| n.to_string()).collect(),
            priority: 0,
        }
    }

    #[test]
    fn a_task_at_every_limit_passes_and_one_more_of_anything_does_not() {
        assert_eq!(task().excess(), None);
        let mut files = task();
        files.files.push("one/more".parse().unwrap());
        let mut dependencies = task();
        dependencies.depends_on.push("one more".to_owned());
        let mut title = task();
        title.title.push('x');
        let mut instructions = task();
        instructions.instructions.push('x');
        for (over, what, max) in [
            (files, "files", PLANNED_FILES_MAX),
            (dependencies, "dependencies", PLANNED_DEPENDENCIES_MAX),
            (title, "characters of title", PLANNED_TITLE_MAX),
            (instructions, "bytes of instructions", PLANNED_INSTRUCTIONS_MAX),
        ] {
            assert_eq!(over.excess(), Some((what, max + 1, max)));
        }
    }

    #[test]
    fn names_are_short_and_printable() {
        for good in ["a", "the auth module", &"ü".repeat(PLANNED_NAME_MAX)] {
            assert!(PlannedTask::is_name(good), "{good}");
        }
        for bad in ["", " ", "a ", "\ta", "a\nb", &"a".repeat(PLANNED_NAME_MAX + 1)] {
            assert!(!PlannedTask::is_name(bad), "{bad:?}");
        }
    }
}
