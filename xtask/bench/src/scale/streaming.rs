//! A thousand sessions that stream at once, and how soon whoever watches has each event.
//!
//! Nearly all of them are spoken for by one multiplexed driver: their turns, registrations and pipes are real, their guards hold the
//! lock that proves they live, and one thread writes what they say. Beside them fifty native loops work, each with its guard, against
//! a scripted model. Engine and server run in this process, as in the daemon; the watcher has a thread of its own.
//!
//! Invariant: every event carries the moment it was written at, on the clock all processes share, and a number that comes once.

mod guard;
mod house;
mod speaker;
mod watcher;

pub(super) use guard::guard;

use crate::row::Row;
use crate::{Order, say, scratch, tell};
use house::House;
use std::path::Path;
use std::time::Duration;

const SESSIONS: usize = 1_000;
const SESSIONS_QUICK: usize = 100;
const NATIVE: usize = 50;
const NATIVE_QUICK: usize = 5;
/// Events in a second, all together. What the native loops say comes on top of what the driver does.
const EVENTS: f64 = 2_000.0;
/// A native loop has a step in so many milliseconds; each is at least four events.
const STEP_MS: u64 = 1_000;
const EVENTS_PER_STEP: f64 = 4.0;
/// Milliseconds from a driver's pipe to whoever watches.
const LATENCY_MOST: f64 = 20.0;

/// What is to go on at once.
#[derive(Debug, Clone, Copy)]
struct Scale {
    sessions: usize,
    native: usize,
    /// Events a second that the multiplexed driver writes.
    rate: f64,
    lasting: Duration,
}

impl Scale {
    fn of(quick: bool) -> Self {
        let (sessions, native, seconds) =
            if quick { (SESSIONS_QUICK, NATIVE_QUICK, 5) } else { (SESSIONS, NATIVE, 30) };
        let share = sessions as f64 / SESSIONS as f64;
        let native_rate = native as f64 * EVENTS_PER_STEP * 1_000.0 / STEP_MS as f64;
        Self { sessions, native, rate: EVENTS * share - native_rate, lasting: Duration::from_secs(seconds) }
    }

    /// Steps that keep a native loop at work until the driver has spoken, its beginning included.
    fn steps(self) -> usize {
        usize::try_from(self.lasting.as_millis() as u64 / STEP_MS).unwrap_or(usize::MAX).saturating_add(10)
    }
}

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    let scale = Scale::of(order.quick);
    more_files()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let heard = runtime.block_on(async {
        let house = House::open(folder, scale).await?;
        let heard = house.measure(scale).await;
        house.close().await;
        heard
    })?;
    let note = format!(
        "{} sessions of one driver and {} native loops; {:.0} events/s reached the watcher, {} of the driver; load {}",
        scale.sessions,
        scale.native,
        heard.per_second,
        heard.samples.len(),
        scratch::load()
    );
    for (stat, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let row = Row::new("core", "streaming", "ms", stat, heard.millis(share)).note(&note);
        tell(&if stat == "p99" { row.at_most(LATENCY_MOST) } else { row });
    }
    for (stat, count) in [("lost", heard.lost), ("duplicates", heard.again), ("gaps", heard.gaps)] {
        tell(&Row::new("core", "streaming", "events", stat, count as f64).at_most(0.0));
    }
    Ok(())
}

/// Three pipes for each run, in one process.
fn more_files() -> Result<(), String> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(|error| format!("open files cannot be raised: {error}"))?;
    say(&format!("core: {:?} files may be open at once", limit.current));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_say_as_much_as_was_promised() {
        for quick in [true, false] {
            let scale = Scale::of(quick);
            let native = scale.native as f64 * EVENTS_PER_STEP;
            assert!(scale.rate > 0.0);
            assert_eq!((scale.rate + native) / scale.sessions as f64, EVENTS / SESSIONS as f64);
            assert!(scale.steps() as u64 * STEP_MS > scale.lasting.as_millis() as u64);
        }
    }
}
