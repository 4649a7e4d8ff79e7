//! Where this room makes processes: the demo's daemon, its models, and the git that makes its sample.

use std::ffi::OsStr;
use std::process::Command;

/// A command in a process group of its own: a Ctrl-C is for us alone, who end the others in good order.
#[expect(clippy::disallowed_methods, reason = "the one place of this room that starts processes")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command.process_group(0);
    command
}
