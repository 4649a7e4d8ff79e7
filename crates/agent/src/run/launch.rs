//! Starting a run: the environment it gets, its limits, its guard; and sweeping up after one whose
//! guard was killed.

use model::RunId;
use rustix::process::Signal;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::BufReader;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::handle::{RunControl, RunHandle};
use super::lines::{COMMAND_LINE_MAX, EVENT_LINE_MAX, EXCERPT_MAX, Line, LineTooLong, Lines, encode};
use super::queue::queue;
use super::supervise::{Supervised, last_words};
use super::wire::{RunCommand, Start, WIRE_REVISION};
use crate::fence::Fence;
use crate::guard::ReadyLine;
use crate::processes::{self, Part};
use crate::spawn;

/// Names a run's environment may have; also every `CODITECT_*` name that the caller gives, and the
/// names in [`Launch::allow_env`].
pub const ENV_ALLOWED: &[&str] = &["PATH", "HOME", "LANG", "TERM", "TMPDIR"];

/// Events a run can be ahead of its listener.
const EVENT_QUEUE: usize = 256;
/// Bytes of their lines that those events may have together.
const EVENT_QUEUE_BYTES: usize = 2 * EVENT_LINE_MAX;
/// Commands that wait to be written. A run has few requests open at a time.
const COMMAND_QUEUE: usize = 64;
/// How long a guard may take to come up.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a sweep waits for those it killed to be gone.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks of a sweep.
const SWEEP_NAP: Duration = Duration::from_millis(10);

/// Everything needed to start a run.
#[derive(Debug, Clone)]
pub struct Launch {
    pub run: RunId,
    /// The program that answers `__guard` and `__drive`: our own binary.
    pub executable: PathBuf,
    /// File on which the guard holds an exclusive flock until every descendant is dead. Created when
    /// missing; its folder must exist.
    pub liveness: PathBuf,
    /// Folder for the run's own files, made with mode 0700.
    pub scratch: PathBuf,
    /// Where the run works: a git worktree's root.
    pub worktree: PathBuf,
    /// Offered variables; only those on the allow-list pass. `CODITECT_RUN` is added.
    pub env: Vec<(String, String)>,
    /// More names that pass, by the user's configuration.
    pub allow_env: Vec<String>,
    /// Time between TERM and KILL when the run is ended.
    pub grace: Duration,
    pub limits: RunLimits,
    /// What the driver, and all it starts, is kept from; none when it may do what the user may.
    pub fence: Option<Fence>,
    pub start: Start,
}

/// What the kernel holds each process of a run to; none leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    pub open_files: Option<u64>,
    /// Largest file a process may write, in bytes.
    pub file_bytes: Option<u64>,
    /// Address space of a process, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor seconds of one process.
    pub cpu_seconds: Option<u64>,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { open_files: Some(4096), file_bytes: Some(4 << 30), memory_bytes: None, cpu_seconds: None }
    }
}

/// Why a run did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("cannot prepare {}: {error}", path.display())]
    Prepare { path: PathBuf, error: std::io::Error },
    #[error("cannot start {}: {error}", path.display())]
    Spawn { path: PathBuf, error: std::io::Error },
    #[error(
        "the model's key is in the environment variable {0}, where the run's commands could read it; take it out"
    )]
    SecretInEnvironment(String),
    #[error("the conversation is too long for a run: {0}; start a new session")]
    TooLong(#[from] LineTooLong),
    #[error("the run's guard did not come up: {0}")]
    NotReady(String),
    /// The program was replaced while the daemon ran.
    #[error(
        "the program on disk speaks revision {found} of the runs' wire and this daemon revision {}",
        WIRE_REVISION
    )]
    OtherVersion { found: u32 },
}

/// Starts a run. When this returns, the guard holds the liveness lock, starts the driver, and has
/// `launch.start` in its pipe. Dropped before that, nothing stays behind.
pub async fn launch(launch: Launch) -> Result<RunHandle, LaunchError> {
    let env = environment(&launch)?;
    let start = RunCommand::Start(Box::new(launch.start.clone()));
    let start = encode(&start, COMMAND_LINE_MAX)?;
    let folders = [Some(&launch.scratch), launch.fence.as_ref().map(|fence| &fence.tmp)];
    for folder in folders.into_iter().flatten() {
        prepare_scratch(folder).map_err(|error| LaunchError::Prepare { path: folder.clone(), error })?;
    }
    let mut guard = spawn_guard(&launch, env)?;
    let lost = || LaunchError::NotReady("its pipes are missing".into());
    let pid = guard.id().ok_or_else(lost)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (guard.stdin.take(), guard.stdout.take(), guard.stderr.take())
    else {
        return Err(lost());
    };
    let mut stdout = Lines::new(BufReader::new(stdout), EVENT_LINE_MAX, EXCERPT_MAX);
    if let Err(why) = await_ready(&mut stdout).await {
        // The guard sees its pipe close and takes along whatever it may have started.
        drop(stdin);
        return Err(why.explained(stderr).await);
    }
    let (commands, to_write) = mpsc::channel(COMMAND_QUEUE);
    let (events_in, events) = queue(EVENT_QUEUE, EVENT_QUEUE_BYTES);
    let (exit_in, exit) = watch::channel(None);
    let stop = watch::Sender::new(false);
    // The queue is empty and ours alone, so there is room.
    let _ = commands.try_send(start);
    let supervised = Supervised {
        run: launch.run,
        guard,
        stdin,
        stdout,
        stderr,
        commands: to_write,
        events: events_in,
        stop: stop.clone(),
        exit: exit_in,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(supervised.supervise());
    Ok(RunHandle {
        events,
        control: RunControl { run: launch.run, pid, commands, stop, exit },
        _tasks: tasks,
    })
}

/// The run's environment. A key among it is a mistake of ours and ends here.
fn environment(launch: &Launch) -> Result<Vec<(String, String)>, LaunchError> {
    let key = launch.start.endpoint.api_key.expose();
    let env = allowed(&launch.env, &launch.allow_env, launch.run);
    if !key.trim().is_empty()
        && let Some((name, _)) = env.iter().find(|(_, value)| value.contains(key))
    {
        return Err(LaunchError::SecretInEnvironment(name.clone()));
    }
    Ok(env)
}

/// The variables that pass, and the run's mark.
pub(super) fn allowed(offered: &[(String, String)], more: &[String], run: RunId) -> Vec<(String, String)> {
    let passes = |name: &String| {
        ENV_ALLOWED.contains(&name.as_str())
            || (name.starts_with("CODITECT_") && name != "CODITECT_RUN")
            || more.contains(name)
    };
    let mut env: Vec<(String, String)> = offered.iter().filter(|(name, _)| passes(name)).cloned().collect();
    env.push(("CODITECT_RUN".into(), run.to_string()));
    env
}

pub(super) fn prepare_scratch(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // It may have existed with a wider mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

fn spawn_guard(launch: &Launch, env: Vec<(String, String)>) -> Result<Child, LaunchError> {
    let liveness = std::path::absolute(&launch.liveness)
        .map_err(|error| LaunchError::Prepare { path: launch.liveness.clone(), error })?;
    let guarding = Guarding {
        run: launch.run,
        executable: &launch.executable,
        liveness: &liveness,
        dir: &launch.worktree,
        env,
        grace: launch.grace,
        limits: launch.limits,
        fence: launch.fence.as_ref(),
        argv: &[],
    };
    guarding.spawn()
}

/// What a guard is told.
pub(super) struct Guarding<'a> {
    pub run: RunId,
    pub executable: &'a Path,
    /// Absolute.
    pub liveness: &'a Path,
    pub dir: &'a Path,
    pub env: Vec<(String, String)>,
    pub grace: Duration,
    pub limits: RunLimits,
    pub fence: Option<&'a Fence>,
    /// What is guarded; the driver when empty.
    pub argv: &'a [String],
}

impl Guarding<'_> {
    pub(super) fn spawn(self) -> Result<Child, LaunchError> {
        let failed = |error| LaunchError::Spawn { path: self.executable.to_owned(), error };
        let executable = std::path::absolute(self.executable).map_err(failed)?;
        // A missing folder would be reported by the kernel as a missing program.
        std::fs::metadata(self.dir)
            .map_err(|error| LaunchError::Prepare { path: self.dir.to_owned(), error })?;
        let mut command = spawn::command(executable);
        command.args(["__guard", "--run", &self.run.to_string(), "--liveness"]).arg(self.liveness);
        command.args(["--grace-ms", &self.grace.as_millis().to_string()]);
        for (name, limit) in [
            ("--open-files", self.limits.open_files),
            ("--file-bytes", self.limits.file_bytes),
            ("--memory-bytes", self.limits.memory_bytes),
            ("--cpu-seconds", self.limits.cpu_seconds),
        ] {
            if let Some(limit) = limit {
                command.args([name, &limit.to_string()]);
            }
        }
        if let Some(fence) = self.fence {
            let fence = serde_json::to_string(fence).map_err(|error| failed(error.into()))?;
            command.args(["--fence", &fence]);
        }
        if !self.argv.is_empty() {
            command.arg("--").args(self.argv);
        }
        command.current_dir(self.dir).env_clear().envs(self.env);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Command::from(command).spawn().map_err(failed)
    }
}

/// Why a guard's first line is not that it is ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unready {
    OtherVersion(u32),
    Other(String),
}

impl Unready {
    /// What the guard said last explains it better than we can.
    pub(super) async fn explained(self, stderr: ChildStderr) -> LaunchError {
        match self {
            Self::OtherVersion(found) => LaunchError::OtherVersion { found },
            Self::Other(reason) => {
                let words = last_words(stderr).await;
                LaunchError::NotReady(if words.is_empty() { reason } else { words })
            }
        }
    }
}

pub(super) async fn await_ready(stdout: &mut Lines<BufReader<ChildStdout>>) -> Result<(), Unready> {
    let line = match tokio::time::timeout(READY_TIMEOUT, stdout.next()).await {
        Err(_) => Err(format!("no word of it within {} s", READY_TIMEOUT.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(Some(Line::Whole(line)))) => Ok(line),
        Ok(Ok(Some(_))) => Err("it answered nonsense; is the program ours?".into()),
        Ok(Ok(None)) => Err("it ended at once".into()),
    };
    ready(&line.map_err(Unready::Other)?)
}

fn ready(line: &[u8]) -> Result<(), Unready> {
    match serde_json::from_slice::<ReadyLine>(line) {
        Ok(said) if said.wire == WIRE_REVISION => Ok(()),
        Ok(said) => Err(Unready::OtherVersion(said.wire)),
        Err(_) => Err(Unready::Other("it answered nonsense; is the program ours?".into())),
    }
}

/// Kills every process of this user that carries the run's mark, waits up to 5 s until they are
/// gone, and says how many there were. For runs whose guard was killed, or that a dead daemon left
/// behind. A guard that still lives is told to finish, and killed only when it does not: it also
/// knows the processes that have taken off the mark. It blocks.
pub fn sweep(run: RunId) -> usize {
    let run = run.to_string();
    let me = std::process::id().cast_signed();
    let mut found = std::collections::HashSet::new();
    let began = Instant::now();
    loop {
        let waited = began.elapsed();
        let mut marked = Vec::new();
        for process in processes::all() {
            if process.alive
                && process.pid != me
                && let Some(part) = process.part_in(&run)
            {
                marked.push((process, part));
            }
        }
        if marked.is_empty() || waited >= SWEEP_TIMEOUT {
            return found.len();
        }
        for (process, part) in marked {
            let patient = part == Part::Guard && waited < SWEEP_TIMEOUT / 2;
            process.signal(if patient { Signal::TERM } else { Signal::KILL });
            found.insert((process.pid, process.started));
        }
        std::thread::sleep(SWEEP_NAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_of_another_revision_is_known_by_its_first_line() {
        assert_eq!(ready(format!(r#"{{"guard":"ready","wire":{WIRE_REVISION}}}"#).as_bytes()), Ok(()));
        let newer = WIRE_REVISION + 1;
        let line = format!(r#"{{"guard":"ready","wire":{newer},"more":1}}"#);
        assert_eq!(ready(line.as_bytes()), Err(Unready::OtherVersion(newer)));
        assert_eq!(ready(br#"{"guard":"ready"}"#), Err(Unready::OtherVersion(0)), "before there were any");
        assert!(matches!(ready(b"Usage: coditect"), Err(Unready::Other(_))));
    }
}
