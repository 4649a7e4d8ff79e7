//! What vendors' programs say when their vendor takes no more calls for now.
//!
//! Invariant: a time is only what the vendor said; where it said none there is none, and nobody is paused. A program's words may be
//! those of somebody else that it quotes, such as an MCP server of the user's.

use super::{About, DriverError};
use crate::run::wire::RunEvent;
use model::Timestamp;

/// The HTTP status of too many calls.
pub(crate) const TOO_MANY: i64 = 429;
/// The HTTP status with which some refuse calls over a quota, and much else.
const FORBIDDEN: i64 = 403;
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
/// Words that only a vendor says of it, in small letters.
const OWN: [&str; 2] = ["resource_exhausted", "exceeded your current quota"];
/// Words in which anybody may say it.
const WORDS: [&str; 5] = ["rate limit", "rate_limit", "too many requests", "usage limit", "quota exceeded"];
/// What stands before the number of a status.
const NUMBERED: [&str; 3] = ["status", "http", "code"];
/// Versions of HTTP, which may stand between: `HTTP/1.1 429`.
const VERSIONS: [&str; 4] = ["0", "1", "2", "3"];
/// Longest time that is read, in milliseconds: a year.
const LONGEST: f64 = 365.0 * 86_400_000.0;

/// The vendor takes no more calls, as its program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    message: String,
    /// When it takes calls again, where that was said as a time.
    until: Option<Timestamp>,
    /// Whether it is certainly the vendor that says so.
    own: bool,
}

impl Limit {
    /// A limit that the program tells as such.
    pub(crate) fn told(message: String, until: Option<Timestamp>) -> Self {
        Self { message, until, own: true }
    }

    /// What an error comes to with this HTTP status, or with these words where no status is known; none when it is about
    /// something else.
    pub(crate) fn of(status: Option<i64>, message: &str) -> Option<Self> {
        let small = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| small.contains(words));
        let own = match status {
            Some(TOO_MANY) => true,
            Some(FORBIDDEN) => says(&OWN) || small.contains("quota exceeded"),
            Some(_) => return None,
            None => says(&OWN) || is_numbered(&small),
        };
        let is = own || (status.is_none() && says(&WORDS));
        is.then(|| Self { message: message.to_owned(), until: None, own })
    }

    /// Whether it is certainly the vendor that says so.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// What is said to the daemon before the turn ends so.
    pub(crate) fn event(&self) -> RunEvent {
        let said = self.own && self.until.is_none();
        let retry_after_ms = said.then(|| wait(&self.message)).flatten();
        RunEvent::Limited { retry_after_ms, until: self.until, reason: self.message.clone() }
    }

    pub(crate) fn error(self, about: &'static About) -> DriverError {
        DriverError::Limited { about, message: self.message }
    }
}

/// Whether words in small letters begin with the status of too many calls, or call that number one.
fn is_numbered(small: &str) -> bool {
    let mut before = NUMBERED[0];
    for word in small.split(|at: char| !at.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if word == "429" && NUMBERED.contains(&before) {
            return true;
        }
        if !VERSIONS.contains(&word) {
            before = word;
        }
    }
    false
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
            "HTTP/1.1 429 Too Many Requests",
            "the provider refused with status code: 429",
        ] {
            assert!(is(None, words), "{words}");
            assert!(!is(Some(500), words), "another status is known: {words}");
        }
        for words in [
            "500 Internal error",
            "port 14290 is taken",
            "the model is unknown",
            "panicked at a.rs:429:7",
            "429 files were read",
        ] {
            assert!(!is(Some(500), words), "{words}");
        }
        for words in ["500 Internal error", "panicked at a.rs:429:7", "read 429 files, try again in 5s"] {
            assert!(!is(None, words), "{words}");
        }
        assert!(is(Some(403), "Quota exceeded for quota metric 'Generate requests'"));
        for words in ["the rate limit is only for members, try again in 5s", "forbidden"] {
            assert!(!is(Some(403), words), "{words}");
        }
    }

    /// An MCP server of the user's is no vendor: what it says ends the turn, and pauses nobody.
    #[test]
    fn a_time_that_may_be_somebody_elses_is_not_believed() {
        let waits = |words| match Limit::of(None, words).unwrap().event() {
            RunEvent::Limited { retry_after_ms, until: None, .. } => retry_after_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(waits("tool failed: GitHub API rate limit exceeded, try again in 42 minutes"), None);
        assert_eq!(waits("you hit your usage limit; try again in 3 days"), None);
        assert_eq!(waits("Internal error: RESOURCE_EXHAUSTED: retry in 2m"), Some(120_000));
        assert_eq!(waits("429 too many, try again after 20 seconds"), Some(20_000));
        assert_eq!(waits("last status: 429 Too Many Requests, try again in 5s"), Some(5_000));
    }

    #[test]
    fn a_time_goes_before_words() {
        let until = Some(Timestamp::from_millis(7));
        let limit = Limit::told("429, retry in 5s".to_owned(), until);
        let event = RunEvent::Limited { retry_after_ms: None, until, reason: "429, retry in 5s".to_owned() };
        assert_eq!(limit.event(), event);
    }
}
