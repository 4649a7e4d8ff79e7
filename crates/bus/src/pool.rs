//! A few connections shared by the threads of one process; whoever finds none free waits, but not for ever.

use crate::database::Database;
use crate::error::BusError;
use rusqlite::Connection;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection that is lent and comes back.
pub(crate) trait Lent {
    /// False when it is in the middle of something, or broken; then it is closed.
    fn is_reusable(&self) -> bool;
}

impl Lent for Database {
    fn is_reusable(&self) -> bool {
        // One in the middle of a transaction was left there by a panic; closing it rolls back.
        self.conn.is_autocommit()
    }
}

pub(crate) struct Pool<T> {
    most: usize,
    state: Mutex<State<T>>,
    freed: Condvar,
}

struct State<T> {
    idle: Vec<T>,
    out: usize,
    /// Threads that wait for a place: to wake nobody costs a system call too.
    waiting: usize,
}

/// A place in the pool; gives its connection back when dropped, unless it was taken out.
pub(crate) struct Checkout<'a, T: Lent> {
    pool: &'a Pool<T>,
    pub(crate) lent: Option<T>,
}

impl<T: Lent> Pool<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(State { idle: Vec::new(), out: 0, waiting: 0 }),
            freed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while holding it, and the state is right after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more to lend.
    pub(crate) fn give(&self, lent: T) {
        self.state().idle.push(lent);
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.state().idle.is_empty()
    }

    /// A place, with a connection when there is an idle one.
    pub(crate) fn take(&self, limit: Duration) -> Result<Checkout<'_, T>, BusError> {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        while state.out >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BusError::Busy(limit));
            }
            state.waiting += 1;
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.out += 1;
        let lent = state.idle.pop();
        Ok(Checkout { pool: self, lent })
    }
}

impl Checkout<'_, Database> {
    pub(crate) fn conn(&self) -> &Connection {
        &self.lent.as_ref().expect("a place is lent with its connection").conn
    }
}

impl<T: Lent> Drop for Checkout<'_, T> {
    fn drop(&mut self) {
        let reusable = self.lent.take().filter(Lent::is_reusable);
        let mut state = self.pool.state();
        state.out -= 1;
        state.idle.extend(reusable);
        let wanted = state.waiting > 0;
        drop(state);
        if wanted {
            self.pool.freed.notify_one();
        }
    }
}
