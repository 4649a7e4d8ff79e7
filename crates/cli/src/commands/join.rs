//! `coditect join` and `coditect leave`: a terminal takes part in the bus for as long as its shell lives.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::{joined_here, not_in_a_run, user_name};
use crate::roster::{Roster, label};
use crate::terminal;
use crate::worktree::Worktree;
use bus::{Bus, Details, Liveness, NewRegistration};
use clap::Args;
use model::Presence;

/// Vendor of a terminal in which no vendor's program runs.
const VENDOR: &str = "terminal";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coditect join --as ada\n  coditect join --as reviewer --vendor anthropic --model claude-opus-4 --task \"review the parser\""
)]
pub(crate) struct Join {
    /// What the others call it; without it the user's name
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Who makes what runs here
    #[arg(long, default_value = VENDOR)]
    vendor: String,
    /// The model that works here
    #[arg(long)]
    model: Option<String>,
    /// What it works on
    #[arg(long)]
    task: Option<String>,
    /// The session it was started from: its id, a start of its short id, or its name
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,
    /// Which of its parent's agents it is
    #[arg(long, value_name = "NAME")]
    sub_agent: Option<String>,
    /// The process it lives by; without it the shell of this terminal
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect leave\n  coditect leave --json")]
pub(crate) struct Leave {}

impl Join {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        not_in_a_run(context)?;
        let bus = context.bus()?;
        let roster = Roster::read(&bus)?;
        let parent = self.parent.as_ref().map(|parent| roster.find(parent)).transpose()?;
        let name = self.name.clone().unwrap_or_else(|| user_name(context));
        let id = match (self.pid, joined_here(&bus)?) {
            (None, Some(known)) if self.sub_agent.is_none() => self.again(&known)?,
            _ => self.register(context, &bus, name)?,
        };
        bus.describe(
            id,
            &Details {
                tty: terminal::device(),
                repo: Worktree::around(&context.cwd).ok().and_then(|worktree| worktree.repo()),
                task: self.task,
                parent: parent.map(|parent| parent.to_string()),
                sub_agent: self.sub_agent,
                ..Details::default()
            },
        )?;
        let sessions = bus.sessions()?;
        let Some(joined) = sessions.into_iter().find(|one| one.registration.id == id) else {
            return Err(Failure::from(bus::BusError::Ended(id)));
        };
        let words = format!("on the bus as {}; what is typed in this terminal acts for it", label(&joined));
        let shown = protocol::Presence::from(joined);
        if context.screen.json {
            context.screen.document(&shown)?;
        } else {
            context.screen.say(&words);
        }
        Ok(Exit::Done)
    }

    /// A terminal joins once.
    fn again(&self, known: &Presence) -> Result<model::RegistrationId, Failure> {
        match &self.name {
            Some(name) if *name != known.registration.agent => {
                let words = format!("this terminal is on the bus as {}", label(known));
                Err(Failure::new(Exit::Conflict, "already_joined", words)
                    .hint("end that first with `coditect leave`"))
            }
            _ => Ok(known.registration.id),
        }
    }

    fn register(
        &self,
        context: &Context,
        bus: &Bus,
        agent: String,
    ) -> Result<model::RegistrationId, Failure> {
        let pid = self.pid.unwrap_or_else(terminal::leader);
        let starttime = bus::system::process_start(pid).ok_or_else(|| {
            Failure::usage("no_process", format!("there is no process {pid}"))
                .hint("give the process of your shell: --pid $$")
        })?;
        let worktree = match Worktree::around(&context.cwd) {
            Ok(worktree) => Some(worktree.name()?),
            Err(_) => None,
        };
        // Where people join, sessions of the vendors' programs take part.
        if let Some(repo) = Worktree::around(&context.cwd).ok().and_then(|worktree| worktree.repo()) {
            bus::manage(&context.workspace().bus(), &repo)?;
        }
        let new = NewRegistration {
            id: None,
            agent,
            vendor: self.vendor.clone(),
            model: self.model.clone(),
            session: None,
            worktree,
            liveness: Liveness::Process { pid, starttime },
        };
        Ok(bus.register(new)?.id)
    }
}

impl Leave {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        not_in_a_run(context)?;
        let nobody = || {
            Failure::new(Exit::NotFound, "not_joined", "this terminal is not on the bus")
                .hint("`coditect who` shows who is there")
        };
        let bus = context.present_bus()?.ok_or_else(nobody)?;
        let known = joined_here(&bus)?.ok_or_else(nobody)?;
        bus.end(known.registration.id, "left")?;
        if context.screen.json {
            context.screen.document(&protocol::Presence::from(known))?;
        } else {
            context.screen.say(&format!("{} has left; its locks are free", label(&known)));
        }
        Ok(Exit::Done)
    }
}
