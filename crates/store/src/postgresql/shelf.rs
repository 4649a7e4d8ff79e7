//! The journal's table as the journal sees it: lines and blobs, by number and by hash.

use super::connection::{Connection, Use};
use super::place::Place;
use crate::StoreError;
use journal::{JournalError, NamedBlob, Shelf};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections kept for reading the journal; more are opened when more threads read, and closed after.
const IDLE_MAX: usize = 2;

pub(crate) struct Table {
    place: Arc<Place>,
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Table {
    pub(crate) fn new(place: Arc<Place>) -> Self {
        Self { place, idle: Mutex::default() }
    }

    /// Asks, and once more on a new connection when an idle one turns out to be lost.
    fn with<T>(&self, ask: impl Fn(&Connection) -> Result<T, StoreError>) -> Result<T, JournalError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lost = match idle.map(|connection| (ask(&connection), connection)) {
            Some((Ok(answer), connection)) => {
                self.give(connection);
                return Ok(answer);
            }
            Some((Err(error), _)) if !error.is_away() => return Err(elsewhere(&error)),
            _ => Connection::open(&self.place, &self.place.rows, Use::Read)
                .map_err(|error| elsewhere(&error))?,
        };
        let answer = ask(&lost).map_err(|error| elsewhere(&error))?;
        self.give(lost);
        Ok(answer)
    }

    fn give(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }
}

fn elsewhere(error: &StoreError) -> JournalError {
    JournalError::Elsewhere(error.to_string())
}

impl Shelf for Table {
    fn lines(&self, from: u64, most: usize) -> Result<Vec<String>, JournalError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.with(|connection| {
            let rows = connection.ask(
                "SELECT line FROM journal WHERE seq >= $1 ORDER BY seq LIMIT $2",
                &[&from.cast_signed(), &most],
            )?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
        })
    }

    fn blob(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, JournalError> {
        self.with(|connection| {
            let rows = connection.ask("SELECT content FROM blobs WHERE hash = $1", &[&hash.as_slice()])?;
            rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
        })
    }

    fn put_blobs(&self, blobs: &[NamedBlob<'_>]) -> Result<(), JournalError> {
        self.with(|connection| {
            for blob in blobs {
                put_blob(connection, &blob.hash, blob.content)?;
            }
            Ok(())
        })
    }

    fn blobs(&self) -> Result<Vec<([u8; 32], u64)>, JournalError> {
        self.with(|connection| {
            let rows =
                connection.ask("SELECT hash, octet_length(content)::bigint FROM blobs ORDER BY hash", &[])?;
            rows.iter()
                .map(|row| {
                    let (hash, size): (&[u8], i64) = (row.try_get(0)?, row.try_get(1)?);
                    Ok((hash_of(hash)?, size.cast_unsigned()))
                })
                .collect()
        })
    }

    fn bytes(&self) -> Result<u64, JournalError> {
        self.with(|connection| {
            let row =
                connection.one("SELECT coalesce(sum(octet_length(line)), 0)::bigint FROM journal", &[])?;
            Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
        })
    }
}

const PUT: &str = "INSERT INTO blobs (hash, content) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";

pub(crate) fn put_blob(connection: &Connection, hash: &[u8; 32], content: &[u8]) -> Result<(), StoreError> {
    connection.tell(PUT, &[&hash.as_slice(), &content])?;
    Ok(())
}

/// The same with the next question.
pub(crate) fn put_blob_later(
    connection: &Connection,
    hash: &[u8; 32],
    content: &[u8],
) -> Result<(), StoreError> {
    connection.tell_later(PUT, vec![Box::new(hash.to_vec()), Box::new(content.to_vec())])
}

pub(crate) fn hash_of(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Malformed {
        column: "hash",
        reason: format!("it has {} bytes", bytes.len()),
    })
}
