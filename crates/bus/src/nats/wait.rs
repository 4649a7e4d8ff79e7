//! Waiting in line. The request is part of the value all locks are in; whoever changes that value rings.
//!
//! The waiter looks when it is rung, when the first lease in its way is over (of a lock, or of a registration), and every
//! safety poll. It says now and then that it is still there: a request nobody stands behind is forgotten.

use super::Nats;
use super::bell::Bell;
use super::lock::{settle, settle_contended};
use super::queue::{WAIT_BEAT, WAIT_LEASE};
use crate::error::BusError;
use crate::lock::{Acquired, LockRequest};
use crate::wait::{self, Joined};
use model::{Lock, RegistrationId};
use std::time::{Duration, Instant};

/// How long after a lease is over a waiter looks: the clock that tells is known to this.
const SLACK: Duration = Duration::from_millis(2);

/// What a waiter finds when it looks.
enum Look {
    /// Nothing changes by itself for so long.
    Waiting(Duration),
    /// Something in the way is only there until somebody clears it away.
    Stale,
    Granted,
    /// The request is gone.
    Canceled,
}

impl Nats {
    pub(super) fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError> {
        let wish = self.wish(request)?;
        let began = Instant::now();
        let (joined, tokens) = self.locking(|w| wait::join(w, &wish, ""))?;
        let (id, contended) = match joined {
            Joined::Granted(mut locks) => {
                settle(&mut locks, tokens);
                return Ok(Acquired { locks });
            }
            Joined::Upgrade(path, holders) => return Err(BusError::Upgrade { path, holders }),
            Joined::Deadlock(cycle) => return Err(BusError::WouldDeadlock { cycle }),
            Joined::Queued(id, mut contended) => {
                settle_contended(&mut contended, tokens);
                (id, contended)
            }
        };
        on_wait(&contended.holders);
        let mut beat = began;
        loop {
            // The count first: what is rung for after this look ends the wait.
            let seen = self.link.bells.count(Bell::Locks);
            let pause = match self.look_for(id)? {
                Look::Granted => {
                    return Ok(Acquired { locks: self.locking(|w| wait::collect(w, id))?.0 });
                }
                Look::Canceled => return Err(BusError::Canceled),
                Look::Stale => {
                    self.locking(|w| wait::clear(w, id))?;
                    Duration::ZERO
                }
                Look::Waiting(pause) => pause.min(self.safety_poll).min(WAIT_BEAT),
            };
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                let (left, tokens) = self.locking(|w| wait::leave(w, id))?;
                match left {
                    Some(Ok(mut locks)) => {
                        settle(&mut locks, tokens);
                        return Ok(Acquired { locks });
                    }
                    Some(Err(mut contended)) => {
                        settle_contended(&mut contended, tokens);
                        return Err(BusError::TimedOut(contended));
                    }
                    // The next look says why it is gone.
                    None => continue,
                }
            }
            if beat.elapsed() >= WAIT_BEAT {
                self.locking(|w| {
                    w.hear(id);
                    Ok(())
                })?;
                beat = Instant::now();
            }
            self.link.bells.wait(Bell::Locks, seen, pause.min(left));
        }
    }

    fn look_for(&self, id: i64) -> Result<Look, BusError> {
        let (table, now) = self.table()?;
        let scene = &table.scene;
        let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id) else {
            return Ok(Look::Canceled);
        };
        if own.grant.is_some() {
            return Ok(Look::Granted);
        }
        let now = now.early();
        let heard = |until: Option<i64>| until.is_none_or(|until| until > now.ns);
        if scene.needs_settling(now, |waiting| heard(waiting.heard_until_ns)) {
            return Ok(Look::Stale);
        }
        let blockers = scene.in_the_way(&own.claim());
        let mut holders: Vec<RegistrationId> = blockers.holders().collect();
        holders.sort_unstable();
        holders.dedup();
        let known = self.known(&holders)?;
        let leases = scene.locks.iter().map(|held| held.expires_ns);
        let silences = scene.waits.iter().filter_map(|waiting| waiting.heard_until_ns);
        let mut next = leases.chain(silences).min().unwrap_or(i64::MAX);
        for holder in &holders {
            match known.get(holder) {
                Some(entry) if entry.death(now).is_none() => next = next.min(entry.lease_over_ns()),
                _ => return Ok(Look::Stale),
            }
        }
        if blockers.is_empty() {
            return Ok(Look::Stale);
        }
        let left = u64::try_from(next.saturating_sub(now.ns)).unwrap_or(0);
        Ok(Look::Waiting(Duration::from_nanos(left).saturating_add(SLACK)))
    }
}

const _: () = assert!(WAIT_BEAT.as_secs() * 2 < WAIT_LEASE.as_secs());
