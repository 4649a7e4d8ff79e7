//! When and how long to wait before a call is made again.

use jiff::fmt::rfc2822::DateTimeParser;
use model::Entropy;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
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

/// The wait a response asks for, in any of the ways in use. A date is read against the response's own
/// `Date`, so that our clock does not matter.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |value: &HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    if let Some(millis) = headers.get("retry-after-ms").and_then(text) {
        return Duration::try_from_secs_f64(millis.parse::<f64>().ok()? / 1000.0).ok();
    }
    let asked = headers.get(RETRY_AFTER).and_then(text)?;
    if let Ok(seconds) = asked.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let instant = |date: &str| DateTimeParser::new().parse_timestamp(date).ok();
    let sent = instant(&headers.get(DATE).and_then(text)?)?;
    let millis = instant(&asked)?.as_millisecond().saturating_sub(sent.as_millisecond());
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// How a wait reads in an error: empty when none is known.
pub(crate) fn seconds(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!(": try again in {} s", wait.as_secs().max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Dice(u8);

    impl Entropy for Dice {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    const LOW: Dice = Dice(0);
    const HIGH: Dice = Dice(255);

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_attempts() {
        let policy = RetryPolicy::default();
        let most = |made| policy.wait(made, None, &HIGH);
        assert_eq!(most(1), Some(RETRY_BASE));
        assert_eq!(most(2), Some(RETRY_BASE * 2));
        assert_eq!(most(4), Some(RETRY_BASE * 8));
        assert_eq!(most(RETRY_ATTEMPTS), None);
        let patient = RetryPolicy { attempts: 1000, ..policy };
        assert_eq!(patient.wait(999, None, &HIGH), Some(RETRY_CAP));
        assert_eq!(patient.wait(999, None, &LOW), Some(RETRY_CAP / 2));
    }

    #[test]
    fn a_vendor_is_obeyed_up_to_its_own_cap() {
        let policy = RetryPolicy::default();
        let asked = |seconds, dice| policy.wait(1, Some(Duration::from_secs(seconds)), dice);
        assert_eq!(asked(7, &LOW), Some(Duration::from_secs(7)));
        assert_eq!(asked(0, &HIGH), Some(Duration::ZERO));
        assert_eq!(asked(RETRY_AFTER_CAP.as_secs(), &LOW), Some(RETRY_AFTER_CAP));
        assert_eq!(asked(RETRY_AFTER_CAP.as_secs() + 1, &LOW), None);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked_and_never_much_longer(asked in 0u64..60_000, dice: u8, made in 1u32..5) {
            let policy = RetryPolicy::default();
            let asked = Duration::from_millis(asked);
            let wait = policy.wait(made, Some(asked), &Dice(dice)).unwrap();
            prop_assert!(wait >= asked && wait <= asked + asked / 10 + Duration::from_micros(1));
            let own = policy.wait(made, None, &Dice(dice)).unwrap();
            prop_assert!(own >= RETRY_BASE / 2 && own <= RETRY_CAP);
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_every_form_in_use() {
        let read = |pairs: &[_]| retry_after(&headers(pairs));
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "0.25")]), Some(Duration::from_millis(250)));
        assert_eq!(
            read(&[("retry-after-ms", "1500"), ("retry-after", "9")]),
            Some(Duration::from_millis(1500))
        );
        let date =
            [("date", "Wed, 21 Oct 2026 07:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")];
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        let past =
            [("date", "Wed, 21 Oct 2026 07:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT")];
        assert_eq!(read(&past), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "1e400", "NaN", ""] {
            assert_eq!(read(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(read(&[]), None);
    }
}
