//! A place to start runs in, and ways to see what the kernel thinks of them.

use agent::{
    BashPolicy, Begin, Launch, LaunchError, RunCommand, RunEvent, RunHandle, RunLimits, Start, launch,
};
use llm::{Endpoint, Secret, Thinking};
use model::{Driver, Isolation, RunId, TaskKind, Vendor};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The model key of every test; it must turn up nowhere.
pub(crate) const KEY: &str = "sk-test-0123456789-very-secret";
/// How long anything may take that is waited for. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    dir: TempDir,
    pub(crate) run: RunId,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "tests at the same time need runs of different names")]
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("worktree")).unwrap();
        let mut random = [0u8; 16];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).unwrap();
        let run = format!("run_{:032x}", u128::from_le_bytes(random)).parse().unwrap();
        Self { dir, run }
    }

    /// A scene whose driver is a bash script.
    pub(crate) fn with_driver(script: &str) -> Self {
        let scene = Self::new();
        scene.file("rogue-driver", script);
        scene
    }

    pub(crate) fn worktree(&self) -> PathBuf {
        self.dir.path().join("worktree")
    }

    pub(crate) fn liveness(&self) -> PathBuf {
        self.dir.path().join("liveness")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.path().join("runs").join("this")
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.worktree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn launching(&self) -> Launch {
        Launch {
            run: self.run,
            executable: executable(),
            liveness: self.liveness(),
            scratch: self.scratch(),
            worktree: self.worktree(),
            env: vec![("PATH".into(), env("PATH")), ("HOME".into(), "/nonexistent".into())],
            allow_env: Vec::new(),
            grace: Duration::from_millis(200),
            limits: RunLimits::default(),
            fence: None,
            start: start("prompt"),
        }
    }

    pub(crate) async fn launch(&self) -> Result<RunHandle, LaunchError> {
        launch(self.launching()).await
    }

    /// Whether somebody holds the liveness lock.
    pub(crate) fn is_locked(&self) -> bool {
        let file = fs::File::open(self.liveness()).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// Living processes that carry the run's mark in their environment.
    pub(crate) fn marked(&self) -> Vec<i32> {
        let mark = format!("CODITECT_RUN={}", self.run);
        pids().into_iter().filter(|pid| is_alive(*pid)).filter(|pid| environ(*pid).contains(&mark)).collect()
    }

    /// Waits until nothing of the run is left and its lock is free.
    pub(crate) async fn assert_gone(&self) {
        until("every process of the run is dead", || self.marked().is_empty()).await;
        until("the liveness lock is free", || !self.is_locked()).await;
    }
}

/// A test that failed leaves nothing behind either.
impl Drop for Scene {
    fn drop(&mut self) {
        agent::sweep(self.run);
    }
}

pub(crate) fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_agent-under-test"))
}

#[expect(clippy::disallowed_methods, reason = "the tests run what is on this machine's PATH")]
pub(crate) fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

pub(crate) fn start(prompt: &str) -> Start {
    Start {
        agent: "claude".into(),
        system: String::new(),
        history: Vec::new(),
        prompt: prompt.into(),
        kind: TaskKind::Work,
        driver: Driver::Native,
        begin: Begin::New,
        program: None,
        isolation: Isolation::Shared,
        mcp: None,
        endpoint: Endpoint {
            vendor: Vendor::Anthropic,
            base_url: Some("http://127.0.0.1:9/v1".into()),
            api_key: Secret::new(KEY),
        },
        model: "claude-test".into(),
        max_iterations: 20,
        deadline_ms: 600_000,
        max_tokens: None,
        bash: BashPolicy::default(),
        thinking: Thinking::Off,
    }
}

/// The next event; a run that says nothing for long has failed the test. One that has ended is let go.
pub(crate) async fn next(handle: &mut RunHandle) -> Option<RunEvent> {
    let event = tokio::time::timeout(PATIENCE, handle.events.recv()).await.expect("the run says nothing");
    if matches!(event, Some(RunEvent::Ended { .. })) {
        // A driver that did not wait for it is gone already.
        let _ = handle.send(RunCommand::Leave);
    }
    event
}

/// Everything up to and with the exit.
pub(crate) async fn drain(handle: &mut RunHandle) -> Vec<RunEvent> {
    let mut events = Vec::new();
    while let Some(event) = next(handle).await {
        events.push(event);
    }
    assert!(matches!(events.last(), Some(RunEvent::Exited(_))), "{events:?}");
    let exits = events.iter().filter(|event| matches!(event, RunEvent::Exited(_))).count();
    assert_eq!(exits, 1);
    events
}

/// Waits for a condition that has to come true.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn pids() -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect()
}

/// Alive and not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned();
    state != "Z" && state != "X"
}

pub(crate) fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Children of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    pids().into_iter().filter(|child| parent(*child) == Some(pid) && is_alive(*child)).collect()
}

/// The environment of a process; empty when it cannot be read.
pub(crate) fn environ(pid: i32) -> Vec<String> {
    strings(Path::new(&format!("/proc/{pid}/environ")))
}

pub(crate) fn cmdline(pid: i32) -> Vec<String> {
    strings(Path::new(&format!("/proc/{pid}/cmdline")))
}

fn strings(path: &Path) -> Vec<String> {
    fs::read(path)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
        .map(|entry| String::from_utf8_lossy(entry).into_owned())
        .collect()
}

pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}
