//! Runs.

use crate::{StoreError, View};
use model::{Run, RunExit, RunId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: Run,
    pub exit: Option<RunExit>,
    pub exited_at: Option<Timestamp>,
}

impl View<'_> {
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Runs nobody has reported the end of, oldest first.
    pub fn running_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        crate::store::unfinished(())
    }
}
