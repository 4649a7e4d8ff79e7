//! Token buckets: so many at once, so many a second after that.

use std::time::Duration;

/// How much of something may happen.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    burst: u64,
    /// Micro-units added per microsecond are the units a second.
    per_second: u64,
    /// In millionths of one.
    level: u64,
    filled_at: Duration,
}

const ONE: u64 = 1_000_000;

impl Bucket {
    pub(crate) fn new(burst: u32, per_second: u32, now: Duration) -> Self {
        let burst = u64::from(burst) * ONE;
        Self { burst, per_second: u64::from(per_second.max(1)), level: burst, filled_at: now }
    }

    /// Takes one, or says after how many whole seconds there will be one again. `now` is time since boot.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), u64> {
        let passed = u64::try_from(now.saturating_sub(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(passed.saturating_mul(self.per_second)).min(self.burst);
        self.filled_at = self.filled_at.max(now);
        if self.level >= ONE {
            self.level -= ONE;
            return Ok(());
        }
        Err((ONE - self.level).div_ceil(self.per_second).div_ceil(ONE).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_the_average() {
        let mut bucket = Bucket::new(3, 2, at(0));
        assert!((0..3).all(|_| bucket.take(at(0)).is_ok()));
        assert_eq!(bucket.take(at(0)), Err(1));
        assert_eq!(bucket.take(at(499)), Err(1));
        assert_eq!(bucket.take(at(500)), Ok(()));
        assert_eq!(bucket.take(at(500)), Err(1));
    }

    #[test]
    fn it_never_holds_more_than_its_burst() {
        let mut bucket = Bucket::new(2, 100, at(0));
        let taken = (0..10).filter(|_| bucket.take(Duration::from_secs(1_000_000)).is_ok()).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1, 1, at(5_000));
        assert!(bucket.take(at(5_000)).is_ok());
        assert!(bucket.take(at(0)).is_err());
        assert!(bucket.take(at(5_999)).is_err());
        assert!(bucket.take(at(6_000)).is_ok());
    }
}
