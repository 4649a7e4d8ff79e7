//! Steps, how they ended, how long they took, and the table at the end.
//!
//! Invariant: a step that did not run is in the table and says why; silence never means success.

use crate::process;
use crate::say;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, Outcome, Duration)>,
}

impl Report {
    /// Runs a command as a step; true when it ended well.
    pub(crate) fn step(&mut self, name: &str, mut command: Command) -> bool {
        say::line(&format!("\n── {name}: {}", process::shown(&command)));
        let begun = Instant::now();
        let outcome = match command.status() {
            Ok(status) if status.success() => Outcome::Passed,
            Ok(status) => Outcome::Failed(status.to_string()),
            Err(error) => Outcome::Failed(format!("cannot be started: {error}")),
        };
        self.done(name, outcome, begun.elapsed())
    }

    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        say::line(&format!("\nSKIPPED: {name}: {why}"));
        self.rows.push((name.to_owned(), Outcome::Skipped(why.to_owned()), Duration::ZERO));
    }

    pub(crate) fn done(&mut self, name: &str, outcome: Outcome, took: Duration) -> bool {
        let passed = outcome == Outcome::Passed;
        let word = if passed { "ok" } else { "FAILED" };
        say::line(&format!("── {name}: {word} in {:.1} s", took.as_secs_f64()));
        self.rows.push((name.to_owned(), outcome, took));
        passed
    }

    /// Prints the table; fails when a step did.
    pub(crate) fn finish(self) -> ExitCode {
        say::line(&format!("\n{}", self.table()));
        let failed = self.rows.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)));
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    pub(crate) fn table(&self) -> String {
        let wide = self.rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let mut lines: Vec<String> = Vec::new();
        for (name, outcome, took) in &self.rows {
            let (word, why) = match outcome {
                Outcome::Passed => ("ok", ""),
                Outcome::Failed(why) => ("FAILED", why.as_str()),
                Outcome::Skipped(why) => ("SKIPPED", why.as_str()),
            };
            let line = format!("{name:wide$}  {word:7}  {:8.1} s  {why}", took.as_secs_f64());
            lines.push(line.trim_end().to_owned());
        }
        let total: Duration = self.rows.iter().map(|(.., took)| *took).sum();
        lines.push(format!("{:wide$}  {:7}  {:8.1} s", "all", "", total.as_secs_f64()));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_in_the_table_with_its_reason() {
        let mut report = Report::default();
        report.done("lint", Outcome::Passed, Duration::from_millis(1_250));
        report.skip("page in a browser", "install chromium");
        assert_eq!(
            report.table(),
            "lint               ok            1.2 s\n\
             page in a browser  SKIPPED       0.0 s  install chromium\n\
             all                              1.2 s"
        );
    }

    #[test]
    fn one_failure_fails_the_whole_and_a_skip_does_not() {
        let mut report = Report::default();
        report.skip("deny", "not installed");
        assert_eq!(format!("{:?}", report.finish()), format!("{:?}", ExitCode::SUCCESS));
        let mut report = Report::default();
        report.done("lint", Outcome::Failed("exit 1".to_owned()), Duration::ZERO);
        report.done("test", Outcome::Passed, Duration::ZERO);
        assert_eq!(format!("{:?}", report.finish()), format!("{:?}", ExitCode::FAILURE));
    }
}
