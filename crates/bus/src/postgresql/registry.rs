//! Who is on the bus. Nobody sees the processes of another machine, so every registration lives by a lease on the
//! server's clock, which each sign of life renews.

use super::transaction::{Tx, id};
use super::{Postgres, receipts, rows};
use crate::error::BusError;
use crate::ledger::Ledger;
use crate::liveness::{self, Proof};
use crate::queue;
use crate::registration::{Liveness, NewRegistration};
use crate::scene::{Held, Scope};
use crate::write::nanos;
use model::{Id, LockPhase, Registration, RegistrationId, RegistrationPhase, SessionId, Timestamp};
use std::time::Duration;
use tokio_postgres::Row;

/// A row of `session_registry`.
pub(crate) struct Entry {
    pub(crate) registration: Registration,
    lease_ns: i64,
    lease_expires_ns: i64,
    /// It ended because its lease ran out; it may be announced again.
    lapsed: bool,
}

/// Why a registration ended whose lease ran out.
pub(crate) const EXPIRED: &str = "expired";

const COLUMNS: &str = "SELECT session_id, agent, llm_vendor, llm_model, owner_session, worktree, status,
        registered_ms, heartbeat_ns, lease_ns, lease_expires_ns, coalesce(end_reason, '')
     FROM session_registry";

fn read(row: &Row) -> Result<Entry, BusError> {
    let heartbeat_ns: i64 = row.try_get(8)?;
    let phase = match row.try_get(6)? {
        "terminated" => RegistrationPhase::Terminated,
        _ => RegistrationPhase::Active,
    };
    Ok(Entry {
        registration: Registration {
            id: rows::parsed(row, 0, "a registration's id")?,
            agent: row.try_get(1)?,
            vendor: row.try_get(2)?,
            model: row.try_get(3)?,
            session: rows::parsed_or_none(row, 4, "a registration's session")?,
            worktree: row.try_get(5)?,
            pid: None,
            phase,
            registered_at: rows::millis(row, 7)?,
            heartbeat_at: Timestamp::from_millis(heartbeat_ns / 1_000_000),
        },
        lease_ns: row.try_get(9)?,
        lease_expires_ns: row.try_get(10)?,
        lapsed: row.try_get::<_, &str>(11)? == EXPIRED,
    })
}

pub(crate) fn entry(tx: &mut Tx<'_>, who: RegistrationId) -> Result<Option<Entry>, BusError> {
    let row = tx.row(&format!("{COLUMNS} WHERE session_id = $1"), &[&id(who)])?;
    row.as_ref().map(read).transpose()
}

/// Known and not ended.
pub(crate) fn present(tx: &mut Tx<'_>, who: RegistrationId) -> Result<Entry, BusError> {
    let entry = entry(tx, who)?.ok_or(BusError::NotRegistered(who))?;
    match entry.registration.phase {
        RegistrationPhase::Terminated => Err(BusError::Ended(who)),
        _ => Ok(entry),
    }
}

/// What it is called, if it may act: known, not ended, alive. Acting is a sign of life.
pub(crate) fn living(tx: &mut Tx<'_>, who: RegistrationId) -> Result<String, BusError> {
    let beat = tx.row(
        "UPDATE session_registry SET heartbeat_ns = $2, lease_expires_ns = $2 + lease_ns
         WHERE session_id = $1 AND status <> 'terminated' AND lease_expires_ns > $2 RETURNING agent",
        &[&id(who), &{ tx.now.ns }],
    )?;
    match beat {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(present(tx, who).err().unwrap_or(BusError::Ended(who))),
    }
}

pub(crate) fn death(tx: &mut Tx<'_>, who: RegistrationId) -> Result<Option<&'static str>, BusError> {
    Ok(match entry(tx, who)? {
        Some(entry) if entry.registration.phase != RegistrationPhase::Terminated => {
            (entry.lease_expires_ns <= tx.now.ns).then_some(EXPIRED)
        }
        _ => Some("died"),
    })
}

pub(crate) fn label(tx: &mut Tx<'_>, who: RegistrationId) -> Result<(String, Option<SessionId>), BusError> {
    let registration = present(tx, who)?.registration;
    Ok((registration.agent, registration.session))
}

pub(crate) fn register(bus: &Postgres, new: &NewRegistration) -> Result<Registration, BusError> {
    new.check()?;
    let Liveness::Lease { ttl } = new.liveness else {
        let why =
            "between machines a session lives by a lease: nobody there sees its process or its lock file";
        return Err(BusError::Invalid(why.to_owned()));
    };
    // Its limits; when it ends is said below, on the server's clock.
    let Proof::Lease { .. } = liveness::prove(&new.liveness, 0)? else {
        return Err(BusError::Invalid("a lease is needed".to_owned()));
    };
    let who = new.id.unwrap_or_else(|| Id::new(&*bus.clock, &*bus.entropy));
    bus.write(|tx| {
        if let Some(known) = entry(tx, who)? {
            return again(tx, known, new, nanos(ttl));
        }
        let (now, lease_ns) = (tx.now, nanos(ttl));
        tx.run(
            "INSERT INTO session_registry (session_id, agent, llm_vendor, llm_model, owner_session, worktree, status,
                registered_ms, heartbeat_ns, lease_ns, lease_expires_ns)
             VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10)",
            &[
                &id(who),
                &new.agent,
                &new.vendor,
                &new.model,
                &new.session.map(|session| session.to_string()),
                &new.worktree,
                &now.wall.as_millis(),
                &now.ns,
                &lease_ns,
                &now.ns.saturating_add(lease_ns),
            ],
        )?;
        present(tx, who).map(|entry| entry.registration)
    })
}

fn again(
    tx: &mut Tx<'_>,
    known: Entry,
    new: &NewRegistration,
    lease_ns: i64,
) -> Result<Registration, BusError> {
    let who = known.registration.id;
    let ended = known.registration.phase == RegistrationPhase::Terminated;
    if ended && !known.lapsed {
        return Err(BusError::Ended(who));
    }
    if known.lease_ns != lease_ns || !new.is_again(&known.registration) {
        return Err(BusError::Invalid(format!("{who} is registered with other data")));
    }
    if !ended && known.lease_expires_ns > tx.now.ns {
        return Ok(known.registration);
    }
    if !ended {
        // What it held is not its any more, as if somebody had cleared it away in time.
        let freed = bury(tx, who, EXPIRED)?;
        queue::settle(tx, Scope::All, freed)?;
    }
    tx.run(
        "UPDATE session_registry SET status = 'active', ended_ns = NULL, end_reason = NULL,
            heartbeat_ns = $2, lease_expires_ns = $2 + lease_ns WHERE session_id = $1",
        &[&id(who), &{ tx.now.ns }],
    )?;
    present(tx, who).map(|entry| entry.registration)
}

/// One statement, beside whatever else is being written.
pub(crate) fn heartbeat(bus: &Postgres, who: RegistrationId) -> Result<(), BusError> {
    let beaten = bus.glance(|connection| {
        connection.run(
            "UPDATE session_registry SET heartbeat_ns = n, lease_expires_ns = n + lease_ns FROM bus_now() AS n
             WHERE session_id = $1 AND status <> 'terminated' AND lease_expires_ns > n",
            &[&id(who)],
        )
    })?;
    if beaten == 1 {
        return Ok(());
    }
    bus.read(|tx| present(tx, who))?;
    Err(BusError::Ended(who))
}

pub(crate) fn end(bus: &Postgres, who: RegistrationId, reason: &str) -> Result<(), BusError> {
    bus.write(|tx| {
        let known = entry(tx, who)?.ok_or(BusError::NotRegistered(who))?;
        if known.registration.phase != RegistrationPhase::Terminated {
            bury(tx, who, reason)?;
            queue::settle(tx, Scope::All, Vec::new())?;
        }
        Ok(())
    })
}

/// Ends a registration: frees its locks, cancels its waits, gives back its work. Settling comes after, by the caller.
pub(crate) fn bury(tx: &mut Tx<'_>, who: RegistrationId, reason: &str) -> Result<Vec<Held>, BusError> {
    let held = super::locks::held_by(tx, who)?;
    for lock in &held {
        tx.free(lock, LockPhase::Released)?;
    }
    let me = id(who);
    tx.run("DELETE FROM lock_waits WHERE holder = $1", &[&me])?;
    tx.run("UPDATE claims SET expires_ns = 0 WHERE holder = $1 AND done_ns IS NULL", &[&me])?;
    receipts::abandon(tx, who)?;
    tx.run(
        "UPDATE session_registry SET status = 'terminated', ended_ns = $2, end_reason = $3 WHERE session_id = $1",
        &[&me, &{ tx.now.ns }, &reason],
    )?;
    Ok(held)
}

/// Who has neither ended nor died, oldest first.
pub(crate) fn living_all(tx: &mut Tx<'_>) -> Result<Vec<Registration>, BusError> {
    let sql = format!("{COLUMNS} WHERE status <> 'terminated' AND lease_expires_ns > $1 ORDER BY place");
    let rows = tx.rows(&sql, &[&{ tx.now.ns }])?;
    rows.iter().map(|row| read(row).map(|entry| entry.registration)).collect()
}

/// Who has died and is not cleared away.
pub(crate) fn dead_all(tx: &mut Tx<'_>) -> Result<Vec<RegistrationId>, BusError> {
    let sql =
        "SELECT session_id FROM session_registry WHERE status <> 'terminated' AND lease_expires_ns <= $1";
    let rows = tx.rows(sql, &[&{ tx.now.ns }])?;
    rows.iter().map(|row| rows::parsed(row, 0, "a registration's id")).collect()
}

/// How long it still lives without another sign of life; none when it has ended or died.
pub(crate) fn lease_left(tx: &mut Tx<'_>, who: RegistrationId) -> Result<Option<Duration>, BusError> {
    let now_ns = tx.now.ns;
    let known = entry(tx, who)?.filter(|entry| entry.registration.phase != RegistrationPhase::Terminated);
    Ok(known
        .filter(|entry| entry.lease_expires_ns > now_ns)
        .map(|entry| rows::span(entry.lease_expires_ns - now_ns)))
}
