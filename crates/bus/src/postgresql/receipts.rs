//! What became of a notice at its recipients; `crate::receipt` says what the marks mean.

use super::transaction::{Tx, id};
use super::{inbox, registry, rows};
use crate::error::BusError;
use crate::notice::{AckRule, NewNotice};
use crate::receipt::{DeadLetter, Receipt};
use crate::write::nanos;
use model::{Notice, RegistrationId, Timestamp};
use std::time::Duration;

/// Most rows one round of redelivery touches.
const ROUND: i64 = 500;

/// Writes down who has to answer, and by when.
pub(crate) fn expect(tx: &mut Tx<'_>, notice: i64, new: &NewNotice, rule: AckRule) -> Result<(), BusError> {
    let due = tx.now.ns.saturating_add(nanos(Duration::from_secs(rule.seconds.into())));
    let named: Vec<String> = new.recipient.iter().chain(&new.recipients).map(|who| id(*who)).collect();
    if named.is_empty() {
        tx.run(
            "INSERT INTO receipts (notice, session_id, due_ns)
             SELECT $1, session_id, $2 FROM session_registry r
             WHERE status <> 'terminated' AND session_id <> $3
               AND (NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.session_id = r.session_id)
                 OR $4 IN (SELECT channel FROM subscriptions s WHERE s.session_id = r.session_id))",
            &[&notice, &due, &id(new.sender), &new.channel.as_str()],
        )?;
    } else {
        tx.run(
            "INSERT INTO receipts (notice, session_id, due_ns) SELECT $1, who, $2 FROM unnest($3::text[]) AS who
             ON CONFLICT DO NOTHING",
            &[&notice, &due, &named],
        )?;
    }
    Ok(())
}

pub(crate) fn has_again(tx: &mut Tx<'_>, me: RegistrationId) -> Result<bool, BusError> {
    let found = tx.row("SELECT 1 FROM receipts WHERE session_id = $1 AND again LIMIT 1", &[&id(me)])?;
    Ok(found.is_some())
}

/// Takes what is to be handed out again; what the reader has not come to yet it gets by its cursor.
pub(crate) fn take_again(tx: &mut Tx<'_>, me: RegistrationId, cursor: i64) -> Result<Vec<Notice>, BusError> {
    let me = id(me);
    let sql = format!(
        "{} {} WHERE id <= $2 AND id IN (SELECT notice FROM receipts WHERE session_id = $1 AND again) ORDER BY id",
        inbox::COLUMNS,
        inbox::FROM
    );
    let found = tx.rows(&sql, &[&me, &cursor])?;
    tx.run("UPDATE receipts SET again = false WHERE session_id = $1 AND again", &[&me])?;
    Ok(inbox::readable(&found))
}

/// Nobody will answer for a registration that has ended.
pub(crate) fn abandon(tx: &mut Tx<'_>, who: RegistrationId) -> Result<(), BusError> {
    tx.run(
        "UPDATE receipts SET dead = true, due_ns = NULL, again = false
         WHERE session_id = $1 AND due_ns IS NOT NULL",
        &[&id(who)],
    )?;
    Ok(())
}

/// Seen, or seen and accepted.
pub(crate) fn mark(tx: &mut Tx<'_>, notice: i64, who: RegistrationId, acked: bool) -> Result<(), BusError> {
    registry::living(tx, who)?;
    let me = id(who);
    let addressed = tx.row(
        "SELECT 1 FROM inter_session_messages WHERE id = $1
           AND (recipient_id = $2 OR (recipient_id IS NULL AND (audience IS NULL OR $2 = ANY (audience))))",
        &[&notice, &me],
    )?;
    if addressed.is_none() {
        return Err(BusError::NoNotice(notice));
    }
    let set = match acked {
        false => "",
        true => {
            ", acked_ms = coalesce(r.acked_ms, excluded.acked_ms), due_ns = NULL, again = false, dead = false"
        }
    };
    let sql = format!(
        "INSERT INTO receipts AS r (notice, session_id, seen_ms, acked_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (notice, session_id) DO UPDATE SET seen_ms = coalesce(r.seen_ms, excluded.seen_ms){set}"
    );
    let now = tx.now.wall.as_millis();
    tx.run(&sql, &[&notice, &me, &now, &acked.then_some(now)])?;
    Ok(())
}

pub(crate) fn of(tx: &mut Tx<'_>, notice: i64) -> Result<Vec<Receipt>, BusError> {
    let found = tx.rows(
        "SELECT r.session_id, r.seen_ms, r.acked_ms, r.attempts, r.dead,
                coalesce((SELECT max(c.notice) FROM cursors c WHERE c.consumer = r.session_id), 0)
         FROM receipts r WHERE r.notice = $1 ORDER BY r.session_id",
        &[&notice],
    )?;
    let mut all = Vec::new();
    for row in &found {
        let time = |at: usize| -> Result<Option<Timestamp>, BusError> {
            let millis: Option<i64> = row.try_get(at)?;
            Ok(millis.map(Timestamp::from_millis))
        };
        let (seen_at, reached): (_, i64) = (time(1)?, row.try_get(5)?);
        all.push(Receipt {
            registration: rows::parsed(row, 0, "a receipt's session")?,
            delivered: seen_at.is_some() || reached >= notice,
            seen_at,
            acked_at: time(2)?,
            attempts: rows::count(row, 3)?,
            dead: row.try_get(4)?,
        });
    }
    Ok(all)
}

/// Hands out again what is due and was not acknowledged, and gives up what had its last attempt.
pub(crate) fn redeliver(tx: &mut Tx<'_>) -> Result<(), BusError> {
    tx.run(
        "UPDATE receipts r SET
            attempts = r.attempts + CASE WHEN r.attempts < m.ack_attempts THEN 1 ELSE 0 END,
            again = r.attempts < m.ack_attempts,
            dead = r.attempts >= m.ack_attempts,
            due_ns = CASE WHEN r.attempts < m.ack_attempts THEN $1 + m.ack_ns END
         FROM inter_session_messages m
         WHERE m.id = r.notice AND (r.notice, r.session_id) IN
            (SELECT notice, session_id FROM receipts WHERE due_ns <= $1 ORDER BY due_ns LIMIT $2)",
        &[&{ tx.now.ns }, &ROUND],
    )?;
    Ok(())
}

pub(crate) fn dead_letters(
    tx: &mut Tx<'_>,
    sender: Option<RegistrationId>,
) -> Result<Vec<DeadLetter>, BusError> {
    let sql = format!(
        "{}, session_id, attempts {} JOIN receipts ON notice = id
         WHERE dead AND ($1::text IS NULL OR sender_id = $1) ORDER BY id LIMIT 1000",
        inbox::COLUMNS,
        inbox::FROM
    );
    let found = tx.rows(&sql, &[&sender.map(id)])?;
    let read = |row: &tokio_postgres::Row| -> Result<DeadLetter, BusError> {
        Ok(DeadLetter {
            notice: inbox::read(row)?,
            recipient: rows::parsed(row, inbox::WIDTH, "a receipt's session")?,
            attempts: rows::count(row, inbox::WIDTH + 1)?,
        })
    };
    // One that cannot be read keeps nobody from the others.
    Ok(found.iter().filter_map(|row| read(row).ok()).collect())
}
