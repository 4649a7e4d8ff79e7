//! The janitor: one process of all that are there clears up, so that nobody pays for it in the middle of a publish.
//!
//! Whoever gets the lock of `rt/janitor` is it, and the kernel gives the lock to the next one when it dies. It says in
//! shared memory when it last went round; while that is fresh, writers leave checkpoints and purging to it.

use crate::bus::{Bus, Inner};
use crate::database::Role;
use crate::error::BusError;
use crate::write::{nanos, signed, try_flock, unsigned};
use rusqlite::Connection;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the janitor looks at the WAL.
pub const JANITOR_ROUND: Duration = Duration::from_millis(250);
/// A janitor that has not gone round for this long is no janitor.
pub const JANITOR_STALE: Duration = Duration::from_secs(2);
/// How often those who are not it try to become it.
const CANDIDATE: Duration = Duration::from_secs(1);
/// How long it rests at most where nothing happens: each quiet round doubles the pause up to this.
const REST_MAX: Duration = Duration::from_secs(1);
/// How often it looks for the dead, the due and the expired; with it, a dead session is gone within two seconds.
const CLEAR_EVERY: Duration = Duration::from_secs(1);
/// Frames in the WAL from which a checkpoint pays.
const CHECKPOINT_FRAMES: i64 = 1000;
/// Frames from which a WAL that does not start over by itself is made to: 16 MiB.
const RESTART_FRAMES: i64 = 4096;
/// Purging transactions in one round: the rest is for the next, so that writers get between.
const PURGES_MAX: usize = 8;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// False: somebody else is the janitor.
    pub ours: bool,
    pub checkpointed: bool,
    pub purged: usize,
    pub reaped: usize,
}

/// A thread that is janitor, or stands by to become it; dropped, it stops.
#[derive(Debug)]
pub struct Janitor {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Bus {
    /// Takes part in keeping the bus clean for as long as the returned handle lives. For processes that stay.
    pub fn keep_house(&self) -> Result<Janitor, BusError> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (bus, told) = (self.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("bus-janitor".to_owned())
            .spawn(move || house(&bus, &told))
            .map_err(BusError::io("starting the janitor"))?;
        Ok(Janitor { stop, thread: Some(thread) })
    }

    /// True while some process clears up.
    pub fn has_janitor(&self) -> bool {
        self.inner.has_janitor()
    }

    /// One whole round, if nobody else is the janitor: for tests, and for processes that have a loop of their own.
    pub fn tidy(&self) -> Result<Round, BusError> {
        let file = self.inner.runtime_file("janitor")?;
        if try_flock(&file)? { round(self, true).map(|(done, _)| done) } else { Ok(Round::default()) }
    }
}

impl Inner {
    pub(crate) fn has_janitor(&self) -> bool {
        let last = self.slots.janitor_ns();
        last > 0 && nanos(self.clock.uptime()).saturating_sub(signed(last)) < nanos(JANITOR_STALE)
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits, and says whether to go on.
fn pause(told: &(Mutex<bool>, Condvar), time: Duration) -> bool {
    let stop = told.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (stop, _) =
        told.1.wait_timeout_while(stop, time, |stop| !*stop).unwrap_or_else(PoisonError::into_inner);
    !*stop
}

fn house(bus: &Bus, told: &(Mutex<bool>, Condvar)) {
    loop {
        // While somebody else is at work there is nothing to try.
        if bus.inner.has_janitor() {
            if pause(told, CANDIDATE) {
                continue;
            }
            return;
        }
        let file = bus.inner.runtime_file("janitor");
        // A full disk or a busy bus: the next round may find it better, and nothing rests on this one.
        if let Ok(file) = file
            && try_flock(&file).unwrap_or(false)
        {
            let (mut rest, mut since_clear, mut frames_before) = (JANITOR_ROUND, CLEAR_EVERY, None);
            loop {
                let clear = since_clear >= CLEAR_EVERY;
                let (done, frames) = round(bus, clear).unwrap_or_default();
                // Where nobody has written, nothing will need it soon.
                let quiet =
                    !done.checkpointed && done.purged + done.reaped == 0 && frames_before == Some(frames);
                rest = if quiet { (rest * 2).min(REST_MAX) } else { JANITOR_ROUND };
                frames_before = Some(frames);
                since_clear = if clear { rest } else { since_clear + rest };
                if !pause(told, rest) {
                    // Nobody is the janitor from this moment on.
                    bus.inner.slots.set_janitor_ns(0);
                    return;
                }
            }
        }
        if !pause(told, CANDIDATE) {
            return;
        }
    }
}

/// What was done, and how many frames the WAL had.
fn round(bus: &Bus, clear: bool) -> Result<(Round, i64), BusError> {
    bus.inner.slots.set_janitor_ns(unsigned(nanos(bus.inner.clock.uptime())).max(1));
    let (checkpointed, frames) = bus.inner.checkpoint()?;
    let mut done = Round { ours: true, checkpointed, ..Round::default() };
    if clear {
        done.reaped = bus.reap()?.len();
        bus.redeliver()?;
        for _ in 0..PURGES_MAX {
            let purged = bus.purge_once()?;
            done.purged += purged;
            if purged < crate::PURGE_ROWS {
                break;
            }
            std::thread::yield_now();
        }
    }
    Ok((done, frames))
}

impl Inner {
    /// Moves the WAL into the database when that pays. To look costs nothing (`NOOP`).
    fn checkpoint(&self) -> Result<(bool, i64), BusError> {
        let checkout = self.house(Role::Writer)?;
        let conn = checkout.conn();
        let (frames, moved) = wal(conn, "NOOP")?;
        if frames < CHECKPOINT_FRAMES || moved == frames && frames < RESTART_FRAMES {
            return Ok((false, frames));
        }
        let (frames, moved) = wal(conn, "PASSIVE")?;
        if frames >= RESTART_FRAMES && moved == frames {
            // Readers came one after the other, so no writer ever found the WAL unused. Tried for some 2 ms.
            wal(conn, "RESTART")?;
        }
        Ok((true, frames))
    }
}

/// Frames in the WAL, and how many of them are in the database.
fn wal(conn: &Connection, mode: &str) -> Result<(i64, i64), BusError> {
    let row =
        conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(row)
}
