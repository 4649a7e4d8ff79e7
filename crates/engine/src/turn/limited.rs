//! A vendor that takes no more calls for a while: how long, as it says.
//!
//! Invariant: only what a vendor has said with a time pauses it; a guess would stop sessions that could work.

use model::{Timestamp, TurnOutcome, Vendor, VendorPause};

/// Longest pause that is believed, in milliseconds: a weekly limit and a day.
const PAUSE_MAX: i64 = 8 * 24 * 3600 * 1000;
/// Shortest, so that nobody knocks all the time.
const PAUSE_MIN: i64 = 1000;
/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

/// What a run has said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) retry_after_ms: Option<u64>,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: String,
}

/// The pause of a vendor over which a turn failed.
pub(super) fn pause(
    limited: Option<Limited>,
    outcome: &TurnOutcome,
    vendor: Vendor,
    now: Timestamp,
) -> Option<VendorPause> {
    let limited = limited?;
    if !matches!(outcome, TurnOutcome::Failed { .. }) {
        return None;
    }
    let after = limited.retry_after_ms.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX));
    // A time that is over is that of a limit which is not the one.
    let until = limited.until.map(|until| until.as_millis() - now.as_millis()).filter(|millis| *millis > 0);
    let millis = after.or(until)?;
    let millis = millis.clamp(PAUSE_MIN, PAUSE_MAX);
    let reason = limited.reason.chars().take(REASON_MAX).collect();
    Some(VendorPause {
        vendor,
        until: Timestamp::from_millis(now.as_millis().saturating_add(millis)),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(5_000_000);

    fn until(retry_after_ms: Option<u64>, until: Option<i64>) -> Option<i64> {
        let until = until.map(Timestamp::from_millis);
        let limited = Limited { retry_after_ms, until, reason: "x".repeat(REASON_MAX + 1) };
        let failed = TurnOutcome::Failed { code: "model_rate_limited".to_owned(), message: String::new() };
        let pause = pause(Some(limited.clone()), &failed, Vendor::Google, NOW);
        let well = TurnOutcome::Completed { summary: String::new() };
        assert_eq!(super::pause(Some(limited), &well, Vendor::Google, NOW), None, "it went well after all");
        assert!(pause.as_ref().is_none_or(|pause| pause.reason.len() == REASON_MAX));
        pause.map(|pause| pause.until.as_millis() - NOW.as_millis())
    }

    #[test]
    fn a_pause_is_as_long_as_the_vendor_says_within_bounds() {
        assert_eq!(until(Some(90_000), None), Some(90_000));
        assert_eq!(until(None, Some(5_060_000)), Some(60_000));
        assert_eq!((until(Some(0), None), until(None, Some(5_000_001))), (Some(PAUSE_MIN), Some(PAUSE_MIN)));
        let over = [0, 4_999_999, 5_000_000].map(|at| until(None, Some(at)));
        assert_eq!(over, [None; 3], "a time that is over is none");
        assert_eq!(until(Some(u64::MAX), None), Some(PAUSE_MAX));
        assert_eq!(until(None, None), None);
    }
}
