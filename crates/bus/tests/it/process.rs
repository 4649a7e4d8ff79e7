//! Real processes for tests: this test binary, started again as somebody else, and the clock they share.

use bus::system::SystemClock;
use model::{Clock, Timestamp};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const ROLE: &str = "BUS_TEST_ROLE";
const NOBODY: u32 = 65534;

/// The entry of every process started here; without a role there is nothing to be.
#[test]
#[ignore = "the body of the processes other tests start"]
fn body() {
    let role = role().expect("started by another test");
    let (kind, argument) = role.split_once(' ').unwrap();
    match kind {
        "conformance" => crate::conformance::run(argument),
        "actor" => crate::actor::run(argument),
        "gate" => crate::gate::run(argument),
        "delivery" => crate::deliveries::run(argument),
        "readonly" => crate::hostile::look_at_read_only(argument),
        "stopped" => crate::stopped::run(argument),
        "worker" => crate::hostile::work(argument),
        "sleeper" => drop(std::io::stdin().read_exact(&mut [0u8])),
        other => panic!("no such role: {other}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test process is told by its environment who it is")]
fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A process that ends with the test, whatever happens.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(role: &str) -> Self {
        Self { child: Self::command(role).spawn().unwrap() }
    }

    /// As somebody whom permissions bind: as ourselves, or as nobody when we are root.
    pub(crate) fn start_powerless(role: &str) -> Self {
        let mut command = Self::command(role);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Self { child: command.spawn().unwrap() }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where these tests start a process")]
    fn command(role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::body", "--ignored", "--nocapture"]);
        command.env(ROLE, role).stdin(Stdio::piped()).stdout(Stdio::null());
        command
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // It may have ended just now.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
    }

    /// Stops it, and returns when it stands still: the signal alone returns before.
    pub(crate) fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next()
        };
        while state() != Some('T') {
            std::thread::yield_now();
        }
    }

    /// What it writes is for the test; the harness writes its own lines there too.
    pub(crate) fn start_heard(role: &str) -> (Self, std::process::ChildStdout) {
        let mut child = Self::command(role).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        (Self { child }, stdout)
    }

    pub(crate) fn stdin(&mut self) -> &mut std::process::ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// True when it has ended by itself, and well; a failure of its own is a failure of the test.
    pub(crate) fn has_finished(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine's clocks, except that both can leap forward for all processes at once, as in a suspend,
/// and the wall clock can be set to anything in each of them.
pub(crate) struct SharedClock {
    leaps: File,
    wall_shift_ms: AtomicI64,
}

impl SharedClock {
    pub(crate) fn open(dir: &Path) -> Self {
        let path = dir.join("leaps");
        let leaps = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        Self { leaps, wall_shift_ms: AtomicI64::new(0) }
    }

    fn leapt(&self) -> u64 {
        let mut bytes = [0u8; 8];
        match self.leaps.read_exact_at(&mut bytes, 0) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }

    pub(crate) fn leap(&self, by: Duration) {
        flock(&self.leaps, FlockOperation::LockExclusive).unwrap();
        let leapt = self.leapt() + u64::try_from(by.as_nanos()).unwrap();
        self.leaps.write_all_at(&leapt.to_le_bytes(), 0).unwrap();
        flock(&self.leaps, FlockOperation::Unlock).unwrap();
    }

    pub(crate) fn shift_wall(&self, millis: i64) {
        self.wall_shift_ms.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn uptime_ns(&self) -> u64 {
        u64::try_from(self.uptime().as_nanos()).unwrap()
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        let shift = self.wall_shift_ms.load(Ordering::SeqCst);
        let leapt = i64::try_from(self.leapt() / 1_000_000).unwrap();
        Timestamp::from_millis(SystemClock.now().as_millis() + leapt + shift)
    }

    fn uptime(&self) -> Duration {
        // Read until no leap came in between, so that the reading is right at one moment for everybody.
        loop {
            let before = self.leapt();
            let uptime = SystemClock.uptime();
            if self.leapt() == before {
                return uptime + Duration::from_nanos(before);
            }
        }
    }
}
