//! Samples of one thing, and what is said about them.

use std::time::{Duration, Instant};

/// Fewest samples behind a 99th percentile.
pub(crate) const P99_MIN: usize = 2_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    nanos: Vec<u64>,
}

impl Samples {
    pub(crate) fn add(&mut self, took: Duration) {
        self.nanos.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Runs and measures once.
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.add(begun.elapsed());
        done
    }

    /// What somebody else measured of the same.
    pub(crate) fn append(&mut self, more: Self) {
        self.nanos.extend(more.nanos);
    }

    pub(crate) fn len(&self) -> usize {
        self.nanos.len()
    }

    /// The value below which this share of the samples lies, in microseconds.
    pub(crate) fn micros(&self, share: f64) -> f64 {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last);
        sorted.get(at).map_or(0.0, |nanos| *nanos as f64 / 1_000.0)
    }

    pub(crate) fn millis(&self, share: f64) -> f64 {
        self.micros(share) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        for micros in (1..=100).rev() {
            samples.add(Duration::from_micros(micros));
        }
        assert_eq!((samples.micros(0.5), samples.micros(0.95), samples.micros(0.99)), (50.0, 95.0, 99.0));
        assert_eq!(samples.micros(1.0), 100.0);
        assert_eq!(Samples::default().micros(0.5), 0.0);
    }
}
