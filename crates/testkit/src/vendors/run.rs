//! A running program and everything it started.

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longest a run may take. It is there so that a test that hangs says where; nothing is asserted about shorter times.
pub const RUN_LIMIT: Duration = Duration::from_secs(120);

/// It leads a process group of its own, which is killed at the latest when this is dropped.
#[derive(Debug)]
pub struct VendorRun {
    child: Child,
    shown: String,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ended {
    /// None after a signal.
    pub exit: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The events of its standard output; lines that are no JSON are left out.
    pub fn events(&self) -> Vec<Value> {
        self.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Panics with all it said unless it ended well.
    pub fn well(self) -> Self {
        assert_eq!(self.exit, Some(0), "{}\n{}", self.out, self.err);
        self
    }
}

impl VendorRun {
    pub(super) fn start(mut command: Command) -> Self {
        let shown = format!("{command:?}");
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self { child, shown }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, when the command asked for a pipe.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Ends everything at once, as a crash would.
    pub fn kill(&self) {
        end(self.child.id());
    }

    /// What a person's Ctrl-C does.
    pub fn interrupt(&self) {
        signal(self.child.id(), Signal::INT);
    }

    /// Waits for its end; it is killed after [`RUN_LIMIT`], and the test fails.
    pub fn ended(mut self) -> Ended {
        drop(self.child.stdin.take());
        let mut out = self.child.stdout.take().expect("standard output is a pipe");
        let mut err = self.child.stderr.take().expect("standard error is a pipe");
        let (done, waiting) = mpsc::channel::<()>();
        let group = self.child.id();
        let watch = thread::spawn(move || {
            let late = waiting.recv_timeout(RUN_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                end(group);
            }
            late
        });
        let errors = thread::spawn(move || read(&mut err));
        let out = read(&mut out);
        let err = errors.join().expect("read standard error");
        let status = self.child.wait().expect("wait for the program");
        let _ = done.send(());
        let late = watch.join().expect("watch the program");
        assert!(!late, "still running after {RUN_LIMIT:?}: {}\n{out}\n{err}", self.shown);
        Ended { exit: status.code(), out, err }
    }
}

impl Drop for VendorRun {
    fn drop(&mut self) {
        end(self.child.id());
        let _ = self.child.wait();
    }
}

fn read(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What was said before an error is worth more than the error.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Kills a group.
fn end(leader: u32) {
    signal(leader, Signal::KILL);
}

/// That the group has gone already is as good.
fn signal(leader: u32, signal: Signal) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}
