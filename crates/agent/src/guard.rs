//! The guard: the process between the daemon and everything a run starts.
//!
//! It leads a session and process group of its own, is the subreaper of its descendants (so a
//! process that forks twice and calls setsid becomes its child again), passes the daemon's pipe on
//! to the driver, and holds an exclusive flock on the run's liveness file.
//!
//! Invariant: it exits only when the kernel says that it has no children left, and it has children
//! as long as any descendant lives; so its exit, and the release of the flock, mean that all are
//! dead. The locked file is also inherited by every descendant: should the guard itself be killed,
//! the flock still stands until the last of them is gone.
//!
//! It uses no async runtime: it is mostly asleep, and there is one per run.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getrlimit,
    set_child_subreaper, set_dumpable_behavior, setrlimit, setsid, wait,
};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::fence::{Fence, Fenced};
use crate::processes;
use crate::run::wire::WIRE_REVISION;
use crate::spawn;

/// Exit code of a guard that could not do its work; the reason is on stderr.
pub(crate) const EXIT_GUARD_FAILED: u8 = 125;
/// A driver ended by signal `n` is reported as exit code `128 + n`.
pub(crate) const EXIT_SIGNAL_BASE: i32 = 128;
/// The guard's first line: it holds the lock and starts the driver, which is of the same build and speaks the same
/// revision of the wire.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadyLine {
    guard: ReadyWord,
    /// Older guards said nothing of it.
    #[serde(default)]
    pub(crate) wire: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadyWord {
    Ready,
}

/// How long a lock that somebody else holds is tried again: a look whether a run lives takes the
/// lock for an instant.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two looks at dying processes.
const NAP: Duration = Duration::from_millis(20);
/// Longest such pause, for processes that cannot be killed now.
const NAP_MAX: Duration = Duration::from_millis(500);
/// Rounds of stopping newly found processes before all are killed; a fork bomb needs several.
const FREEZE_ROUNDS: usize = 50;
/// Lowest number of the inherited lock descriptor, out of the way of scripts that use 3 to 9.
const LIVENESS_FD_MIN: i32 = 100;
/// Bytes passed on at a time.
const RELAY_BUFFER: usize = 64 * 1024;

/// Entry of the hidden subcommand `__guard`; `args` are those after it. Call it before any thread
/// or runtime is started.
pub fn guard_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ended = Orders::parse(args).and_then(Guard::begin).map(Guard::watch);
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "guard: {message}");
            ExitCode::from(EXIT_GUARD_FAILED)
        }
    }
}

/// The guard's arguments. None of them is secret: everybody can read them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Orders {
    run: String,
    liveness: OsString,
    grace: Duration,
    limits: Vec<(Resource, u64)>,
    /// What the driver is kept from; none when it may do what the user may.
    fence: Option<Fence>,
    /// What to guard instead of a driver.
    command: Vec<OsString>,
}

impl Orders {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut orders = Self::default();
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            if name == "--" {
                orders.command.extend(args.by_ref());
                break;
            }
            let value = args.next().ok_or_else(|| format!("{} has no value", name.display()))?;
            let text = value.to_str().unwrap_or_default();
            let number = || text.parse::<u64>().map_err(|_| format!("{} needs a number", name.display()));
            match name.as_bytes() {
                b"--run" => orders.run = text.to_owned(),
                b"--liveness" => orders.liveness = value,
                b"--grace-ms" => orders.grace = Duration::from_millis(number()?),
                b"--open-files" => orders.limits.push((Resource::Nofile, number()?)),
                b"--file-bytes" => orders.limits.push((Resource::Fsize, number()?)),
                b"--memory-bytes" => orders.limits.push((Resource::As, number()?)),
                b"--fence" => {
                    let fence = serde_json::from_str(text).map_err(|error| format!("--fence: {error}"))?;
                    orders.fence = Some(fence);
                }
                b"--cpu-seconds" => orders.limits.push((Resource::Cpu, number()?)),
                _ => return Err(format!("unknown argument {}", name.display())),
            }
        }
        if orders.run.is_empty() || orders.liveness.is_empty() {
            return Err("--run and --liveness are needed; this command is not meant for people".into());
        }
        Ok(orders)
    }
}

struct Guard {
    grace: Duration,
    driver: Pid,
    driver_status: Option<WaitStatus>,
    /// Becomes readable when a child died, a signal came or the daemon's pipe closed.
    wake: UnixStream,
    /// Somebody wants the run to end.
    ending: Arc<AtomicBool>,
    _liveness: OwnedFd,
    /// Lets the fenced driver's parent be.
    _fenced: Option<Fenced>,
}

impl Guard {
    /// Takes the lock, says so, starts the driver.
    fn begin(orders: Orders) -> Result<Self, String> {
        // The driver gets a model key through our pipe; nobody but root may look into our memory.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // Without a terminal nothing below can be stopped by one, or read from it. It fails only for
        // somebody who leads a group already, which is as good.
        let _ = setsid();
        set_child_subreaper(Some(getpid())).map_err(|error| format!("cannot become a subreaper: {error}"))?;
        let liveness = lock(&orders.liveness)?;
        limit(&orders.limits);
        let (wake, bell) = UnixStream::pair().map_err(|error| format!("cannot make a pipe: {error}"))?;
        let ending = Arc::new(AtomicBool::new(false));
        listen(&bell, &ending).map_err(|error| format!("cannot listen for signals: {error}"))?;
        // Said before there is a driver: whatever that one says comes after.
        let mut stdout = std::io::stdout();
        let ready = ReadyLine { guard: ReadyWord::Ready, wire: WIRE_REVISION };
        serde_json::to_string(&ready)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(stdout, "{line}"))
            .and_then(|()| stdout.flush())
            .map_err(|error| format!("nobody listens: {error}"))?;
        let (driver, fenced) = start_driver(&orders, &bell, &ending)?;
        let grace = orders.grace;
        Ok(Self { grace, driver, driver_status: None, wake, ending, _liveness: liveness, _fenced: fenced })
    }

    /// Sleeps until the run is over or is to be over, ends what is left, and gives the exit code.
    fn watch(mut self) -> u8 {
        loop {
            let childless = self.reap();
            if childless || self.driver_status.is_some() || self.ending.load(Ordering::SeqCst) {
                break;
            }
            self.sleep(None);
        }
        self.extinguish();
        let status = self.driver_status;
        let code = status.and_then(|status| {
            status
                .exit_status()
                .or_else(|| status.terminating_signal().map(|signal| EXIT_SIGNAL_BASE + signal))
        });
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(EXIT_GUARD_FAILED)
    }

    /// Waits for a sign of life, or death. The daemon's pipe is looked at here and not only by the
    /// relay: that one may stand blocked on a driver that does not read.
    fn sleep(&mut self, at_most: Option<Duration>) {
        let stdin = std::io::stdin();
        let mut fds = [
            PollFd::new(&self.wake, PollFlags::IN),
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty()),
        ];
        let timeout = at_most.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        // While ending, the closed pipe is old news and would keep us from sleeping.
        let watched = if self.ending.load(Ordering::SeqCst) || at_most.is_some() { 1 } else { 2 };
        if poll(&mut fds[..watched], timeout.as_ref()).is_err() {
            return;
        }
        let (woken, closed) = (!fds[0].revents().is_empty(), watched == 2 && !fds[1].revents().is_empty());
        if closed {
            self.ending.store(true, Ordering::SeqCst);
        }
        if woken {
            let mut drained = [0u8; 256];
            let _ = self.wake.read(&mut drained);
        }
    }

    /// Collects the dead. True when there are no children left, and so no descendants either.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.driver => self.driver_status = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    /// TERM to all, grace, then KILL until nobody is left — however long that takes: a process that
    /// cannot be killed keeps the run's locks, rightly.
    fn extinguish(&mut self) {
        let me = getpid().as_raw_nonzero().get();
        let deadline = Instant::now() + self.grace;
        if self.reap() {
            return;
        }
        for process in processes::descendants(me) {
            process.signal(Signal::TERM);
        }
        while Instant::now() < deadline {
            self.sleep(Some(NAP));
            if self.reap() {
                return;
            }
        }
        let mut nap = NAP;
        while !self.reap() {
            kill_all(me);
            self.sleep(Some(nap));
            nap = (nap * 2).min(NAP_MAX);
        }
    }
}

/// Stops everybody first, so that nobody forks while others are being killed.
fn kill_all(me: i32) {
    let mut frozen = HashSet::new();
    for _ in 0..FREEZE_ROUNDS {
        let mut fresh = processes::descendants(me);
        fresh.retain(|process| frozen.insert((process.pid, process.started)));
        if fresh.is_empty() {
            break;
        }
        for process in fresh {
            process.signal(Signal::STOP);
        }
    }
    for process in processes::descendants(me) {
        process.signal(Signal::KILL);
    }
}

/// Opens and locks the liveness file, and leaves the descriptor open for every descendant.
fn lock(path: &OsString) -> Result<OwnedFd, String> {
    let shown = path.display();
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| format!("cannot open the liveness file {shown}: {error}"))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    while let Err(error) = flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK || Instant::now() >= deadline {
            return Err(format!("cannot lock the liveness file {shown}: {error}"));
        }
        std::thread::sleep(NAP);
    }
    let kept = fcntl_dupfd_cloexec(&opened, LIVENESS_FD_MIN).unwrap_or(opened);
    fcntl_setfd(&kept, FdFlags::empty()).map_err(|error| format!("cannot pass on {shown}: {error}"))?;
    Ok(kept)
}

/// Sets the limits on ourselves; everything below inherits them. A limit that is already lower
/// stays. A core file could hold a key, so there is none.
fn limit(limits: &[(Resource, u64)]) {
    for (resource, wanted) in limits.iter().copied().chain([(Resource::Core, 0)]) {
        let now = getrlimit(resource);
        let lower = |present: Option<u64>| Some(present.map_or(wanted, |present| present.min(wanted)));
        let _ = setrlimit(resource, Rlimit { current: lower(now.current), maximum: lower(now.maximum) });
    }
}

/// Every death and every wish to end rings the bell.
fn listen(bell: &UnixStream, ending: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(ending))?;
        signal_hook::low_level::pipe::register(signal, bell.try_clone()?)?;
    }
    signal_hook::low_level::pipe::register(SIGCHLD, bell.try_clone()?)?;
    Ok(())
}

/// Starts the driver, and a thread that passes our stdin on to it and notices its end.
fn start_driver(
    orders: &Orders,
    bell: &UnixStream,
    ending: &Arc<AtomicBool>,
) -> Result<(Pid, Option<Fenced>), String> {
    let cannot = |error: &dyn std::fmt::Display| {
        let program =
            orders.command.first().map_or("the driver".into(), |program| program.display().to_string());
        format!("cannot start {program}: {error}")
    };
    let (pid, mut to_driver, fenced) = match (orders.command.split_first(), &orders.fence) {
        (None, Some(fence)) => {
            let mut fenced = fenced(&orders.run, fence).map_err(|error| cannot(&error))?;
            (Pid::from_child(&fenced.child), fenced.child.stdin.take(), Some(fenced))
        }
        (command, _) => {
            let mut command = match command {
                None => driver(&orders.run),
                Some((program, arguments)) => guarded(program, arguments)?,
            };
            let mut child = command.spawn().map_err(|error| cannot(&error))?;
            (Pid::from_child(&child), child.stdin.take(), None)
        }
    };
    let mut bell = bell.try_clone().map_err(|error| format!("cannot make a pipe: {error}"))?;
    let ending = Arc::clone(ending);
    std::thread::spawn(move || {
        let mut from_daemon = std::io::stdin().lock();
        let mut buffer = vec![0u8; RELAY_BUFFER];
        loop {
            match from_daemon.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
                // A driver that closed its stdin is ending; what is still said to it is lost.
                Ok(read) => {
                    if to_driver.as_mut().is_some_and(|pipe| pipe.write_all(&buffer[..read]).is_err()) {
                        to_driver = None;
                    }
                }
            }
        }
        ending.store(true, Ordering::SeqCst);
        let _ = bell.write_all(&[0]);
    });
    Ok((pid, fenced))
}

/// The driver inside a fence. Our program is passed on as an open file: `/proc/self/exe` would be bubblewrap's, and
/// the name on disk may be another program's by now.
fn fenced(run: &str, fence: &Fence) -> Result<Fenced, String> {
    let program = std::fs::File::open("/proc/self/exe").map_err(|error| error.to_string())?;
    let program = fcntl_dupfd_cloexec(&program, LIVENESS_FD_MIN).map_err(|error| error.to_string())?;
    fcntl_setfd(&program, FdFlags::empty()).map_err(|error| error.to_string())?;
    let path = OsString::from(format!("/proc/self/fd/{}", program.as_raw_fd()));
    let guard = if fence.counts_anew() { 1 } else { getpid().as_raw_nonzero().get() };
    let arguments = ["__drive", "--run", run, "--guard", &guard.to_string()].map(OsString::from);
    let tmp = fence.tmp.clone();
    let prepare = move |command: &mut Command| {
        command.env("TMPDIR", tmp).stdin(Stdio::piped());
    };
    fence.spawn(&path, &arguments, prepare).map_err(|error| error.to_string())
}

/// The driver, from this very binary even if its file has been replaced meanwhile. It is told
/// who its parent is: it wants to die with us, and must notice if that happened before it could ask
/// for it.
fn driver(run: &str) -> Command {
    let guard = getpid().as_raw_nonzero().get().to_string();
    let mut command = spawn::command("/proc/self/exe");
    command.arg0("coditect").args(["__drive", "--run", run, "--guard", &guard]).stdin(Stdio::piped());
    command
}

/// A command of the user's: no input, and both outputs in one pipe, so that their order is kept.
fn guarded(program: &OsString, arguments: &[OsString]) -> Result<Command, String> {
    let output = std::io::stdout().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let mut command = spawn::command(program);
    command.args(arguments).stdin(Stdio::null()).stderr(output);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Orders, String> {
        Orders::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn arguments_are_read_and_mistakes_named() {
        let orders =
            parse(&["--run", "run_1", "--liveness", "/l", "--grace-ms", "250", "--open-files", "64"])
                .unwrap();
        assert_eq!(orders.run, "run_1");
        assert_eq!(orders.grace, Duration::from_millis(250));
        assert_eq!(orders.limits, [(Resource::Nofile, 64)]);
        for (bad, word) in [
            (vec!["--run", "run_1"], "--liveness"),
            (vec!["--run"], "no value"),
            (vec!["--grace-ms", "soon"], "number"),
            (vec!["--colour", "red"], "unknown"),
        ] {
            let error = parse(&bad).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
