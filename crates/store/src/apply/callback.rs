//! Callbacks: which sessions are over that somebody waits for.
//!
//! Invariant: what is due stays due until a delivery of exactly that is in the journal. So a delivery and what it brings are one
//! commit, and there is one of it.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Callback, CallbackChange, CallbackDelivery, CallbackMode, SessionId, TaskId};

statements! { STATEMENTS in Sessions {
    CALLBACK_OF_ENDED = "SELECT callback FROM sessions
        WHERE session_id = ?1 AND status <> 'running' AND callback IS NOT NULL";
    SET_CALLBACK = "UPDATE sessions SET callback = ?2 WHERE session_id = ?1";
    INSERT_DUE = "INSERT INTO callbacks_due (child_session_id, task_id, parent_session_id, participant_id, seq)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (child_session_id, task_id) DO NOTHING";
    DELETE_DUE = "DELETE FROM callbacks_due WHERE child_session_id = ?1 AND task_id = ?2";
} }

pub(super) fn set(
    db: &Connection<'_>,
    session: SessionId,
    callback: Option<&Callback>,
) -> Result<(), StoreError> {
    let callback = callback.map(column::to_json).transpose()?;
    run(db, &SET_CALLBACK, params![session.to_string(), callback])?;
    Ok(())
}

pub(super) fn changed(db: &Connection<'_>, change: &CallbackChange) -> Result<(), StoreError> {
    set(db, change.session, change.callback.as_ref())
}

/// A task of the session has ended: when it was the last open one, whoever waits is to be told.
pub(super) fn ended(
    db: &Connection<'_>,
    record: &Record,
    session: SessionId,
    task: TaskId,
) -> Result<(), StoreError> {
    let waiting = row(db, &CALLBACK_OF_ENDED, [session.to_string()], |row| {
        column::json_or_none::<Callback>(row, "callback")
    })?;
    let Some(callback) = waiting.flatten() else { return Ok(()) };
    run(
        db,
        &INSERT_DUE,
        params![
            session.to_string(),
            task.to_string(),
            callback.session.to_string(),
            super::optional(callback.to),
            seq(record)
        ],
    )?;
    if callback.mode == CallbackMode::Once {
        set(db, session, None)?;
    }
    Ok(())
}

pub(super) fn delivered(db: &Connection<'_>, delivery: &CallbackDelivery) -> Result<(), StoreError> {
    run(db, &DELETE_DUE, [delivery.child.to_string(), delivery.ended.to_string()])?;
    Ok(())
}
