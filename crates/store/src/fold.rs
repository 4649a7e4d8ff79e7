//! Bringing a database to the journal's end, record by record.

use crate::statement::Database;
use crate::{StoreError, apply, watermark};
use journal::{Position, Reader};
use rusqlite::Connection;

/// Records per transaction. Large enough that commits cost nothing, small enough that a kill loses little of a long replay.
const RECORDS_PER_TRANSACTION: usize = 2_000;

/// Applies everything durable after `from`, and moves the watermark with it. Returns where it came to and over how
/// many records. A failure leaves the database at the last whole transaction.
pub(crate) fn fold(
    connection: &Connection,
    database: Database,
    journal: &Reader,
    from: Position,
) -> Result<(Position, u64), StoreError> {
    let mut replay = journal.replay(from.cursor)?;
    let mut reached = from;
    let mut records = 0;
    loop {
        let transaction = connection.unchecked_transaction()?;
        let mut last = None;
        for record in replay.by_ref().take(RECORDS_PER_TRANSACTION) {
            let record = record?;
            apply::apply(database, &connection.into(), &record)?;
            last = Some(record.position);
            records += 1;
        }
        let Some(position) = last else {
            return Ok((reached, records));
        };
        watermark::write(&connection.into(), database, position)?;
        transaction.commit()?;
        reached = position;
        // Without this a long replay would leave a log as long as itself. On a full disk it may.
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(StoreError::from)
        {
            Err(error) if !error.is_full() => return Err(error),
            _ => {}
        }
    }
}
