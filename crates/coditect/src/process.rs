//! Where this room makes processes: the demo's daemon, its models, and the git that makes its sample; and what
//! others may see of ours.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
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

/// Shuts our memory and our environment, which hold tokens and the vendors' keys, to every other process of the
/// user; an agent's shell is one. A kernel that cannot do this has no such processes either.
pub(crate) fn close_to_others() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
