//! Terms of tasks on the command line, and `coditect task change`.

use super::super::Outcome;
use super::{Seat, show};
use crate::context::Context;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use model::{OnFailed, RetryOn, Timestamp};
use protocol::{RetryPolicy, TaskPatch};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Broken {
    Cancel,
    Wait,
}

impl From<Broken> for OnFailed {
    fn from(word: Broken) -> Self {
        match word {
            Broken::Cancel => Self::Cancel,
            Broken::Wait => Self::Wait,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Failing {
    Crash,
    Stall,
    RateLimit,
    VendorError,
}

impl From<Failing> for RetryOn {
    fn from(word: Failing) -> Self {
        match word {
            Failing::Crash => Self::Crash,
            Failing::Stall => Self::Stall,
            Failing::RateLimit => Self::RateLimit,
            Failing::VendorError => Self::VendorError,
        }
    }
}

/// What a task is done under.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// What becomes of the task when one it waits for is not completed
    #[arg(long, value_enum)]
    on_failed: Option<Broken>,
    /// The task fails if it has not ended by then: `90s`, `30m`, `8h`, `2d`, or a time as in 2026-01-31T18:00:00Z
    #[arg(long, value_parser = deadline, value_name = "TIME")]
    deadline: Option<Deadline>,
    /// Try the task up to so many times
    #[arg(long, value_name = "TIMES")]
    attempts: Option<u32>,
    /// Seconds before the second attempt; twice as long before each further one
    #[arg(long, requires = "attempts", value_name = "SECONDS", default_value_t = 0)]
    backoff: u64,
    /// Failures after which it is tried again
    #[arg(
        long,
        requires = "attempts",
        value_enum,
        value_delimiter = ',',
        value_name = "KINDS",
        default_value = "crash,stall,rate_limit,vendor_error"
    )]
    retry_on: Vec<Failing>,
    /// Capabilities that whoever does it must have; `coditect agent list --json` has those of the agents
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    wants: Vec<String>,
}

/// When a task is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deadline {
    In(u64),
    At(Timestamp),
}

fn deadline(given: &str) -> Result<Deadline, String> {
    if let Ok(at) = given.parse() {
        return Ok(Deadline::At(at));
    }
    let unit = given.char_indices().last().map_or(0, |(at, _)| at);
    let (count, unit) = given.split_at(unit);
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    match count.parse::<u64>() {
        Ok(count) if each > 0 => Ok(Deadline::In(count.saturating_mul(each))),
        _ => Err("it is `90s`, `30m`, `8h`, `2d`, or a time as in 2026-01-31T18:00:00Z".to_owned()),
    }
}

impl Terms {
    pub(crate) fn on_failed(&self) -> Option<OnFailed> {
        self.on_failed.map(OnFailed::from)
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline.and_then(|deadline| if let Deadline::At(at) = deadline { Some(at) } else { None })
    }

    pub(crate) fn deadline_seconds(&self) -> Option<u64> {
        self.deadline
            .and_then(|deadline| if let Deadline::In(seconds) = deadline { Some(seconds) } else { None })
    }

    pub(crate) fn retry(&self) -> Option<RetryPolicy> {
        let on = self.retry_on.iter().map(|word| RetryOn::from(*word)).collect();
        self.attempts.map(|max_attempts| RetryPolicy { max_attempts, backoff_seconds: self.backoff, on })
    }

    pub(crate) fn wants(&self) -> Vec<String> {
        self.wants.clone()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Id or short id of the task, or the start of it
    task: String,
    /// Tasks that must be completed first, in place of those it waited for
    #[arg(long, value_delimiter = ',', value_name = "TASKS")]
    depends_on: Vec<String>,
    /// It waits for no other task any more
    #[arg(long, conflicts_with = "depends_on")]
    no_dependencies: bool,
    #[command(flatten)]
    terms: Terms,
    /// It may take as long as it takes
    #[arg(long, conflicts_with = "deadline")]
    no_deadline: bool,
    /// Nothing in particular is wanted any more
    #[arg(long, conflicts_with = "wants")]
    no_wants: bool,
    #[command(flatten)]
    seat: Seat,
}

impl Change {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let named = !self.depends_on.is_empty() || self.no_dependencies;
        let wants = self.terms.wants();
        let patch = TaskPatch {
            depends_on: named.then_some(self.depends_on),
            on_failed: self.terms.on_failed(),
            deadline: self.terms.deadline(),
            deadline_seconds: self.terms.deadline_seconds(),
            no_deadline: self.no_deadline,
            retry: self.terms.retry(),
            wants: (!wants.is_empty() || self.no_wants).then_some(wants),
            client: self.seat.client,
        };
        let changed = context.talk("changing the task", async |client| {
            Ok::<_, Failure>(client.change_task(&self.task, &patch, None).await?)
        })?;
        show(context, &changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_spans_or_times() {
        assert_eq!(deadline("90s"), Ok(Deadline::In(90)));
        assert_eq!(deadline("8h"), Ok(Deadline::In(28_800)));
        let at = "2026-01-31T18:00:00Z";
        assert_eq!(deadline(at), Ok(Deadline::At(at.parse().unwrap())));
        for bad in ["", "h", "8", "8w", "-1h", "soon", "8ü"] {
            assert!(deadline(bad).is_err(), "{bad:?}");
        }
    }
}
