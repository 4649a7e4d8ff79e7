//! The guard.

use std::ffi::OsString;
use std::process::ExitCode;

/// Entry of the hidden subcommand `__guard`; `args` are those after it. Call it before any thread
/// or runtime is started.
pub fn guard_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let _ = args.into_iter().count();
    ExitCode::FAILURE
}
