//! Waiting in line. The request is a row that its waiter keeps alive; whoever frees what it needs grants it and rings.
//!
//! The waiter itself looks when it is rung, at the safety poll, and when a lease in its way runs out.

use super::locks::{self, WAITER_LEASE};
use super::transaction::Tx;
use super::{Postgres, registry, rows};
use crate::error::BusError;
use crate::ledger::Ledger;
use crate::lock::{Acquired, LockRequest};
use crate::scene::Scope;
use crate::wait::{Joined, clear, collect, join, leave};
use model::Lock;
use std::time::Duration;

/// What a waiter finds when it looks.
enum Look {
    /// And when it has to look again, if nothing rings.
    Waiting(Duration),
    /// It has to say that it still waits, or something in the way is only there until somebody clears it away.
    Stale,
    Granted,
    /// The row is gone.
    Canceled,
}

pub(crate) fn acquire_wait(
    bus: &Postgres,
    request: &LockRequest,
    timeout: Duration,
    on_wait: &mut dyn FnMut(&[Lock]),
) -> Result<Acquired, BusError> {
    let wish = locks::wish(request)?;
    let deadline = bus.clock.uptime().saturating_add(timeout);
    let (id, contended) = match bus.write(|tx| join(tx, &wish, ""))? {
        Joined::Granted(locks) => return Ok(Acquired { locks }),
        Joined::Upgrade(path, holders) => return Err(BusError::Upgrade { path, holders }),
        Joined::Deadlock(cycle) => return Err(BusError::WouldDeadlock { cycle }),
        Joined::Queued(id, contended) => (id, contended),
    };
    bus.listener.begin()?;
    on_wait(&contended.holders);
    loop {
        let seen = bus.listener.count();
        let mut pause = match bus.read(|tx| look(tx, id))? {
            Look::Granted => return bus.write(|tx| collect(tx, id)).map(|locks| Acquired { locks }),
            Look::Canceled => return Err(BusError::Canceled),
            Look::Stale => {
                bus.write(|tx| still_waiting(tx, id))?;
                Duration::ZERO
            }
            Look::Waiting(most) => most,
        };
        let left = deadline.saturating_sub(bus.clock.uptime());
        if left.is_zero()
            && let Some(outcome) = bus.write(|tx| leave(tx, id))?
        {
            return outcome.map(|locks| Acquired { locks }).map_err(BusError::TimedOut);
        }
        pause = pause.min(bus.options.safety_poll).min(left);
        if !pause.is_zero() {
            bus.listener.wait(seen, pause);
        }
    }
}

fn look(tx: &mut Tx<'_>, id: i64) -> Result<Look, BusError> {
    let now = tx.now;
    let scene = tx.load(Scope::Waited)?;
    let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id) else {
        return Ok(Look::Canceled);
    };
    if own.grant.is_some() {
        return Ok(Look::Granted);
    }
    let refresh_ns = own.heard_until_ns.unwrap_or(i64::MAX).saturating_sub(now.ns);
    let refresh = rows::span(refresh_ns).saturating_sub(WAITER_LEASE / 2);
    if refresh.is_zero() || scene.needs_settling(now, |waiting| locks::is_heard(waiting, now)) {
        return Ok(Look::Stale);
    }
    let blockers = scene.in_the_way(&own.claim());
    let mut soonest = refresh;
    for held in &blockers.locks {
        soonest = soonest.min(rows::span(held.expires_ns.saturating_sub(now.ns)));
    }
    for holder in blockers.holders() {
        match registry::lease_left(tx, holder)? {
            Some(left) => soonest = soonest.min(left),
            None => return Ok(Look::Stale),
        }
    }
    // Not earlier than what ends has ended.
    Ok(Look::Waiting(soonest + Duration::from_millis(1)))
}

/// Says that the request is still waited for, and clears away the dead in its way.
fn still_waiting(tx: &mut Tx<'_>, id: i64) -> Result<(), BusError> {
    let until = locks::heard_until(tx.now);
    tx.run("UPDATE lock_waits SET heard_until_ns = $2 WHERE id = $1", &[&id, &until])?;
    clear(tx, id)
}
