//! Tasks, their targets, and which of them can start.

use crate::{StoreError, View};
use model::{ParticipantId, PlanId, Question, SessionId, Task, TaskId, TaskState, Timestamp, TurnId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    pub task: Task,
    pub state: TaskState,
    /// Counts from 1.
    pub attempt: u32,
    /// The summary or reason the task ended with; the reason of the last resubmission until then.
    pub text: Option<String>,
    /// The oldest question that is still open.
    pub question: Option<Question>,
    /// The last answer given.
    pub answer: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    pub participant: ParticipantId,
    pub state: TaskState,
    /// The attempt the target is in or waits for; counts from 1.
    pub attempt: u32,
    /// The turn of this attempt, once started.
    pub turn: Option<TurnId>,
    /// The question the target waits on.
    pub question: Option<Question>,
}

impl View<'_> {
    pub fn task(&self, id: TaskId) -> Result<Option<TaskRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// In the order of submission.
    pub fn tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        crate::store::unfinished(session)
    }

    /// Of all sessions, in the order of submission.
    pub fn tasks_in_state(&self, states: &[TaskState]) -> Result<Vec<TaskRow>, StoreError> {
        crate::store::unfinished(states)
    }

    pub fn plan_tasks(&self, plan: PlanId) -> Result<Vec<TaskRow>, StoreError> {
        crate::store::unfinished(plan)
    }

    /// In the order the task names them.
    pub fn task_targets(&self, task: TaskId) -> Result<Vec<TargetRow>, StoreError> {
        crate::store::unfinished(task)
    }

    /// Tasks of the session that have a target to start now: submitted or working, every dependency completed, a
    /// target in state submitted. Highest priority first, then in the order of submission.
    pub fn ready_tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        crate::store::unfinished(session)
    }

    /// Tasks that are not ended and depend on this one, directly.
    pub fn dependents(&self, task: TaskId) -> Result<Vec<TaskRow>, StoreError> {
        crate::store::unfinished(task)
    }

    /// Tasks of the session that are not ended.
    pub fn queue_depth(&self, session: SessionId) -> Result<u64, StoreError> {
        crate::store::unfinished(session)
    }
}
