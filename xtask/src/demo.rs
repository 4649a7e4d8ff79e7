//! `cargo xtask demo` and `cargo xtask run`: the page and the binary, built, and the binary run.
//!
//! Both leave the terminal to the binary: its input, its output and its exit code are the person's.

use crate::machine;
use crate::process::{cargo, found, npm, shown};
use crate::say;
use crate::test::{npm_ci, page_packages_are_fresh};
use std::process::{Command, ExitCode, Stdio};

/// Builds everything and runs `coditect demo` with the arguments given.
pub(crate) fn demo(arguments: &[String]) -> ExitCode {
    if let Err(why) = machine::node() {
        // The sample repository is a JavaScript library; without Node neither it nor the page would work.
        return lacking(&why);
    }
    if found("git").is_none() {
        return lacking("git is not installed: the demo's agents commit to a git repository");
    }
    let mut words = vec!["demo".to_owned()];
    words.extend_from_slice(arguments);
    // The development profile: it is built in half the time, and `cargo xtask test` needs it anyway.
    start(&words, &[])
}

/// Builds everything and runs `coditect` with the arguments given.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    start(arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments), &["--release"])
}

fn start(arguments: &[String], profile: &[&str]) -> ExitCode {
    match machine::node() {
        Ok(()) => {
            let packages = if page_packages_are_fresh() { Vec::new() } else { vec![npm_ci()] };
            for step in packages.into_iter().chain([npm(&["run", "--silent", "build"])]) {
                if let Err(code) = quietly(step) {
                    return code;
                }
            }
        }
        Err(why) => say::line(&format!("the page is left out: {why}")),
    }
    let package = ["--quiet", "--package", "coditect"];
    if let Err(code) = quietly(cargo(&[&["build"], &package[..], profile].concat())) {
        return code;
    }
    let mut words = [&["run"], &package[..], profile, &["--"]].concat();
    words.extend(arguments.iter().map(String::as_str));
    let mut command = cargo(&words);
    command.stdin(Stdio::inherit());
    // What the person names, is named from where the person stands.
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => lacking(&format!("coditect cannot be started: {error}")),
    }
}

/// Runs a step of the build. What it prints goes to standard error: standard output is the binary's.
fn quietly(mut step: Command) -> Result<(), ExitCode> {
    let shown = shown(&step);
    say::line(&format!("{shown} …"));
    step.stdout(std::io::stderr());
    match step.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(lacking(&format!("`{shown}` ended with {status}"))),
        Err(error) => Err(lacking(&format!("`{shown}` cannot be started: {error}"))),
    }
}

fn lacking(why: &str) -> ExitCode {
    say::line(why);
    ExitCode::FAILURE
}
