//! A few connections shared by the threads of one process; whoever finds none free waits, but not for ever.

use crate::database::Database;
use crate::error::BusError;
use rusqlite::Connection;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) struct Pool {
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Database>,
    out: usize,
}

/// A place in the pool; gives its connection back when dropped, unless it was taken out.
pub(crate) struct Checkout<'a> {
    pool: &'a Pool,
    pub(crate) database: Option<Database>,
}

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { idle: Vec::new(), out: 0 }), freed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it, and the state is right after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, with a connection when there is an idle one.
    pub(crate) fn take(&self, limit: Duration) -> Result<Checkout<'_>, BusError> {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        while state.out >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BusError::Busy(limit));
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.out += 1;
        let database = state.idle.pop();
        Ok(Checkout { pool: self, database })
    }
}

impl Checkout<'_> {
    pub(crate) fn conn(&self) -> &Connection {
        &self.database.as_ref().expect("a place is lent with its connection").conn
    }
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        // A connection in the middle of a transaction was left there by a panic; closing it rolls back.
        let reusable = self.database.take().filter(|database| database.conn.is_autocommit());
        let mut state = self.pool.state();
        state.out -= 1;
        state.idle.extend(reusable);
        drop(state);
        self.pool.freed.notify_one();
    }
}
