//! The schemas of a workspace: the truth, made once and brought forward; the rows, made anew whenever they are another
//! program's.

use super::connection::{Connection, Use};
use super::dialect;
use super::place::Place;
use crate::statement::Database;
use crate::{StoreError, migrate};

/// What no translation makes: number, name and text.
pub(crate) const HAND_WRITTEN: [(&str, &str); 3] = [
    ("postgresql/0001_journal", include_str!("../../migrations/postgresql/0001_journal.sql")),
    ("postgresql/0002_words", include_str!("../../migrations/postgresql/0002_words.sql")),
    ("postgresql/0003_counts", include_str!("../../migrations/postgresql/0003_counts.sql")),
];
/// The migrations of the truth, in order. They are applied one after the other and never undone.
const TRUTH: &[(&str, &str)] = &[HAND_WRITTEN[0]];

const LEDGER: &str = "CREATE TABLE migrations (number bigint PRIMARY KEY, name text COLLATE \"C\" NOT NULL,
    checksum text COLLATE \"C\" NOT NULL)";

/// A person or a program that holds the same lock makes schemas meanwhile.
fn lock(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let hash = blake3::hash(place.truth.as_bytes());
    let mut key = [0_u8; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    connection.batch(&format!("SELECT pg_advisory_xact_lock({})", i64::from_le_bytes(key)))
}

pub(crate) fn exists(connection: &Connection, schema: &str) -> Result<bool, StoreError> {
    let found = connection.ask("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])?;
    Ok(!found.is_empty())
}

/// A connection for deciding whose the workspace is.
pub(crate) fn open_door(place: &Place) -> Result<Connection, StoreError> {
    Connection::open(place, &place.rows, Use::Write)
}

/// Whether the workspace has a truth on the server.
pub(crate) fn is_there(connection: &Connection, place: &Place) -> Result<bool, StoreError> {
    exists(connection, &place.truth)
}

/// Makes the truth, or brings it to what this program knows. One of a newer program, and what is not ours, is refused and
/// left as it is.
pub(crate) fn prepare_truth(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    connection.batch("BEGIN")?;
    lock(connection, place)?;
    if !exists(connection, &place.truth)? {
        connection.batch(&format!(
            "CREATE SCHEMA \"{}\"; SET LOCAL search_path TO \"{0}\"; {LEDGER}",
            place.truth
        ))?;
    }
    connection.batch(&format!("SET LOCAL search_path TO \"{}\", pg_catalog", place.truth))?;
    let foreign = || StoreError::ForeignSchema { place: place.to_string() };
    let ledger = connection.once(&format!(
        "SELECT 1 FROM pg_tables WHERE schemaname = '{}' AND tablename = 'migrations'",
        place.truth
    ))?;
    if ledger.is_empty() {
        return Err(foreign());
    }
    let applied = made_by(connection)?;
    if applied.len() > TRUTH.len() {
        return Err(StoreError::Newer { place: place.to_string() });
    }
    for (at, (name, text)) in TRUTH.iter().enumerate() {
        let ours = entry(at, name, text);
        match applied.get(at) {
            Some(there) if *there == ours => {}
            Some(_) => return Err(foreign()),
            None => {
                connection.batch(text)?;
                remember(connection, &ours)?;
            }
        }
    }
    connection.batch("COMMIT")
}

/// Number, name and checksum of a migration.
type Entry = (i64, String, String);

fn entry(at: usize, name: &str, text: &str) -> Entry {
    (i64::try_from(at).unwrap_or(i64::MAX) + 1, name.to_owned(), migrate::checksum(text))
}

fn remember(connection: &Connection, (number, name, checksum): &Entry) -> Result<(), StoreError> {
    connection.batch(&format!(
        "INSERT INTO migrations (number, name, checksum) VALUES ({number}, '{name}', '{checksum}')"
    ))
}

fn made_by(connection: &Connection) -> Result<Vec<Entry>, StoreError> {
    let rows = connection.once("SELECT number, name, checksum FROM migrations ORDER BY number")?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// Every text the rows are made by, in order: words both engines use, both databases' migrations in translation, counts.
fn texts() -> Vec<(&'static str, String)> {
    let [_, words, counts] = HAND_WRITTEN;
    let translated =
        Database::ALL.into_iter().flat_map(migrate::texts).map(|(name, sql)| (name, dialect::migration(sql)));
    let by_hand = |(name, sql): (&'static str, &str)| (name, sql.to_owned());
    [by_hand(words)].into_iter().chain(translated).chain([by_hand(counts)]).collect()
}

/// Makes the tables of both databases in a schema that is new. The connection's path must lead there.
pub(crate) fn create_rows(connection: &Connection, schema: &str) -> Result<(), StoreError> {
    connection.batch(&format!(
        "BEGIN; DROP SCHEMA IF EXISTS \"{schema}\" CASCADE; CREATE SCHEMA \"{schema}\"; {LEDGER}"
    ))?;
    for (at, (name, text)) in texts().iter().enumerate() {
        connection.batch(text)?;
        remember(connection, &entry(at, name, text))?;
    }
    connection.batch("COMMIT")
}

/// True when the rows were made by exactly our migrations.
pub(crate) fn rows_are_current(connection: &Connection, place: &Place) -> Result<bool, StoreError> {
    let ledger = connection.once(&format!(
        "SELECT 1 FROM pg_tables WHERE schemaname = '{}' AND tablename = 'migrations'",
        place.rows
    ))?;
    if ledger.is_empty() {
        return Ok(false);
    }
    let rows = connection
        .once(&format!("SELECT number, name, checksum FROM \"{}\".migrations ORDER BY number", place.rows))?;
    let found: Vec<Entry> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_, StoreError>>()?;
    let ours = texts().into_iter().enumerate().map(|(at, (name, text))| entry(at, name, &text));
    Ok(found.into_iter().eq(ours))
}

/// The tables and views of a database, by name.
pub(crate) fn tables(database: Database) -> Vec<&'static str> {
    let mut tables: Vec<&str> =
        migrate::texts(database).into_iter().flat_map(|(_, sql)| dialect::made(sql)).collect();
    tables.sort_unstable();
    tables
}

/// A schema with the tables of both databases, for tests that ask the planner.
#[cfg(test)]
pub(crate) fn scratch(place: &Place) -> Connection {
    let connection = Connection::open(place, &place.rows, Use::Long).unwrap();
    create_rows(&connection, &place.rows).unwrap();
    connection
}
