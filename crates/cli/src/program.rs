//! The two programs the command line starts: its own daemon, and the user's browser.
//!
//! Invariant: what is started here outlives the command and holds none of its terminal.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[expect(
    clippy::disallowed_methods,
    reason = "the command line starts the daemon and the browser, both from here"
)]
fn program(path: &OsStr) -> Command {
    Command::new(path)
}

/// Starts the daemon with its output in a file. It inherits the environment: the agents' keys are there.
pub(crate) fn daemon(executable: &Path, args: &[&OsStr], cwd: &Path, output: &File) -> io::Result<Child> {
    program(executable.as_os_str())
        .args(args)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .spawn()
}

/// Opens an address in the user's browser; false when there is no program for it.
pub(crate) fn browser(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    program(OsStr::new(opener))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}
