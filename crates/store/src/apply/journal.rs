//! The journal's own events.

use super::{at, seq};
use crate::StoreError;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use journal::Record;
use model::JournalRepair;

statements! { STATEMENTS in Sessions {
    INSERT_REPAIR = "INSERT INTO journal_repairs (seq, side_file, torn_bytes, previous_epoch, repaired_at)
        VALUES (?1, ?2, ?3, ?4, ?5)";
} }

pub(super) fn repaired(db: &Connection, record: &Record, repair: &JournalRepair) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_REPAIR,
        params![
            seq(record),
            repair.side_file,
            repair.torn_bytes.cast_signed(),
            repair.previous_epoch.cast_signed(),
            at(record)
        ],
    )?;
    Ok(())
}
