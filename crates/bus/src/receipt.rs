//! What became of a notice at its recipients. Three marks, never one: *delivered* (the bus gave it to the process; the
//! reader's cursor says so), *seen* (it entered the model's context) and *acked* (the agent accepted it).
//!
//! A notice that asks for an answer has a row per recipient from the moment it is sent. What is due and not acked is
//! handed out again, and after the last attempt it is a dead letter, which its sender can look at and send again.

use crate::bus::Bus;
use crate::error::BusError;
use crate::notice::{AckRule, COLUMNS, NewNotice, read};
use crate::row;
use crate::slot;
use crate::write::{Write, nanos, unsigned};
use model::{Notice, RegistrationId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Most rows one round of redelivery touches.
const ROUND: i64 = 500;

/// One recipient's marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub registration: RegistrationId,
    /// Its process was given the notice.
    pub delivered: bool,
    pub seen_at: Option<Timestamp>,
    pub acked_at: Option<Timestamp>,
    pub attempts: u32,
    /// Nobody acknowledged it in time, or its recipient has ended.
    pub dead: bool,
}

/// A notice one recipient never acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub notice: Notice,
    pub recipient: RegistrationId,
    pub attempts: u32,
}

/// What a round of redelivery did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redelivered {
    pub again: usize,
    pub dead: usize,
}

/// Writes down who has to answer, and by when.
pub(crate) fn expect(w: &mut Write<'_>, id: i64, new: &NewNotice, rule: AckRule) -> Result<(), BusError> {
    let due = w.now.ns.saturating_add(nanos(Duration::from_secs(rule.seconds.into())));
    let named: Vec<String> = new.recipient.iter().chain(&new.recipients).map(ToString::to_string).collect();
    if named.is_empty() {
        w.conn
            .prepare_cached(
                "INSERT INTO receipts (notice, session_id, due_ns)
                 SELECT ?1, session_id, ?2 FROM session_registry r
                 WHERE status IN ('active', 'idle') AND session_id <> ?3
                   AND (NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.session_id = r.session_id)
                     OR ?4 IN (SELECT channel FROM subscriptions s WHERE s.session_id = r.session_id))",
            )?
            .execute(params![id, due, new.sender.to_string(), new.channel.as_str()])?;
        return Ok(());
    }
    let mut insert = w
        .conn
        .prepare_cached("INSERT OR IGNORE INTO receipts (notice, session_id, due_ns) VALUES (?1, ?2, ?3)")?;
    for recipient in named {
        insert.execute(params![id, recipient, due])?;
    }
    Ok(())
}

pub(crate) fn has_again(conn: &Connection, registration: RegistrationId) -> Result<bool, BusError> {
    let found: Option<i64> = conn
        .prepare_cached("SELECT 1 FROM receipts WHERE session_id = ?1 AND again = 1 LIMIT 1")?
        .query_row([registration.to_string()], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

/// Takes what is to be handed out again; what the reader has not come to yet it gets by its cursor.
pub(crate) fn take_again(
    w: &mut Write<'_>,
    registration: RegistrationId,
    cursor: i64,
) -> Result<Vec<Notice>, BusError> {
    let me = registration.to_string();
    let sql = format!(
        "{COLUMNS} WHERE id <= ?2 AND id IN (SELECT notice FROM receipts WHERE session_id = ?1 AND again = 1)
         ORDER BY id"
    );
    let mut statement = w.conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![me, cursor])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        notices.push(read(row)?);
    }
    w.conn
        .prepare_cached("UPDATE receipts SET again = 0 WHERE session_id = ?1 AND again = 1")?
        .execute([me])?;
    Ok(notices)
}

/// Nobody will answer for a registration that has ended.
pub(crate) fn abandon(w: &Write<'_>, id: RegistrationId) -> Result<(), BusError> {
    w.conn
        .prepare_cached(
            "UPDATE receipts SET dead = 1, due_ns = NULL, again = 0 WHERE session_id = ?1 AND due_ns IS NOT NULL",
        )?
        .execute([id.to_string()])?;
    Ok(())
}

/// Times since boot mean nothing after another one: what was due is due now.
pub(crate) fn restart(w: &Write<'_>) -> Result<(), BusError> {
    w.conn.execute("UPDATE receipts SET due_ns = ?1 WHERE due_ns IS NOT NULL", [w.now.ns])?;
    Ok(())
}

enum Mark {
    Seen,
    Acked,
}

impl Bus {
    /// The notice entered the model's context. A second time changes nothing.
    pub fn mark_seen(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.mark(notice, registration, Mark::Seen)
    }

    /// The agent accepts the notice: it is not handed out again. A second time changes nothing.
    pub fn ack(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.mark(notice, registration, Mark::Acked)
    }

    fn mark(&self, notice: i64, registration: RegistrationId, mark: Mark) -> Result<(), BusError> {
        self.inner.write(|w| {
            crate::registration::living(w, registration)?;
            let me = registration.to_string();
            let addressed: Option<bool> = w
                .conn
                .prepare_cached(
                    "SELECT recipient_id IS ?2 OR (recipient_id IS NULL AND (audience IS NULL OR instr(audience, ?2)))
                     FROM inter_session_messages WHERE id = ?1",
                )?
                .query_row(params![notice, me], |row| row.get(0))
                .optional()?;
            if addressed != Some(true) {
                return Err(BusError::NoNotice(notice));
            }
            let set = match mark {
                Mark::Seen => "seen_at = coalesce(seen_at, excluded.seen_at)",
                Mark::Acked => {
                    "seen_at = coalesce(seen_at, excluded.seen_at), acked_at = coalesce(acked_at, excluded.acked_at),
                     due_ns = NULL, again = 0, dead = 0"
                }
            };
            let acked = matches!(mark, Mark::Acked).then(|| w.now.wall.to_string());
            let sql = format!(
                "INSERT INTO receipts (notice, session_id, seen_at, acked_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET {set}"
            );
            w.conn.prepare_cached(&sql)?.execute(params![notice, me, w.now.wall.to_string(), acked])?;
            // A daemon that bridges to the sender's machine has something to tell.
            w.told();
            Ok(())
        })
    }

    /// Who was given, saw and acknowledged a notice, as far as anybody said.
    pub fn receipts(&self, notice: i64) -> Result<Vec<Receipt>, BusError> {
        self.inner.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT r.session_id, r.seen_at, r.acked_at, r.attempts, r.dead, s.slot,
                        (SELECT max(c.notice) FROM cursors c WHERE c.consumer = r.session_id)
                 FROM receipts r LEFT JOIN session_registry s ON s.session_id = r.session_id
                 WHERE r.notice = ?1 ORDER BY r.session_id",
            )?;
            let mut rows = statement.query([notice])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let registration: RegistrationId = row::parsed(row, 0, "a receipt's session")?;
                let time = |index: usize| -> Result<Option<Timestamp>, BusError> {
                    let given = row.get_ref(index)? != rusqlite::types::ValueRef::Null;
                    given.then(|| row::time(row, index)).transpose()
                };
                let (seen_at, acked_at) = (time(1)?, time(2)?);
                let hot = row.get::<_, Option<u32>>(5)?.and_then(|index| {
                    let seat = self.inner.slots.seat(index, slot::tag(registration));
                    seat.occupied().map(|slot| slot.delivered.load(SeqCst))
                });
                let reached = hot.unwrap_or(0).max(unsigned(row.get::<_, Option<i64>>(6)?.unwrap_or(0)));
                all.push(Receipt {
                    registration,
                    delivered: seen_at.is_some() || reached >= unsigned(notice),
                    seen_at,
                    acked_at,
                    attempts: row.get(3)?,
                    dead: row.get(4)?,
                });
            }
            Ok(all)
        })
    }

    /// Hands out again what is due and was not acknowledged, and gives up what had its last attempt. The janitor's
    /// work; when there is nothing to do it only reads.
    pub fn redeliver(&self) -> Result<Redelivered, BusError> {
        let due = |conn: &Connection, now: i64| -> Result<bool, BusError> {
            let first: Option<i64> = conn
                .prepare_cached("SELECT min(due_ns) FROM receipts WHERE due_ns IS NOT NULL")?
                .query_row([], |row| row.get(0))?;
            Ok(first.is_some_and(|first| first <= now))
        };
        if !self.inner.read(|conn| due(conn, nanos(self.inner.clock.uptime())))? {
            return Ok(Redelivered::default());
        }
        self.inner.write(|w| {
            let mut done = Redelivered::default();
            let mut statement = w.conn.prepare_cached(
                "SELECT r.notice, r.session_id, r.attempts < m.ack_attempts, m.ack_ns, m.sender_id
                 FROM receipts r JOIN inter_session_messages m ON m.id = r.notice
                 WHERE r.due_ns <= ?1 ORDER BY r.due_ns LIMIT ?2",
            )?;
            let mut rows = statement.query([w.now.ns, ROUND])?;
            let mut found: Vec<(i64, RegistrationId, bool, i64, RegistrationId)> = Vec::new();
            while let Some(row) = rows.next()? {
                found.push((
                    row.get(0)?,
                    row::parsed(row, 1, "a receipt's session")?,
                    row.get::<_, Option<bool>>(2)?.unwrap_or(false),
                    row.get::<_, Option<i64>>(3)?.unwrap_or(0),
                    row::parsed(row, 4, "a notice's sender")?,
                ));
            }
            for (notice, recipient, more, ack_ns, sender) in found {
                let set = match more {
                    true => "attempts = attempts + 1, again = 1, due_ns = ?3",
                    false => "dead = 1, again = 0, due_ns = NULL",
                };
                let due = more.then(|| w.now.ns.saturating_add(ack_ns));
                let sql =
                    format!("UPDATE receipts SET {set} WHERE notice = ?1 AND session_id = ?2 AND ?3 IS ?3");
                w.conn.prepare_cached(&sql)?.execute(params![notice, recipient.to_string(), due])?;
                w.ring(if more { recipient } else { sender });
                done.again += usize::from(more);
                done.dead += usize::from(!more);
            }
            Ok(done)
        })
    }

    /// Notices nobody answered for, oldest first; of one sender or of all.
    pub fn dead_letters(&self, sender: Option<RegistrationId>) -> Result<Vec<DeadLetter>, BusError> {
        self.inner.read(|conn| {
            let sql = format!(
                "{} , receipts WHERE dead = 1 AND notice = id AND (?1 IS NULL OR sender_id = ?1) ORDER BY id LIMIT 1000",
                COLUMNS.replacen("FROM inter", ", session_id, attempts FROM inter", 1)
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([sender.map(|sender| sender.to_string())])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(DeadLetter {
                    notice: read(row)?,
                    recipient: row::parsed(row, 14, "a receipt's session")?,
                    attempts: row.get(15)?,
                });
            }
            Ok(all)
        })
    }

    /// Hands a dead letter out again, with all its attempts before it.
    pub fn revive(&self, notice: i64, recipient: RegistrationId) -> Result<(), BusError> {
        self.inner.write(|w| {
            crate::registry::present(w.conn, recipient)?;
            let done = w
                .conn
                .prepare_cached(
                    "UPDATE receipts SET dead = 0, attempts = 1, again = 1, due_ns = ?3 +
                        (SELECT ack_ns FROM inter_session_messages WHERE id = ?1)
                     WHERE notice = ?1 AND session_id = ?2 AND dead = 1",
                )?
                .execute(params![notice, recipient.to_string(), w.now.ns])?;
            if done == 0 {
                return Err(BusError::NoNotice(notice));
            }
            w.ring(recipient);
            Ok(())
        })
    }
}
