//! A data root for one test, the binary, and what the kernel says about its processes.

use bus::system::{SystemEntropy, process_start};
use client::{Client, Options};
use model::DataRoot;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything may take before the test has failed. Nothing is asserted about shorter times.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const NAP: Duration = Duration::from_millis(10);

/// The binary under test, with nothing of the caller's environment but the way to programs.
#[expect(clippy::disallowed_methods, reason = "the tests of the binary start the binary")]
pub(crate) fn coditect(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coditect"));
    command.env_clear().env("PATH", testkit::search_path()).env("HOME", home).env("TMPDIR", home);
    command.stdin(Stdio::null());
    command
}

/// Another program, found where the tests find it.
#[expect(clippy::disallowed_methods, reason = "tests look at the result with other programs")]
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) root: DataRoot,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path().canonicalize().unwrap().join("data"));
        Self { dir, root }
    }

    /// `coditect --data-root … <args>`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = coditect(self.dir.path());
        command.arg("--data-root").arg(self.root.path()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What the command printed as JSON, when it succeeded.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A daemon in the foreground that is ready.
    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::start(self.command(&["daemon", "run"]))
    }

    pub(crate) fn info(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(self.root.daemon_info()).ok()?).ok()
    }

    /// The daemon that announced itself here.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.info()?["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    /// Talks to the daemon over its API.
    pub(crate) fn api<T>(&self, talk: impl AsyncFnOnce(Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Options::user(self.root.clone(), Arc::new(SystemEntropy)));
        runtime.block_on(talk(client))
    }
}

impl Drop for House {
    /// A daemon that a command started has nobody else who ends it.
    fn drop(&mut self) {
        if let Some(pid) = self.pid()
            && is_daemon(pid)
        {
            kill(pid, Signal::KILL);
        }
    }
}

/// A daemon that a test started; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stderr: ChildStderr,
    pub(crate) ready_line: String,
}

impl Daemon {
    /// Starts it and waits for the line that says it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready_line).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        if ready_line.is_empty() {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            panic!("the daemon did not start: {said}");
        }
        let stdin = child.stdin.take();
        Self { child, stdin, stderr, ready_line }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for its end; gives its exit code, none after a signal.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the daemon does not end");
            std::thread::sleep(NAP);
        }
    }

    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.ended(), None);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something that must come.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "still waiting for {what}");
        std::thread::sleep(NAP);
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // Gone already is as good.
    let _ = kill_process(pid, signal);
}

/// A process beyond reuse of its number.
pub(crate) type Process = (u32, u64);

pub(crate) fn lives(process: &Process) -> bool {
    process_start(process.0) == Some(process.1)
}

/// Everything below a process, children of children too.
pub(crate) fn descendants(pid: u32) -> Vec<Process> {
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent(pid)?)))
        .collect();
    let (mut found, mut at) = (vec![pid], 0);
    while let Some(above) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found.into_iter().skip(1).filter_map(|pid| Some((pid, process_start(pid)?))).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub(crate) fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Whether the number still belongs to a daemon of ours.
fn is_daemon(pid: u32) -> bool {
    let line = command_line(pid);
    line.contains("coditect") && line.contains("daemon")
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The one folder a demo made below `dir`.
pub(crate) fn demo_scratch(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("coditect-demo-"))
    })
}
