//! The program the integration tests run as guard and driver, as the product's binary does.
//!
//! A worktree that holds a file `rogue-driver` gets that shell script as its driver instead: what a
//! broken driver does is tried with one.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::sync::Arc;

struct Dice;

impl model::Entropy for Dice {
    #[expect(clippy::disallowed_methods, reason = "the agent has no room to get the system's dice from")]
    fn fill(&self, buffer: &mut [u8]) {
        let _ = rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::empty());
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|name| name.to_str()) {
        Some("__guard") => agent::guard_main(args),
        Some("__drive") if std::path::Path::new("rogue-driver").exists() => rogue(),
        Some("__drive") => agent::drive_main(args, Arc::new(Dice)),
        _ => ExitCode::FAILURE,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's driver is a script; no room of the product runs this"
)]
fn rogue() -> ExitCode {
    let _ = std::process::Command::new("bash").arg("./rogue-driver").exec();
    ExitCode::FAILURE
}
