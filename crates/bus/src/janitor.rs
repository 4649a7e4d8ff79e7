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
/// Frames from which a process that lives for one question empties the WAL at its end: some 1.5 µs a frame for whoever
/// comes next.
pub const BRIEF_FRAMES: i64 = 150;
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
        if try_flock(&file)? { round(self, true, &mut 0) } else { Ok(Round::default()) }
    }
}

impl Inner {
    pub(crate) fn has_janitor(&self) -> bool {
        let last = self.slots.janitor_ns();
        last > 0 && nanos(self.clock.uptime()).saturating_sub(signed(last)) < nanos(JANITOR_STALE)
    }
}

/// While processes that live for one question come one after the other, nothing else ever starts the WAL over: each finds
/// it as one that nobody has moved yet. Where others read there is a next one to do it.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(frames) = self.brief
            && !self.has_janitor()
            && let Ok(checkout) = self.writer()
            && wal(checkout.conn(), "NOOP").is_ok_and(|(found, _)| found >= frames)
        {
            let _ = wal(checkout.conn(), "TRUNCATE");
        }
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
            let (mut rest, mut since_clear, mut frames) = (JANITOR_ROUND, CLEAR_EVERY, 0);
            loop {
                let clear = since_clear >= CLEAR_EVERY;
                let before = frames;
                let done = round(bus, clear, &mut frames).unwrap_or_default();
                // Where nobody has written, nothing will need it soon.
                let quiet = !done.checkpointed && done.purged + done.reaped == 0 && before == frames;
                rest = if quiet { (rest * 2).min(REST_MAX) } else { JANITOR_ROUND };
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

/// `frames` is what the last round found in the WAL.
fn round(bus: &Bus, clear: bool, frames: &mut i64) -> Result<Round, BusError> {
    bus.inner.slots.set_janitor_ns(unsigned(nanos(bus.inner.clock.uptime())).max(1));
    let mut done = Round { ours: true, checkpointed: bus.inner.checkpoint(frames)?, ..Round::default() };
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
    Ok(done)
}

impl Inner {
    /// Moves the WAL into the database when that pays. To look costs nothing (`NOOP`).
    fn checkpoint(&self, before: &mut i64) -> Result<bool, BusError> {
        let checkout = self.house(Role::Writer)?;
        let conn = checkout.conn();
        let (frames, moved) = wal(conn, "NOOP")?;
        let quiet = std::mem::replace(before, frames) == frames;
        if frames < CHECKPOINT_FRAMES || moved == frames && frames < RESTART_FRAMES {
            return Ok(false);
        }
        let (frames, moved) = wal(conn, "PASSIVE")?;
        if frames >= RESTART_FRAMES && moved == frames {
            // Readers came one after the other, so no writer ever found the WAL unused. Tried for some 2 ms. While notices
            // pour in the file stays as it is; afterwards it goes, and with it the work of this round.
            wal(conn, if quiet { "TRUNCATE" } else { "RESTART" })?;
        }
        Ok(true)
    }
}

/// Frames in the WAL, and how many of them are in the database.
fn wal(conn: &Connection, mode: &str) -> Result<(i64, i64), BusError> {
    let row =
        conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{SystemClock, SystemEntropy};
    use crate::{Liveness, NewNotice, NewRegistration};
    use model::Channel;

    #[test]
    fn a_long_wal_is_kept_while_it_grows_and_goes_when_it_is_quiet() {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::open(dir.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
        let new = NewRegistration {
            id: None,
            agent: "a".to_owned(),
            vendor: "test".to_owned(),
            model: None,
            session: None,
            worktree: None,
            liveness: Liveness::Lease { ttl: Duration::from_secs(60) },
        };
        let me = bus.register(new).unwrap().id;
        let large = serde_json::json!("x".repeat(30_000));
        let batch = vec![NewNotice::new(me, Channel::task_broadcast(), large); 100];
        let length = || std::fs::symlink_metadata(dir.path().join("messaging.db-wal")).unwrap().len();
        let mut frames = 0;
        for _ in 0..7 {
            // However slow the machine is: no writer checkpoints in our place.
            bus.inner.slots.set_janitor_ns(unsigned(nanos(bus.inner.clock.uptime())));
            bus.publish_all(&batch).unwrap();
        }
        assert!(round(&bus, false, &mut frames).unwrap().checkpointed);
        assert!(frames > RESTART_FRAMES && length() > 4096 * 4096, "{frames} frames");
        assert!(round(&bus, false, &mut frames).unwrap().checkpointed);
        assert_eq!(length(), 0);
        assert!(!round(&bus, false, &mut frames).unwrap().checkpointed, "nothing is left to do");
    }
}
