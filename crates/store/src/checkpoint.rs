//! Checkpoints, and the changes of files between them.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    Checkpoint, CheckpointBundle, CheckpointId, Cursor, FileChange, PlanId, RefusedEdit, RepoId,
    RestoreStart, SessionId, TaskId, Timestamp,
};

/// A checkpoint as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    pub checkpoint: Checkpoint,
    /// Why it is listed nowhere any more.
    pub removed: Option<String>,
    /// Number of the event that tells of the newest bundle it is in.
    pub bundle: Option<u64>,
}

/// A file with checkpoints in it, and the number of the event that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRow {
    pub bundle: CheckpointBundle,
    pub seq: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChangeRow {
    pub change: FileChange,
    pub cursor: Cursor,
    pub at: Timestamp,
}

statements! { QUERIES in Sessions {
    CHECKPOINT = "SELECT data, removed, bundle_seq FROM checkpoints WHERE checkpoint_id = ?1";
    CHECKPOINTS_OF_SESSION =
        "SELECT data FROM checkpoints WHERE session_id = ?1 AND removed IS NULL ORDER BY seq";
    NEWEST_CHECKPOINTS = "SELECT data FROM checkpoints WHERE session_id = ?1 AND removed IS NULL
        AND (kind IN ('work', 'named') OR ?2 = 1) ORDER BY seq DESC LIMIT ?3";
    CHECKPOINTS_BEFORE = "SELECT data FROM checkpoints WHERE session_id = ?1 AND removed IS NULL
        AND (kind IN ('work', 'named') OR ?2 = 1)
        AND seq < (SELECT b.seq FROM checkpoints b WHERE b.checkpoint_id = ?4) ORDER BY seq DESC LIMIT ?3";
    CHECKPOINTS_OF_REPO =
        "SELECT data, removed, bundle_seq FROM checkpoints WHERE repo_id = ?1 AND removed IS NULL ORDER BY seq";
    LAST_POINT = "SELECT data FROM checkpoints WHERE worktree = ?1 AND removed IS NULL ORDER BY seq DESC LIMIT 1";
    CHECKPOINTS_IN_BUNDLE = "SELECT data, removed, bundle_seq FROM checkpoints
        WHERE repo_id = ?1 AND bundle_seq = ?2 ORDER BY seq";
    OPEN_RESTORES = "SELECT data FROM restores_open WHERE before_id > '' ORDER BY before_id";
    BUNDLES = "SELECT seq, data FROM checkpoint_bundles WHERE repo_id = ?1 ORDER BY seq";
    FILE_CHANGES_OF_TASK =
        "SELECT data, epoch, seq, changed_at FROM file_changes WHERE task_id = ?1 ORDER BY seq";
    FILE_CHANGES_OF_PLAN =
        "SELECT data, epoch, seq, changed_at FROM file_changes WHERE plan_id = ?1 ORDER BY seq";
    REFUSED_EDITS_OF_TASK = "SELECT data FROM refused_edits WHERE task_id = ?1 ORDER BY seq";
} }

impl View<'_> {
    /// One that was removed, too.
    pub fn checkpoint(&self, id: CheckpointId) -> Result<Option<CheckpointRow>, StoreError> {
        self.row(&CHECKPOINT, [id.to_string()], read_row)
    }

    /// The newest `most` of a session, or the newest before one of them, oldest of them first; without those that nobody
    /// asked for when `automatic` says so.
    pub fn checkpoints_page(
        &self,
        session: SessionId,
        automatic: bool,
        before: Option<CheckpointId>,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        let (session, automatic) = (session.to_string(), i64::from(automatic));
        let read = |row: &Row<'_>| column::json(row, "data");
        let mut page = match before {
            None => self.rows(&NEWEST_CHECKPOINTS, params![session, automatic, limit(most)], read),
            Some(before) => self.rows(
                &CHECKPOINTS_BEFORE,
                params![session, automatic, limit(most), before.to_string()],
                read,
            ),
        }?;
        page.reverse();
        Ok(page)
    }

    /// Those that are there, oldest first.
    pub fn checkpoints_of_repo(&self, repo: RepoId) -> Result<Vec<CheckpointRow>, StoreError> {
        self.rows(&CHECKPOINTS_OF_REPO, [repo.to_string()], read_row)
    }

    /// The newest point of a worktree, by its canonical path.
    pub fn last_point(&self, worktree: &str) -> Result<Option<Checkpoint>, StoreError> {
        self.row(&LAST_POINT, [worktree], |row| column::json(row, "data"))
    }

    /// Those whose newest bundle it is, removed ones among them.
    pub fn checkpoints_in(&self, repo: RepoId, bundle: u64) -> Result<Vec<CheckpointRow>, StoreError> {
        self.rows(&CHECKPOINTS_IN_BUNDLE, params![repo.to_string(), bundle.cast_signed()], read_row)
    }

    /// Restores that have begun and not ended.
    pub fn open_restores(&self) -> Result<Vec<RestoreStart>, StoreError> {
        self.rows(&OPEN_RESTORES, [], |row| column::json(row, "data"))
    }

    /// Oldest first.
    pub fn bundles(&self, repo: RepoId) -> Result<Vec<BundleRow>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(BundleRow { bundle: column::json(row, "data")?, seq: column::unsigned(row, "seq")? })
        };
        self.rows(&BUNDLES, [repo.to_string()], read)
    }

    /// Those that are there, oldest first.
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

fn read_row(row: &Row<'_>) -> Result<CheckpointRow, StoreError> {
    let bundle = row.get::<_, Option<i64>>("bundle_seq")?.map(i64::cast_unsigned);
    Ok(CheckpointRow { checkpoint: column::json(row, "data")?, removed: row.get("removed")?, bundle })
}

fn read_change(row: &Row<'_>) -> Result<FileChangeRow, StoreError> {
    Ok(FileChangeRow {
        change: column::json(row, "data")?,
        cursor: column::cursor(row)?,
        at: column::time(row, "changed_at")?,
    })
}
