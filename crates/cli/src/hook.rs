//! The command `hook VENDOR`: what a vendor's program asks before and tells after each step of a session.
//!
//! It is started by the vendor's program for every step, so it comes before everything that costs time: no runtime, no
//! configuration, no daemon; stdin, one look at the file system, the bus. Invariant: it always answers in time, and
//! "go on" to a change of a file only when nobody else holds it, or as `decision` says when the bus cannot tell. All
//! four programs go on when a hook fails, so failing is not an answer.

mod acting;
mod identity;
mod look;
mod memory;
mod notices;
mod place;
mod shell;
mod words;

use crate::discovery;
use crate::host::Host;
use acting::Call;
use agent::{Answer, Cli, HOOK_INPUT_MAX, HookEvent, Moment, Rendered, looks_like_a_tool};
use bus::{Bus, BusError};
use identity::{Actor, Program, Scene};
use model::{DEFAULT_WORKSPACE, DataRoot, WorkspaceDir};
use place::{Places, Spot};
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// How much longer than at other steps the bus's WAL may be before a decision clears it up.
const UNCLEARED: i64 = 8;

/// Carries out the command `hook`. None when these are not the words a vendor's program was told to call it by; what
/// is wrong with them is said by whoever reads whole command lines.
pub fn hook(args: &[OsString], host: &Host) -> Option<ExitCode> {
    let words: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let (cli, flag) = match words?.as_slice() {
        [cli] => (cli.parse().ok()?, None),
        [cli, "--data-root", root] => (cli.parse().ok()?, Some(PathBuf::from(root))),
        _ => return None,
    };
    // Somebody typed it: nothing will come.
    if std::io::stdin().is_terminal() {
        return None;
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let (root, _) = discovery::data_root(flag.as_deref(), &host.environment, &here).ok()?;
    let mut input = Vec::new();
    // One byte more shows that it is too long.
    let read = std::io::stdin().lock().take(HOOK_INPUT_MAX as u64 + 1).read_to_end(&mut input);
    let read = read.map_err(|error| error.to_string());
    let rendered = catch_unwind(AssertUnwindSafe(|| answer(cli, host, &root, &here, (&input, read))));
    // A mistake of ours must not look like a yes.
    let rendered = rendered.unwrap_or_else(|_| {
        let workspace = root.workspace(DEFAULT_WORKSPACE);
        unread(host, &workspace, &mut Places::new(&workspace, false), &here, &input, "the hook broke off")
    });
    let written = std::io::stdout().write_all(rendered.stdout.as_bytes());
    let _ = std::io::stderr().write_all(rendered.stderr.as_bytes());
    // Nobody heard a denial on stdout: the exit code still says it.
    let unheard = written.is_err() && !rendered.stdout.is_empty();
    Some(ExitCode::from(if unheard { 2 } else { rendered.exit }))
}

fn answer(
    cli: Cli,
    host: &Host,
    root: &DataRoot,
    here: &Path,
    (input, read): (&[u8], Result<usize, String>),
) -> Rendered {
    let workspace = root.workspace(DEFAULT_WORKSPACE);
    let driven = host.environment.get("CODITECT_REGISTRATION").filter(|id| !id.is_empty());
    let mut places = Places::new(&workspace, driven.is_some());
    let event = match read.and_then(|_| HookEvent::parse(cli, input).map_err(|error| error.to_string())) {
        Ok(event) => event,
        Err(why) => return unread(host, &workspace, &mut places, here, input, &why),
    };
    if event.moment == Moment::Other {
        return Rendered::default();
    }
    let from = event.cwd.clone().filter(|cwd| cwd.is_absolute()).unwrap_or_else(|| here.to_owned());
    let Some(step) = Step::place(&event, &mut places, &from) else { return Rendered::default() };
    let said = open(host, &workspace, &event.moment).and_then(|bus| {
        let actor = step.actor(&bus, driven.map(String::as_str))?;
        let call = Call { bus: &bus, workspace: &workspace, clock: &*host.clock, event: &event, step: &step };
        match actor {
            Some(actor) => call.answer(&actor),
            None => Ok(Answer::Quiet),
        }
    });
    let said =
        said.unwrap_or_else(|error| step.undecided(host, &workspace, driven.map(String::as_str), &error));
    event.render(&said)
}

fn open(host: &Host, workspace: &WorkspaceDir, moment: &Moment) -> Result<Bus, BusError> {
    // A decision does not wait for clearing up, unless nobody does it in the steps between.
    let frames = match moment {
        Moment::BeforeTool(_) => UNCLEARED * bus::BRIEF_FRAMES,
        _ => bus::BRIEF_FRAMES,
    };
    let options =
        bus::Options { write_wait: crate::decision::ASK_MAX, brief: Some(frames), ..bus::Options::default() };
    Bus::open_with(&workspace.bus(), Arc::clone(&host.clock), Arc::clone(&host.entropy), options)
}

/// Nobody can say what it was. If it looks like a tool about to run, it is judged as a change of some file here.
fn unread(
    host: &Host,
    workspace: &WorkspaceDir,
    places: &mut Places<'_>,
    here: &Path,
    input: &[u8],
    why: &str,
) -> Rendered {
    let Some(worktree) = places.around(here).and_then(|worktree| worktree.name().ok()) else {
        return Rendered::default();
    };
    if !looks_like_a_tool(input) {
        return Rendered::default();
    }
    let spot = (worktree.as_str(), "?");
    let alone = crate::decision::alone(workspace, &*host.clock, spot, None, why);
    if alone.allowed { Rendered::default() } else { Rendered::refusal(&alone.sentence) }
}

/// An event in worktrees that take part.
struct Step<'a> {
    event: &'a HookEvent,
    /// Where the session is, or else where the files are.
    worktree: String,
    /// From the top of the worktree to where commands run.
    inside: String,
    repo: Option<String>,
    /// The files a tool is about to change, or has changed.
    spots: Vec<Spot>,
    /// It is there to change files, and nobody can say which.
    blind: bool,
    program: Option<Program>,
}

impl<'a> Step<'a> {
    /// None when the event is none of our business.
    fn place(event: &'a HookEvent, places: &mut Places<'_>, from: &Path) -> Option<Self> {
        let home = places.around(from);
        let (spots, blind) = match &event.moment {
            Moment::BeforeTool(tool) | Moment::AfterTool(tool) => {
                let mut spots: Vec<Spot> =
                    tool.paths.iter().filter_map(|path| places.spot(from, path)).collect();
                spots.sort();
                spots.dedup();
                (spots, tool.mutates && tool.paths.is_empty() && tool.command.is_none())
            }
            _ => (Vec::new(), false),
        };
        let program = Program::above(event.cli);
        match home {
            Some(home) => {
                let real = from.canonicalize().unwrap_or_else(|_| from.to_owned());
                let inside = real.strip_prefix(&home.top).ok().and_then(Path::to_str).unwrap_or_default();
                Some(Self {
                    event,
                    worktree: home.name().ok()?,
                    inside: inside.to_owned(),
                    repo: home.repo(),
                    spots,
                    blind,
                    program,
                })
            }
            None => {
                let worktree = spots.first()?.worktree.clone();
                Some(Self { event, worktree, inside: String::new(), repo: None, spots, blind, program })
            }
        }
    }

    fn scene(&self) -> Scene {
        Scene { worktree: Some(self.worktree.clone()), repo: self.repo.clone(), program: self.program }
    }

    /// Who acts; none when nobody has to be there for it.
    fn actor(&self, bus: &Bus, driven: Option<&str>) -> Result<Option<Actor>, BusError> {
        if let Some(given) = driven {
            let id = given
                .parse()
                .map_err(|_| BusError::Invalid("CODITECT_REGISTRATION names no registration".to_owned()))?;
            let known = bus.registration(id)?.ok_or(BusError::NotRegistered(id))?;
            return Ok(Some(Actor { id, agent: known.agent, driven: true }));
        }
        match self.event.moment {
            // Nobody is announced only to end.
            Moment::SessionEnd | Moment::SubagentStop => {
                let known = identity::known(bus, self.event, self.program)?;
                let agent = self.event.cli.as_str().to_owned();
                Ok(known.map(|id| Actor { id, agent, driven: false }))
            }
            _ => identity::actor(bus, self.event, &self.scene()).map(Some),
        }
    }

    /// What is said when the bus could not be asked: no to a change where others are, else go on.
    fn undecided(
        &self,
        host: &Host,
        workspace: &WorkspaceDir,
        driven: Option<&str>,
        error: &BusError,
    ) -> Answer {
        let Moment::BeforeTool(tool) = &self.event.moment else { return Answer::Quiet };
        if !tool.mutates {
            return Answer::Quiet;
        }
        let me = match driven {
            Some(id) => id.parse().ok(),
            None => Some(identity::first(self.event, self.program)),
        };
        let why = error.to_string();
        let some = Spot { worktree: self.worktree.clone(), path: "?".to_owned() };
        let spots = if self.spots.is_empty() { std::slice::from_ref(&some) } else { &self.spots };
        // A tool that changes files elsewhere is none of our business; a shell may change anything here.
        if self.spots.is_empty() && tool.command.is_none() && !self.blind {
            return Answer::Quiet;
        }
        for spot in spots {
            let at = (spot.worktree.as_str(), spot.path.as_str());
            let alone = crate::decision::alone(workspace, &*host.clock, at, me, &why);
            if !alone.allowed {
                return Answer::Deny(alone.sentence);
            }
        }
        Answer::Quiet
    }
}
