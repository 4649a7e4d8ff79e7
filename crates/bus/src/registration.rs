//! Registrations: who is on the bus and how its life is proven.

use crate::bus::Bus;
use crate::doorbell::Bell;
use crate::error::BusError;
use crate::liveness::{self, Proof};
use crate::queue;
use crate::row;
use crate::scene::{self, Held, Scene, Scope};
use crate::write::{Moment, Write, nanos, unsigned};
use model::{
    Event, Id, Lock, LockPhase, Registration, RegistrationEnd, RegistrationId, RegistrationPhase, SessionId,
};
use rusqlite::{Connection, Row, params};
use std::path::PathBuf;
use std::time::Duration;

/// Longest label, vendor or model name, in bytes.
pub const LABEL_MAX: usize = 128;
/// A heartbeat is written to the table when the last one there is older than this.
pub const HEARTBEAT_FLUSH: Duration = Duration::from_secs(5);

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

/// A row of `session_registry`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) registration: Registration,
    proof: Proof,
    boot: String,
    heartbeat_ns: i64,
}

impl Bus {
    /// Announces a live session. The same id again with the same data is the same registration; with other
    /// data, or after its end, it is refused.
    pub fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        for label in [Some(&new.agent), Some(&new.vendor), new.model.as_ref()].into_iter().flatten() {
            if label.is_empty() || label.len() > LABEL_MAX {
                return Err(BusError::Invalid(format!(
                    "agent, vendor and model are names of 1 to {LABEL_MAX} bytes"
                )));
            }
        }
        let id = new.id.unwrap_or_else(|| Id::new(&*self.inner.clock, &*self.inner.entropy));
        self.inner.write(|w| {
            if let Some(known) = entry(w.conn, id)? {
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
            insert(w, &registration, &proof)?;
            w.tell(&Event::RegistrationAnnounced(registration.clone()))?;
            Ok(registration)
        })
    }

    /// Says that the registration lives. Cheap: most calls only read.
    pub fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        let now = Moment::read(&*self.inner.clock);
        let due = self.inner.read(|conn| Ok(present(conn, id)?.heartbeat_due(now)))?;
        if due {
            self.inner.write(|w| living(w, id).map(|_| ()))?;
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
        self.inner.read(|conn| Ok(present_all(conn)?.into_iter().map(|entry| entry.registration).collect()))
    }

    /// False when it has ended, or its liveness shows it dead though nobody has cleared it away yet.
    pub fn is_alive(&self, id: RegistrationId) -> Result<bool, BusError> {
        let now = Moment::read(&*self.inner.clock);
        let found = self.inner.read(|conn| entry(conn, id))?;
        Ok(found.is_some_and(|entry| {
            entry.registration.phase != RegistrationPhase::Terminated
                && entry.death(&self.inner.boot, now).is_none()
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
                let Some(reason) = entry.death(&w.inner.boot, w.now) else { continue };
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
        let scene = Scene::load(conn, Scope::All, Moment::read(&*self.inner.clock))?;
        let entries = present_all(conn)?;
        let now = Moment::read(&*self.inner.clock);
        Ok(scene.needs_settling(&self.inner, now)
            || entries.iter().any(|entry| entry.death(&self.inner.boot, now).is_some()))
    }
}

impl Entry {
    pub(crate) fn death(&self, present_boot: &str, now: Moment) -> Option<&'static str> {
        self.proof.death(&self.boot, present_boot, now.ns)
    }

    fn again(self, new: &NewRegistration) -> Result<Registration, BusError> {
        let known = self.registration;
        if known.phase == RegistrationPhase::Terminated {
            return Err(BusError::Ended(known.id));
        }
        let same_life = match (&self.proof, &new.liveness) {
            (Proof::LockFile(known), Liveness::LockFile(new)) => known == new,
            (Proof::Process { pid, starttime, .. }, Liveness::Process { pid: p, starttime: s }) => {
                pid == p && starttime == s
            }
            (Proof::Lease { ttl, .. }, Liveness::Lease { ttl: new }) => ttl == new,
            _ => false,
        };
        let same = same_life
            && known.agent == new.agent
            && known.vendor == new.vendor
            && known.model == new.model
            && known.session == new.session
            && known.worktree == new.worktree;
        if same {
            Ok(known)
        } else {
            Err(BusError::Invalid(format!("{} is registered with other data", known.id)))
        }
    }

    fn heartbeat_due(&self, now: Moment) -> bool {
        let age = now.ns.saturating_sub(self.heartbeat_ns);
        let flush = match &self.proof {
            Proof::Lease { ttl, .. } => nanos(HEARTBEAT_FLUSH.min(*ttl / 4)),
            _ => nanos(HEARTBEAT_FLUSH),
        };
        age >= flush
    }

    /// Marks the row ended; what it held is the caller's business.
    pub(crate) fn end(&self, w: &Write<'_>, reason: &str) -> Result<RegistrationEnd, BusError> {
        let id = self.registration.id;
        w.conn
            .prepare_cached(
                "UPDATE session_registry SET status = 'terminated', ended_at = ?2, ended_ms = ?3, end_reason = ?4
                 WHERE session_id = ?1",
            )?
            .execute(params![id.to_string(), w.now.wall.to_string(), w.now.wall.as_millis(), reason])?;
        Ok(RegistrationEnd {
            registration: id,
            session: self.registration.session,
            reason: reason.to_owned(),
        })
    }
}

/// Ends a registration, frees its locks and cancels its waits; returns what it held. Settling comes after, by the
/// caller.
pub(crate) fn bury(w: &mut Write<'_>, entry: &Entry, reason: &str) -> Result<Vec<Held>, BusError> {
    let id = entry.registration.id;
    let locks = scene::held_by(w.conn, id, w.now)?;
    for held in &locks {
        let phase = if held.expires_ns <= w.now.ns { LockPhase::Expired } else { LockPhase::Released };
        queue::free(w, held, phase)?;
    }
    cancel_waits(w, id)?;
    let ended = entry.end(w, reason)?;
    w.tell(&Event::RegistrationEnded(ended))?;
    w.ring(Bell::Registration(id));
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
    if entry.death(&w.inner.boot, w.now).is_some() {
        return Err(BusError::Ended(id));
    }
    if entry.heartbeat_due(w.now) {
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
            entry.death(&w.inner.boot, w.now)
        }
        _ => Some("died"),
    })
}

/// Known and not ended.
pub(crate) fn present(conn: &Connection, id: RegistrationId) -> Result<Entry, BusError> {
    let entry = entry(conn, id)?.ok_or(BusError::NotRegistered(id))?;
    if entry.registration.phase == RegistrationPhase::Terminated {
        return Err(BusError::Ended(id));
    }
    Ok(entry)
}

/// What the registration is called, and our session behind it.
pub(crate) fn label(conn: &Connection, id: RegistrationId) -> Result<(String, Option<SessionId>), BusError> {
    let registration = present(conn, id)?.registration;
    Ok((registration.agent, registration.session))
}

const COLUMNS: &str = "SELECT session_id, agent, llm_vendor, llm_model, owner_session, worktree, pid, status,
            registered_at, heartbeat_at, liveness, liveness_path, process_start, pid_namespace, boot_id,
            lease_ns, lease_expires_ns, heartbeat_ns
     FROM session_registry";

fn read(row: &Row<'_>) -> Result<Entry, BusError> {
    let pid: Option<u32> = row.get(6)?;
    let proof = match row.get::<_, String>(10)?.as_str() {
        "lock_file" => Proof::LockFile(row.get::<_, String>(11)?.into()),
        "process" => Proof::Process {
            pid: pid.unwrap_or(0),
            starttime: unsigned(row.get(12)?),
            namespace: unsigned(row.get(13)?),
        },
        _ => Proof::Lease {
            ttl: Duration::from_nanos(unsigned(row.get::<_, Option<i64>>(15)?.unwrap_or(0))),
            expires_ns: row.get::<_, Option<i64>>(16)?.unwrap_or(0),
        },
    };
    let phase = match row.get::<_, Option<String>>(7)?.as_deref() {
        Some("terminated") => RegistrationPhase::Terminated,
        Some("idle") => RegistrationPhase::Idle,
        _ => RegistrationPhase::Active,
    };
    Ok(Entry {
        registration: Registration {
            id: row::parsed(row, 0, "a registration's id")?,
            agent: row.get(1)?,
            vendor: row.get(2)?,
            model: row.get(3)?,
            session: row::parsed_or_none(row, 4, "a registration's session")?,
            worktree: row.get(5)?,
            pid,
            phase,
            registered_at: row::time(row, 8)?,
            heartbeat_at: row::time(row, 9)?,
        },
        proof,
        boot: row.get(14)?,
        heartbeat_ns: row.get(17)?,
    })
}

pub(crate) fn entry(conn: &Connection, id: RegistrationId) -> Result<Option<Entry>, BusError> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} WHERE session_id = ?1"))?;
    let mut rows = statement.query([id.to_string()])?;
    rows.next()?.map(read).transpose()
}

fn entries(conn: &Connection, filter: &str, params: impl rusqlite::Params) -> Result<Vec<Entry>, BusError> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} WHERE {filter} ORDER BY rowid"))?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

pub(crate) fn present_all(conn: &Connection) -> Result<Vec<Entry>, BusError> {
    entries(conn, "status IN ('active', 'idle')", [])
}

pub(crate) fn present_ids(conn: &Connection) -> Result<Vec<RegistrationId>, BusError> {
    let mut statement =
        conn.prepare_cached("SELECT session_id FROM session_registry WHERE status IN ('active', 'idle')")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(row::parsed(row, 0, "a registration's id")?);
    }
    Ok(all)
}

pub(crate) fn of_other_boots(conn: &Connection, boot: &str) -> Result<Vec<Entry>, BusError> {
    entries(conn, "status IN ('active', 'idle') AND boot_id <> ?1", [boot])
}

/// How many locks and requests a registration has, for the limit on them.
pub(crate) fn burden(conn: &Connection, id: RegistrationId) -> Result<u64, BusError> {
    let count: i64 = conn
        .prepare_cached(
            "SELECT (SELECT count(*) FROM locks WHERE holder = ?1) + (SELECT count(*) FROM lock_waits WHERE holder = ?1)",
        )?
        .query_row([id.to_string()], |row| row.get(0))?;
    Ok(unsigned(count))
}

fn insert(w: &Write<'_>, new: &Registration, proof: &Proof) -> Result<(), BusError> {
    let (kind, path, start, namespace, lease, expires) = match proof {
        Proof::LockFile(path) => ("lock_file", path.to_str(), None, None, None, None),
        Proof::Process { starttime, namespace, .. } => (
            "process",
            None,
            Some(crate::write::signed(*starttime)),
            Some(crate::write::signed(*namespace)),
            None,
            None,
        ),
        Proof::Lease { ttl, expires_ns } => ("lease", None, None, None, Some(nanos(*ttl)), Some(*expires_ns)),
    };
    w.conn
        .prepare_cached(
            "INSERT INTO session_registry (session_id, agent, llm_vendor, llm_model, owner_session, worktree, pid,
                status, registered_at, heartbeat_at, liveness, liveness_path, process_start, pid_namespace,
                boot_id, lease_ns, lease_expires_ns, heartbeat_ns)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            new.id.to_string(),
            new.agent,
            new.vendor,
            new.model,
            new.session.map(|session| session.to_string()),
            new.worktree,
            new.pid,
            new.registered_at.to_string(),
            new.heartbeat_at.to_string(),
            kind,
            path,
            start,
            namespace,
            w.inner.boot,
            lease,
            expires,
            w.now.ns,
        ])?;
    Ok(())
}
