//! Moments and amounts in words.

use model::Timestamp;
use std::time::Duration;

/// How long ago something was.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    let millis = now.as_millis().saturating_sub(at.as_millis());
    if millis < 1000 { "now".to_owned() } else { format!("{} ago", words(millis)) }
}

/// How long until something is; a second that has begun counts.
pub(crate) fn ahead(now: Timestamp, at: Timestamp) -> String {
    let millis = at.as_millis().saturating_sub(now.as_millis());
    if millis <= 0 { "over".to_owned() } else { format!("in {}", words(millis + 999)) }
}

/// An amount of time.
pub(crate) fn span(time: Duration) -> String {
    words(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn words(millis: i64) -> String {
    let seconds = millis / 1000;
    match seconds {
        ..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min", seconds / 60),
        3600..=86_399 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An amount of tokens, short.
pub(crate) fn tokens(count: u64) -> String {
    match count {
        ..=999 => count.to_string(),
        1000..=999_999 => format!("{}.{}k", count / 1000, count % 1000 / 100),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

/// What a run of tests came to. A command that counts nothing still succeeds or fails.
pub(crate) fn report(exit_code: Option<i32>, passed: u32, failed: u32) -> String {
    match (exit_code, passed, failed) {
        (Some(0), 0, 0) => "the command succeeded".to_owned(),
        (Some(code), 0, 0) => format!("the command failed with exit code {code}"),
        (None, ..) => format!("the command did not end by itself; {passed} passed, {failed} failed"),
        (Some(_), ..) => format!("{passed} passed, {failed} failed"),
    }
}

/// Millionths of a dollar, as dollars.
pub(crate) fn money(micros: u64) -> String {
    format!("${}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_words() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let now = at(1_000_000);
        for (before, expected) in [
            (0, "now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7200, "2 h ago"),
            (200_000, "2 d ago"),
        ] {
            assert_eq!(ago(now, at(1_000_000 - before)), expected);
        }
        assert_eq!(ago(now, at(1_000_010)), "now", "clocks of two machines differ");
        assert_eq!(ahead(now, at(1_000_090)), "in 1 min");
        assert_eq!(ahead(now, now), "over");
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(
            (tokens(999), tokens(1500), tokens(2_340_000)),
            ("999".into(), "1.5k".into(), "2.3M".into())
        );
        assert_eq!(money(1_234_567), "$1.2345");
        assert_eq!(report(Some(0), 0, 0), "the command succeeded");
        assert_eq!(report(Some(1), 2, 1), "2 passed, 1 failed");
    }
}
