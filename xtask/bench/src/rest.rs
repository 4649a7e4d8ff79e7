//! Waiting for this process to have nothing left to do: what follows behind shares the processors with what is measured.

use crate::say;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// At rest: less than this share of one processor for [`LOOK`].
const AT_REST: f64 = 0.05;
const LOOK: Duration = Duration::from_secs(1);

/// Processor time of this process so far, of the threads that have ended, too, in nanoseconds.
pub(crate) fn worked() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

/// The machine's monotonic clock, which all processes share.
pub(crate) fn now() -> u64 {
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// Waits until this process is at rest and what it wrote is on the disk, which keeps the kernel's threads busy. Says so when
/// that takes longer than `most`.
pub(crate) fn rest(most: Duration) {
    let begun = Instant::now();
    loop {
        let before = worked();
        std::thread::sleep(LOOK);
        if ((worked() - before) as f64) < AT_REST * LOOK.as_nanos() as f64 {
            return rustix::fs::sync();
        }
        if begun.elapsed() > most {
            return say("the background has not come to rest; measuring all the same");
        }
    }
}
