//! Drivers: our code for one vendor's protocol each, in a process of its own for every run.
//!
//! The process reads what it is to do from the guard's pipe, picks the driver by `Start::driver`, and mediates between it and the
//! daemon for one turn (`driver::turn`). Whatever a vendor's program says is translated to [`RunEvent`]s, so that the daemon
//! knows no vendor.
//!
//! Invariant: a turn ends. Every wait in here is given up when the turn is canceled, its deadline passes, or the vendor's
//! program is gone; what is left of the program dies with the guard.

pub(crate) mod clearance;
pub(crate) mod context_cache;
pub(crate) mod context_files;
pub(crate) mod deadline;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod limit;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod preamble;
pub(crate) mod program;
mod turn;
mod uplink;

use crate::acp::Acp;
use crate::claude::Claude;
use crate::codex::Codex;
use crate::native::Native;
use crate::run::lines::{COMMAND_LINE_MAX, EXCERPT_MAX, Line, Lines};
use crate::run::wire::{Reply, RunCommand, RunEvent, Start};
use context_files::Reads;
use model::{Driver as Kind, Entropy, Refusal, TurnOutcome};
use place::Place;
use rustix::process::{
    DumpableBehavior, Signal, getppid, set_dumpable_behavior, set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::BufReader;
use tokio::net::unix::pipe;

pub(crate) use program::About;

/// Exit code of a driver that could not begin; the reason is on stderr.
const EXIT_NOT_BEGUN: u8 = 2;

pub(crate) type Commands = Lines<BufReader<pipe::Receiver>>;

/// One vendor's protocol, spoken with its program for one turn.
///
/// What a driver may lack it says by its answer: [`Driver::steer`] answers what becomes of the words, and
/// [`Driver::PROPOSES`] whether it hands in plans by itself.
pub(crate) trait Driver: Sized {
    /// Whether the agent hands in a plan by a tool of ours. The others are asked for it as text.
    const PROPOSES: bool = false;
    /// Whether the agent is given the conversation so far by the driver itself. The others find what their own session lacks in
    /// the prompt.
    const REMEMBERS: bool = false;
    /// Whether what the repository asks of agents is in `start.system` already.
    const TOLD: bool = false;

    /// What the program reads at the worktree's root by itself; the rest is in `start.system` when it is opened.
    fn reads(start: &Start, place: &Place) -> Reads;

    /// Starts the program, shakes hands and opens the conversation that `start.begin` asks for.
    async fn open(start: &Start, place: &Place) -> Result<Self, DriverError>;

    /// Gives the agent its words; its turn begins.
    async fn prompt(&mut self, text: &str) -> Result<(), DriverError>;

    /// What happens next. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Step, DriverError>;

    /// The daemon's answer to the request `id` that [`Driver::next`] made.
    async fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Result<(), DriverError>;

    /// Ends the turn early: [`Driver::next`] is to say its end soon.
    async fn interrupt(&mut self) -> Result<(), DriverError>;

    /// Words for the turn under way. `id` names them when [`Step::TakenUp`] says later that the agent has them.
    async fn steer(&mut self, id: u64, text: &str) -> Result<Steering, DriverError>;

    /// Ends the program in an orderly way. The guard ends whatever is left.
    async fn stop(self);
}

/// What becomes of words for the turn under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steering {
    Taken,
    Refused,
    /// The vendor's program has them in a queue: they are taken when [`Step::TakenUp`] says so, and not before.
    Queued,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Goes to the daemon as it is.
    Say(RunEvent),
    /// The agent does not wait for the answer to this request any more.
    Withdrawn(u64),
    /// The agent has taken up these words, which were [`Steering::Queued`].
    TakenUp(u64),
    /// The turn is over.
    Ended(TurnOutcome),
}

/// Why a driver cannot go on. Each says the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("{} was not found as `{program}`; {}, or set the agent's `command`", about.name, about.install)]
    Missing { about: &'static About, program: String },
    #[error("{} cannot be started: {reason}; check the agent's `command`", about.name)]
    NotStarted { about: &'static About, reason: String },
    #[error("{} {found} is too old, {} or newer is needed; {}", about.name, about.oldest, about.install)]
    TooOld { about: &'static About, found: String },
    #[error("{} is not logged in; {}, or set the agent's `api_key_env`", about.name, about.login)]
    NotLoggedIn { about: &'static About },
    #[error("{} does not speak its protocol ({what}); check that the agent's `command` is really it", about.name)]
    Garbage { about: &'static About, what: String },
    #[error("{} wrote more than is taken ({what}); ask for less at once and submit the task again", about.name)]
    Flood { about: &'static About, what: String },
    #[error("{} ended in the middle of the turn ({how}); submit the task again", about.name)]
    Died { about: &'static About, how: String },
    #[error("{} did not answer within {seconds} s; try it in a terminal, and submit the task again", about.name)]
    Silent { about: &'static About, seconds: u64 },
    #[error("the session `{session}` of {} is gone; submit the task again, and a new one is begun", about.name)]
    SessionGone { about: &'static About, session: String },
    /// What the vendor says itself.
    #[error("{}: {message}; mend what this names, and submit the task again", about.name)]
    Vendor { about: &'static About, message: String },
    /// The vendor takes no more calls for now, as its program says.
    #[error(
        "{}: {message}; wait until it takes calls again, or give the task to another agent (`--retry-on rate_limit` waits by itself)",
        about.name
    )]
    Limited { about: &'static About, message: String },
    /// A failure with a code of its own, whose message says the fix.
    #[error("{message}")]
    Other { code: String, message: String },
}

impl DriverError {
    /// Stable, machine-readable.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Missing { .. } => "vendor_missing",
            Self::NotStarted { .. } => "vendor_not_started",
            Self::TooOld { .. } => "vendor_too_old",
            Self::NotLoggedIn { .. } => "vendor_not_logged_in",
            Self::Garbage { .. } => "vendor_garbage",
            Self::Flood { .. } => "vendor_flood",
            Self::Died { .. } => "vendor_died",
            Self::Silent { .. } => "vendor_silent",
            Self::SessionGone { .. } => "vendor_session_gone",
            Self::Vendor { .. } => "vendor_error",
            // As our own loop calls it.
            Self::Limited { .. } => "model_rate_limited",
            Self::Other { code, .. } => code,
        }
    }

    pub(crate) fn outcome(&self) -> TurnOutcome {
        TurnOutcome::Failed { code: self.code().to_owned(), message: self.to_string() }
    }
}

/// Of a driver that takes one prompt.
pub(crate) fn prompted_twice(name: &str) -> DriverError {
    let message = format!("a turn of {name} has one prompt and was given two; submit the task again");
    DriverError::Other { code: "prompted_twice".to_owned(), message }
}

/// Entry of the hidden subcommand `__drive`; `args` are those after it. Call it before any thread
/// or runtime is started. The dice spread retries.
pub fn drive_main(args: impl IntoIterator<Item = OsString>, entropy: Arc<dyn Entropy>) -> ExitCode {
    match settle(args).and_then(|()| drive(entropy)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "driver: {message}");
            ExitCode::from(EXIT_NOT_BEGUN)
        }
    }
}

/// Binds our life to the guard's and shuts our memory, which will hold a key, to the commands we run.
fn settle(args: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let args: Vec<OsString> = args.into_iter().collect();
    let guard = args
        .iter()
        .position(|arg| arg == "--guard")
        .and_then(|at| args.get(at + 1)?.to_str()?.parse::<i32>().ok())
        .ok_or("--guard is needed; this command is not meant for people")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    // The guard may have died before we asked to be told.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(guard) {
        return Err("the guard is gone".into());
    }
    Ok(())
}

fn drive(entropy: Arc<dyn Entropy>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let driven = runtime.block_on(async {
        let (mut commands, stdout) = pipes()?;
        let Some(start) = first(&mut commands).await? else { return Ok(()) };
        let place = Place::here(entropy).map_err(|error| format!("cannot open the worktree: {error}"))?;
        match start.driver {
            Kind::Native => turn::take::<Native>(start, place, commands, stdout).await,
            Kind::Claude => turn::take::<Claude>(start, place, commands, stdout).await,
            Kind::Codex => turn::take::<Codex>(start, place, commands, stdout).await,
            Kind::Acp => turn::take::<Acp>(start, place, commands, stdout).await,
        }
        Ok(())
    });
    // A search that was told to stop may need another moment; nobody waits for it.
    runtime.shutdown_background();
    driven
}

/// Our own ends of the pipes. They are pipes of ours alone, so they may be made non-blocking.
fn pipes() -> Result<(Commands, pipe::Sender), String> {
    let failed = |error: std::io::Error| format!("stdin and stdout must be the guard's pipes: {error}");
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    let receiver = pipe::Receiver::from_owned_fd(stdin).map_err(failed)?;
    let sender = pipe::Sender::from_owned_fd(stdout).map_err(failed)?;
    Ok((Lines::new(BufReader::new(receiver), COMMAND_LINE_MAX, EXCERPT_MAX), sender))
}

/// The start, or none when the pipe was closed before it came.
async fn first(commands: &mut Commands) -> Result<Option<Start>, String> {
    match commands.next().await {
        Ok(None) => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(Some(Line::Whole(line))) => match serde_json::from_slice(&line) {
            Ok(RunCommand::Start(start)) => Ok(Some(*start)),
            Ok(_) => Err("the first command must be `start`".into()),
            Err(error) => Err(format!("the first command is malformed: {error}")),
        },
        Ok(Some(Line::TooLong { bytes, .. })) => Err(format!("a start of {bytes} bytes is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About {
        name: "Some Code",
        program: "some",
        oldest: "2.1.0",
        install: "install it with `npm install -g some`",
        login: "run `some login`",
    };

    #[test]
    fn each_cause_has_a_code_of_its_own_and_a_sentence_that_says_the_fix() {
        let about = &ABOUT;
        let text = || "x".to_owned();
        for (error, code, fix) in [
            (DriverError::Missing { about, program: text() }, "vendor_missing", "npm install"),
            (DriverError::NotStarted { about, reason: text() }, "vendor_not_started", "`command`"),
            (DriverError::TooOld { about, found: text() }, "vendor_too_old", "npm install"),
            (DriverError::NotLoggedIn { about }, "vendor_not_logged_in", "some login"),
            (DriverError::Garbage { about, what: text() }, "vendor_garbage", "`command`"),
            (DriverError::Flood { about, what: text() }, "vendor_flood", "ask for less"),
            (DriverError::Died { about, how: text() }, "vendor_died", "submit the task again"),
            (DriverError::Silent { about, seconds: 3 }, "vendor_silent", "terminal"),
            (
                DriverError::SessionGone { about, session: text() },
                "vendor_session_gone",
                "a new one is begun",
            ),
            (DriverError::Vendor { about, message: text() }, "vendor_error", "submit the task again"),
            (DriverError::Limited { about, message: text() }, "model_rate_limited", "another agent"),
            (prompted_twice("Some Code"), "prompted_twice", "submit the task again"),
        ] {
            // One that is new has to be put into the table.
            match &error {
                DriverError::Missing { .. }
                | DriverError::NotStarted { .. }
                | DriverError::TooOld { .. }
                | DriverError::NotLoggedIn { .. }
                | DriverError::Garbage { .. }
                | DriverError::Flood { .. }
                | DriverError::Died { .. }
                | DriverError::Silent { .. }
                | DriverError::SessionGone { .. }
                | DriverError::Vendor { .. }
                | DriverError::Limited { .. }
                | DriverError::Other { .. } => {}
            }
            let message = error.to_string();
            assert_eq!(error.code(), code);
            assert!(message.contains(fix) && message.contains("Some Code"), "{message}");
            assert_eq!(error.outcome(), TurnOutcome::Failed { code: code.to_owned(), message });
        }
    }
}
