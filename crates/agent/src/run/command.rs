//! One command under a guard of its own: the repository's tests and the like.
//!
//! Invariant: when [`run_command`] returns, or its future is dropped and the guard had its moment,
//! no process the command started is left.

use model::RunId;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Child;

use super::launch::{Guarding, LaunchError, RunLimits, allowed, await_ready, prepare_scratch, sweep};
use super::lines::{EVENT_LINE_MAX, EXCERPT_MAX, Lines};
use super::supervise::{decode, last_words};

/// Time between TERM and KILL when the command is ended.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// A command and where it runs.
#[derive(Debug, Clone)]
pub struct CommandSpec {
    /// Marks its processes, as that of any run.
    pub run: RunId,
    /// The program that answers `__guard`: our own binary.
    pub executable: PathBuf,
    /// Program and arguments; no shell in between.
    pub argv: Vec<String>,
    pub dir: PathBuf,
    /// A folder is made in it for the time of the command.
    pub scratch: PathBuf,
    /// Offered variables; those of [`crate::ENV_ALLOWED`] and `CODITECT_*` pass.
    pub env: Vec<(String, String)>,
    pub limits: CommandLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandLimits {
    pub timeout: Duration,
    /// How many of the last bytes of the output are kept.
    pub tail: usize,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// None when a signal ended it or its time was up.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub timed_out: bool,
    /// The end of what it wrote to stdout and stderr, in the order in which it did.
    pub tail: String,
    pub elapsed_ms: u64,
}

/// Runs a command to its end or its limit. Standard input is empty. A command that cannot be started
/// at all is an error; one that fails is not.
pub async fn run_command(spec: CommandSpec) -> Result<CommandOutput, LaunchError> {
    let scratch = spec.scratch.join(spec.run.to_string());
    prepare_scratch(&scratch).map_err(|error| LaunchError::Prepare { path: scratch.clone(), error })?;
    let _scratch = Scratch(scratch.clone());
    let liveness = std::path::absolute(scratch.join("alive"))
        .map_err(|error| LaunchError::Prepare { path: scratch.clone(), error })?;
    let began = Instant::now();
    let guarding = Guarding {
        run: spec.run,
        executable: &spec.executable,
        liveness: &liveness,
        dir: &spec.dir,
        env: allowed(&spec.env, &[], spec.run),
        grace: GRACE,
        limits: RunLimits::default(),
        fence: None,
        argv: &spec.argv,
    };
    if spec.argv.is_empty() {
        return Err(LaunchError::NotReady("there is no command".into()));
    }
    let mut guard = guarding.spawn()?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (guard.stdin.take(), guard.stdout.take(), guard.stderr.take())
    else {
        return Err(LaunchError::NotReady("its pipes are missing".into()));
    };
    let mut lines = Lines::new(BufReader::new(stdout), EVENT_LINE_MAX, EXCERPT_MAX);
    if let Err(why) = await_ready(&mut lines).await {
        drop(stdin);
        return Err(why.explained(stderr).await);
    }
    let mut tail = Tail::new(spec.limits.tail);
    let mut stdout = lines.into_rest();
    let timed_out = tokio::time::timeout(spec.limits.timeout, tail.read(&mut stdout)).await.is_err();
    // The command has closed its output or its time is up; the guard ends what is left of it.
    let waited =
        wait(&mut guard, timed_out, spec.limits.timeout.saturating_sub(began.elapsed()), stdin).await;
    tail.read(&mut stdout).await;
    let (status, overdue) = waited;
    let exit = status.map(decode).unwrap_or_default();
    let words = last_words(stderr).await;
    if exit.guard_lost {
        let run = spec.run;
        let _ = tokio::task::spawn_blocking(move || sweep(run)).await;
        return Err(LaunchError::NotReady(if words.is_empty() { "it was killed".into() } else { words }));
    }
    let timed_out = timed_out || overdue;
    Ok(CommandOutput {
        code: exit.code.filter(|_| !timed_out),
        signal: exit.signal.filter(|_| !timed_out),
        timed_out,
        tail: tail.finish(timed_out.then_some(spec.limits.timeout)),
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Waits for the guard, for what is left of the time when the command only closed its output; and
/// says whether that was not enough.
async fn wait(
    guard: &mut Child,
    timed_out: bool,
    left: Duration,
    stdin: tokio::process::ChildStdin,
) -> (std::io::Result<std::process::ExitStatus>, bool) {
    if !timed_out && let Ok(status) = tokio::time::timeout(left, guard.wait()).await {
        return (status, false);
    }
    drop(stdin);
    (guard.wait().await, true)
}

/// The last bytes of an output.
struct Tail {
    kept: Vec<u8>,
    max: usize,
    bytes: u64,
}

impl Tail {
    fn new(max: usize) -> Self {
        Self { kept: Vec::new(), max, bytes: 0 }
    }

    /// Reads to the end. What was read stays when the future is dropped.
    async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) {
        let mut piece = vec![0u8; PIECE];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            self.push(&piece[..read]);
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.kept.extend_from_slice(&piece[piece.len().saturating_sub(self.max)..]);
        // Not moved for every piece.
        if self.kept.len() > self.max * 2 {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let surplus = self.kept.len().saturating_sub(self.max);
        self.kept.drain(..surplus);
    }

    fn finish(mut self, timed_out: Option<Duration>) -> String {
        self.shorten();
        let left_out = self.bytes - self.kept.len() as u64;
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        if left_out > 0 {
            text.insert_str(0, &format!("[… {left_out} bytes left out …]\n"));
        }
        if let Some(timeout) = timed_out {
            text.push_str(&format!("\n[timed out after {} s]", timeout.as_secs()));
        }
        text
    }
}

/// Our folder, taken away with what we put there and nothing else.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0.join("alive"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept() {
        let mut tail = Tail::new(4);
        for piece in ["ab", "cdefghi", "", "j"] {
            tail.push(piece.as_bytes());
            assert!(tail.kept.len() <= 8);
        }
        assert_eq!(tail.finish(None), "[… 6 bytes left out …]\nghij");
        let mut tail = Tail::new(4);
        tail.push(b"abcd");
        assert_eq!(tail.finish(Some(Duration::from_secs(3))), "abcd\n[timed out after 3 s]");
    }
}
