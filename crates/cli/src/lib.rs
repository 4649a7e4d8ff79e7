//! The command line: what can be typed, what it does, and how it is shown.
//!
//! Invariant: stdout carries data and nothing else; everything said to a person goes to stderr.

mod host;

pub use host::{DaemonRun, DemoRun, Host, RestoreRun, Restored};

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line; `args` begins with the name of the program.
pub fn run(args: Vec<OsString>, host: Host) -> ExitCode {
    let _ = (args, host);
    ExitCode::from(2)
}
