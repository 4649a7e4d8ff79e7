//! The command line: what can be typed, what it does, and how it is shown.
//!
//! One file or folder of `commands/` per noun. A command that needs the daemon asks [`context::Context`] for a
//! client, which starts the daemon when none runs; locks and notices go to the bus directly.
//!
//! Invariant: stdout carries data and nothing else; everything said to a person goes to stderr.

mod commands;
mod connection;
mod context;
mod decision;
mod discovery;
mod failure;
mod follow;
mod holder;
mod hook;
mod host;
mod launcher;
mod line;
mod program;
mod reference;
mod render;
mod roster;
mod screen;
mod terminal;
mod worktree;

pub use hook::hook;
pub use host::{DaemonRun, DemoRun, Host, McpRun, MoveRun, MoveTo, MovedData, RestoreRun, Restored};
pub use reference::reference;

use clap::FromArgMatches;
use context::Context;
use failure::{Exit, Failure};
use line::Line;
use screen::Screen;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line; `args` begins with the name of the program.
pub fn run(args: Vec<OsString>, host: Host) -> ExitCode {
    let parsed = line::command(host.version)
        .color(line::help_color(&args))
        .try_get_matches_from(&args)
        .and_then(|matches| Line::from_arg_matches(&matches));
    let line = match parsed {
        Ok(line) => line,
        Err(error) => return misread(&args, &error).into(),
    };
    let screen = Screen::new(&line.global, &host.environment);
    let outcome = Context::new(host, line.global, screen.clone())
        .and_then(|context| commands::run(&context, line.command));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => screen.fail(&failure).into(),
    }
}

/// Help, the version, or a line that is no command.
fn misread(args: &[OsString], error: &clap::Error) -> Exit {
    // A reader that went away has seen what it wanted.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    if args.iter().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure = Failure::usage("bad_usage", message).hint("see `coditect --help`");
        screen::print_error_document(&failure);
    }
    Exit::Usage
}
