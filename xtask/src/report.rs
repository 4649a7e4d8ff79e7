//! Steps, how they ended, how long they took, and the table at the end.
//!
//! Invariant: a step that did not run is in the table and says why, and so is a test that passed because it could not do its
//! work; silence never means success.

use crate::{place, process, say};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    /// What tests said they could not do here, and how many of them.
    skips: BTreeMap<String, usize>,
}

/// Names the file in which a test says that it could not do its work.
pub(crate) const SKIPS: &str = "CODITECT_TEST_SKIPPED";

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

    /// Runs tests as a step: what they say they could not do stands below the table.
    pub(crate) fn tests(&mut self, name: &str, mut command: Command) -> bool {
        let list = list();
        let _ = std::fs::remove_file(&list);
        command.env(SKIPS, &list);
        let passed = self.step(name, command);
        self.read_skips(&list);
        let _ = std::fs::remove_file(&list);
        passed
    }

    fn read_skips(&mut self, list: &Path) {
        // Nobody makes the file when nothing is skipped.
        let text = std::fs::read(list).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            *self.skips.entry(line.to_owned()).or_default() += 1;
        }
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
        if !self.skips.is_empty() {
            let tests: usize = self.skips.values().sum();
            lines.push(format!("\nSKIPPED inside tests that passed, {tests} in all:"));
            lines.extend(self.skips.iter().map(|(line, times)| format!("{times:5} × {line}")));
        }
        lines.join("\n")
    }
}

/// A file of this process alone.
fn list() -> PathBuf {
    place::target().join(format!("skipped-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_passing_test_could_not_do_stands_below_the_table() {
        let mut report = Report::default();
        let says = |words: &str| {
            let mut shell =
                process::command("sh", &["-c", "printf \"$1\" >> \"$CODITECT_TEST_SKIPPED\"", "sh"]);
            shell.arg(words);
            shell
        };
        assert!(
            report.tests("tests", says("a server: not installed\na disk: none\na server: not installed\n"))
        );
        assert!(report.tests("more", says("a disk: none\n")));
        let table = report.table();
        let (_, skips) = table.split_once("\n\n").unwrap();
        assert_eq!(
            skips,
            "SKIPPED inside tests that passed, 4 in all:\n    2 × a disk: none\n    2 × a server: not installed"
        );
        assert!(!list().exists());
        assert_eq!(SKIPS, testkit::SKIPS);
    }

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
