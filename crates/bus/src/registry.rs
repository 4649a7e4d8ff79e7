//! Rows of `session_registry`: reading, writing, and the questions the rest of the bus has about them.

use crate::bridge::ELSEWHERE_END;
use crate::bus::{Inner, Member};
use crate::error::BusError;
use crate::liveness::Proof;
use crate::mapping::SLOTS;
use crate::registration::{HEARTBEAT_FLUSH, Liveness, NewRegistration};
use crate::row;
use crate::slot::{self, Plate, Seat};
use crate::write::{Moment, Write, nanos, signed, unsigned};
use model::{Registration, RegistrationEnd, RegistrationId, RegistrationPhase, SessionId};
use rusqlite::{Connection, Row, params};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// A row of `session_registry`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) registration: Registration,
    pub(crate) proof: Proof,
    pub(crate) slot: Option<u32>,
    boot: String,
    heartbeat_ns: i64,
}

impl Entry {
    /// Why it counts as dead, if it does.
    pub(crate) fn death(&self, inner: &Inner, now: Moment) -> Option<&'static str> {
        match &self.proof {
            // The row has the last flushed heartbeat, the slot the last one.
            Proof::Lease { ttl, expires_ns } => {
                let expires_ns = self
                    .beat_ns(inner)
                    .map_or(*expires_ns, |beat| beat.saturating_add(nanos(*ttl)).max(*expires_ns));
                Proof::Lease { ttl: *ttl, expires_ns }.death(&self.boot, &inner.boot, now.ns)
            }
            other => other.death(&self.boot, &inner.boot, now.ns),
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        self.registration.phase != RegistrationPhase::Terminated
    }

    pub(crate) fn lease(&self) -> Option<Duration> {
        match &self.proof {
            Proof::Lease { ttl, .. } => Some(*ttl),
            _ => None,
        }
    }

    pub(crate) fn seat(&self, inner: &Inner) -> Option<Seat> {
        let (tag, plate) = (slot::tag(self.registration.id), self.plate());
        self.slot.map(|index| inner.slots.seat_with(index, tag, plate))
    }

    fn plate(&self) -> Plate {
        plate(self.registration.worktree.as_deref(), &self.proof)
    }

    /// The last sign of life in the slot; none when there was none yet.
    fn beat_ns(&self, inner: &Inner) -> Option<i64> {
        let beat = self.seat(inner)?.occupied()?.heartbeat_ns.load(SeqCst);
        (beat > 0).then(|| signed(beat))
    }

    /// The last sign of life anywhere, since boot.
    pub(crate) fn last_beat_ns(&self, inner: &Inner) -> i64 {
        self.beat_ns(inner).unwrap_or(0).max(self.heartbeat_ns)
    }

    /// As others see it: with the heartbeat of the slot.
    pub(crate) fn shown(self, inner: &Inner, now: Moment) -> Registration {
        let beat = self.last_beat_ns(inner);
        let mut registration = self.registration;
        if beat > self.heartbeat_ns {
            registration.heartbeat_at = now.wall_at(beat);
        }
        registration
    }

    pub(crate) fn again(self, new: &NewRegistration) -> Result<Registration, BusError> {
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
            (Proof::Elsewhere(known), Liveness::Elsewhere { machine }) => known == machine,
            _ => false,
        };
        let same = same_life && new.is_again(&known);
        if same {
            Ok(known)
        } else {
            Err(BusError::Invalid(format!("{} is registered with other data", known.id)))
        }
    }

    /// Whether a session of another machine that ended here is announced again: there it lives on, perhaps after a time
    /// in which nobody heard of it.
    pub(crate) fn may_return(&self, conn: &Connection, new: &NewRegistration) -> Result<bool, BusError> {
        if self.is_present()
            || self.proof.machine().is_none()
            || !matches!(new.liveness, Liveness::Elsewhere { .. })
        {
            return Ok(false);
        }
        let reason: Option<String> = conn
            .prepare_cached("SELECT end_reason FROM session_registry WHERE session_id = ?1")?
            .query_row([self.registration.id.to_string()], |row| row.get(0))?;
        Ok(reason.as_deref() == Some(ELSEWHERE_END))
    }

    /// Puts it back among the living.
    pub(crate) fn revive(self, w: &mut Write<'_>) -> Result<Registration, BusError> {
        w.conn
            .prepare_cached(
                "UPDATE session_registry SET status = 'active', ended_at = NULL, ended_ms = NULL, end_reason = NULL,
                    heartbeat_at = ?2, heartbeat_ns = ?3 WHERE session_id = ?1",
            )?
            .execute(params![self.registration.id.to_string(), w.now.wall.to_string(), w.now.ns])?;
        w.came(self.registration.id, u32::MAX, Plate::default());
        Ok(Registration { phase: RegistrationPhase::Active, heartbeat_at: w.now.wall, ..self.registration })
    }

    pub(crate) fn heartbeat_due(&self, now: Moment) -> bool {
        let age = now.ns.saturating_sub(self.heartbeat_ns);
        let flush = match &self.proof {
            Proof::Lease { ttl, .. } => nanos(HEARTBEAT_FLUSH.min(*ttl / 4)),
            _ => nanos(HEARTBEAT_FLUSH),
        };
        age >= flush
    }

    /// The last sign of life in the table, since boot.
    pub(crate) fn flushed_ns(&self) -> i64 {
        self.heartbeat_ns
    }

    /// Marks the row ended; what it held is the caller's business.
    pub(crate) fn end(&self, w: &mut Write<'_>, reason: &str) -> Result<RegistrationEnd, BusError> {
        let id = self.registration.id;
        w.conn
            .prepare_cached(
                "UPDATE session_registry SET status = 'terminated', ended_at = ?2, ended_ms = ?3, end_reason = ?4
                 WHERE session_id = ?1",
            )?
            .execute(params![id.to_string(), w.now.wall.to_string(), w.now.wall.as_millis(), reason])?;
        w.went(id, self.slot);
        Ok(RegistrationEnd {
            registration: id,
            session: self.registration.session,
            reason: reason.to_owned(),
        })
    }
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

pub(crate) const COLUMNS: &str =
    "SELECT session_id, agent, llm_vendor, llm_model, owner_session, worktree, pid, status,
            registered_at, heartbeat_at, liveness, liveness_path, process_start, pid_namespace, boot_id,
            lease_ns, lease_expires_ns, heartbeat_ns, slot, machine
     FROM session_registry";

pub(crate) fn read(row: &Row<'_>) -> Result<Entry, BusError> {
    let pid: Option<u32> = row.get(6)?;
    let machine: Option<String> = row.get(19)?;
    let proof = match row.get::<_, String>(10)?.as_str() {
        _ if machine.is_some() => Proof::Elsewhere(machine.unwrap_or_default()),
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
        slot: row.get(18)?,
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

/// Everybody to be rung.
pub(crate) fn members(conn: &Connection) -> Result<Vec<Member>, BusError> {
    let mut statement = conn
        .prepare_cached("SELECT session_id, slot FROM session_registry WHERE status IN ('active', 'idle')")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row::parsed(row, 0, "a registration's id")?;
        let slot = row.get::<_, Option<u32>>(1)?.unwrap_or(u32::MAX);
        all.push(Member { id, slot, tag: slot::tag(id) });
    }
    Ok(all)
}

/// The lowest slot nobody has; none when all are taken. The first is the daemon's.
fn free_slot(conn: &Connection) -> Result<Option<u32>, BusError> {
    let mut taken: Vec<u32> = members(conn)?.into_iter().map(|member| member.slot).collect();
    taken.sort_unstable();
    let free = taken.into_iter().fold(1, |free, slot| if slot == free { free + 1 } else { free });
    Ok((free < SLOTS as u32).then_some(free))
}

pub(crate) fn of_other_boots(conn: &Connection, boot: &str) -> Result<Vec<Entry>, BusError> {
    entries(conn, "status IN ('active', 'idle') AND machine IS NULL AND boot_id <> ?1", [boot])
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

/// Globs a registration holds.
pub(crate) fn globs(conn: &Connection, id: RegistrationId) -> Result<usize, BusError> {
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM locks WHERE holder = ?1 AND path GLOB '*[*?[{]*'")?
        .query_row([id.to_string()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(crate) fn insert(w: &mut Write<'_>, new: &Registration, proof: &Proof) -> Result<(), BusError> {
    // Nobody of another machine sits here to be rung.
    let slot = if let Proof::Elsewhere(_) = proof { None } else { free_slot(w.conn)? };
    let (kind, path, start, namespace, lease, expires) = match proof {
        Proof::LockFile(path) => ("lock_file", path.to_str(), None, None, None, None),
        Proof::Process { starttime, namespace, .. } => {
            ("process", None, Some(signed(*starttime)), Some(signed(*namespace)), None, None)
        }
        Proof::Lease { ttl, expires_ns } => ("lease", None, None, None, Some(nanos(*ttl)), Some(*expires_ns)),
        Proof::Elsewhere(_) => ("lease", None, None, None, None, None),
    };
    w.conn
        .prepare_cached(
            "INSERT INTO session_registry (session_id, agent, llm_vendor, llm_model, owner_session, worktree, pid,
                status, registered_at, heartbeat_at, liveness, liveness_path, process_start, pid_namespace,
                boot_id, lease_ns, lease_expires_ns, heartbeat_ns, slot, machine)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
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
            slot,
            proof.machine(),
        ])?;
    // Without one it is known all the same, so that everybody reads the list again.
    w.came(new.id, slot.unwrap_or(u32::MAX), plate(new.worktree.as_deref(), proof));
    Ok(())
}

/// What stands on the slot of such a registration.
fn plate(worktree: Option<&str>, proof: &Proof) -> Plate {
    let plate = Plate { worktree: worktree.map_or(0, slot::worktree_tag), ..Plate::default() };
    match proof {
        Proof::Process { pid, starttime, namespace } => {
            Plate { pid: *pid, process_start: *starttime, pid_namespace: *namespace, ..plate }
        }
        Proof::Lease { ttl, .. } => Plate { lease_ns: unsigned(nanos(*ttl)), ..plate },
        // Whose life is a lock file's cannot be judged from here, and counts as living. Those elsewhere have no slot.
        Proof::LockFile(_) | Proof::Elsewhere(_) => plate,
    }
}
