//! Checkpoints, and the changes of files between them.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{
    Checkpoint, CheckpointId, Cursor, FileChange, PlanId, RefusedEdit, SessionId, TaskId, Timestamp,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChangeRow {
    pub change: FileChange,
    pub cursor: Cursor,
    pub at: Timestamp,
}

statements! { QUERIES in Sessions {
    CHECKPOINT = "SELECT data FROM checkpoints WHERE checkpoint_id = ?1";
    CHECKPOINTS_OF_SESSION = "SELECT data FROM checkpoints WHERE session_id = ?1 ORDER BY seq";
    FILE_CHANGES_OF_TASK =
        "SELECT data, epoch, seq, changed_at FROM file_changes WHERE task_id = ?1 ORDER BY seq";
    FILE_CHANGES_OF_PLAN =
        "SELECT data, epoch, seq, changed_at FROM file_changes WHERE plan_id = ?1 ORDER BY seq";
    REFUSED_EDITS_OF_TASK = "SELECT data FROM refused_edits WHERE task_id = ?1 ORDER BY seq";
} }

impl View<'_> {
    pub fn checkpoint(&self, id: CheckpointId) -> Result<Option<Checkpoint>, StoreError> {
        self.row(&CHECKPOINT, [id.to_string()], |row| column::json(row, "data"))
    }

    /// Oldest first.
    pub fn checkpoints(&self, session: SessionId) -> Result<Vec<Checkpoint>, StoreError> {
        self.rows(&CHECKPOINTS_OF_SESSION, [session.to_string()], |row| column::json(row, "data"))
    }

    /// In the order they were made.
    pub fn file_changes(&self, task: TaskId) -> Result<Vec<FileChangeRow>, StoreError> {
        self.rows(&FILE_CHANGES_OF_TASK, [task.to_string()], read_change)
    }

    /// Changes by all tasks of the plan, in the order they were made.
    pub fn file_changes_of_plan(&self, plan: PlanId) -> Result<Vec<FileChangeRow>, StoreError> {
        self.rows(&FILE_CHANGES_OF_PLAN, [plan.to_string()], read_change)
    }

    /// In the order they were refused.
    pub fn refused_edits(&self, task: TaskId) -> Result<Vec<RefusedEdit>, StoreError> {
        self.rows(&REFUSED_EDITS_OF_TASK, [task.to_string()], |row| column::json(row, "data"))
    }
}

fn read_change(row: &Row<'_>) -> Result<FileChangeRow, StoreError> {
    Ok(FileChangeRow {
        change: column::json(row, "data")?,
        cursor: column::cursor(row)?,
        at: column::time(row, "changed_at")?,
    })
}
