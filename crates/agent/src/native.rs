//! The native driver: our own loop on the providers' HTTP APIs, in a process of its own.
//!
//! Invariant: every await of a turn ends when the turn is canceled or its deadline passes, because
//! the turn is one future that is dropped then; what it holds — connection, shell, search — ends by
//! being dropped.

mod confine;
mod deadline;
mod deltas;
mod link;
mod output;
mod prompt;
mod tools;
mod turn;

use llm::{LanguageModel, Provider, ProviderOptions};
use model::{Entropy, TurnOutcome};
use rustix::process::{
    DumpableBehavior, Signal, getppid, set_dumpable_behavior, set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::BufReader;
use tokio::net::unix::pipe;

use crate::run::lines::{COMMAND_LINE_MAX, EXCERPT_MAX, Line, Lines};
use crate::run::wire::{RunCommand, RunEvent, Start};
use confine::Tree;
use deadline::Deadline;
use link::Link;
use turn::Progress;

/// Exit code of a driver that could not begin; the reason is on stderr.
const EXIT_NOT_BEGUN: u8 = 2;

type Commands = Lines<BufReader<pipe::Receiver>>;

/// Entry of the hidden subcommand `__native`; `args` are those after it. Call it before any thread
/// or runtime is started. The dice spread retries.
pub fn native_main(args: impl IntoIterator<Item = OsString>, entropy: Arc<dyn Entropy>) -> ExitCode {
    match settle(args).and_then(|()| drive(entropy)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "native: {message}");
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
        let tree =
            Tree::open(Path::new(".")).map_err(|error| format!("cannot open the worktree: {error}"))?;
        take_turn(start, tree, entropy, commands, stdout).await;
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

/// Takes the one turn this process is for, and says how it ended.
async fn take_turn(
    start: Start,
    tree: Tree,
    entropy: Arc<dyn Entropy>,
    mut commands: Commands,
    stdout: pipe::Sender,
) {
    let (link, outbox) = Link::new();
    let link = Rc::new(link);
    let progress = Progress::default();
    let deadline = Rc::new(Deadline::after(std::time::Duration::from_millis(start.deadline_ms)));
    let conversing = async {
        let _ = link.say(RunEvent::Ready).await;
        let provider = Provider::new(start.endpoint.clone(), ProviderOptions::default(), entropy);
        let outcome = match &provider {
            Ok(provider) => {
                let model: &dyn LanguageModel = provider;
                let conversing = turn::converse(&start, model, tree, &link, &deadline, &progress);
                tokio::select! {
                    biased;
                    () = link.canceled() => TurnOutcome::Canceled,
                    () = deadline.passed() => turn::overdue(&start),
                    outcome = conversing => outcome,
                }
            }
            Err(error) => turn::failed(error.code(), error),
        };
        let (iterations, usage) = progress.figures();
        let _ = link.say(RunEvent::Ended { outcome, iterations, usage }).await;
        link.dismissed().await;
        link.close();
    };
    // A daemon that is gone is the guard's affair: it ends us. So the end of the commands is not
    // the end of the turn, but the end of what was said is.
    let listening = async {
        while let Ok(Some(line)) = commands.next().await {
            link.hear(line);
        }
        std::future::pending::<()>().await;
    };
    let speaking = outbox.speak(stdout);
    tokio::select! {
        () = async { tokio::join!(conversing, speaking); } => {}
        () = listening => {}
    }
}
