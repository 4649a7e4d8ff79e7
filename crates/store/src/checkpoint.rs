//! Checkpoints and the changes of files between them.

use crate::{StoreError, View};
use model::{
    Checkpoint, CheckpointId, Cursor, FileChange, PlanId, RefusedEdit, SessionId, TaskId, Timestamp,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChangeRow {
    pub change: FileChange,
    pub cursor: Cursor,
    pub at: Timestamp,
}

impl View<'_> {
    pub fn checkpoint(&self, id: CheckpointId) -> Result<Option<Checkpoint>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Oldest first.
    pub fn checkpoints(&self, session: SessionId) -> Result<Vec<Checkpoint>, StoreError> {
        crate::store::unfinished(session)
    }

    /// In the order they were made.
    pub fn file_changes(&self, task: TaskId) -> Result<Vec<FileChangeRow>, StoreError> {
        crate::store::unfinished(task)
    }

    /// Changes by all tasks of the plan, in the order they were made.
    pub fn file_changes_of_plan(&self, plan: PlanId) -> Result<Vec<FileChangeRow>, StoreError> {
        crate::store::unfinished(plan)
    }

    pub fn refused_edits(&self, task: TaskId) -> Result<Vec<RefusedEdit>, StoreError> {
        crate::store::unfinished(task)
    }
}
