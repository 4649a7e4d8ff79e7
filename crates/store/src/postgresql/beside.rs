//! Folding the rows again in a schema beside the present one, and putting it in its place.
//!
//! Invariant: the schema the rows are read from is whole at every moment; only the owner makes or swaps one.

use super::acquire::{Claim, FENCE, check};
use super::connection::{Connection, Use};
use super::place::Place;
use super::schema;
use crate::statement::Database;
use crate::{Opening, StoreError, apply, watermark};
use journal::{Position, Reader};
use std::sync::Arc;

/// Records per transaction.
const RECORDS_PER_TRANSACTION: usize = 2_000;

/// Rows that are being made.
pub(crate) struct Beside {
    place: Arc<Place>,
    claim: Claim,
    connection: Connection,
    position: Position,
    records: u64,
}

impl Beside {
    pub(crate) fn create(place: &Arc<Place>, claim: &Claim) -> Result<Self, StoreError> {
        let connection = Connection::open(place, &place.fresh, Use::Long)?;
        schema::create_rows(&connection, &place.fresh)?;
        let (place, claim) = (Arc::clone(place), claim.clone());
        Ok(Self { place, claim, connection, position: Position::START, records: 0 })
    }

    /// Takes in what the journal has more. Each transaction looks whether we are still the owner: who is not would
    /// write into the schema of who is.
    pub(crate) fn follow(&mut self, journal: &Reader) -> Result<(), StoreError> {
        let mut replay = journal.replay(self.position.cursor)?;
        loop {
            let mut last = None;
            check(&self.connection.begin_with("BEGIN", FENCE, &[])?, &self.claim)?;
            let connection = &self.connection;
            connection.together(|| {
                for record in replay.by_ref().take(RECORDS_PER_TRANSACTION) {
                    let record = record?;
                    for database in Database::ALL {
                        apply::apply(database, &connection.into(), &record)?;
                    }
                    last = Some(record.position);
                    self.records += 1;
                }
                Ok(())
            })?;
            let Some(position) = last else {
                return self.connection.batch("ROLLBACK");
            };
            watermark::write(&(&self.connection).into(), Database::Sessions, position)?;
            self.connection.batch("COMMIT")?;
            self.position = position;
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Puts the new rows in the place of the old ones, which nobody reads now. Returns the number of records.
pub(crate) fn swap(beside: Beside) -> Result<u64, StoreError> {
    let Beside { place, claim, connection, records, .. } = beside;
    let old = format!("{}$old", place.truth);
    check(&connection.begin_with("BEGIN", FENCE, &[])?, &claim)?;
    connection.batch(&format!("DROP SCHEMA IF EXISTS \"{old}\" CASCADE"))?;
    if schema::exists(&connection, &place.rows)? {
        connection.batch(&format!("ALTER SCHEMA \"{}\" RENAME TO \"{old}\"", place.rows))?;
    }
    connection.batch(&format!("ALTER SCHEMA \"{}\" RENAME TO \"{}\"; COMMIT", place.fresh, place.rows))?;
    connection.batch(&format!("DROP SCHEMA IF EXISTS \"{old}\" CASCADE"))?;
    Ok(records)
}

/// Brings the rows to the journal's end, whatever state they are in.
pub(crate) fn bring_up(place: &Arc<Place>, claim: &Claim, journal: &Reader) -> Result<Opening, StoreError> {
    let connection = Connection::open(place, &place.rows, Use::Long)?;
    let reason = if !schema::exists(&connection, &place.rows)? {
        None
    } else if !schema::rows_are_current(&connection, place)? {
        Some("it has another schema".to_owned())
    } else {
        let reached = watermark::read(&(&connection).into(), Database::Sessions)?;
        if reached == journal.newest() {
            return Ok(Opening::Current);
        }
        Some(format!("it is at {}, and the journal at {}", reached.cursor, journal.newest().cursor))
    };
    drop(connection);
    let mut beside = Beside::create(place, claim)?;
    beside.follow(journal)?;
    let records = swap(beside)?;
    Ok(match reason {
        None => Opening::Created { records },
        Some(reason) => Opening::Rebuilt { reason, records },
    })
}
