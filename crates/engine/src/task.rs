//! Tasks: look up, cancel, answer.

use crate::{Call, Engine, TaskView};
use model::{Refusal, SessionId, TaskId, TaskState};

impl Engine {
    pub fn tasks(&self, session: SessionId) -> Result<Vec<TaskView>, Refusal> {
        todo!()
    }

    pub fn tasks_in_state(&self, states: &[TaskState]) -> Result<Vec<TaskView>, Refusal> {
        todo!()
    }

    pub fn task(&self, task: TaskId) -> Result<TaskView, Refusal> {
        todo!()
    }

    pub async fn cancel_task(&self, call: &Call, task: TaskId) -> Result<TaskView, Refusal> {
        todo!()
    }

    pub async fn answer_task(&self, call: &Call, task: TaskId, answer: String) -> Result<TaskView, Refusal> {
        todo!()
    }

    pub fn resolve_task(&self, given: &str) -> Result<TaskId, Refusal> {
        todo!()
    }
}
