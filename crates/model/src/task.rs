//! Tasks: one piece of wanted work each, with the states of A2A.

use crate::{ParticipantId, PlanId, RepoPath, SessionId, TaskId, TaskTerms, Timestamp};
use serde::{Deserialize, Serialize};

/// Longest question an agent may ask, in bytes.
pub const QUESTION_MAX: usize = 4 * 1024;

/// A prompt with its targets, priority and dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub session: SessionId,
    pub plan: Option<PlanId>,
    pub kind: TaskKind,
    pub title: String,
    pub prompt: String,
    /// Each target does one turn at a time on the task; the task is completed when all have.
    pub targets: Vec<ParticipantId>,
    /// Higher goes first; equal ones in the order of submission.
    pub priority: i32,
    /// Tasks that must be completed before this one starts.
    pub depends_on: Vec<TaskId>,
    /// Files the task is expected to change.
    pub files: Vec<RepoPath>,
    #[serde(default)]
    pub terms: TaskTerms,
    pub created_at: Timestamp,
}

/// Why the task exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Somebody asked.
    Prompt,
    /// A plan is to be proposed; nothing may be edited.
    Propose,
    /// A part of a merged plan is to be done.
    Work,
    /// Another agent's part is to be reviewed; nothing may be edited.
    Review,
    /// A question about the conversation; nothing may be edited.
    Ask,
}

/// Where a waiting task of a queue stands from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePlace {
    pub task: TaskId,
    pub priority: i32,
    /// Among those of the same priority the smaller one goes first. A new task has its event's number.
    pub rank: u64,
}

/// Tasks that wait in a session changed places; the others stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueOrder {
    pub session: SessionId,
    pub places: Vec<QueuePlace>,
}

impl TaskKind {
    pub const ALL: [Self; 5] = [Self::Prompt, Self::Propose, Self::Work, Self::Review, Self::Ask];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Propose => "propose",
            Self::Work => "work",
            Self::Review => "review",
            Self::Ask => "ask",
        }
    }

    pub const fn may_edit(self) -> bool {
        matches!(self, Self::Prompt | Self::Work)
    }

    /// Whether it goes on from what was said in the session; the others begin with fresh context.
    pub const fn remembers(self) -> bool {
        matches!(self, Self::Prompt | Self::Ask)
    }
}

/// Where a task stands, in A2A's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Submitted,
    Working,
    InputRequired,
    Completed,
    Failed,
    Canceled,
    Rejected,
}

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStep {
    Start,
    AskInput,
    AnswerInput,
    Complete,
    Fail,
    Cancel,
    Reject,
    /// Back to the queue with the next attempt, after a crash.
    Resubmit,
}

impl TaskStep {
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::AskInput,
        Self::AnswerInput,
        Self::Complete,
        Self::Fail,
        Self::Cancel,
        Self::Reject,
        Self::Resubmit,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state:?} cannot take the step {step:?}")]
pub struct TaskStepError {
    pub state: TaskState,
    pub step: TaskStep,
}

impl TaskState {
    pub const ALL: [Self; 7] = [
        Self::Submitted,
        Self::Working,
        Self::InputRequired,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Rejected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
        }
    }

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Rejected)
    }

    /// The state after the step, or why it cannot be taken.
    pub fn after(self, step: TaskStep) -> Result<Self, TaskStepError> {
        use TaskStep as Step;
        match (self, step) {
            (Self::Submitted | Self::Working, Step::Start) => Ok(Self::Working),
            (Self::Working, Step::AskInput) => Ok(Self::InputRequired),
            (Self::InputRequired, Step::AnswerInput) => Ok(Self::Working),
            (Self::Working, Step::Complete) => Ok(Self::Completed),
            (Self::Submitted | Self::Working | Self::InputRequired, Step::Fail) => Ok(Self::Failed),
            (Self::Submitted | Self::Working | Self::InputRequired, Step::Cancel) => Ok(Self::Canceled),
            (Self::Submitted, Step::Reject) => Ok(Self::Rejected),
            (Self::Working | Self::InputRequired, Step::Resubmit) => Ok(Self::Submitted),
            (state, step) => Err(TaskStepError { state, step }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_walks_from_submitted_to_completed() {
        let mut state = TaskState::Submitted;
        for step in [TaskStep::Start, TaskStep::AskInput, TaskStep::AnswerInput, TaskStep::Complete] {
            state = state.after(step).unwrap();
        }
        assert_eq!(state, TaskState::Completed);
    }

    #[test]
    fn a_crashed_task_goes_back_to_the_queue() {
        assert_eq!(TaskState::Working.after(TaskStep::Resubmit), Ok(TaskState::Submitted));
    }

    #[test]
    fn terminal_states_stay() {
        for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
            for step in TaskStep::ALL {
                assert!(state.after(step).is_err(), "{state:?} {step:?}");
            }
        }
    }
}
