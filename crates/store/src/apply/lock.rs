//! Locks: their history, and which are held as far as the journal has heard.

use super::{at, epoch, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{LockChange, LockPhase, RegistrationId};

statements! { STATEMENTS in Sessions {
    INSERT_LOCK_CHANGE = "INSERT INTO lock_changes (seq, epoch, session_id, phase, path, changed_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    UPSERT_LOCK = "INSERT INTO locks (worktree, path, holder, mode, agent, session_id, token, seq)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (worktree, path, holder) DO UPDATE
        SET mode = excluded.mode, agent = excluded.agent, session_id = excluded.session_id, token = excluded.token,
            seq = excluded.seq";
    DELETE_LOCK = "DELETE FROM locks WHERE worktree = ?1 AND path = ?2 AND holder = ?3";
    DELETE_LOCKS_OF_HOLDER = "DELETE FROM locks WHERE holder = ?1";
} }

pub(super) fn changed(db: &Connection, record: &Record, change: &LockChange) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_LOCK_CHANGE,
        params![
            seq(record),
            epoch(record),
            optional(change.session),
            phase_word(change.phase),
            change.path,
            at(record),
            column::to_json(change)?
        ],
    )?;
    match change.phase {
        LockPhase::Waiting => Ok(()),
        LockPhase::Acquired => hold(db, record, change),
        LockPhase::TakenOver => {
            if let Some(loser) = change.other {
                let_go(db, change, loser)?;
            }
            hold(db, record, change)
        }
        LockPhase::Released | LockPhase::Expired | LockPhase::Broken => let_go(db, change, change.holder),
    }
}

/// An ended registration holds nothing.
pub(super) fn holder_ended(db: &Connection, holder: RegistrationId) -> Result<(), StoreError> {
    run(db, &DELETE_LOCKS_OF_HOLDER, [holder.to_string()])?;
    Ok(())
}

fn hold(db: &Connection, record: &Record, change: &LockChange) -> Result<(), StoreError> {
    run(
        db,
        &UPSERT_LOCK,
        params![
            change.worktree,
            change.path,
            change.holder.to_string(),
            change.mode.as_str(),
            change.agent,
            optional(change.session),
            change.token.cast_signed(),
            seq(record)
        ],
    )?;
    Ok(())
}

fn let_go(db: &Connection, change: &LockChange, holder: RegistrationId) -> Result<(), StoreError> {
    run(db, &DELETE_LOCK, params![change.worktree, change.path, holder.to_string()])?;
    Ok(())
}

const fn phase_word(phase: LockPhase) -> &'static str {
    match phase {
        LockPhase::Waiting => "waiting",
        LockPhase::Acquired => "acquired",
        LockPhase::Released => "released",
        LockPhase::Expired => "expired",
        LockPhase::TakenOver => "taken_over",
        LockPhase::Broken => "broken",
    }
}
