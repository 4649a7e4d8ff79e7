//! The git program: found once, run in one way.
//!
//! Invariant: a git process inherits nothing. Its environment is the table in [`Call::run`], its
//! repository, configuration and work tree are named explicitly, it lives in a process group of its
//! own, and it ends within a time limit whatever it does.

mod own;
mod watched;

pub use own::is_own_git;

use crate::{GitError, UserHome};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Longest a git process may run.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes read from a git process's standard output.
pub const OUTPUT_MAX: usize = 32 * 1024 * 1024;
/// Most bytes kept of a git process's complaints.
const STDERR_MAX: usize = 4 * 1024;
/// `GIT_CONFIG_GLOBAL`, on which the sealing rests, came with this version.
const NEEDED: &str = "2.32.0";
/// How often the end of a process is looked for after its output has ended.
const REAP_INTERVAL: Duration = Duration::from_millis(1);

/// Set for every git process beside what names the repository. Together with the sealed
/// configuration they leave git no way to start a program, ask a person or reach a network.
const ENVIRONMENT: [(&str, &str); 21] = [
    (own::MARK, "1"),
    ("GIT_ADVICE", "0"),
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_ASKPASS", ""),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_COMMITTER_EMAIL", "coditect@localhost.invalid"),
    ("GIT_COMMITTER_NAME", "Coditect"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_EDITOR", "false"),
    ("GIT_GRAFT_FILE", "/dev/null"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_SSH_COMMAND", "false"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_TRACE2", "0"),
    ("GIT_TRACE2_EVENT", "0"),
    ("GIT_TRACE2_PERF", "0"),
    ("LC_ALL", "C"),
    ("SSH_ASKPASS", ""),
];

/// Given on the command line of every git process, over anything a file says.
const SETTINGS: [&str; 15] = [
    "commit.gpgSign=false",
    "core.attributesFile=/dev/null",
    "core.commitGraph=false",
    "core.excludesFile=/dev/null",
    "core.filesRefLockTimeout=3000",
    "core.fsmonitor=false",
    "core.fsync=committed",
    "core.hooksPath=/dev/null",
    "core.packedRefsTimeout=3000",
    "core.pager=cat",
    "gc.auto=0",
    "log.showSignature=false",
    "maintenance.auto=false",
    "protocol.allow=never",
    "submodule.recurse=false",
];

/// What every git process is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub timeout: Duration,
    /// Bytes of standard output.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: TIMEOUT, output: OUTPUT_MAX }
    }
}

/// A git installation. Cheap to make and to clone: git is looked for at the first use, and again
/// until it was found.
#[derive(Debug, Clone)]
pub struct Git {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    search_path: OsString,
    scratch: PathBuf,
    limits: Limits,
    found: OnceLock<Found>,
}

#[derive(Debug, Clone)]
struct Found {
    program: PathBuf,
    version: String,
}

/// Where a git process works; see [`crate::sealed`] for why all of them are named.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub git_dir: &'a Path,
    pub common_dir: &'a Path,
    pub work_tree: &'a Path,
}

/// One git process to be run.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    git: &'a Git,
    place: Option<Place<'a>>,
    verb: &'static str,
    args: Vec<OsString>,
    stdin: Vec<u8>,
    index: Option<PathBuf>,
    user: Option<&'a UserHome>,
    /// Beyond [`SETTINGS`] and over [`ENVIRONMENT`]; for the one verb that reaches out.
    settings: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    limits: Limits,
    literal: bool,
    cut: bool,
    codes: &'static [i32],
}

/// Writes what a git process reads.
type Feed = Box<dyn FnOnce(&mut dyn Write) -> std::io::Result<()> + Send>;

/// What a git process said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub code: i32,
    pub stdout: Vec<u8>,
    /// True when the output was cut at its limit; only with [`Call::cut_at`].
    pub cut: bool,
}

impl Git {
    /// `search_path` is the user's `PATH`; only its absolute entries count. `scratch` is a directory of
    /// ours (made with mode 0700 when missing) for private indexes and sealed configurations.
    pub fn new(search_path: impl Into<OsString>, scratch: impl Into<PathBuf>) -> Self {
        Self::with_limits(search_path, scratch, Limits::default())
    }

    pub fn with_limits(
        search_path: impl Into<OsString>,
        scratch: impl Into<PathBuf>,
        limits: Limits,
    ) -> Self {
        let (search_path, scratch) = (search_path.into(), scratch.into());
        Self { inner: Arc::new(Inner { search_path, scratch, limits, found: OnceLock::new() }) }
    }

    /// The version of git, as in `2.47.3`.
    pub fn version(&self) -> Result<String, GitError> {
        Ok(self.found()?.version)
    }

    /// A directory under scratch, made when missing.
    pub(crate) fn scratch(&self, name: impl AsRef<Path>) -> Result<PathBuf, GitError> {
        let dir = self.inner.scratch.join(name);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|e| GitError::io(format!("make {}", dir.display()), e))?;
        Ok(dir)
    }

    pub(crate) fn call<'a>(&'a self, place: Option<Place<'a>>, verb: &'static str) -> Call<'a> {
        let limits = self.inner.limits;
        Call {
            git: self,
            place,
            verb,
            args: Vec::new(),
            stdin: Vec::new(),
            index: None,
            user: None,
            settings: Vec::new(),
            environment: Vec::new(),
            limits,
            literal: true,
            cut: false,
            codes: &[0],
        }
    }

    fn found(&self) -> Result<Found, GitError> {
        if let Some(found) = self.inner.found.get() {
            return Ok(found.clone());
        }
        let program = std::env::split_paths(&self.inner.search_path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join("git"))
            .find(|program| {
                std::fs::metadata(program).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
            })
            .ok_or(GitError::GitMissing { needed: NEEDED })?;
        let answer = self.call(None, "version").run_with(&program)?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let version = text.trim().strip_prefix("git version ").unwrap_or_default();
        let version = version.split_whitespace().next().unwrap_or_default().to_owned();
        if numbers(&version) < numbers(NEEDED) {
            return Err(GitError::GitTooOld { found: version, needed: NEEDED });
        }
        Ok(self.inner.found.get_or_init(|| Found { program, version }).clone())
    }
}

/// `2.47.3.windows.1` as `[2, 47, 3]`.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

impl<'a> Call<'a> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Uses a private index instead of the user's.
    pub(crate) fn index(mut self, index: &Path) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    pub(crate) fn work_tree(mut self, work_tree: &'a Path) -> Self {
        self.place = self.place.map(|place| Place { work_tree, ..place });
        self
    }

    /// Lets git read paths as patterns; only for `check-ignore`, which cannot do otherwise.
    pub(crate) fn not_literal(mut self) -> Self {
        self.literal = false;
        self
    }

    /// Reads the user's own configuration; only for the verb `config`.
    pub(crate) fn reading(mut self, user: &'a UserHome) -> Self {
        self.user = Some(user);
        self
    }

    /// Cuts the output there instead of failing.
    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.limits.output = bytes.min(self.limits.output);
        self.cut = true;
        self
    }

    pub(crate) fn setting(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Exit codes that are answers; any other is an error.
    pub(crate) fn codes(mut self, codes: &'static [i32]) -> Self {
        self.codes = codes;
        self
    }

    pub(crate) fn run(self) -> Result<Answer, GitError> {
        let found = self.git.found()?;
        self.run_with(&found.program)
    }

    fn run_with(mut self, program: &Path) -> Result<Answer, GitError> {
        let child = self.spawn(program)?;
        let stdin = std::mem::take(&mut self.stdin);
        self.attend(child, Box::new(move |pipe| pipe.write_all(&stdin)))
    }

    /// The same, fed as it reads: with more than should be in memory.
    pub(crate) fn run_fed(
        self,
        feed: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Answer, GitError> {
        let child = self.spawn(&self.git.found()?.program)?;
        self.attend(child, Box::new(feed))
    }

    /// The one place that starts git.
    #[expect(
        clippy::disallowed_methods,
        reason = "the git room starts git, with an environment made from nothing"
    )]
    fn spawn(&self, program: &Path) -> Result<Child, GitError> {
        let home = self.git.scratch("home")?;
        let mut command = std::process::Command::new(program);
        command.env_clear().envs(ENVIRONMENT).env("PATH", absolute(&self.git.inner.search_path));
        match self.user {
            None => {
                command.env("HOME", &home).env("XDG_CONFIG_HOME", &home).env("GIT_CONFIG_GLOBAL", "/dev/null")
            }
            Some(user) => match &user.xdg_config_home {
                None => command.env("HOME", &user.home),
                Some(xdg) => command.env("HOME", &user.home).env("XDG_CONFIG_HOME", xdg),
            },
        };
        command.current_dir(&home);
        if let Some(place) = &self.place {
            if !place.work_tree.is_dir() {
                return Err(GitError::Missing(place.work_tree.to_owned()));
            }
            command.env("GIT_DIR", place.git_dir).env("GIT_COMMON_DIR", place.common_dir);
            command.env("GIT_WORK_TREE", place.work_tree).current_dir(place.work_tree);
        }
        command.env("GIT_LITERAL_PATHSPECS", if self.literal { "1" } else { "0" });
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        let settings = SETTINGS.into_iter().chain(self.settings.iter().map(String::as_str));
        command.args(settings.flat_map(|setting| ["-c", setting])).arg(self.verb).args(&self.args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => GitError::GitMissing { needed: NEEDED },
            _ => GitError::io(format!("start {}", program.display()), error),
        })
    }

    /// Feeds and drains the process, and ends it at a limit.
    fn attend(&self, mut child: Child, feed: Feed) -> Result<Answer, GitError> {
        let deadline = Instant::now() + self.limits.timeout;
        let (sender, heard) = mpsc::channel();
        if let Some(mut pipe) = child.stdin.take() {
            // A git that ends without reading everything breaks the pipe; its exit code tells why.
            std::thread::spawn(move || feed(&mut pipe).ok());
        }
        let limit = self.limits.output;
        if let Some(pipe) = child.stdout.take() {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send((true, read_up_to(pipe, limit))).ok());
        }
        if let Some(pipe) = child.stderr.take() {
            std::thread::spawn(move || sender.send((false, read_all_keeping(pipe, STDERR_MAX))).ok());
        }
        let (mut stdout, mut stderr) = (None, None);
        while stdout.is_none() || stderr.is_none() {
            match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((true, (bytes, true))) => {
                    end(&mut child);
                    return if self.cut {
                        Ok(Answer { code: 0, stdout: bytes, cut: true })
                    } else {
                        Err(GitError::OutputTooLarge { verb: self.verb.to_owned(), max: limit })
                    };
                }
                Ok((true, (bytes, false))) => stdout = Some(bytes),
                Ok((false, (bytes, _))) => stderr = Some(bytes),
                Err(_) => return Err(self.timed_out(&mut child)),
            }
        }
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(REAP_INTERVAL),
                Ok(None) => return Err(self.timed_out(&mut child)),
                Err(error) => return Err(GitError::io("wait for git", error)),
            }
        };
        let code = status.code().unwrap_or(-1);
        if self.codes.contains(&code) {
            return Ok(Answer { code, stdout: stdout.unwrap_or_default(), cut: false });
        }
        let stderr = String::from_utf8_lossy(&stderr.unwrap_or_default()).trim().to_owned();
        Err(GitError::Failed { verb: self.verb.to_owned(), code, stderr })
    }

    fn timed_out(&self, child: &mut Child) -> GitError {
        end(child);
        GitError::TimedOut { verb: self.verb.to_owned(), limit: self.limits.timeout }
    }
}

fn absolute(search_path: &OsStr) -> OsString {
    std::env::join_paths(std::env::split_paths(search_path).filter(|dir| dir.is_absolute()))
        .unwrap_or_default()
}

/// Kills the process with everything in its group, and reaps it.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
    child.kill().ok();
    child.wait().ok();
}

/// Reads to the end or to the limit; true when there was more.
fn read_up_to(mut pipe: impl Read, limit: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    // A read error on a pipe of our own child means it is gone; its exit code says the rest.
    pipe.by_ref().take(most).read_to_end(&mut bytes).ok();
    let more = bytes.len() > limit;
    bytes.truncate(limit);
    (bytes, more)
}

/// Reads to the end, so that the writer never blocks, and keeps the first bytes.
fn read_all_keeping(mut pipe: impl Read, keep: usize) -> (Vec<u8>, bool) {
    let (bytes, more) = read_up_to(&mut pipe, keep);
    std::io::copy(&mut pipe, &mut std::io::sink()).ok();
    (bytes, more)
}
