//! `coditect lock acquire`.

use super::super::Outcome;
use super::{Paths, list};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::{Holder, acting};
use crate::roster::Roster;
use bus::{Acquired, Bus, BusError, Contents, LockRequest};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// How long `--wait` waits when it does not say.
const WAIT_DEFAULT: &str = "300";
/// Longest time in line, in seconds: who waits for longer has been forgotten.
const WAIT_MAX: u64 = 24 * 3600;

#[derive(Debug, Args)]
pub(crate) struct Acquire {
    #[command(flatten)]
    paths: Paths,
    /// Seconds the lock lives without renewal
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl: u64,
    /// Wait in line for at most this long instead of failing at once
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = WAIT_DEFAULT, value_parser = clap::value_parser!(u64).range(..=WAIT_MAX))]
    wait: Option<u64>,
    #[command(flatten)]
    holder: Holder,
}

impl Acquire {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (worktree, paths) = self.paths.spots.located(context)?;
        let bus = context.bus()?;
        let acting = acting(context, &bus, &self.holder, Some(worktree.clone()))?;
        let request = LockRequest {
            worktree,
            paths,
            mode: self.paths.mode.into(),
            holder: acting.id,
            ttl: Duration::from_secs(self.ttl),
        };
        let acquired = match self.take(context, &bus, &request) {
            Ok(acquired) => acquired,
            Err(error) => {
                if acting.made {
                    // It holds nothing; should this fail too, its lease ends it.
                    let _ = bus.end(acting.id, "finished");
                }
                return Err(Failure::from(error));
            }
        };
        let contents = Contents::new(context.workspace().known());
        for lock in &acquired.locks {
            if let Err(error) = contents.granted(lock) {
                context.screen.say(&format!(
                    "what {} holds now is not kept, and cannot be restored: {error}",
                    lock.path
                ));
            }
        }
        let items: Vec<protocol::Lock> = acquired.locks.into_iter().map(protocol::Lock::from).collect();
        let document = json!({ "holder": acting.id, "items": items });
        context.screen.show(&document, || list::table(context, &items))?;
        if !context.screen.json {
            let tokens: Vec<String> = items.iter().map(|lock| lock.token.to_string()).collect();
            let holder = Roster::read(&bus)?.label(acting.id);
            context.screen.say(&format!(
                "held by {holder} for {} s; give back with `coditect lock release {}`",
                self.ttl,
                tokens.join(" ")
            ));
        }
        Ok(Exit::Done)
    }

    fn take(&self, context: &Context, bus: &Bus, request: &LockRequest) -> Result<Acquired, BusError> {
        let Some(wait) = self.wait.or(context.global.timeout) else { return bus.acquire(request) };
        bus.acquire_wait(request, Duration::from_secs(wait), &mut |holders| {
            let who: Vec<String> =
                holders.iter().map(|lock| format!("{} ({})", lock.path, lock.agent)).collect();
            context.screen.say(&match who.is_empty() {
                true => "waiting in line…".to_owned(),
                false => format!("waiting for {}…", who.join(", ")),
            });
        })
    }
}
