//! Reading notices, and waiting for them.

use super::connection::Param;
use super::transaction::{Tx, id};
use super::{Postgres, receipts, registry, rows};
use crate::error::BusError;
use crate::inbox::{NoticePage, NoticeQuery, Position, Replay};
use crate::notice::NOTICE_PAGE_MAX;
use model::{Channel, Envelope, Notice, RegistrationId};
use serde_json::json;
use std::time::Duration;
use tokio_postgres::Row;

pub(crate) const COLUMNS: &str =
    "SELECT id, sender_id, agent, channel, recipient_id, payload::text, created_ms,
        ttl_seconds, audience, thread_id, priority, reply_to, ack_ns, ack_attempts";
/// How many columns that is.
pub(crate) const WIDTH: usize = 14;
pub(crate) const FROM: &str = "FROM inter_session_messages";

pub(crate) fn read(row: &Row) -> Result<Notice, BusError> {
    let payload: &str = row.try_get(5)?;
    let audience: Option<Vec<&str>> = row.try_get(8)?;
    let audience = audience.unwrap_or_default().into_iter();
    let (ack_ns, ack_attempts): (Option<i64>, Option<i64>) = (row.try_get(12)?, row.try_get(13)?);
    Ok(Notice {
        id: row.try_get(0)?,
        sender: rows::parsed(row, 1, "a notice's sender")?,
        agent: row.try_get(2)?,
        channel: rows::parsed(row, 3, "a notice's channel")?,
        recipient: rows::parsed_or_none(row, 4, "a notice's recipient")?,
        payload: serde_json::from_str(payload)
            .map_err(|error| BusError::Malformed { what: "a notice's payload", detail: error.to_string() })?,
        created_at: rows::millis(row, 6)?,
        ttl_seconds: rows::count(row, 7)?,
        envelope: Envelope {
            audience: audience
                .map(|who| rows::parse(who, "a notice's audience"))
                .collect::<Result<Vec<RegistrationId>, _>>()?,
            thread: row.try_get(9)?,
            priority: row.try_get(10)?,
            reply_to: row.try_get(11)?,
            ack_seconds: ack_ns.map(|ns| u32::try_from(ns / 1_000_000_000).unwrap_or(u32::MAX)),
            ack_attempts: ack_attempts.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        },
    })
}

pub(crate) fn generation(tx: &mut Tx<'_>) -> Result<String, BusError> {
    let birth: Option<Row> = tx.row("SELECT birth FROM bus_state WHERE id = 1", &[])?;
    let birth: String = birth.map_or(Ok(String::new()), |row| row.try_get(0))?;
    Ok(crate::bus::name_generation(&birth, tx.epoch))
}

pub(crate) fn newest(tx: &mut Tx<'_>) -> Result<Position, BusError> {
    Ok(Position { generation: generation(tx)?, id: tx.newest })
}

/// The query that begins there.
pub(crate) fn begin_at(tx: &mut Tx<'_>, from: &Replay, query: NoticeQuery) -> Result<NoticeQuery, BusError> {
    let open = NoticeQuery { generation: None, complete: false, ..query };
    Ok(match from {
        Replay::Beginning => NoticeQuery { after: 0, ..open },
        Replay::Since(time) => {
            let sql = format!("SELECT min(id) {FROM} WHERE created_ms >= $1");
            let first = tx.row(&sql, &[&time.as_millis()])?;
            let first: Option<i64> = first.map_or(Ok(None), |row| row.try_get(0))?;
            NoticeQuery { after: first.map_or(tx.newest, |first| first - 1), ..open }
        }
        Replay::After(position) => NoticeQuery {
            after: position.id,
            generation: Some(position.generation.clone()),
            complete: true,
            ..open
        },
        Replay::Now => NoticeQuery { after: tx.newest, generation: Some(generation(tx)?), ..open },
    })
}

/// A cursor that belongs to another life, lies beyond the end, or (when it matters) behind a gap.
fn check(tx: &mut Tx<'_>, query: &NoticeQuery, present: &str) -> Result<(), BusError> {
    if query.generation.as_ref().is_some_and(|given| given != present) {
        return Err(BusError::GenerationChanged { generation: present.to_owned() });
    }
    if query.after > 0 && query.after > tx.newest {
        return Err(BusError::CursorAhead { after: query.after, newest: tx.newest });
    }
    if query.complete {
        let channel = query.channel.as_ref().map(Channel::as_str);
        let sql = format!(
            "SELECT (SELECT max(upto) FROM purged WHERE $1::text IS NULL OR channel = $1), (SELECT min(id) {FROM})"
        );
        let Some(row) = tx.row(&sql, &[&channel])? else { return Ok(()) };
        let (gone, oldest): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        if gone.is_some_and(|gone| gone > query.after) {
            let oldest = oldest.unwrap_or(tx.newest + 1);
            return Err(BusError::CursorExpired { after: query.after, oldest });
        }
    }
    Ok(())
}

pub(crate) fn page(tx: &mut Tx<'_>, query: &NoticeQuery) -> Result<NoticePage, BusError> {
    let generation = generation(tx)?;
    if query.channel.as_ref() == Some(&Channel::heartbeat()) {
        let notices = heartbeats(tx)?;
        return Ok(NoticePage { generation, notices, next: query.after, again: Vec::new() });
    }
    check(tx, query, &generation)?;
    let notices = select(tx, query)?;
    let next = notices.last().map_or(query.after, |notice| notice.id);
    Ok(NoticePage { generation, notices, next, again: Vec::new() })
}

fn select(tx: &mut Tx<'_>, query: &NoticeQuery) -> Result<Vec<Notice>, BusError> {
    let limit = if query.limit == 0 { NOTICE_PAGE_MAX } else { query.limit.min(NOTICE_PAGE_MAX) } as i64;
    let channel = query.channel.as_ref().map(Channel::as_str);
    let recipient = query.recipient.map(id);
    let now_ns = tx.now.ns;
    let mut after = query.after;
    loop {
        let rows = rows_after(tx, query, (after, now_ns, limit), (channel, recipient.as_deref()))?;
        let notices = readable(&rows);
        let last: Option<i64> = rows.last().map(|row| row.try_get(0)).transpose()?;
        match last {
            // A page of nothing but what cannot be read is no reason to stand still.
            Some(last) if notices.is_empty() && rows.len() as i64 == limit => after = last,
            _ => return Ok(notices),
        }
    }
}

/// What cannot be read, because another tool or a newer version wrote it, is passed over: it stops no reader.
pub(crate) fn readable(rows: &[Row]) -> Vec<Notice> {
    rows.iter().filter_map(|row| read(row).ok()).collect()
}

fn rows_after(
    tx: &mut Tx<'_>,
    query: &NoticeQuery,
    (after, now_ns, limit): (i64, i64, i64),
    (channel, recipient): (Option<&str>, Option<&str>),
) -> Result<Vec<Row>, BusError> {
    let mut params: Vec<Param<'_>> = vec![&after, &now_ns, &limit];
    let mut sql = format!("{COLUMNS} {FROM} WHERE id > $1 AND expires_ns > $2");
    if let Some(channel) = &channel {
        params.push(channel);
        sql += &format!(" AND channel = ${}", params.len());
    }
    if let Some(me) = &recipient {
        params.push(me);
        let me = params.len();
        // What is addressed to it, and what others send to everybody on a channel it listens to.
        sql += &format!(
            " AND (recipient_id = ${me} OR (recipient_id IS NULL AND sender_id <> ${me}
              AND (${me} = ANY (audience) OR (audience IS NULL
                AND (NOT EXISTS (SELECT 1 FROM subscriptions WHERE session_id = ${me})
                  OR channel IN (SELECT channel FROM subscriptions WHERE session_id = ${me}))))))"
        );
    }
    if let Some(thread) = &query.thread {
        params.push(thread);
        sql += &format!(" AND thread_id = ${}", params.len());
    }
    if let Some(priority) = &query.priority {
        params.push(priority);
        sql += &format!(" AND priority >= ${}", params.len());
    }
    sql += " ORDER BY id LIMIT $3";
    tx.rows(&sql, &params)
}

/// One of each session that lives, with the id 0.
fn heartbeats(tx: &mut Tx<'_>) -> Result<Vec<Notice>, BusError> {
    let ttl = Channel::heartbeat().default_ttl_seconds();
    let since = tx.now.wall.as_millis() - i64::from(ttl) * 1000;
    let living = registry::living_all(tx)?.into_iter();
    let fresh = living.filter(|registration| registration.heartbeat_at.as_millis() >= since);
    Ok(fresh
        .map(|registration| Notice {
            id: 0,
            sender: registration.id,
            payload: json!({ "session_id": registration.id, "alive": true }),
            agent: registration.agent,
            channel: Channel::heartbeat(),
            recipient: None,
            created_at: registration.heartbeat_at,
            ttl_seconds: ttl,
            envelope: Envelope::default(),
        })
        .collect())
}

/// Looks until there is something. The count of rings is taken before each look, so nothing that is committed after
/// the look is missed.
pub(crate) fn wait(bus: &Postgres, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError> {
    let deadline = bus.clock.uptime().saturating_add(timeout);
    if !timeout.is_zero() {
        bus.listener.begin()?;
    }
    loop {
        let seen = bus.listener.count();
        let page = look_around(bus, query)?;
        let left = deadline.saturating_sub(bus.clock.uptime());
        if !page.is_empty() || left.is_zero() {
            return Ok(page);
        }
        bus.listener.wait(seen, bus.options.safety_poll.min(left));
    }
}

/// All that may be new for who waits: notices, those that come again, and that it has ended.
fn look_around(bus: &Postgres, query: &NoticeQuery) -> Result<NoticePage, BusError> {
    let (mut page, again) = bus.read(|tx| {
        let page = page(tx, query)?;
        let Some(me) = query.recipient else { return Ok((page, false)) };
        if page.notices.is_empty() {
            registry::present(tx, me)?;
        }
        let again = receipts::has_again(tx, me)?;
        Ok((page, again))
    })?;
    if again && let Some(me) = query.recipient {
        page.again = bus.write(|tx| receipts::take_again(tx, me, query.after))?;
    }
    Ok(page)
}
