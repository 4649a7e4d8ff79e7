//! Claims: who works on what was offered on `task_broadcast`, with no daemon to hand it out.
//!
//! One winner at a time: the claim is a row, made in one write transaction, with a fencing token out of the same counter as
//! locks and a lease. Who dies or lets the lease run out makes room for the next one, whose token is higher.

use crate::ask::{self, Ask};
use crate::bus::Bus;
use crate::error::{BusError, LockLost};
use crate::lock::lease;
use crate::registration;
use crate::registry;
use crate::row;
use crate::write::{Write, signed, unsigned};
use model::{Channel, RegistrationId, Timestamp};
use rusqlite::{OptionalExtension, params};
use std::time::Duration;

/// A piece of offered work that is the holder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub notice: i64,
    pub holder: RegistrationId,
    /// Rises with every claim; what is done under a lower one for the same notice does not count.
    pub token: u64,
    pub expires_at: Timestamp,
    /// How often it has been claimed, this time included.
    pub attempts: u32,
}

struct Row {
    holder: RegistrationId,
    token: u64,
    expires_ns: i64,
    attempts: u32,
    done: bool,
}

fn find(w: &Write<'_>, filter: &str, key: i64) -> Result<Option<(i64, Row)>, BusError> {
    let sql = format!(
        "SELECT notice, holder, token, expires_ns, attempts, done_at IS NOT NULL FROM claims WHERE {filter} = ?1"
    );
    let mut statement = w.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let found = Row {
        holder: row::parsed(row, 1, "a claim's holder")?,
        token: unsigned(row.get(2)?),
        expires_ns: row.get(3)?,
        attempts: row.get(4)?,
        done: row.get(5)?,
    };
    Ok(Some((row.get(0)?, found)))
}

/// Whether somebody may take a notice for work, of which is known: it is on `task_broadcast`, and it is addressed to
/// whoever asks or to everybody.
pub(crate) fn is_offered(notice: i64, offered: Option<(bool, bool)>) -> Result<(), BusError> {
    match offered {
        None => Err(BusError::NoNotice(notice)),
        Some((false, _)) => Err(BusError::Invalid(format!(
            "notice {notice} offers no work; what is on `{}` can be claimed",
            Channel::task_broadcast()
        ))),
        Some((true, false)) => Err(BusError::Invalid(format!(
            "notice {notice} offers its work to others; claim work offered to you"
        ))),
        Some((true, true)) => Ok(()),
    }
}

fn take(w: &mut Write<'_>, notice: i64, holder: RegistrationId, ttl_ns: i64) -> Result<Claim, BusError> {
    let offered: Option<(bool, bool)> = w
        .conn
        .prepare_cached(
            "SELECT channel = 'task_broadcast', (recipient_id IS NULL OR recipient_id = ?5)
                AND (audience IS NULL OR instr(audience, ?5) > 0)
             FROM inter_session_messages WHERE id = ?1
             AND ((epoch = ?2 AND expires_ns > ?3) OR (epoch <> ?2 AND expires_ms > ?4))",
        )?
        .query_row(
            params![notice, signed(w.epoch), w.now.ns, w.now.wall.as_millis(), holder.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    is_offered(notice, offered)?;
    let before = find(w, "notice", notice)?.map(|(_, row)| row);
    if let Some(before) = &before {
        let taken = before.expires_ns > w.now.ns
            && before.holder != holder
            && registration::death(w, before.holder)?.is_none();
        if before.done || taken {
            return Err(BusError::Claimed { notice, by: Some(before.holder) });
        }
    }
    let expires_ns = w.now.ns.saturating_add(ttl_ns);
    let own = before.as_ref().filter(|before| before.holder == holder && before.expires_ns > w.now.ns);
    let (token, attempts) = match own {
        // Asked for twice, it is the same claim.
        Some(own) => (own.token, own.attempts),
        None => (w.next_token()?, before.as_ref().map_or(0, |before| before.attempts) + 1),
    };
    w.conn
        .prepare_cached(
            "INSERT INTO claims (notice, holder, token, expires_ns, attempts) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET holder = excluded.holder, token = excluded.token,
                expires_ns = max(excluded.expires_ns, CASE WHEN token = excluded.token THEN expires_ns ELSE 0 END),
                attempts = excluded.attempts",
        )?
        .execute(params![notice, holder.to_string(), signed(token), expires_ns, attempts])?;
    Ok(Claim { notice, holder, token, expires_at: w.now.wall_at(expires_ns), attempts })
}

/// Gives up what an ended registration had claimed; the others are rung to look for work.
pub(crate) fn abandon(w: &mut Write<'_>, id: RegistrationId) -> Result<(), BusError> {
    let freed = w
        .conn
        .prepare_cached(
            "UPDATE claims SET expires_ns = 0 WHERE holder = ?1 AND done_at IS NULL AND expires_ns > 0",
        )?
        .execute([id.to_string()])?;
    if freed > 0 {
        w.cast(Channel::task_broadcast().as_str(), id);
    }
    Ok(())
}

/// Leases mean nothing after another boot.
pub(crate) fn restart(w: &Write<'_>) -> Result<(), BusError> {
    w.conn.execute("UPDATE claims SET expires_ns = 0 WHERE done_at IS NULL", [])?;
    Ok(())
}

impl Bus {
    /// Takes a piece of work that was offered in this notice, for at most `ttl` unless renewed (limits as for
    /// locks). [`BusError::Claimed`] names who has it, or had and finished it. What another machine offered it decides:
    /// it is asked, and [`BusError::NoAnswer`] says that it cannot be.
    pub fn claim(&self, notice: i64, holder: RegistrationId, ttl: Duration) -> Result<Claim, BusError> {
        let ttl_ns = lease(ttl)?;
        if let Some(machine) = self.offered_elsewhere(notice)? {
            return self.claim_elsewhere(notice, &machine, holder, ttl);
        }
        self.inner.write(|w| {
            registration::living(w, holder)?;
            take(w, notice, holder, ttl_ns)
        })
    }

    /// Takes the most urgent piece of work on `task_broadcast` that nobody has; none when there is none. Work offered on
    /// this machine comes first, since nobody has to be asked for it.
    pub fn claim_next(&self, holder: RegistrationId, ttl: Duration) -> Result<Option<Claim>, BusError> {
        if let Some(claim) = self.claim_next_here(holder, ttl)? {
            return Ok(Some(claim));
        }
        let mut silent: Vec<String> = Vec::new();
        for (notice, machine) in self.open_offers_elsewhere(holder)? {
            if silent.contains(&machine) {
                continue;
            }
            match self.claim_elsewhere(notice, &machine, holder, ttl) {
                Ok(claim) => return Ok(Some(claim)),
                Err(BusError::Claimed { .. } | BusError::NoNotice(_)) => {}
                // A machine that sleeps keeps its offers to itself, and nobody from those of others.
                Err(BusError::NoAnswer { .. }) => silent.push(machine),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether the claim under this token was this holder's, and was finished.
    pub(crate) fn has_finished(&self, token: u64, holder: RegistrationId) -> Result<bool, BusError> {
        Ok(self.claim_under(token)?.is_some_and(|row| row.holder == holder && row.done))
    }

    /// Whether it was this holder's and was given back, and nobody has taken it since.
    pub(crate) fn has_given_back(&self, token: u64, holder: RegistrationId) -> Result<bool, BusError> {
        let given_back = |row: Row| row.holder == holder && !row.done && row.expires_ns == 0;
        Ok(self.claim_under(token)?.is_some_and(given_back))
    }

    fn claim_under(&self, token: u64) -> Result<Option<Row>, BusError> {
        let Ok(key) = i64::try_from(token) else { return Ok(None) };
        self.inner.write(|w| Ok(find(w, "token", key)?.map(|(_, row)| row)))
    }

    fn claim_next_here(&self, holder: RegistrationId, ttl: Duration) -> Result<Option<Claim>, BusError> {
        let ttl_ns = lease(ttl)?;
        self.inner.write(|w| {
            registration::living(w, holder)?;
            let next: Option<i64> = w
                .conn
                .prepare_cached(
                    "SELECT m.id FROM inter_session_messages m LEFT JOIN claims c ON c.notice = m.id
                     WHERE NOT EXISTS (SELECT 1 FROM mirrors x WHERE x.notice = m.id AND x.imported = 1)
                       AND m.channel = 'task_broadcast' AND m.sender_id <> ?1
                       AND (m.recipient_id IS NULL OR m.recipient_id = ?1)
                       AND (m.audience IS NULL OR instr(m.audience, ?1) > 0)
                       AND ((m.epoch = ?2 AND m.expires_ns > ?3) OR (m.epoch <> ?2 AND m.expires_ms > ?4))
                       AND (c.notice IS NULL OR (c.done_at IS NULL AND c.expires_ns <= ?3))
                     ORDER BY m.priority DESC, m.id LIMIT 1",
                )?
                .query_row(
                    params![holder.to_string(), signed(w.epoch), w.now.ns, w.now.wall.as_millis()],
                    |row| row.get(0),
                )
                .optional()?;
            next.map(|notice| take(w, notice, holder, ttl_ns)).transpose()
        })
    }

    /// Sets the lease to `ttl` from now; [`BusError::Lost`] when it has run out or is somebody else's.
    pub fn renew_claim(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<(), BusError> {
        let ttl_ns = lease(ttl)?;
        self.settle_elsewhere(token, holder, &Ask::Renew { ttl_ms: ask::millis(ttl) })?;
        self.inner.write(|w| {
            own(w, token, holder)?;
            registration::living(w, holder)?;
            let expires_ns = w.now.ns.saturating_add(ttl_ns);
            w.conn
                .prepare_cached("UPDATE claims SET expires_ns = ?2 WHERE token = ?1")?
                .execute(params![signed(token), expires_ns])?;
            Ok(())
        })
    }

    /// The work is done: nobody can claim it any more. Refused when the claim was lost, since somebody else may be
    /// doing it again.
    pub fn finish_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.settle_elsewhere(token, holder, &Ask::Finish)?;
        self.inner.write(|w| {
            own(w, token, holder)?;
            w.conn
                .prepare_cached("UPDATE claims SET done_at = ?2 WHERE token = ?1")?
                .execute(params![signed(token), w.wall_text()])?;
            Ok(())
        })
    }

    /// Gives the work back for others to claim.
    pub fn give_back_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.settle_elsewhere(token, holder, &Ask::GiveBack)?;
        self.inner.write(|w| {
            own(w, token, holder)?;
            w.conn
                .prepare_cached("UPDATE claims SET expires_ns = 0 WHERE token = ?1")?
                .execute([signed(token)])?;
            w.cast(Channel::task_broadcast().as_str(), holder);
            Ok(())
        })
    }

    /// Who has claimed a notice now.
    pub fn claim_of(&self, notice: i64) -> Result<Option<RegistrationId>, BusError> {
        let now = crate::write::nanos(self.inner.clock.uptime());
        self.inner.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT holder FROM claims WHERE notice = ?1 AND (done_at IS NOT NULL OR expires_ns > ?2)",
            )?;
            let mut rows = statement.query([notice, now])?;
            rows.next()?.map(|row| row::parsed(row, 0, "a claim's holder")).transpose()
        })
    }
}

/// The claim under this token, in force and the caller's.
pub(crate) fn own(w: &Write<'_>, token: u64, holder: RegistrationId) -> Result<(), BusError> {
    let gone = || BusError::from(LockLost::Gone { token });
    let key = i64::try_from(token).map_err(|_| gone())?;
    let Some((_, row)) = find(w, "token", key)? else { return Err(gone()) };
    if row.holder != holder {
        return Err(LockLost::NotYours { token, owner: row.holder }.into());
    }
    if row.done {
        return Err(gone());
    }
    if row.expires_ns <= w.now.ns {
        return Err(LockLost::Expired { token }.into());
    }
    registry::present(w.conn, holder).map(|_| ())
}
