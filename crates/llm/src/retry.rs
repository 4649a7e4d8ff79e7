//! When and how long to wait before a call is made again.

use model::Entropy;
use std::time::Duration;

/// Calls made for one request, the first one included.
pub const RETRY_ATTEMPTS: u32 = 5;
/// Longest wait before the second call; it doubles with each further one.
pub const RETRY_BASE: Duration = Duration::from_millis(500);
/// Longest wait we choose ourselves.
pub const RETRY_CAP: Duration = Duration::from_secs(20);
/// Longest wait a vendor may ask for; more than that fails the call at once, naming the wait.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);

/// How a call is made again while nothing of its answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in total; 1 means never again.
    pub attempts: u32,
    pub base: Duration,
    pub cap: Duration,
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: RETRY_ATTEMPTS, base: RETRY_BASE, cap: RETRY_CAP, retry_after_cap: RETRY_AFTER_CAP }
    }
}

impl RetryPolicy {
    /// The wait before the next call, after `made` calls; none when it should not be made.
    ///
    /// A vendor's `Retry-After` is kept to exactly, plus up to a tenth so that agents that were
    /// limited together do not come back together. Otherwise the wait is drawn from the upper half
    /// of base · 2^(made − 1), capped.
    pub fn wait(&self, made: u32, retry_after: Option<Duration>, entropy: &dyn Entropy) -> Option<Duration> {
        if made >= self.attempts {
            return None;
        }
        let mut dice = [0u8; 4];
        entropy.fill(&mut dice);
        let share = f64::from(u32::from_le_bytes(dice)) / f64::from(u32::MAX);
        if let Some(asked) = retry_after {
            return (asked <= self.retry_after_cap).then(|| asked + asked.mul_f64(share / 10.0));
        }
        let doubled = self.base.saturating_mul(2u32.saturating_pow(made.saturating_sub(1)));
        Some(doubled.min(self.cap).mul_f64(0.5 + share / 2.0))
    }
}

/// How a wait reads in an error: empty when none is known.
pub(crate) fn seconds(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!(": try again in {} s", wait.as_secs().max(1))).unwrap_or_default()
}
