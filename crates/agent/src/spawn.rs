//! Where processes are made. Everything this room starts — guard, driver, shell — is a command from
//! here, so that the ban on starting processes has one exception.

use std::ffi::OsStr;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "the one place of this room that starts processes")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}
