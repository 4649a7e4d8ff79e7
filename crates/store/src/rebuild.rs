//! Folding a database again beside the present one, and putting it in its place.
//!
//! Invariant: at every moment the name of a database stands for a whole file of ours or for nothing, and a
//! damaged file is kept.

use crate::connection::{self, Found};
use crate::fold::fold;
use crate::statement::Database;
use crate::watermark::{self, Standing};
use crate::{Opening, StoreError, migrate};
use journal::{Position, Reader};
use model::Cursor;
use rusqlite::Connection;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A database that is being made. Dropped before [`Beside::install`], it leaves only a file that the next
/// attempt removes.
pub(crate) struct Beside {
    database: Database,
    path: PathBuf,
    connection: Connection,
    position: Position,
    records: u64,
}

impl Beside {
    pub(crate) fn create(databases: &Path, database: Database) -> Result<Self, StoreError> {
        let path = connection::sibling(&connection::file(databases, database), ".rebuild");
        let connection = connection::create_beside(&path)?;
        migrate::create(&connection, database)?;
        Ok(Self { database, path, connection, position: Position::START, records: 0 })
    }

    /// Takes in what the journal has more.
    pub(crate) fn follow(&mut self, journal: &Reader) -> Result<(), StoreError> {
        let (position, records) = fold(&self.connection, self.database, journal, self.position)?;
        self.position = position;
        self.records += records;
        Ok(())
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn database(&self) -> Database {
        self.database
    }

    /// Puts the new file in the place of the old one, which no connection may have open. Returns the number of records.
    pub(crate) fn install(self, databases: &Path) -> Result<u64, StoreError> {
        self.connection.execute_batch("PRAGMA journal_mode = WAL")?;
        self.connection.close().map_err(|(_, error)| error)?;
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|error| StoreError::io("sync", &self.path, error))?;
        let target = connection::file(databases, self.database);
        connection::remove_with_log(&target)?;
        connection::rename(&self.path, &target)?;
        clear_suspicion(databases, self.database)?;
        connection::sync_directory(databases)?;
        Ok(self.records)
    }
}

/// Brings one database to the journal's end, whatever state its file is in. Nobody has it open.
pub(crate) fn bring_up(
    databases: &Path,
    database: Database,
    journal: &Reader,
) -> Result<Opening, StoreError> {
    let path = connection::file(databases, database);
    match connection::recognize(&path)? {
        Found::Foreign => Err(StoreError::Foreign { path }),
        Found::Nothing => Ok(Opening::Created { records: make(databases, database, journal)? }),
        Found::Ours if suspicion(databases, database).exists() => {
            recover(databases, database, journal, "it was found damaged while it was read".to_owned())
        }
        Found::Ours => match catch_up(&path, database, journal) {
            Ok(Some(opening)) => Ok(opening),
            Ok(None) => {
                let reason = "it has another schema".to_owned();
                Ok(Opening::Rebuilt { reason, records: make(databases, database, journal)? })
            }
            Err(CatchUp::Elsewhere(reason)) => {
                Ok(Opening::Rebuilt { reason, records: make(databases, database, journal)? })
            }
            Err(CatchUp::Failed(error)) if error.is_damage() => {
                recover(databases, database, journal, error.to_string())
            }
            Err(CatchUp::Failed(error)) => Err(error),
        },
    }
}

/// How far a database had come when it was closed, if it can tell.
pub(crate) fn reached(databases: &Path, database: Database) -> Option<Cursor> {
    let path = connection::file(databases, database);
    let ours = matches!(connection::recognize(&path), Ok(Found::Ours));
    if !ours || suspicion(databases, database).exists() {
        return None;
    }
    // What is wrong with the file is found, and said, when it is brought up.
    let connection = connection::open_writer(&path).ok()?;
    watermark::read(&(&connection).into(), database).ok().map(|position| position.cursor)
}

/// Remembers over a restart that the file is damaged, so that it is made anew.
pub(crate) fn suspect(databases: &Path, database: Database) {
    // If even this cannot be written, the damage will be met again.
    drop(File::create(suspicion(databases, database)));
}

fn suspicion(databases: &Path, database: Database) -> PathBuf {
    connection::sibling(&connection::file(databases, database), ".suspect")
}

fn clear_suspicion(databases: &Path, database: Database) -> Result<(), StoreError> {
    connection::remove(&suspicion(databases, database))
}

enum CatchUp {
    Elsewhere(String),
    Failed(StoreError),
}

impl<E: Into<StoreError>> From<E> for CatchUp {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// None for another schema.
fn catch_up(path: &Path, database: Database, journal: &Reader) -> Result<Option<Opening>, CatchUp> {
    let connection = connection::open_writer(path)?;
    if !migrate::is_current(&connection, database)? {
        return Ok(None);
    }
    match watermark::compare(watermark::read(&(&connection).into(), database)?, journal)? {
        Standing::Current => Ok(Some(Opening::Current)),
        Standing::Behind(position) => {
            let (_, records) = fold(&connection, database, journal, position)?;
            Ok(Some(Opening::Replayed { records }))
        }
        Standing::Elsewhere(reason) => Err(CatchUp::Elsewhere(reason)),
    }
}

fn make(databases: &Path, database: Database, journal: &Reader) -> Result<u64, StoreError> {
    let mut beside = Beside::create(databases, database)?;
    beside.follow(journal)?;
    beside.install(databases)
}

/// Moves the damaged file and its log aside, then folds a new one.
fn recover(
    databases: &Path,
    database: Database,
    journal: &Reader,
    reason: String,
) -> Result<Opening, StoreError> {
    let path = connection::file(databases, database);
    let kept = (1u32..)
        .map(|n| connection::sibling(&path, &format!(".damaged-{n}")))
        .find(|kept| !kept.exists())
        .unwrap_or_else(|| connection::sibling(&path, ".damaged"));
    for ending in ["", "-wal", "-shm"] {
        let from = connection::sibling(&path, ending);
        if from.exists() {
            connection::rename(&from, &connection::sibling(&kept, ending))?;
        }
    }
    let records = make(databases, database, journal)?;
    Ok(Opening::Recovered { reason, kept, records })
}
