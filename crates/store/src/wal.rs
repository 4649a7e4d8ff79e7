//! Moving pages from the write-ahead logs into the files, off the way of commits.
//!
//! Two phases: a thread of its own copies most pages while commits go on, which never lets the log start over; the
//! committer copies the rest when it has nothing else to do, or when a log has become long and the thread has left it
//! little, and then the next commit starts the log from its beginning. Inline checkpoints, SQLite's default, would make
//! single commits wait for seconds.

use crate::readers::FileReaders;
use crate::statement::Database;
use crate::{StoreError, connection};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pages in the log, and not yet in the file, that start the thread: 4 MiB. The journal's sync waits behind what goes to
/// the disk at once.
pub(crate) const BACKGROUND_PAGES: i64 = 1_000;
/// Pages the committer takes over itself when it is idle: 1 MiB.
pub(crate) const IDLE_PAGES: i64 = 256;
/// Length of a log at which the committer no longer waits to be idle, but until the thread has left it no more than
/// [`IDLE_PAGES`]: 64 MiB.
pub(crate) const LOG_PAGES_MAX: i64 = 16_384;
/// Length at which it waits for nothing: 256 MiB.
pub(crate) const LOG_PAGES_END: i64 = 4 * LOG_PAGES_MAX;

/// How long a log is, in pages, and how much of it is in the file already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) log: i64,
    pub(crate) copied: i64,
}

impl Backlog {
    pub(crate) const fn waiting(self) -> i64 {
        self.log - self.copied
    }

    /// Who is to copy pages of it between two commits.
    pub(crate) const fn due(self) -> Due {
        let (long, waiting) = (self.log >= LOG_PAGES_MAX, self.waiting());
        if waiting > 0 && (self.log >= LOG_PAGES_END || long && waiting <= IDLE_PAGES) {
            Due::Committer
        } else if waiting > IDLE_PAGES && (long || waiting >= BACKGROUND_PAGES) {
            Due::Thread
        } else {
            Due::Nobody
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nobody,
    Thread,
    /// Commits wait for it.
    Committer,
}

/// Asks without copying anything.
pub(crate) fn backlog(connection: &Connection) -> Result<Backlog, StoreError> {
    pragma(connection, "PRAGMA wal_checkpoint(NOOP)")
}

/// Copies what no reader still needs, and waits for nobody.
pub(crate) fn checkpoint(connection: &Connection) -> Result<Backlog, StoreError> {
    pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

fn pragma(connection: &Connection, sql: &str) -> Result<Backlog, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok(Backlog { log: row.get(1)?, copied: row.get(2)? }))?)
}

/// The thread of the first phase.
pub(crate) struct Checkpointer {
    ring: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    pub(crate) fn start(readers: Arc<FileReaders>, databases: &Path) -> Result<Self, StoreError> {
        let (ring, bell) = sync_channel(1);
        let directory = databases.to_owned();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || follow(&bell, &readers, &directory))
            .map_err(|error| StoreError::io("start a thread for", databases, error))?;
        Ok(Self { ring, thread })
    }

    /// A handle for the committer to ring.
    pub(crate) fn bell(&self) -> SyncSender<()> {
        self.ring.clone()
    }

    /// Ends the thread once every other bell is dropped.
    pub(crate) fn join(self) {
        drop(self.ring);
        // A panic in there has cost a checkpoint and nothing else.
        drop(self.thread.join());
    }
}

fn follow(bell: &Receiver<()>, readers: &FileReaders, databases: &Path) {
    while bell.recv().is_ok() {
        let Some(_hold) = readers.hold() else { continue };
        for database in Database::ALL {
            // What fails here is tried again after the next commits, and by the committer when it is idle.
            drop(
                connection::open_reader(&connection::file(databases, database))
                    .and_then(|connection| checkpoint(&connection)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Files;
    use crate::migrate;

    /// Files of ours without a journal: logs do not care what is in them.
    fn files(databases: &Path) -> Files {
        for database in Database::ALL {
            let path = connection::file(databases, database);
            let fresh = connection::create_beside(&path).unwrap();
            migrate::create(&fresh, database).unwrap();
        }
        Files::open(databases).unwrap()
    }

    fn write(file: &Connection, pages: i64) {
        file.execute_batch("CREATE TABLE IF NOT EXISTS ballast (x)").unwrap();
        file.execute("INSERT INTO ballast VALUES (zeroblob(?1))", [pages * 4096]).unwrap();
    }

    #[test]
    fn commits_copy_nothing_and_the_thread_copies_most() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(&files.sessions, BACKGROUND_PAGES);
        let before = backlog(&files.sessions).unwrap();
        assert!(before.waiting() >= BACKGROUND_PAGES, "{before:?}");
        assert_eq!(before.copied, 0, "no checkpoint on the way of a commit");
        let readers = Arc::new(FileReaders::new(dir.path().to_owned()));
        let checkpointer = Checkpointer::start(readers, dir.path()).unwrap();
        checkpointer.bell().send(()).unwrap();
        checkpointer.join();
        assert_eq!(backlog(&files.sessions).unwrap().waiting(), 0);
        // All of it is in the file, so the next commit starts the log from its beginning.
        write(&files.sessions, 1);
        let after = backlog(&files.sessions).unwrap();
        assert!(after.log < before.log, "{before:?} {after:?}");
    }

    #[test]
    fn commits_wait_for_little_unless_a_log_has_become_far_too_long() {
        let due = |log, waiting| Backlog { log, copied: log - waiting }.due();
        assert_eq!(due(BACKGROUND_PAGES - 1, BACKGROUND_PAGES - 1), Due::Nobody);
        assert_eq!(due(BACKGROUND_PAGES, BACKGROUND_PAGES), Due::Thread);
        assert_eq!(due(LOG_PAGES_MAX - 1, IDLE_PAGES), Due::Nobody);
        assert_eq!(due(LOG_PAGES_MAX, IDLE_PAGES + 1), Due::Thread);
        assert_eq!(due(LOG_PAGES_MAX, IDLE_PAGES), Due::Committer);
        assert_eq!(due(LOG_PAGES_MAX, 0), Due::Nobody, "the next commit starts it over");
        assert_eq!(due(LOG_PAGES_END - 1, LOG_PAGES_END - 1), Due::Thread);
        assert_eq!(due(LOG_PAGES_END, LOG_PAGES_END), Due::Committer);
    }

    #[test]
    fn the_committers_own_checkpoint_copies_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(&files.messages, IDLE_PAGES);
        let copied = checkpoint(&files.messages).unwrap();
        assert!(copied.log >= IDLE_PAGES, "{copied:?}");
        assert_eq!(copied.waiting(), 0);
    }

    #[test]
    fn no_checkpoint_runs_while_files_are_exchanged() {
        let dir = tempfile::tempdir().unwrap();
        drop(files(dir.path()));
        let readers = FileReaders::new(dir.path().to_owned());
        readers.exchange(|| assert!(readers.hold().is_none()));
        assert!(readers.hold().is_some());
        readers.close();
        assert!(readers.hold().is_none());
    }
}
