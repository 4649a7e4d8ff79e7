//! Runs.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Run, RunExit};

statements! { STATEMENTS in Sessions {
    INSERT_RUN = "INSERT INTO runs (run_id, session_id, participant_id, pid, running, seq, started_at, data)
        VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7) ON CONFLICT (run_id) DO NOTHING";
    END_RUN = "UPDATE runs SET running = 0, exit = ?2, exited_at = ?3 WHERE run_id = ?1 AND running = 1";
} }

pub(super) fn started(db: &Connection, record: &Record, started: &Run) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_RUN,
        params![
            started.id.to_string(),
            started.session.to_string(),
            started.participant.to_string(),
            started.pid,
            seq(record),
            started.started_at.as_millis(),
            column::to_json(started)?
        ],
    )?;
    Ok(())
}

pub(super) fn exited(db: &Connection, record: &Record, exit: &RunExit) -> Result<(), StoreError> {
    run(db, &END_RUN, params![exit.run.to_string(), column::to_json(exit)?, at(record)])?;
    Ok(())
}
