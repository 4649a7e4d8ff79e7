//! `coditect lock wait`: until nothing would be in the way.

use super::super::Outcome;
use super::Paths;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use bus::{Bus, Pattern};
use clap::Args;
use model::{Lock, LockMode};
use std::time::Duration;

/// How often the table is looked at. Reading costs little and wakes nobody.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    paths: Paths,
}

impl Wait {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (worktree, paths) = self.paths.spots.located(context)?;
        let patterns = paths.iter().map(|path| Pattern::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let clock = &context.host.clock;
        let deadline = context.patience().map(|limit| (limit, clock.uptime() + limit));
        let bus = context.present_bus()?;
        let mut told = false;
        while let Some(bus) = &bus {
            let Some(lock) = in_the_way(bus, &worktree, &patterns, self.paths.mode.into())? else { break };
            if let Some((limit, deadline)) = deadline
                && clock.uptime() >= deadline
            {
                let words =
                    format!("`{}` is still locked by {} after {} s", lock.path, lock.agent, limit.as_secs());
                return Err(Failure::new(Exit::TimedOut, "lock_wait_timeout", words)
                    .hint("wait longer with --timeout, or see `coditect lock list`"));
            }
            if !std::mem::replace(&mut told, true) {
                context.screen.say(&format!("waiting for {}, which {} holds…", lock.path, lock.agent));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        if context.screen.json {
            context.screen.document(&serde_json::json!({ "free": true, "paths": paths }))?;
        }
        Ok(Exit::Done)
    }
}

fn in_the_way(
    bus: &Bus,
    worktree: &str,
    patterns: &[Pattern],
    mode: LockMode,
) -> Result<Option<Lock>, Failure> {
    for lock in bus.locks(Some(worktree))? {
        let held = Pattern::parse(&lock.path)?;
        let overlaps = patterns.iter().any(|pattern| pattern.overlaps(&held));
        // The dead hold nothing, though their locks stay in the table until somebody wants them.
        if overlaps && !mode.admits(lock.mode) && bus.is_alive(lock.holder)? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}
