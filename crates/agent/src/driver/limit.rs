//! What vendors' programs say when their vendor takes no more calls for now.
//!
//! Invariant: a time is only what was said; where none was said there is none, and nobody is paused.

use super::{About, DriverError};
use crate::run::wire::RunEvent;
use model::Timestamp;

/// The HTTP status of too many calls.
pub(crate) const TOO_MANY: i64 = 429;
/// What comes before how long it takes.
const BEFORE: [&str; 7] = [
    "retry in ",
    "retry after ",
    "try again in ",
    "try again after ",
    "reset after ",
    "resets in ",
    "reset in ",
];
/// Words by which the vendors call it, in small letters.
const WORDS: [&str; 7] = [
    "resource_exhausted",
    "rate limit",
    "rate_limit",
    "too many requests",
    "usage limit",
    "quota exceeded",
    "exceeded your current quota",
];
/// Longest time that is read, in milliseconds: a year.
const LONGEST: f64 = 365.0 * 86_400_000.0;

/// The vendor takes no more calls, as its program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) message: String,
    /// When it takes calls again, where that was said as a time.
    pub(crate) until: Option<Timestamp>,
}

impl Limit {
    /// What an error comes to with this HTTP status, or with these words; none when it is about something else.
    pub(crate) fn of(status: Option<i64>, message: &str) -> Option<Self> {
        let small = message.to_lowercase();
        let named = small.split(|at: char| !at.is_ascii_alphanumeric()).any(|word| word == "429");
        let is = status == Some(TOO_MANY) || named || WORDS.iter().any(|word| small.contains(word));
        is.then(|| Self { message: message.to_owned(), until: None })
    }

    /// What is said to the daemon before the turn ends so.
    pub(crate) fn event(&self) -> RunEvent {
        let retry_after_ms = self.until.is_none().then(|| wait(&self.message)).flatten();
        RunEvent::Limited { retry_after_ms, until: self.until, reason: self.message.clone() }
    }

    pub(crate) fn error(self, about: &'static About) -> DriverError {
        DriverError::Limited { about, message: self.message }
    }
}

/// How long is to be waited, in milliseconds, by a sentence such as "try again in 1m30s".
fn wait(message: &str) -> Option<u64> {
    let small = message.to_lowercase();
    let after = BEFORE.iter().find_map(|words| small.split_once(words).map(|(_, after)| after))?;
    let (mut rest, mut millis) = (after.trim_start_matches("about "), None);
    while let Some((count, unit, left)) = part(rest) {
        millis = Some(millis.unwrap_or(0.0) + count * unit);
        rest = left.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    millis.filter(|millis| *millis <= LONGEST).map(whole)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a number between 0 and a year"
)]
fn whole(millis: f64) -> u64 {
    millis.ceil() as u64
}

/// A number, what one of its unit is in milliseconds, and what comes after it.
fn part(text: &str) -> Option<(f64, f64, &str)> {
    let end = text.find(|at: char| !at.is_ascii_digit() && at != '.')?;
    // A point at the end is the sentence's.
    let count: f64 = text.get(..end)?.trim_end_matches('.').parse().ok()?;
    let rest = text.get(end..)?.trim_start_matches(' ');
    let end = rest.find(|at: char| !at.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, left) = rest.split_at(end);
    let unit = match unit {
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    };
    Some((count, unit, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Option<u64> {
        match Limit::of(Some(TOO_MANY), message).unwrap().event() {
            RunEvent::Limited { retry_after_ms, until: None, reason } => {
                assert_eq!(reason, message);
                retry_after_ms
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn how_long_it_takes_is_read_where_it_is_said() {
        assert_eq!(told("Rate limit reached. Please try again in 20s."), Some(20_000));
        assert_eq!(told("… concurrency: 3, please try again after 20 seconds"), Some(20_000));
        assert_eq!(told("Please retry in 36.4s."), Some(36_400));
        assert_eq!(told("Your quota will reset after 18h21m3s."), Some(66_063_000));
        assert_eq!(told("try again in 3 days, 2 hours and 1 minute"), Some(266_460_000));
        assert_eq!(told("retry in 250ms"), Some(250));
        for silent in [
            "You have exhausted your daily quota on this model.",
            "try again at 3:48 AM",
            "try again in a bit",
        ] {
            assert_eq!(told(silent), None, "{silent}");
        }
        assert_eq!(told(&format!("retry in {}s", "9".repeat(300))), None, "nobody waits that long");
    }

    #[test]
    fn a_limit_is_told_from_other_trouble() {
        let is = |status, message| Limit::of(status, message).is_some();
        assert!(is(Some(429), "no"));
        for words in [
            "429 Your account request reached max organization concurrency: 3",
            "exceeded retry limit, last status: 429 Too Many Requests",
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan",
        ] {
            assert!(is(None, words), "{words}");
        }
        for words in ["500 Internal error", "port 14290 is taken", "the model is unknown"] {
            assert!(!is(Some(500), words), "{words}");
        }
    }

    #[test]
    fn a_time_goes_before_words() {
        let until = Some(Timestamp::from_millis(7));
        let limit = Limit { until, ..Limit::of(None, "429, retry in 5s").unwrap() };
        let event = RunEvent::Limited { retry_after_ms: None, until, reason: "429, retry in 5s".to_owned() };
        assert_eq!(limit.event(), event);
    }
}
