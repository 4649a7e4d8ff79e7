//! A small pool of read connections, and snapshots over both files at once.
//!
//! Invariant: a view sees both databases at one watermark. The committer commits one file after the other, so a reader that came
//! between the two looks again; neither ever waits on a lock of the other's.

use crate::rebuild::suspect;
use crate::statement::Database;
use crate::{StoreError, View, connection, postgresql, watermark};
use rusqlite::Connection;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Idle connections kept open, as pairs. More are opened when more threads read, and closed after.
const IDLE_MAX: usize = 4;
/// Looks until both files show one position. The gap is a few hundred microseconds wide; only a store that stopped inside it
/// leaves it open.
const LOOKS_MAX: u32 = 10_000;
/// First looks again at once, later ones with a pause: a committer that lost the processor needs it back.
const LOOKS_WITHOUT_PAUSE: u32 = 100;
const PAUSE: Duration = Duration::from_micros(100);

pub(crate) struct FileReaders {
    databases: PathBuf,
    pool: Mutex<Pool>,
    changed: Condvar,
    stopped: OnceLock<String>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Pair>,
    /// Readers at work, and checkpoints.
    active: usize,
    /// Files are being exchanged: nobody may open them.
    swapping: bool,
    closed: bool,
}

struct Pair {
    sessions: Connection,
    messages: Connection,
}

/// Readers of files, or of a server.
#[derive(Clone)]
pub(crate) enum Readers {
    Files(Arc<FileReaders>),
    Server(Arc<postgresql::Readers>),
}

impl Readers {
    /// Runs the closure on one state of both databases.
    pub(crate) fn read<T>(&self, read: impl Fn(&View<'_>) -> T) -> Result<T, StoreError> {
        match self {
            Self::Files(files) => files.read(read),
            Self::Server(server) => server.read(read),
        }
    }

    /// Says why no commit comes any more.
    pub(crate) fn stop(&self, reason: &str) {
        if let Self::Files(files) = self {
            files.stop(reason);
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Files(files) => files.close(),
            Self::Server(server) => server.close(),
        }
    }
}

thread_local! {
    /// Readers this thread is inside of. A nested one must not wait for a swap that waits for the outer one.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

impl FileReaders {
    pub(crate) fn new(databases: PathBuf) -> Self {
        Self {
            databases,
            pool: Mutex::new(Pool::default()),
            changed: Condvar::new(),
            stopped: OnceLock::new(),
        }
    }

    /// Runs the closure on a snapshot of both files.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> Result<T, StoreError> {
        let lease = self.lease()?;
        lease.snapshot()?;
        let pair = lease.pair()?;
        let view = View::new(&pair.sessions, &pair.messages);
        let result = read(&view);
        if let Some(database) = view.damaged() {
            suspect(&self.databases, database);
        }
        Ok(result)
    }

    /// Runs the closure on the two connections of a snapshot.
    pub(crate) fn raw<T>(
        &self,
        read: impl FnOnce(&Connection, &Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lease = self.lease()?;
        lease.snapshot()?;
        let pair = lease.pair()?;
        read(&pair.sessions, &pair.messages)
    }

    /// Keeps the files from being exchanged for as long as it lives. None while they are, and after closing.
    pub(crate) fn hold(&self) -> Option<Hold<'_>> {
        let mut pool = self.lock();
        if pool.swapping || pool.closed {
            return None;
        }
        pool.active += 1;
        Some(Hold { readers: self })
    }

    /// Waits until nobody has the files open, runs the exchange, and lets readers in again.
    pub(crate) fn exchange<T>(&self, exchange: impl FnOnce() -> T) -> T {
        let mut pool = self.lock();
        pool.swapping = true;
        while pool.active > 0 {
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.idle.clear();
        drop(pool);
        let result = exchange();
        self.lock().swapping = false;
        self.changed.notify_all();
        result
    }

    /// Says why the two files may never meet again.
    pub(crate) fn stop(&self, reason: &str) {
        // Only the first reason is the cause.
        drop(self.stopped.set(reason.to_owned()));
    }

    /// Lets the readers at work finish and refuses others.
    pub(crate) fn close(&self) {
        let mut pool = self.lock();
        pool.closed = true;
        pool.idle.clear();
        while pool.active > 0 && DEPTH.get() == 0 {
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        self.changed.notify_all();
    }

    fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let mut pool = self.lock();
        while pool.swapping && DEPTH.get() == 0 {
            pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        if pool.closed {
            return Err(StoreError::Stopped("it was closed".to_owned()));
        }
        let idle = pool.idle.pop();
        pool.active += 1;
        drop(pool);
        DEPTH.set(DEPTH.get() + 1);
        // From here on the lease's drop takes the count back.
        let mut lease = Lease { readers: self, pair: idle };
        if lease.pair.is_none() {
            lease.pair = Some(self.open()?);
        }
        Ok(lease)
    }

    fn open(&self) -> Result<Pair, StoreError> {
        let open = |database| connection::open_reader(&connection::file(&self.databases, database));
        Ok(Pair { sessions: open(Database::Sessions)?, messages: open(Database::Messages)? })
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // The pool is a list and two counters, whole at every point where a panic could come.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`FileReaders::hold`].
pub(crate) struct Hold<'r> {
    readers: &'r FileReaders,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.readers.lock().active -= 1;
        self.readers.changed.notify_all();
    }
}

struct Lease<'r> {
    readers: &'r FileReaders,
    pair: Option<Pair>,
}

impl Lease<'_> {
    fn pair(&self) -> Result<&Pair, StoreError> {
        self.pair.as_ref().ok_or_else(|| StoreError::Stopped("no connection to read with".to_owned()))
    }

    /// Opens a read transaction on both files at one position.
    fn snapshot(&self) -> Result<(), StoreError> {
        let pair = self.pair()?;
        for look in 0..LOOKS_MAX {
            connection::execute(&pair.sessions, "BEGIN")?;
            connection::execute(&pair.messages, "BEGIN")?;
            // The first read fixes what the transaction sees.
            let sessions = watermark::read(&(&pair.sessions).into(), Database::Sessions)?;
            let messages = watermark::read(&(&pair.messages).into(), Database::Messages)?;
            if sessions == messages {
                return Ok(());
            }
            connection::execute(&pair.sessions, "ROLLBACK")?;
            connection::execute(&pair.messages, "ROLLBACK")?;
            if let Some(reason) = self.readers.stopped.get() {
                return Err(StoreError::Stopped(reason.clone()));
            }
            if look < LOOKS_WITHOUT_PAUSE {
                std::thread::yield_now();
            } else {
                std::thread::sleep(PAUSE);
            }
        }
        Err(StoreError::Stopped("the two databases do not meet".to_owned()))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        let mut pool = self.readers.lock();
        pool.active -= 1;
        if let Some(pair) = self.pair.take() {
            let ended = [&pair.sessions, &pair.messages]
                .into_iter()
                .all(|file| file.is_autocommit() || connection::execute(file, "ROLLBACK").is_ok());
            // A connection that does not come out of its transaction is closed with it.
            if ended && !pool.closed && !pool.swapping && pool.idle.len() < IDLE_MAX {
                pool.idle.push(pair);
            }
        }
        drop(pool);
        self.readers.changed.notify_all();
    }
}
