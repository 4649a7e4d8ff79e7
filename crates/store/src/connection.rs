//! Opening database files: how, and which ones at all.
//!
//! Invariant: a file that does not carry our `application_id` is never opened, only looked at.

use crate::StoreError;
use crate::statement::Database;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "CODI", in the header of every database of ours.
pub(crate) const APPLICATION_ID: u32 = 0x434F_4449;

/// Earlier versions can lose committed pages when a writer and a checkpoint on another connection race.
const SQLITE_NEEDED: &str = "3.51.3";
const SQLITE_NEEDED_NUMBER: i32 = 3_051_003;

/// Nobody holds the write lock for long; this only bridges a checkpoint's end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection; all of ours fit.
const STATEMENTS_KEPT: usize = 256;

/// What stands where a database should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Ours,
    Foreign,
}

pub(crate) fn require_sqlite() -> Result<(), StoreError> {
    if rusqlite::version_number() < SQLITE_NEEDED_NUMBER {
        return Err(StoreError::SqliteTooOld {
            found: rusqlite::version().to_owned(),
            needed: SQLITE_NEEDED,
        });
    }
    Ok(())
}

/// Looks at the file's first bytes, without SQLite: opening it could already recover a journal into it.
pub(crate) fn recognize(path: &Path) -> Result<Found, StoreError> {
    const APPLICATION_ID_AT: std::ops::Range<usize> = 68..72;
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        about => about.map_err(|error| StoreError::io("look at", path, error))?,
    };
    if !about.is_file() {
        return Ok(Found::Foreign);
    }
    if about.len() == 0 {
        return Ok(Found::Nothing);
    }
    let mut header = Vec::with_capacity(100);
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(|error| StoreError::io("read", path, error))?;
    // Only the id counts: damage may have hit the rest.
    let ours = header.get(APPLICATION_ID_AT) == Some(&APPLICATION_ID.to_be_bytes()[..]);
    Ok(if ours { Found::Ours } else { Found::Foreign })
}

/// A new file beside the real one. Nothing of it counts until it is finished and renamed, so it needs no
/// protection of its own while it is filled.
pub(crate) fn create_beside(path: &Path) -> Result<Connection, StoreError> {
    remove_with_log(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    settle(&connection)?;
    connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")?;
    Ok(connection)
}

/// The committer's connection to an existing file of ours.
///
/// `synchronous = NORMAL` loses the last commits in a power cut, but never the file's order: what is lost is replayed from
/// the journal, which is synced for every batch. Checkpoints are ours to time, see `checkpoint.rs`.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_existing(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -8192;",
    )?;
    Ok(connection)
}

/// A reader's connection. It never checkpoints, not even as the last one to close.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_existing(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON;")?;
    Ok(connection)
}

fn open_existing(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    settle(&connection)?;
    Ok(connection)
}

fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // SQLite is built with STAT4: else another value bound to a kept statement can make it compile the statement anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
    Ok(())
}

/// Runs a statement about transactions, which is prepared once.
pub(crate) fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

pub(crate) fn file(databases: &Path, database: Database) -> PathBuf {
    databases.join(database.file_name())
}

/// The file beside `path` whose name has this ending more: `sessions.db` and `-wal` give `sessions.db-wal`.
pub(crate) fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Removes a database file, then its log and shared memory. In this order: a log without its file is dead, a file without
/// its log would be an older state.
pub(crate) fn remove_with_log(path: &Path) -> Result<(), StoreError> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        remove(&sibling(path, ending))?;
    }
    Ok(())
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, error)),
        _ => Ok(()),
    }
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| StoreError::io("rename", from, error))
}

/// Makes renames and removals in the directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| StoreError::io("sync", directory, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_sqlite_is_new_enough() {
        require_sqlite().unwrap();
        // 3.51.2 and earlier have the WAL-reset bug.
        const { assert!(SQLITE_NEEDED_NUMBER >= 3_051_003) };
    }

    #[test]
    fn a_kept_statement_keeps_its_plan_on_every_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.db");
        let made = create_beside(&path).unwrap();
        made.execute_batch("CREATE TABLE numbers (n); PRAGMA application_id = 1129268297").unwrap();
        let plain = Connection::open(&path).unwrap();
        assert!(!plain.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap(), "not by itself");
        for connection in [made, open_writer(&path).unwrap(), open_reader(&path).unwrap()] {
            assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap());
        }
    }

    #[test]
    fn only_our_id_makes_a_file_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.db");
        assert_eq!(recognize(&path).unwrap(), Found::Nothing);
        fs::write(&path, b"").unwrap();
        assert_eq!(recognize(&path).unwrap(), Found::Nothing);
        fs::write(&path, b"SQLite format 3\0").unwrap();
        assert_eq!(recognize(&path).unwrap(), Found::Foreign);
        fs::write(&path, "my own notes, longer than the header of a database".repeat(3)).unwrap();
        assert_eq!(recognize(&path).unwrap(), Found::Foreign);
        fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
        assert_eq!(recognize(&path).unwrap(), Found::Foreign);
        Connection::open(&path).unwrap().execute_batch("PRAGMA application_id = 1129268297").unwrap();
        assert_eq!(recognize(&path).unwrap(), Found::Ours);
        let link = dir.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(recognize(&link).unwrap(), Found::Foreign);
    }
}
