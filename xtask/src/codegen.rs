//! `cargo xtask codegen`: writes again what is generated, so that the change can be reviewed.
//!
//! The tests of each room know what is fresh, and write a stale file again before they fail; running them
//! a second time tells whether that was all. One piece of code thus decides both.

use crate::machine;
use crate::process::{self, cargo, npm};
use crate::report::Report;
use crate::test::{npm_ci, page_packages_are_fresh};
use std::process::{Command, ExitCode};

pub(crate) fn codegen(_: &[String]) -> ExitCode {
    let mut report = Report::default();
    // Stale files are written by the failing run; the one in `check` is the judge.
    let _ = process::output(rooms());
    match machine::node() {
        Ok(()) => {
            if page_packages_are_fresh() || report.step("page: packages", npm_ci()) {
                report.step("page: types", npm(&["run", "--silent", "generate"]));
            }
        }
        Err(why) => report.skip("page: types", &why),
    }
    check(&mut report);
    report.finish()
}

/// Whether everything generated is fresh.
pub(crate) fn check(report: &mut Report) {
    report.step("schemas and guide of commands", rooms());
    match machine::node() {
        Ok(()) if page_packages_are_fresh() => {
            report.step("page: generated types", npm(&["run", "--silent", "fresh"]));
        }
        Ok(()) => report.skip("page: generated types", "run `npm ci` in web/"),
        Err(why) => report.skip("page: generated types", &why),
    }
}

/// The tests whose names say `fresh`, of the rooms that have such files.
fn rooms() -> Command {
    cargo(&["test", "--quiet", "-p", "protocol", "-p", "cli", "--test", "it", "--no-fail-fast", "fresh"])
}
