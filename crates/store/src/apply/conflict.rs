//! Conflicts between worktrees: a row while one is open.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{ConflictChange, ConflictPhase};

statements! { STATEMENTS in Sessions {
    UPSERT_CONFLICT = "INSERT INTO conflicts (conflict_id, repo_id, seq, data) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (conflict_id) DO UPDATE SET data = excluded.data";
    REMOVE_CONFLICT = "DELETE FROM conflicts WHERE conflict_id = ?1";
} }

pub(super) fn changed(db: &Connection, record: &Record, change: &ConflictChange) -> Result<(), StoreError> {
    let conflict = &change.conflict;
    let id = conflict.id.to_string();
    if change.phase == ConflictPhase::Gone {
        run(db, &REMOVE_CONFLICT, [id])?;
        return Ok(());
    }
    let row = params![id, conflict.repo.to_string(), seq(record), column::to_json(conflict)?];
    run(db, &UPSERT_CONFLICT, row)?;
    Ok(())
}
