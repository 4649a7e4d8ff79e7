//! Runs.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{Run, RunExit, RunId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: Run,
    pub exit: Option<RunExit>,
    pub exited_at: Option<Timestamp>,
}

statements! { QUERIES in Sessions {
    RUN = "SELECT data, exit, exited_at FROM runs WHERE run_id = ?1";
    RUNNING_RUNS = "SELECT data, exit, exited_at FROM runs WHERE running = 1 ORDER BY seq";
} }

impl View<'_> {
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        self.row(&RUN, [id.to_string()], read_run)
    }

    /// Runs nobody has reported the end of, oldest first.
    pub fn running_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.rows(&RUNNING_RUNS, [], read_run)
    }
}

fn read_run(row: &Row<'_>) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        run: column::json(row, "data")?,
        exit: column::json_or_none(row, "exit")?,
        exited_at: column::time_or_none(row, "exited_at")?,
    })
}
