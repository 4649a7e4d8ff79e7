//! `cargo xtask test`: everything the project promises, in an order in which nothing is built twice.
//!
//! The page comes first, because the server embeds it; lints and tests follow, then the page in a browser.
//! A step that failed does not keep the others from running, except those that need what it makes.

use crate::e2e;
use crate::machine::{self, CHROMIUM, DENY, GIT, Machine, NEXTEST, STRACE};
use crate::place;
use crate::process::{cargo, npm};
use crate::report::Report;
use crate::say;
use crate::serve;
use crate::vendors;
use servers::{Server, Servers};
use std::num::NonZeroUsize;
use std::process::{Command, ExitCode};

/// Tests that run at once, for each processor. Most wait for a process, a disk or a deadline of their own: with one for
/// each, half of the processors' time goes by unused. A test that works all the time says so in .config/nextest.toml.
const TESTS_PER_PROCESSOR: usize = 2;

pub(crate) fn test(arguments: &[String]) -> ExitCode {
    let mut install = false;
    for argument in arguments {
        match argument.as_str() {
            "--install" => install = true,
            other => {
                say::line(&format!("`cargo xtask test` does not know `{other}`; it knows --install"));
                return ExitCode::from(2);
            }
        }
    }
    let mut machine = Machine::new(install);
    let mut report = Report::default();
    report.step("format", cargo(&["fmt", "--all", "--check"]));
    let page = page(&mut report);
    rust(&mut machine, &mut report);
    if page {
        browser(&mut machine, &mut report);
    }
    report.finish()
}

/// Builds and checks the page; false when there is none to go on with.
fn page(report: &mut Report) -> bool {
    if let Err(why) = machine::node() {
        report.skip("page", &why);
        return false;
    }
    if !page_packages_are_fresh() && !report.step("page: packages", npm_ci()) {
        return false;
    }
    let built = report.step("page: build", npm(&["run", "--silent", "build"]));
    report.step("page: lint", npm(&["run", "--silent", "lint"]));
    report.step("page: test", npm(&["run", "--silent", "test"]));
    report.step("page: generated types", npm(&["run", "--silent", "fresh"]));
    if built {
        report.step("page: weight", npm(&["run", "--silent", "budget"]));
    }
    built
}

pub(crate) fn npm_ci() -> Command {
    npm(&["ci", "--no-audit", "--no-fund"])
}

/// Whether `npm ci` has run since the lock file changed.
pub(crate) fn page_packages_are_fresh() -> bool {
    let changed = |path: &str| place::web().join(path).metadata().and_then(|file| file.modified()).ok();
    match (changed("package-lock.json"), changed("node_modules/.package-lock.json")) {
        (Some(wanted), Some(there)) => there >= wanted,
        _ => false,
    }
}

fn rust(machine: &mut Machine, report: &mut Report) {
    report
        .step("lint", cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    for (tool, what) in [(&GIT, "git"), (&STRACE, "crash tests of the journal under strace")] {
        if let Err(why) = machine.need(tool, report) {
            report.skip(what, &why);
        }
    }
    // Built apart from the run, so that the table shows which of the two takes the time.
    match machine.need(&NEXTEST, report) {
        Ok(()) => {
            let nextest = ["nextest", "run", "--workspace", "--profile", "ci"];
            if report.step("build of the tests", cargo(&[&nextest[..], &["--no-run"]].concat())) {
                tests(running(&nextest), machine, report);
            }
        }
        Err(why) => {
            say::line(&format!(
                "\nSKIPPED: one process per test and the limits of .config/nextest.toml: {why}"
            ));
            let all = ["test", "--quiet", "--workspace", "--all-targets", "--no-fail-fast"];
            tests(cargo(&all), machine, report);
        }
    }
    match machine.need(&DENY, report) {
        Ok(()) => {
            report.step("dependencies", cargo(&["deny", "check", "bans", "licenses", "sources"]));
        }
        Err(why) => report.skip("dependencies", &why),
    }
}

/// nextest with as many tests at once as this machine has use for.
fn running(nextest: &[&str]) -> Command {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut command = cargo(nextest);
    command.arg("--test-threads").arg((processors * TESTS_PER_PROCESSOR).to_string());
    command
}

/// The tests, beside servers of their own.
fn tests(mut run: Command, machine: &mut Machine, report: &mut Report) {
    let servers = serve::start(machine, report);
    run.envs(servers.iter().flat_map(Servers::variables));
    if let Some(folder) = e2e::vendors_folder(machine, report) {
        run.envs(vendors::variables(&folder));
    }
    report.tests("tests", run);
    if machine.need(&NEXTEST, report).is_ok() {
        second_round(servers.as_ref(), report);
    }
}

/// What of the engine and of its API must be the same with the data on PostgreSQL: once more, on it.
fn second_round(servers: Option<&Servers>, report: &mut Report) {
    const WHAT: &str = "tests with the data on PostgreSQL";
    let mut named = servers.into_iter().flat_map(Servers::variables);
    let Some((_, url)) = named.find(|(name, _)| *name == Server::Postgres.variable()) else {
        return report.skip(WHAT, "no PostgreSQL was started");
    };
    let which = "package(engine) & (binary(it) | test(/^(board|checkpoint|merge_queue|plan|pool|recovery)::/)) \
                 + package(server) & test(/^operations::/)";
    // Of the whole workspace, since two packages alone would unify features anew, and be compiled again.
    let mut again = running(&["nextest", "run", "--workspace", "--profile", "ci", "-E", which]);
    again.env("CODITECT_TEST_DATABASE", url);
    report.tests(WHAT, again);
}

/// The page in a real browser: against a daemon that plays a fixed piece, then on the built product.
fn browser(machine: &mut Machine, report: &mut Report) {
    match machine.need(&CHROMIUM, report) {
        Ok(()) => {
            report.step("page in a browser", npm(&["run", "--silent", "e2e"]));
            // The tests have built it; building it apart would unify features anew, and compile half of it again.
            let binary = place::target().join("debug/coditect");
            if binary.exists() {
                let mut real = npm(&["run", "--silent", "e2e:real"]);
                real.env("CODITECT_BIN", binary);
                report.step("page on the product", real);
            } else {
                report.skip("page on the product", "the binary was not built");
            }
        }
        Err(why) => {
            report.skip("page in a browser", &why);
            report.skip("page on the product", &why);
        }
    }
}
