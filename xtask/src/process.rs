//! Starting programs: the one place of xtask that does, and the one that reads the environment.

use crate::place;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program to be run at the root of the project.
#[expect(
    clippy::disallowed_methods,
    reason = "this program's trade is to start others, on a developer's machine"
)]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place::root()).stdin(Stdio::null());
    command
}

/// The cargo that started us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(told("CARGO").unwrap_or_else(|| "cargo".to_owned()), arguments);
    // What cargo told xtask about xtask must not reach what xtask starts: build scripts would run again for it.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn npm(arguments: &[&str]) -> Command {
    let mut command = command("npm", arguments);
    command.current_dir(place::web());
    command
}

/// Runs to the end; what it said on standard output, or what went wrong.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let shown = shown(&command);
    let output = command.output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{shown}` ended with {}: {}", output.status, words.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` did not write text"))
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "xtask is configured by the environment that cargo and CI give it"
)]
pub(crate) fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where PATH has `program`.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&told("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
