//! `coditect lock renew`, `release` and `break`.

use super::super::Outcome;
use super::list;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::{Holder, VENDOR, joined_here};
use bus::{Bus, LockLost};
use clap::Args;
use model::{Lock, RegistrationId};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Renew {
    /// Fencing token of the lock
    token: u64,
    /// Seconds from now
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl: u64,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// Fencing tokens of the locks
    #[arg(required_unless_present = "all")]
    tokens: Vec<u64>,
    /// Everything the holder has
    #[arg(long, conflicts_with = "tokens")]
    all: bool,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Debug, Args)]
pub(crate) struct Break {
    /// Fencing token of the lock
    token: u64,
}

impl Renew {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let holder = owner(context, &bus, &self.holder, self.token)?;
        let lock = bus.renew(self.token, holder, Duration::from_secs(self.ttl))?;
        shown(context, lock)
    }
}

impl Release {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let mut released = Vec::new();
        if self.all {
            let holder = self.holder.known(context, &bus)?.ok_or_else(|| {
                Failure::usage("no_holder", "whose locks?")
                    .hint("give --holder, or `coditect join` this terminal first")
            })?;
            released.extend(bus.release_all(holder)?.into_iter().map(|lock| lock.token));
            retire(&bus, holder)?;
        }
        for token in self.tokens {
            let holder = owner(context, &bus, &self.holder, token)?;
            bus.release(token, holder)?;
            retire(&bus, holder)?;
            released.push(token);
        }
        if context.screen.json {
            context.screen.document(&json!({ "released": released }))?;
        } else {
            context.screen.say(&format!("released {} lock(s)", released.len()));
        }
        Ok(Exit::Done)
    }
}

impl Break {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        context.not_for_agents("break a lock")?;
        let bus = context.bus()?;
        let by = joined_here(&bus)?.map(|one| one.registration.id);
        let lock = bus.break_lock_by(self.token, by)?;
        retire(&bus, lock.holder)?;
        context.screen.say(&format!("{} no longer holds {}", lock.agent, lock.path));
        shown(context, lock)
    }
}

fn shown(context: &Context, lock: Lock) -> Outcome {
    let lock = protocol::Lock::from(lock);
    context.screen.show(&lock, || list::table(context, std::slice::from_ref(&lock)))?;
    Ok(Exit::Done)
}

/// For whom a lock may be renewed or given back: the holder that was named, else the registration a command made for
/// this lock. An agent's lock is its own; taking it away is `lock break`.
fn owner(context: &Context, bus: &Bus, holder: &Holder, token: u64) -> Result<RegistrationId, Failure> {
    let known = holder.known(context, bus)?;
    if let Some(id) = known.filter(|_| holder.is_named(context)) {
        return Ok(id);
    }
    let lock = bus.locks(None)?.into_iter().find(|lock| lock.token == token).ok_or_else(|| {
        Failure::from(bus::BusError::from(LockLost::Gone { token }))
            .hint("see what is held with `coditect lock list`")
    })?;
    let ours = bus.registrations()?.into_iter().any(|one| one.id == lock.holder && one.vendor == VENDOR);
    if ours || known == Some(lock.holder) {
        return Ok(lock.holder);
    }
    let words = format!("lock {token} belongs to {} {}", lock.agent, lock.holder.short());
    Err(Failure::new(Exit::Authentication, "lock_not_yours", words).hint(format!(
        "act for it with --holder {}, or take the lock away with `coditect lock break {token}`",
        lock.holder.short()
    )))
}

/// Ends a registration that a command made, once it holds nothing.
fn retire(bus: &Bus, holder: RegistrationId) -> Result<(), Failure> {
    let ours = bus.registrations()?.into_iter().any(|one| one.id == holder && one.vendor == VENDOR);
    let idle = bus.locks(None)?.iter().all(|lock| lock.holder != holder)
        && bus.waits()?.iter().all(|wait| wait.holder != holder);
    if ours && idle {
        bus.end(holder, "finished")?;
    }
    Ok(())
}
