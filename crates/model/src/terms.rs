//! Terms of a task: what it waits for, how long it may take, how often it is tried, and whose hands it is for.

use crate::{ParticipantId, SessionId, TaskId, Timestamp, Vendor};
use serde::{Deserialize, Serialize};

/// Most attempts a retry policy can ask for.
pub const RETRY_ATTEMPTS_MAX: u32 = 20;
/// Longest first pause of a retry policy, in seconds.
pub const RETRY_BACKOFF_MAX: u64 = 24 * 3600;
/// Most capabilities a task can want, and an agent be given by configuration.
pub const CAPABILITIES_MAX: usize = 16;
/// Longest word for a capability, in bytes.
pub const CAPABILITY_MAX: usize = 64;
/// How far a deadline can be away, in seconds.
pub const DEADLINE_MAX: u64 = 366 * 24 * 3600;
/// Shortest and longest lease of a claimed task, in seconds.
pub const CLAIM_SECONDS: std::ops::RangeInclusive<u64> = 5..=24 * 3600;
/// Longest name of whoever claims a task, in characters.
pub const CLAIM_HOLDER_MAX: usize = 64;

/// What a task is done under. What is not said is as it always was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTerms {
    /// What becomes of it when a task it depends on is not completed.
    #[serde(default)]
    pub on_failed: OnFailed,
    /// When it has failed if it has not ended by then, also while it waits.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// When it is tried again; none: after crashes, as often as the configuration says.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// Words for what whoever does it must be able to. With no target named, one who has them all is looked for.
    #[serde(default)]
    pub wants: Vec<String>,
    /// It waits for somebody who claims it; no participant begins it by itself.
    #[serde(default)]
    pub pool: bool,
}

/// What becomes of a waiting task when one it depends on is not completed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailed {
    /// It is canceled, too.
    #[default]
    Cancel,
    /// It waits until somebody says what it depends on instead.
    Wait,
}

impl OnFailed {
    pub const ALL: [Self; 2] = [Self::Cancel, Self::Wait];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Wait => "wait",
        }
    }
}

/// When a task that failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The first one included: 1 to [`RETRY_ATTEMPTS_MAX`].
    pub max_attempts: u32,
    /// Seconds before the second attempt; twice as long before each further one. At most [`RETRY_BACKOFF_MAX`].
    pub backoff_seconds: u64,
    pub on: Vec<RetryOn>,
}

/// A kind of failure after which a task can be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// The run died.
    Crash,
    /// It said nothing for too long.
    Stall,
    /// The vendor takes no more calls for now.
    RateLimit,
    /// Whatever else the vendor's model or program failed with.
    VendorError,
}

impl RetryOn {
    pub const ALL: [Self; 4] = [Self::Crash, Self::Stall, Self::RateLimit, Self::VendorError];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Stall => "stall",
            Self::RateLimit => "rate_limit",
            Self::VendorError => "vendor_error",
        }
    }

    /// The kind of a turn's failure by its code; none when trying again would not help.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "crashed" | "vendor_died" => Some(Self::Crash),
            "stalled" | "vendor_silent" => Some(Self::Stall),
            "model_rate_limited" | "model_overloaded" => Some(Self::RateLimit),
            "vendor_error" | "vendor_garbage" | "vendor_flood" | "vendor_not_started" => {
                Some(Self::VendorError)
            }
            "model_malformed" | "model_unreachable" | "model_timed_out" | "model_interrupted" => {
                Some(Self::VendorError)
            }
            _ => None,
        }
    }
}

impl RetryPolicy {
    /// Milliseconds before the attempt after `made` ones.
    pub fn pause_ms(&self, made: u32) -> u64 {
        let doubled = 1u64.checked_shl(made.saturating_sub(1)).unwrap_or(u64::MAX);
        self.backoff_seconds.saturating_mul(doubled).min(RETRY_BACKOFF_MAX).saturating_mul(1000)
    }
}

/// What a task that waits depends on from now on, and its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskChange {
    pub session: SessionId,
    pub task: TaskId,
    pub depends_on: Vec<TaskId>,
    pub terms: TaskTerms,
}

/// A task without targets has got some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAssignment {
    pub session: SessionId,
    pub task: TaskId,
    pub participants: Vec<ParticipantId>,
    /// Why these, in a sentence.
    pub reason: String,
}

/// Somebody does a task of the pool, or goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClaim {
    pub session: SessionId,
    pub task: TaskId,
    /// Rises with every claim of the task; what is said with an older one comes too late.
    pub token: u64,
    /// Who, in words.
    pub holder: String,
    pub expires_at: Timestamp,
}

/// A vendor takes no more calls until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorPause {
    pub vendor: Vendor,
    pub until: Timestamp,
    /// What it said.
    pub reason: String,
}

/// Whether a capability may be called so: lower-case letters, digits, `_`, `-`, `.`, `:` and `/`, up to
/// [`CAPABILITY_MAX`].
pub fn is_capability(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.:/".contains(&byte);
    (1..=CAPABILITY_MAX).contains(&word.len()) && word.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_day() {
        let policy = RetryPolicy { max_attempts: 9, backoff_seconds: 30, on: Vec::new() };
        assert_eq!([1, 2, 3].map(|made| policy.pause_ms(made)), [30_000, 60_000, 120_000]);
        assert_eq!(policy.pause_ms(64), RETRY_BACKOFF_MAX * 1000);
        assert_eq!(RetryPolicy { backoff_seconds: 0, ..policy }.pause_ms(200), 0);
    }

    #[test]
    fn capabilities_are_plain_words() {
        for good in ["rust", "model:gpt-5.5", "sub_agents", &"a".repeat(CAPABILITY_MAX)] {
            assert!(is_capability(good), "{good}");
        }
        for bad in ["", "Rust", "a b", "ü", &"a".repeat(CAPABILITY_MAX + 1)] {
            assert!(!is_capability(bad), "{bad:?}");
        }
    }

    #[test]
    fn old_terms_are_the_usual_ones() {
        assert_eq!(serde_json::from_str::<TaskTerms>("{}").unwrap(), TaskTerms::default());
    }

    #[test]
    fn what_was_decided_is_not_tried_again() {
        for code in ["deadline", "budget_exceeded", "iteration_cap", "canceled", "vendor_missing"] {
            assert_eq!(RetryOn::of_code(code), None, "{code}");
        }
        assert_eq!(RetryOn::of_code("crashed"), Some(RetryOn::Crash));
    }
}
