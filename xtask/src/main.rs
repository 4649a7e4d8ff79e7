//! Tasks of the project's own automation.

use std::process::{Command, ExitCode};

/// `cargo xtask test`: runs every Rust test of the workspace.
fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that starts processes")]
    let status = Command::new("cargo").args(["nextest", "run", "--workspace"]).status();
    if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
