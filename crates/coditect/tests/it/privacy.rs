//! What other processes of the same user may see of the daemon: not its environment, where the vendors' keys are.
//!
//! Root may look at everybody, so as root the test becomes another user for the daemon and for who looks at it.

use crate::house::{Daemon, House, program, until};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

/// Somebody who is not root and owns nothing.
const NOBODY: u32 = 65_534;
const KEY: &str = "a-key-nobody-may-see";

fn as_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command of the user whose daemon it is.
fn by_its_user(mut command: Command) -> Command {
    if as_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn environment_of(pid: u32) -> Output {
    let mut look = program("cat");
    look.arg(format!("/proc/{pid}/environ"));
    by_its_user(look).output().unwrap()
}

/// The binary where that user can start it.
fn binary(dir: &Path) -> std::path::PathBuf {
    let own = dir.join("coditect");
    std::fs::copy(env!("CARGO_BIN_EXE_coditect"), &own).unwrap();
    if as_root() {
        chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    own
}

#[test]
fn no_process_of_the_user_sees_the_keys_of_the_daemon() {
    let house = House::new();
    let mut command = program(binary(house.dir.path()).to_str().unwrap());
    command.env_clear().env("HOME", house.dir.path()).env("ANTHROPIC_API_KEY", KEY);
    command.arg("--data-root").arg(house.root.path()).args(["daemon", "run"]);
    let daemon = Daemon::start(by_its_user(command));
    let seen = environment_of(daemon.pid());
    assert!(!seen.status.success() && seen.stdout.is_empty(), "{}", String::from_utf8_lossy(&seen.stdout));
    let owner = std::fs::metadata(format!("/proc/{}/environ", daemon.pid())).unwrap().uid();
    assert_eq!(owner, 0, "the kernel gave it to root");

    // That it could be seen otherwise: a plain program of the same user.
    let mut plain = program("sleep");
    plain.arg("600").env("SEEN", KEY);
    let mut plain = by_its_user(plain).spawn().unwrap();
    until("the plain program", || {
        let seen = environment_of(plain.id());
        String::from_utf8_lossy(&seen.stdout).contains(KEY).then_some(())
    });
    plain.kill().unwrap();
    plain.wait().unwrap();
}
