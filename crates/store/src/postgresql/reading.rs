//! A small pool of connections to read with. A view sees one state of everything: of the moment of its first question.
//!
//! A statement is a snapshot by itself, and most reads are one statement, so they go without a transaction. A second
//! question begins one, and looks whether it still sees what the first one did; when something was committed between the
//! two, the read is run once more, in a transaction from the start. See `Connection::begin_loosely`.

use super::connection::{Connection, SNAPSHOT, Use};
use super::place::Place;
use crate::{StoreError, View};
use journal::Reader;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Connections kept when nobody reads.
const IDLE_MAX: usize = 4;
/// Threads that read at once; one more waits. A reader inside a reader does not.
pub(crate) const READERS_MAX: usize = 16;

pub(crate) struct Readers {
    place: Arc<Place>,
    journal: Reader,
    pool: Mutex<Pool>,
    changed: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    active: usize,
    /// Schemas are being exchanged: nobody may look.
    swapping: bool,
    closed: bool,
}

thread_local! {
    /// Readers this thread is inside of. A nested one must not wait for what waits for the outer one.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

impl Readers {
    pub(crate) fn new(place: Arc<Place>, journal: Reader) -> Self {
        Self { place, journal, pool: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn read<T>(&self, read: impl Fn(&View<'_>) -> T) -> Result<T, StoreError> {
        let lease = self.lease()?;
        let connection = lease.connection()?;
        connection.begin_loosely(self.journal.newest());
        let found = read(&View::new(connection, connection));
        if !connection.is_torn() {
            return Ok(found);
        }
        connection.leave();
        connection.begin(SNAPSHOT);
        Ok(read(&View::new(connection, connection)))
    }

    /// Runs the closure on the connection of a snapshot.
    pub(crate) fn raw<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lease = self.lease()?;
        let connection = lease.connection()?;
        connection.begin(SNAPSHOT);
        read(connection)
    }

    /// Waits until nobody reads, runs the exchange, and lets readers in again.
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

    pub(crate) fn close(&self) {
        let mut pool = self.lock();
        pool.closed = true;
        pool.idle.clear();
        drop(pool);
        self.changed.notify_all();
    }

    fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let mut pool = self.lock();
        while (pool.swapping || pool.active >= READERS_MAX) && DEPTH.get() == 0 && !pool.closed {
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
        let mut lease = Lease { readers: self, connection: idle };
        if lease.connection.is_none() {
            lease.connection = Some(Connection::open(&self.place, &self.place.rows, Use::View)?);
        }
        Ok(lease)
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // The pool is a list and three words, whole at every point where a panic could come.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lease<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Lease<'_> {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or_else(|| StoreError::Stopped("no connection to read with".to_owned()))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        let connection = self.connection.take();
        let usable = connection.filter(Connection::leave);
        let mut pool = self.readers.lock();
        pool.active -= 1;
        match usable {
            Some(connection) if !pool.closed && !pool.swapping && pool.idle.len() < IDLE_MAX => {
                pool.idle.push(connection);
            }
            Some(_) => {}
            // What was lost is lost for the others, too: a server that was started again knows none of them.
            None => pool.idle.clear(),
        }
        drop(pool);
        self.readers.changed.notify_all();
    }
}
