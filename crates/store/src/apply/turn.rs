//! Turns.

use super::{at, seq, task};
use crate::sql::{Connection, params};
use crate::statement::{statements, touched};
use crate::{StoreError, column};
use journal::Record;
use model::{Turn, TurnEnd};

statements! { STATEMENTS in Sessions {
    INSERT_TURN = "INSERT INTO turns (turn_id, short_id, session_id, task_id, participant_id, run_id, attempt, state,
            running, seq, started_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', 1, ?8, ?9, ?10) ON CONFLICT (turn_id) DO NOTHING";
    // A turn ends once; what is said of it later changes nothing.
    END_TURN = "UPDATE turns
        SET state = ?2, running = 0, outcome = ?3, usage = ?4, iterations = ?5, ended_at = ?6, git_end = ?7
        WHERE turn_id = ?1 AND ended_at IS NULL";
} }

pub(super) fn started(db: &Connection, record: &Record, turn: &Turn) -> Result<(), StoreError> {
    let new = touched(
        db,
        &INSERT_TURN,
        params![
            turn.id.to_string(),
            turn.id.short(),
            turn.session.to_string(),
            turn.task.to_string(),
            turn.participant.to_string(),
            turn.run.to_string(),
            turn.attempt,
            seq(record),
            turn.started_at.as_millis(),
            column::to_json(turn)?
        ],
    )?;
    if new > 0 {
        task::turn_started(db, turn)?;
    }
    Ok(())
}

pub(super) fn ended(db: &Connection, record: &Record, end: &TurnEnd) -> Result<(), StoreError> {
    let ended = touched(
        db,
        &END_TURN,
        params![
            end.turn.to_string(),
            end.outcome.as_str(),
            column::to_json(&end.outcome)?,
            column::to_json(&end.usage)?,
            end.iterations,
            at(record),
            end.git.as_ref().map(column::to_json).transpose()?
        ],
    )?;
    if ended > 0 {
        task::turn_ended(db, record, end)?;
    }
    Ok(())
}
