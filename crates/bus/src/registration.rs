//! Registrations: who is on the bus and how its life is proven.

use crate::bus::Bus;
use crate::claim;
use crate::doorbell::Bell;
use crate::error::BusError;
use crate::ledger::{self, Ledger};
use crate::liveness::{self, Proof};
use crate::lock_rows;
use crate::mapping;
use crate::queue;
use crate::receipt;
use crate::registry::{self, Entry, entry, present, present_all};
use crate::scene::{Held, Scope};
use crate::write::{Moment, Write, nanos, unsigned};
use model::{Event, Id, Lock, LockPhase, Registration, RegistrationId, RegistrationPhase, SessionId};
use rusqlite::{Connection, params};
use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Longest label, vendor or model name, in bytes.
pub const LABEL_MAX: usize = 128;
/// A heartbeat is written to the table when the last one there is older than this; in between it lives in the slot.
pub const HEARTBEAT_FLUSH: Duration = Duration::from_secs(30);

/// How a registration proves that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// Somebody holds `flock` (exclusive) on this file for as long as anything of it runs. It must be held
    /// before registering. Others look by trying a shared lock for an instant, so whoever takes it must block or retry.
    LockFile(PathBuf),
    /// A process of this boot; `starttime` is what [`crate::system::process_start`] says.
    Process { pid: u32, starttime: u64 },
    /// It says so itself, at least every `ttl`, with [`Bus::heartbeat`] or by taking locks.
    Lease { ttl: Duration },
    /// It lives on another machine, and the bridge to it says when it ends. Without news it is suspect, never dead.
    Elsewhere { machine: String },
}

/// What is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRegistration {
    /// Given when the id was needed before; otherwise one is made.
    pub id: Option<RegistrationId>,
    pub agent: String,
    pub vendor: String,
    pub model: Option<String>,
    pub session: Option<SessionId>,
    /// Canonical path.
    pub worktree: Option<String>,
    pub liveness: Liveness,
}

impl NewRegistration {
    pub(crate) fn check(&self) -> Result<(), BusError> {
        for label in [Some(&self.agent), Some(&self.vendor), self.model.as_ref()].into_iter().flatten() {
            // A line break in a name would begin a line that looks like somebody else's.
            if label.is_empty() || label.len() > LABEL_MAX || label.contains(char::is_control) {
                return Err(BusError::Invalid(format!(
                    "agent, vendor and model are names of 1 to {LABEL_MAX} bytes without control characters"
                )));
            }
        }
        Ok(())
    }

    /// Whether this announces the same session again, beside how it lives.
    pub(crate) fn is_again(&self, known: &Registration) -> bool {
        known.agent == self.agent
            && known.vendor == self.vendor
            && known.model == self.model
            && known.session == self.session
            && known.worktree == self.worktree
    }
}

/// A dead registration that was cleared away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    pub registration: RegistrationId,
    pub agent: String,
    pub session: Option<SessionId>,
    /// `died`, or `expired` for one that lived by lease.
    pub reason: &'static str,
    /// What it held.
    pub locks: Vec<Lock>,
}

impl Bus {
    /// Announces a live session. The same id again with the same data is the same registration; with other
    /// data, or after its end, it is refused.
    pub fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        new.check()?;
        let id = new.id.unwrap_or_else(|| Id::new(&*self.inner.clock, &*self.inner.entropy));
        self.inner.write(|w| {
            if let Some(known) = entry(w.conn, id)? {
                if known.may_return(w.conn, &new)? {
                    let registration = known.revive(w)?;
                    w.tell(&Event::RegistrationAnnounced(registration.clone()))?;
                    return Ok(registration);
                }
                return known.again(&new);
            }
            let proof = liveness::prove(&new.liveness, w.now.ns)?;
            let registration = Registration {
                id,
                agent: new.agent.clone(),
                vendor: new.vendor.clone(),
                model: new.model.clone(),
                session: new.session,
                worktree: new.worktree.clone(),
                pid: match proof {
                    Proof::Process { pid, .. } => Some(pid),
                    _ => None,
                },
                phase: RegistrationPhase::Active,
                registered_at: w.now.wall,
                heartbeat_at: w.now.wall,
            };
            registry::insert(w, &registration, &proof)?;
            w.tell(&Event::RegistrationAnnounced(registration.clone()))?;
            Ok(registration)
        })
    }

    /// Says that the registration lives. Cheap: most calls store one number in shared memory.
    pub fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        let now = Moment::read(&*self.inner.clock);
        if let Some(known) = self.inner.known(id)?
            && let Some(slot) = known.seat.take()
            && beat(&slot, known.lease_ns, now.ns)
        {
            return Ok(());
        }
        let known = self.inner.read(|conn| present(conn, id))?;
        if known.heartbeat_due(now) {
            return self.inner.write(|w| living(w, id).map(|_| ()));
        }
        if let Some(slot) = known.seat(&self.inner).and_then(|seat| seat.take()) {
            slot.flushed_ns.store(unsigned(known.flushed_ns()), SeqCst);
            slot.heartbeat_ns.store(unsigned(now.ns), SeqCst);
        }
        Ok(())
    }

    /// Ends a registration: frees its locks, cancels its waits. `reason` is `finished`, `died` or
    /// a word of the caller's. Ending twice is no error.
    pub fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError> {
        self.inner.write(|w| {
            let known = entry(w.conn, id)?.ok_or(BusError::NotRegistered(id))?;
            if known.registration.phase != RegistrationPhase::Terminated {
                bury(w, &known, reason)?;
                queue::settle(w, Scope::All, Vec::new())?;
            }
            Ok(())
        })
    }

    /// Registrations that have not ended, oldest first. Some of them may be dead and not cleared away yet.
    pub fn registrations(&self) -> Result<Vec<Registration>, BusError> {
        let all = self.inner.read(present_all)?;
        let now = Moment::read(&*self.inner.clock);
        Ok(all.into_iter().map(|entry| entry.shown(&self.inner, now)).collect())
    }

    /// A registration, also one that has ended; none when it was never here, or its history is over.
    pub fn registration(&self, id: RegistrationId) -> Result<Option<Registration>, BusError> {
        self.inner.read(|conn| Ok(entry(conn, id)?.map(|entry| entry.registration)))
    }

    /// Whether it was announced on this machine; none when nobody knows it here.
    pub(crate) fn is_of_here(&self, id: RegistrationId) -> Result<Option<bool>, BusError> {
        self.inner.read(|conn| Ok(entry(conn, id)?.map(|entry| entry.proof.machine().is_none())))
    }

    /// False when it has ended, or its liveness shows it dead though nobody has cleared it away yet.
    pub fn is_alive(&self, id: RegistrationId) -> Result<bool, BusError> {
        let now = Moment::read(&*self.inner.clock);
        let found = self.inner.read(|conn| entry(conn, id))?;
        Ok(found.is_some_and(|entry| {
            entry.registration.phase != RegistrationPhase::Terminated
                && entry.death(&self.inner, now).is_none()
        }))
    }

    /// Clears away the dead, the expired and the unheard: frees their locks and hands them to who waits,
    /// in one transaction. Any process may do it, at any time; when there is nothing to do it only reads.
    pub fn reap(&self) -> Result<Vec<Reaped>, BusError> {
        if !self.inner.read(|conn| self.has_dead(conn))? {
            return Ok(Vec::new());
        }
        self.inner.write(|w| {
            let mut reaped = Vec::new();
            let mut freed = Vec::new();
            for entry in present_all(w.conn)? {
                let Some(reason) = entry.death(w.inner, w.now) else { continue };
                let locks = bury(w, &entry, reason)?;
                reaped.push(Reaped {
                    registration: entry.registration.id,
                    agent: entry.registration.agent,
                    session: entry.registration.session,
                    reason,
                    locks: locks.iter().map(|held| held.lock.clone()).collect(),
                });
                freed.extend(locks);
            }
            queue::settle(w, Scope::All, freed)?;
            Ok(reaped)
        })
    }

    fn has_dead(&self, conn: &Connection) -> Result<bool, BusError> {
        let scene = lock_rows::scene(conn, Scope::All, Moment::read(&*self.inner.clock))?;
        let entries = present_all(conn)?;
        let now = Moment::read(&*self.inner.clock);
        Ok(scene.needs_settling(now, |waiting| ledger::is_heard(&self.inner, waiting))
            || entries.iter().any(|entry| entry.death(&self.inner, now).is_some()))
    }
}

/// Shows a sign of life in the slot. False when it has to be written to the table: it is due, or the lease may be over.
fn beat(slot: &mapping::Slot, lease_ns: Option<i64>, now_ns: i64) -> bool {
    let since = |at: u64| now_ns.saturating_sub(crate::write::signed(at));
    let flush = lease_ns.map_or(nanos(HEARTBEAT_FLUSH), |lease| (lease / 4).min(nanos(HEARTBEAT_FLUSH)));
    let flushed = slot.flushed_ns.load(SeqCst);
    if flushed == 0 || since(flushed) >= flush {
        return false;
    }
    slot.heartbeat_ns.store(unsigned(now_ns), SeqCst);
    true
}

/// Ends a registration, frees its locks and cancels its waits; returns what it held. Settling comes after, by the
/// caller.
pub(crate) fn bury(w: &mut Write<'_>, entry: &Entry, reason: &str) -> Result<Vec<Held>, BusError> {
    let id = entry.registration.id;
    let locks = lock_rows::held_by(w.conn, id, w.now)?;
    for held in &locks {
        let phase = if held.expires_ns <= w.now.ns { LockPhase::Expired } else { LockPhase::Released };
        w.free(held, phase)?;
    }
    cancel_waits(w, id)?;
    claim::abandon(w, id)?;
    receipt::abandon(w, id)?;
    let ended = entry.end(w, reason)?;
    w.tell(&Event::RegistrationEnded(ended))?;
    w.remove_bell(Bell::Registration(id).file_name());
    Ok(locks)
}

/// Empties the queue of this registration's requests and wakes their callers.
pub(crate) fn cancel_waits(w: &mut Write<'_>, id: RegistrationId) -> Result<usize, BusError> {
    let mut statement = w.conn.prepare_cached("DELETE FROM lock_waits WHERE holder = ?1 RETURNING bell")?;
    let bells =
        statement.query_map([id.to_string()], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let count = bells.len();
    for bell in bells {
        w.ring_named(bell);
    }
    Ok(count)
}

/// The registration if it may act: known, not ended, alive. Acting is a sign of life, so its heartbeat is written when due.
pub(crate) fn living(w: &mut Write<'_>, id: RegistrationId) -> Result<Entry, BusError> {
    let entry = present(w.conn, id)?;
    if entry.death(w.inner, w.now).is_some() {
        return Err(BusError::Ended(id));
    }
    let slot = entry.seat(w.inner).and_then(|seat| seat.occupied());
    if let Some(slot) = &slot {
        slot.heartbeat_ns.store(unsigned(w.now.ns), SeqCst);
    }
    if entry.heartbeat_due(w.now) {
        if let Some(slot) = &slot {
            slot.flushed_ns.store(unsigned(w.now.ns), SeqCst);
        }
        let lease = match &entry.proof {
            Proof::Lease { ttl, .. } => Some(w.now.ns.saturating_add(nanos(*ttl))),
            _ => None,
        };
        w.conn
            .prepare_cached(
                "UPDATE session_registry SET heartbeat_at = ?2, heartbeat_ns = ?3, lease_expires_ns = ?4
                 WHERE session_id = ?1",
            )?
            .execute(params![id.to_string(), w.now.wall.to_string(), w.now.ns, lease])?;
    }
    Ok(entry)
}

/// Why a registration counts as dead: its sign of life is gone, or it has ended already.
pub(crate) fn death(w: &Write<'_>, id: RegistrationId) -> Result<Option<&'static str>, BusError> {
    Ok(match entry(w.conn, id)? {
        Some(entry) if entry.registration.phase != RegistrationPhase::Terminated => {
            entry.death(w.inner, w.now)
        }
        _ => Some("died"),
    })
}
