//! A clock that moves only when told to.

use model::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Both readings of a `Clock`, set by hand. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    readings: Arc<Readings>,
}

#[derive(Debug)]
struct Readings {
    wall_ms: AtomicI64,
    uptime_ns: AtomicU64,
}

impl Default for ManualClock {
    /// 2026-01-31T14:23:01Z, one hour after boot.
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_769_869_381_000), Duration::from_secs(3600))
    }
}

impl ManualClock {
    pub fn new(now: Timestamp, uptime: Duration) -> Self {
        Self {
            readings: Arc::new(Readings {
                wall_ms: AtomicI64::new(now.as_millis()),
                uptime_ns: AtomicU64::new(nanos(uptime)),
            }),
        }
    }

    /// Time passes: both readings move forward together.
    pub fn advance(&self, by: Duration) {
        self.readings.uptime_ns.fetch_add(nanos(by), Ordering::SeqCst);
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.readings.wall_ms.fetch_add(millis, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, forward or back; uptime does not notice.
    pub fn set_wall(&self, now: Timestamp) {
        self.readings.wall_ms.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Sets time since boot, for a test that starts another boot.
    pub fn set_uptime(&self, uptime: Duration) {
        self.readings.uptime_ns.store(nanos(uptime), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.readings.wall_ms.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_nanos(self.readings.uptime_ns.load(Ordering::SeqCst))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_advance_moves_both_readings() {
        let clock = ManualClock::default();
        let (wall, up) = (clock.now(), clock.uptime());
        clock.clone().advance(Duration::from_millis(1500));
        assert_eq!(clock.now().as_millis() - wall.as_millis(), 1500);
        assert_eq!(clock.uptime() - up, Duration::from_millis(1500));
        clock.set_wall(Timestamp::from_millis(0));
        assert_eq!(clock.uptime() - up, Duration::from_millis(1500));
    }
}
