//! `coditect who`: the live sessions on the bus.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::holder::joined_here;
use crate::render::{Cell, Paint, Sheet, Table, span};
use crate::roster::Roster;
use crate::worktree::Worktree;
use clap::Args;
use model::{ParticipantStatus, RegistrationId, Vitality};
use protocol::{Page, Presence};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect who\n  coditect who ada --json")]
pub(crate) struct Who {
    /// Only this one, with all that is known: its id, a start of its short id, or its name
    session: Option<String>,
    /// Only of the worktree you stand in
    #[arg(long, conflicts_with = "session")]
    here: bool,
}

impl Who {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.present_bus()?;
        let (roster, me) = match &bus {
            Some(bus) => (Some(Roster::read(bus)?), joined_here(bus)?.map(|one| one.registration.id)),
            None => (None, None),
        };
        if let (Some(given), Some(roster)) = (&self.session, &roster) {
            let id = roster.find(given)?;
            let one = roster.get(id).ok_or_else(|| bus::BusError::NotRegistered(id))?;
            let one = Presence::from(one.clone());
            context.screen.show_sheet(&one, || sheet(&one))?;
            return Ok(Exit::Done);
        }
        let here = if self.here { Some(Worktree::around(&context.cwd)?.name()?) } else { None };
        let sessions = roster.iter().flat_map(Roster::sessions).cloned().map(Presence::from);
        let items: Vec<Presence> = sessions.filter(|one| here.is_none() || one.worktree == here).collect();
        let page = Page { items, next: None };
        context.screen.show(&page, || table(&page.items, me))?;
        if page.items.is_empty() && !context.screen.json {
            context.screen.say("nobody is on the bus; `coditect join` brings this terminal in");
        }
        Ok(Exit::Done)
    }
}

fn table(items: &[Presence], me: Option<RegistrationId>) -> Table {
    let head = &["SESSION", "NAME", "RUNS", "LIFE", "DOES", "HOLDS", "WHERE", "AT"];
    Table::of(head, items, |one| {
        let name = match (me == Some(one.id), &one.sub_agent) {
            (true, _) => format!("{} (you)", one.agent),
            (false, Some(sub)) => format!("{} › {sub}", one.agent),
            (false, None) => one.agent.clone(),
        };
        let (runs, life) = (runs(one), life(one));
        vec![
            Cell::new(&one.short_id).paint(Paint::Note),
            Cell::new(name).paint(Paint::Strong).piped(&one.agent),
            Cell::new(runs),
            Cell::new(life).paint(paint(one.vitality)).piped(one.vitality.as_str()),
            Cell::new(does(one)),
            Cell::new(one.active_files.join(", ")).paint(Paint::Warm),
            Cell::new(place(one)).piped(one.worktree.as_deref().unwrap_or_default()),
            Cell::new(at(one)).paint(Paint::Dim),
        ]
    })
}

fn runs(one: &Presence) -> String {
    match &one.model {
        Some(model) => format!("{} {model}", one.vendor),
        None => one.vendor.clone(),
    }
}

/// The vitality, and since when nothing was heard.
fn life(one: &Presence) -> String {
    let age = Duration::from_millis(one.beat_age_ms);
    match one.vitality {
        Vitality::Alive if age.as_secs() == 0 => "alive".to_owned(),
        vitality => format!("{}, {}", vitality.as_str(), span(age)),
    }
}

pub(super) fn paint(vitality: Vitality) -> Paint {
    match vitality {
        Vitality::Alive => Paint::Good,
        Vitality::Suspect => Paint::Warm,
        Vitality::Dead => Paint::Bad,
    }
}

fn does(one: &Presence) -> String {
    let status = one.status.map_or("", ParticipantStatus::as_str);
    match (status, one.task.as_deref()) {
        (status, None) => status.to_owned(),
        ("", Some(task)) => task.to_owned(),
        (status, Some(task)) => format!("{status}: {task}"),
    }
}

/// The last part of the worktree's path, which is what it is called.
fn place(one: &Presence) -> String {
    let name = one.worktree.as_deref().and_then(|path| Path::new(path).file_name());
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn at(one: &Presence) -> String {
    if let Some(machine) = &one.machine {
        return format!("on {machine}");
    }
    match (&one.tty, one.pid) {
        (Some(tty), Some(pid)) => format!("{tty} ({pid})"),
        (Some(tty), None) => tty.clone(),
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => String::new(),
    }
}

fn sheet(one: &Presence) -> Sheet {
    let beat = format!("{} ago", span(Duration::from_millis(one.beat_age_ms)));
    Sheet::new()
        .row("session", &one.short_id)
        .row("id", one.id.to_string())
        .painted("name", &one.agent, Paint::Strong)
        .maybe("sub-agent", one.sub_agent.as_ref())
        .maybe("parent", one.parent.as_ref())
        .row("runs", runs(one))
        .painted("life", one.vitality.as_str(), paint(one.vitality))
        .row("sign of life", beat)
        .maybe("status", one.status.map(ParticipantStatus::as_str))
        .maybe("task", one.task.as_ref())
        .maybe("repo", one.repo.as_ref())
        .maybe("worktree", one.worktree.as_ref())
        .maybe("holds", (!one.active_files.is_empty()).then(|| one.active_files.join("\n")))
        .maybe("machine", one.machine.as_ref())
        .maybe("tty", one.tty.as_ref())
        .maybe("pid", one.pid.map(|pid| pid.to_string()))
        .row("since", one.registered_at.to_string())
}
