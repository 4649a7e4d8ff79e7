//! Compactions, into messages.db.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Compaction, CompactionFailure, MessageId};

statements! { STATEMENTS in Messages {
    INSERT_COMPACTION = "INSERT INTO compactions (seq, session_id, failed, upto_seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (seq) DO NOTHING";
    COMPACTED_UPTO = "SELECT seq FROM agent_messages WHERE message_id = ?1";
} }

pub(super) fn compacted(db: &Connection, record: &Record, made: &Compaction) -> Result<(), StoreError> {
    let data = column::to_json(made)?;
    insert(db, record, &made.session.to_string(), false, made.upto, &data)
}

pub(super) fn failed(
    db: &Connection,
    record: &Record,
    failure: &CompactionFailure,
) -> Result<(), StoreError> {
    let data = column::to_json(failure)?;
    insert(db, record, &failure.session.to_string(), true, failure.upto, &data)
}

fn insert(
    db: &Connection,
    record: &Record,
    session: &str,
    failed: bool,
    upto: MessageId,
    data: &str,
) -> Result<(), StoreError> {
    let number = row(db, &COMPACTED_UPTO, [upto.to_string()], |row| row.get::<_, i64>("seq"))?;
    run(db, &INSERT_COMPACTION, params![seq(record), session, i64::from(failed), number.unwrap_or(0), data])?;
    Ok(())
}
