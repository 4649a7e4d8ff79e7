//! Waiting in line. The request is a row with a bell of its own; whoever frees what it needs grants it and rings.
//!
//! The waiter itself only looks: for the grant, for the death of those in its way (their processes and lock files are
//! watched while it waits), and every [`LIVENESS_POLL`] for leases that ran out, since the dead ring no bells.

use crate::bus::Bus;
use crate::doorbell::Doorbell;
use crate::error::{BusError, Contended, LockLost};
use crate::guard;
use crate::ledger::{self, Ledger};
use crate::liveness::{Lives, Proof};
use crate::lock::{self, Acquired, Attempt, LockRequest, Wish};
use crate::lock_rows;
use crate::queue;
use crate::registration;
use crate::registry;
use crate::scene::Scope;
use crate::write::{Moment, nanos, unsigned};
use model::{Event, Lock, LockChange, LockPhase, RegistrationId};
use rusqlite::OptionalExtension;
use std::time::Duration;

/// How soon a waiter notices that a lease in its way has run out.
pub const LIVENESS_POLL: Duration = Duration::from_millis(25);

/// How an attempt that may join the queue came out.
pub(crate) enum Joined {
    Granted(Vec<Lock>),
    Queued(i64, Contended),
    Deadlock(Vec<RegistrationId>),
    Upgrade(String, Vec<Lock>),
}

/// What a waiter finds when it looks.
enum Look {
    /// With the signs of life of those in the way.
    Waiting(Vec<Proof>),
    /// Something in the way is only there until somebody clears it away.
    Stale,
    Granted,
    /// The row is gone.
    Canceled,
}

impl Bus {
    /// Takes the locks, waiting in line for at most `timeout` of the bus's clock. `on_wait` is called once, when the
    /// request has joined the queue, with the locks in its way (none when it only waits behind an earlier request).
    ///
    /// [`BusError::Lost`] means that the locks came and their lease ran out before this process got to run again; all
    /// of them have gone back, and with them a shared lock the request was to make exclusive.
    pub fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError> {
        let wish = Wish::read(request, |tree, path| self.inner.spelled(tree, path))?;
        let deadline_ns = nanos(self.inner.clock.uptime()).saturating_add(nanos(timeout));
        match self.inner.write(|w| lock::attempt(w, &wish))? {
            Attempt::Granted(locks) => return Ok(Acquired { locks }),
            Attempt::Upgrade(path, holders) => return Err(BusError::Upgrade { path, holders }),
            Attempt::Blocked(..) => {}
        }
        // The bell is open before the row names it: a waiter nobody listens for counts as dead.
        let bell = self.inner.one_bell("wait-");
        let listen = Doorbell::listen_once(&self.inner.bell(&bell))?;
        let (id, contended) = match self.inner.write(|w| join(w, &wish, &bell))? {
            Joined::Granted(locks) => return Ok(Acquired { locks }),
            Joined::Upgrade(path, holders) => return Err(BusError::Upgrade { path, holders }),
            Joined::Deadlock(cycle) => return Err(BusError::WouldDeadlock { cycle }),
            Joined::Queued(id, contended) => (id, contended),
        };
        on_wait(&contended.holders);
        let mut lives = Lives::default();
        loop {
            let left = deadline_ns.saturating_sub(nanos(self.inner.clock.uptime()));
            lives.wait(&listen, LIVENESS_POLL.min(Duration::from_nanos(unsigned(left))))?;
            match self.look(id)? {
                Look::Granted => return self.inner.write(|w| collect(w, id)).map(|locks| Acquired { locks }),
                Look::Canceled => return Err(BusError::Canceled),
                Look::Stale => self.inner.write(|w| clear(w, id))?,
                Look::Waiting(proofs) => lives.watch(proofs),
            }
            if nanos(self.inner.clock.uptime()) >= deadline_ns
                && let Some(outcome) = self.inner.write(|w| leave(w, id))?
            {
                return outcome.map(|locks| Acquired { locks }).map_err(BusError::TimedOut);
            }
        }
    }

    /// Takes every waiting request of this registration out of the queue; their callers get
    /// [`BusError::Canceled`]. Returns how many there were.
    pub fn cancel_waits(&self, holder: RegistrationId) -> Result<usize, BusError> {
        self.inner.write(|w| {
            let count = registration::cancel_waits(w, holder)?;
            queue::settle(w, Scope::All, Vec::new())?;
            Ok(count)
        })
    }

    fn look(&self, id: i64) -> Result<Look, BusError> {
        self.inner.read(|conn| {
            let granted: Option<Option<String>> = conn
                .prepare_cached("SELECT granted FROM lock_waits WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            match granted {
                None => return Ok(Look::Canceled),
                Some(Some(_)) => return Ok(Look::Granted),
                Some(None) => {}
            }
            let scene = lock_rows::scene(conn, Scope::Waited, Moment::read(&*self.inner.clock))?;
            let now = Moment::read(&*self.inner.clock);
            if scene.needs_settling(now, |waiting| ledger::is_heard(&self.inner, waiting)) {
                return Ok(Look::Stale);
            }
            let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id) else {
                return Ok(Look::Canceled);
            };
            let mut proofs = Vec::new();
            for holder in scene.in_the_way(&own.claim()).holders() {
                match registry::entry(conn, holder)? {
                    Some(entry) if entry.death(&self.inner, now).is_none() => proofs.push(entry.proof),
                    _ => return Ok(Look::Stale),
                }
            }
            Ok(Look::Waiting(proofs))
        })
    }
}

/// Takes the locks after all, or joins the queue.
pub(crate) fn join(w: &mut impl Ledger, wish: &Wish, bell: &str) -> Result<Joined, BusError> {
    let contended = match lock::attempt(w, wish)? {
        Attempt::Granted(locks) => return Ok(Joined::Granted(locks)),
        Attempt::Upgrade(path, holders) => return Ok(Joined::Upgrade(path, holders)),
        Attempt::Blocked(_, Some(ring)) => return Ok(Joined::Deadlock(ring)),
        Attempt::Blocked(contended, None) => contended,
    };
    let id = w.enqueue(wish, bell)?;
    tell_waiting(w, wish, &contended)?;
    guard::announce(w, wish, &contended)?;
    Ok(Joined::Queued(id, contended))
}

/// One event per path that somebody stands in the way of.
fn tell_waiting(w: &mut impl Ledger, wish: &Wish, contended: &Contended) -> Result<(), BusError> {
    let (agent, session) = w.label(wish.holder)?;
    for pattern in &wish.patterns {
        let overlaps = |path: &String| crate::pattern::Pattern::from_normal(path).overlaps(pattern);
        let holder = contended.holders.iter().find(|lock| overlaps(&lock.path)).map(|lock| lock.holder);
        let other = holder.or_else(|| {
            contended.waiting.iter().find(|wait| wait.paths.iter().any(overlaps)).map(|wait| wait.holder)
        });
        if other.is_some() {
            w.tell(&Event::LockChanged(LockChange {
                phase: LockPhase::Waiting,
                worktree: wish.worktree.clone(),
                path: pattern.as_str().to_owned(),
                mode: wish.mode,
                holder: wish.holder,
                agent: agent.clone(),
                session,
                token: 0,
                other,
            }))?;
        }
    }
    Ok(())
}

/// Buries the dead in our way and hands on what that frees, perhaps to us.
pub(crate) fn clear(w: &mut impl Ledger, id: i64) -> Result<(), BusError> {
    let mut freed = Vec::new();
    loop {
        let scene = queue::settle(w, Scope::Waited, freed.clone())?;
        let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id && waiting.grant.is_none())
        else {
            return Ok(());
        };
        let dead = lock::dead_among(w, scene.in_the_way(&own.claim()).holders())?;
        if dead.is_empty() {
            return Ok(());
        }
        for (holder, reason) in dead {
            freed.extend(w.bury(holder, reason)?);
        }
    }
}

/// Takes the granted locks and the request out of the queue.
pub(crate) fn collect(w: &mut impl Ledger, id: i64) -> Result<Vec<Lock>, BusError> {
    let scene = w.load(Scope::Waited)?;
    let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id) else {
        return Err(BusError::Canceled);
    };
    let Some(grant) = &own.grant else { return Err(BusError::Canceled) };
    w.forget(own)?;
    let locks: Vec<Lock> = lock::pick(&scene, &grant.tokens)
        .into_iter()
        .filter(|lock| {
            scene.locks.iter().any(|held| held.lock.token == lock.token && held.expires_ns > w.now().ns)
        })
        .collect();
    if locks.len() == grant.tokens.len() {
        return Ok(locks);
    }
    // Granted, and the lease ran out before we got to look: this process was stopped for that long.
    let kept: Vec<u64> = locks.iter().map(|lock| lock.token).collect();
    let token = grant.tokens.iter().copied().find(|token| !kept.contains(token)).unwrap_or(0);
    Err(LockLost::Expired { token }.into())
}

/// The time is over: leaves the queue, unless the locks came at the last moment. None when the row is gone already;
/// the next look says why.
pub(crate) fn leave(w: &mut impl Ledger, id: i64) -> Result<Option<Result<Vec<Lock>, Contended>>, BusError> {
    clear(w, id)?;
    let scene = w.load(Scope::Waited)?;
    let Some(own) = scene.waits.iter().find(|waiting| waiting.wait.id == id) else { return Ok(None) };
    if own.grant.is_some() {
        return collect(w, id).map(|locks| Some(Ok(locks)));
    }
    let contended = scene.in_the_way(&own.claim()).contended(&scene);
    w.forget(own)?;
    queue::settle(w, Scope::Waited, Vec::new())?;
    Ok(Some(Err(contended)))
}
