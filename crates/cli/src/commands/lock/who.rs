//! `coditect lock who`: everything that touches a path, and what it leads to.

use super::super::{Outcome, who::paint};
use super::Spots;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::joined_here;
use crate::render::{Cell, Paint, Table, ago, ahead};
use crate::roster::Roster;
use bus::{Bus, Pattern, Wait};
use clap::Args;
use model::{Lock, RegistrationId, Timestamp, Vitality};
use serde::Serialize;

/// How far a chain of sessions that wait for each other is followed.
const CHAIN_MAX: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct Who {
    #[command(flatten)]
    spots: Spots,
}

/// A lock that covers (part of) what was asked.
#[derive(Debug, Serialize)]
struct Holding {
    short_id: String,
    vitality: Option<Vitality>,
    seconds_left: i64,
    #[serde(flatten)]
    lock: protocol::Lock,
}

/// Somebody in line.
#[derive(Debug, Serialize)]
struct Waiting {
    /// 1 is next.
    place: usize,
    waiter: RegistrationId,
    short_id: String,
    agent: String,
    paths: Vec<String>,
    mode: model::LockMode,
    since: Timestamp,
    blocked_by: Vec<RegistrationId>,
}

#[derive(Debug, Serialize)]
struct Answer {
    worktree: String,
    paths: Vec<String>,
    items: Vec<Holding>,
    waits: Vec<Waiting>,
    /// What follows from who waits for whom.
    hints: Vec<String>,
}

impl Who {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (worktree, paths) = self.spots.located(context)?;
        let mut answer = Answer { worktree, paths, items: Vec::new(), waits: Vec::new(), hints: Vec::new() };
        if let Some(bus) = context.present_bus()? {
            answer.fill(context, &bus)?;
        }
        if context.screen.json {
            context.screen.document(&answer)?;
            return Ok(Exit::Done);
        }
        context.screen.table(&holdings(context, &answer.items))?;
        for wait in &answer.waits {
            context.screen.say_of(
                &format!("{}. {} {}", wait.place, wait.agent, wait.short_id),
                Paint::Warm,
                &format!("waits for {} ({})", wait.paths.join(", "), ago(context.now(), wait.since)),
            );
        }
        for hint in &answer.hints {
            context.screen.say_of("note", Paint::Note, hint);
        }
        if answer.items.is_empty() {
            context.screen.say(&format!("nobody holds {}", answer.paths.join(", ")));
        }
        Ok(Exit::Done)
    }
}

impl Answer {
    fn fill(&mut self, context: &Context, bus: &Bus) -> Result<(), Failure> {
        let asked = self.paths.iter().map(|path| Pattern::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let touches = |path: &str| {
            Pattern::parse(path).is_ok_and(|held| asked.iter().any(|asked| asked.overlaps(&held)))
        };
        let roster = Roster::read(bus)?;
        let (locks, queue) = (bus.locks(None)?, bus.waits()?);
        let me = joined_here(bus)?.map(|one| one.registration.id);
        let now = context.now();
        let here = locks.iter().filter(|lock| lock.worktree == self.worktree && touches(&lock.path));
        self.items = here
            .map(|lock| Holding {
                short_id: lock.holder.short(),
                vitality: roster.get(lock.holder).map(|one| one.vitality),
                seconds_left: (lock.expires_at.as_millis() - now.as_millis()).max(0) / 1000,
                lock: lock.clone().into(),
            })
            .collect();
        let line = queue
            .iter()
            .filter(|wait| wait.worktree == self.worktree && wait.paths.iter().any(|path| touches(path)));
        self.waits = line
            .enumerate()
            .map(|(before, wait)| Waiting {
                place: before + 1,
                waiter: wait.holder,
                short_id: wait.holder.short(),
                agent: wait.agent.clone(),
                paths: wait.paths.clone(),
                mode: wait.mode,
                since: wait.since,
                blocked_by: wait.blocked_by.clone(),
            })
            .collect();
        self.hints = hints(&self.items, &queue, &locks, &roster, me);
        Ok(())
    }
}

/// What somebody who wants the path should know of its holders: that they wait themselves, and for whom.
fn hints(
    items: &[Holding],
    queue: &[Wait],
    locks: &[Lock],
    roster: &Roster,
    me: Option<RegistrationId>,
) -> Vec<String> {
    let mut hints = Vec::new();
    let mut told: Vec<RegistrationId> = Vec::new();
    for item in items {
        let holder = item.lock.holder;
        if told.contains(&holder) || Some(holder) == me {
            continue;
        }
        told.push(holder);
        let name = roster.label(holder);
        match item.vitality {
            Some(Vitality::Dead) | None => {
                hints.push(format!("{name} is dead; whoever asks for the path next gets it"));
            }
            Some(Vitality::Suspect) => hints.push(format!(
                "{name} has not been heard of for long; its lock ends by itself, or with `coditect lock break {}`",
                item.lock.token
            )),
            Some(Vitality::Alive) => {}
        }
        let chain = chain(holder, queue);
        if chain.is_empty() {
            continue;
        }
        if me.is_some_and(|me| chain.contains(&me)) {
            let yours: Vec<&str> =
                locks.iter().filter(|lock| Some(lock.holder) == me).map(|lock| lock.path.as_str()).collect();
            hints.push(format!(
                "{name} waits for you, who hold {}: to wait for it would never end; give back what it wants first",
                yours.join(", ")
            ));
        } else {
            let path: Vec<String> = chain.iter().map(|one| roster.label(*one)).collect();
            hints.push(format!("{name} itself waits for {}", path.join(", which waits for ")));
        }
    }
    hints
}

/// Whom a session waits for, whom that one waits for, and so on; a ring ends where it closes.
fn chain(from: RegistrationId, queue: &[Wait]) -> Vec<RegistrationId> {
    let mut chain = Vec::new();
    let mut at = from;
    while chain.len() < CHAIN_MAX {
        let waits = queue.iter().find(|wait| wait.holder == at);
        let Some(next) = waits.and_then(|wait| wait.blocked_by.first().copied()) else { break };
        if next == from || chain.contains(&next) {
            break;
        }
        chain.push(next);
        at = next;
    }
    chain
}

fn holdings(context: &Context, items: &[Holding]) -> Table {
    let head = &["HELD BY", "SESSION", "LIFE", "PATH", "MODE", "UNTIL", "TOKEN"];
    Table::of(head, items, |item| {
        let (life, color) = item.vitality.map_or(("gone", Paint::Bad), |life| (life.as_str(), paint(life)));
        vec![
            Cell::new(&item.lock.agent).paint(Paint::Strong),
            Cell::new(&item.short_id).paint(Paint::Note),
            Cell::new(life).paint(color),
            Cell::new(&item.lock.path),
            Cell::new(item.lock.mode.as_str()),
            Cell::new(ahead(context.now(), item.lock.expires_at))
                .paint(Paint::Dim)
                .piped(item.lock.expires_at.to_string()),
            Cell::new(item.lock.token.to_string()).paint(Paint::Dim),
        ]
    })
}
