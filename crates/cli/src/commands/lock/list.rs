//! `coditect lock list`.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table, ago, ahead};
use crate::worktree::Worktree;
use bus::Bus;
use clap::Args;
use model::{LockMode, RegistrationId, Vitality};
use protocol::{Lock, LockTable, LockWait};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of the worktree you stand in
    #[arg(long)]
    here: bool,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let worktree = if self.here { Some(Worktree::around(&context.cwd)?.name()?) } else { None };
        let (locks, waits, dead) = match context.present_bus()? {
            Some(bus) => (bus.locks(None)?, bus.waits()?, dead(&bus)?),
            None => Default::default(),
        };
        let locks: Vec<Lock> = locks.into_iter().map(Lock::from).collect();
        let wanted = |of: &str| worktree.as_deref().is_none_or(|worktree| worktree == of);
        let waits = waits
            .into_iter()
            .filter(|wait| wanted(&wait.worktree))
            .map(|wait| LockWait {
                waiter: wait.holder,
                agent: wait.agent,
                paths: wait.paths,
                since: wait.since,
                blocked_by: locks
                    .iter()
                    .filter(|lock| lock.worktree == wait.worktree && wait.blocked_by.contains(&lock.holder))
                    .cloned()
                    .collect(),
                worktree: wait.worktree,
            })
            .collect();
        let items = locks.into_iter().filter(|lock| wanted(&lock.worktree)).collect();
        let locks = LockTable { items, next: None, waits };
        if context.screen.json {
            context.screen.document(&locks)?;
            return Ok(Exit::Done);
        }
        context.screen.table(&table(context, &locks.items))?;
        for lock in locks.items.iter().filter(|lock| dead.contains(&lock.holder)) {
            let words = format!("is dead; {} is free for whoever asks", lock.path);
            context.screen.say_of(&lock.agent, Paint::Bad, &words);
        }
        for wait in &locks.waits {
            let holders: Vec<&str> = wait.blocked_by.iter().map(|lock| lock.agent.as_str()).collect();
            let since = ago(context.now(), wait.since);
            let behind = if holders.is_empty() { "others who wait".to_owned() } else { holders.join(", ") };
            context.screen.say_of(
                &wait.agent,
                Paint::Warm,
                &format!("waits for {} behind {behind} (since {since})", wait.paths.join(", ")),
            );
        }
        if locks.items.is_empty() {
            context.screen.say("no locks are held");
        }
        Ok(Exit::Done)
    }
}

/// Who died and was not cleared away yet.
fn dead(bus: &Bus) -> Result<Vec<RegistrationId>, Failure> {
    let dead = bus.sessions()?.into_iter().filter(|session| session.vitality == Vitality::Dead);
    Ok(dead.map(|session| session.registration.id).collect())
}

pub(super) fn table(context: &Context, locks: &[Lock]) -> Table {
    Table::of(&["TOKEN", "PATH", "MODE", "HELD BY", "SESSION", "UNTIL", "WORKTREE"], locks, |lock| {
        let paint = if lock.mode == LockMode::Exclusive { Paint::Warm } else { Paint::Plain };
        vec![
            Cell::new(lock.token.to_string()).paint(Paint::Note),
            Cell::new(&lock.path).paint(Paint::Strong),
            Cell::new(lock.mode.as_str()).paint(paint),
            Cell::new(&lock.agent),
            Cell::new(lock.holder.short()).paint(Paint::Note).piped(lock.holder.to_string()),
            Cell::new(ahead(context.now(), lock.expires_at))
                .paint(Paint::Dim)
                .piped(lock.expires_at.to_string()),
            Cell::new(&lock.worktree),
        ]
    })
}
