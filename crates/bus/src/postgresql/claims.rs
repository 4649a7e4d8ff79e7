//! Who works on what was offered; `crate::claim` says what a claim means.

use super::transaction::{Tx, id};
use super::{registry, rows};
use crate::claim::{Claim, is_offered};
use crate::error::{BusError, LockLost};
use crate::write::signed;
use model::RegistrationId;
use tokio_postgres::Row;

struct Known {
    holder: RegistrationId,
    token: i64,
    expires_ns: i64,
    attempts: u32,
    done: bool,
}

const COLUMNS: &str = "SELECT holder, token, expires_ns, attempts, done_ns IS NOT NULL FROM claims";

fn read(row: &Row) -> Result<Known, BusError> {
    Ok(Known {
        holder: rows::parsed(row, 0, "a claim's holder")?,
        token: row.try_get(1)?,
        expires_ns: row.try_get(2)?,
        attempts: rows::count(row, 3)?,
        done: row.try_get(4)?,
    })
}

pub(crate) fn claim(
    tx: &mut Tx<'_>,
    notice: i64,
    holder: RegistrationId,
    ttl_ns: i64,
) -> Result<Claim, BusError> {
    registry::living(tx, holder)?;
    take(tx, notice, holder, ttl_ns)
}

fn take(tx: &mut Tx<'_>, notice: i64, holder: RegistrationId, ttl_ns: i64) -> Result<Claim, BusError> {
    let now = tx.now;
    let offered = tx.row(
        "SELECT channel = 'task_broadcast', (recipient_id IS NULL OR recipient_id = $3)
            AND (audience IS NULL OR $3 = ANY (audience))
         FROM inter_session_messages WHERE id = $1 AND expires_ns > $2",
        &[&notice, &now.ns, &id(holder)],
    )?;
    let offered = offered.map(|row| Ok::<_, BusError>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
    is_offered(notice, offered)?;
    let before = tx.row(&format!("{COLUMNS} WHERE notice = $1"), &[&notice])?;
    let before = before.as_ref().map(read).transpose()?;
    if let Some(before) = &before {
        let taken = before.expires_ns > now.ns
            && before.holder != holder
            && registry::death(tx, before.holder)?.is_none();
        if before.done || taken {
            return Err(BusError::Claimed { notice, by: Some(before.holder) });
        }
    }
    let own = before.as_ref().filter(|before| before.holder == holder && before.expires_ns > now.ns);
    let ends = now.ns.saturating_add(ttl_ns);
    let (token, attempts, expires_ns) = match own {
        // Asked for twice, it is the same claim, and its lease gets no shorter.
        Some(own) => (own.token, own.attempts, ends.max(own.expires_ns)),
        None => {
            let attempts = before.as_ref().map_or(0, |before| before.attempts) + 1;
            (signed(tx.next_token()), attempts, ends)
        }
    };
    tx.run(
        "INSERT INTO claims (notice, holder, token, expires_ns, attempts) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (notice) DO UPDATE SET holder = excluded.holder, token = excluded.token,
            expires_ns = excluded.expires_ns, attempts = excluded.attempts",
        &[&notice, &id(holder), &token, &expires_ns, &i64::from(attempts)],
    )?;
    let token = crate::write::unsigned(token);
    Ok(Claim { notice, holder, token, expires_at: now.wall_at(expires_ns), attempts })
}

pub(crate) fn claim_next(
    tx: &mut Tx<'_>,
    holder: RegistrationId,
    ttl_ns: i64,
) -> Result<Option<Claim>, BusError> {
    registry::living(tx, holder)?;
    let next = tx.row(
        "SELECT m.id FROM inter_session_messages m LEFT JOIN claims c ON c.notice = m.id
         WHERE m.channel = 'task_broadcast' AND m.sender_id <> $1
           AND (m.recipient_id IS NULL OR m.recipient_id = $1)
           AND (m.audience IS NULL OR $1 = ANY (m.audience))
           AND m.expires_ns > $2
           AND (c.notice IS NULL OR (c.done_ns IS NULL AND c.expires_ns <= $2))
         ORDER BY m.priority DESC, m.id LIMIT 1",
        &[&id(holder), &{ tx.now.ns }],
    )?;
    let Some(next) = next else { return Ok(None) };
    take(tx, next.try_get(0)?, holder, ttl_ns).map(Some)
}

pub(crate) fn renew(
    tx: &mut Tx<'_>,
    token: u64,
    holder: RegistrationId,
    ttl_ns: i64,
) -> Result<(), BusError> {
    own(tx, token, holder)?;
    registry::living(tx, holder)?;
    let ends = tx.now.ns.saturating_add(ttl_ns);
    tx.run("UPDATE claims SET expires_ns = $2 WHERE token = $1", &[&signed(token), &ends])?;
    Ok(())
}

pub(crate) fn finish(tx: &mut Tx<'_>, token: u64, holder: RegistrationId) -> Result<(), BusError> {
    own(tx, token, holder)?;
    tx.run("UPDATE claims SET done_ns = $2 WHERE token = $1", &[&signed(token), &{ tx.now.ns }])?;
    Ok(())
}

/// The claim under this token is in force and the caller's.
fn own(tx: &mut Tx<'_>, token: u64, holder: RegistrationId) -> Result<(), BusError> {
    let gone = || BusError::from(LockLost::Gone { token });
    let key = i64::try_from(token).map_err(|_| gone())?;
    let Some(row) = tx.row(&format!("{COLUMNS} WHERE token = $1"), &[&key])? else { return Err(gone()) };
    let known = read(&row)?;
    if known.holder != holder {
        return Err(LockLost::NotYours { token, owner: known.holder }.into());
    }
    if known.done {
        return Err(gone());
    }
    if known.expires_ns <= tx.now.ns {
        return Err(LockLost::Expired { token }.into());
    }
    registry::present(tx, holder).map(drop)
}
