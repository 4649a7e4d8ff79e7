//! Notices: messages on channels, with a time to live and a cursor to read by.
//!
//! There is one writer at a time, so ids rise in commit order and a cursor never skips a notice that was
//! still being written.

use crate::bus::{Bus, generation};
use crate::doorbell::{Bell, SAFETY_POLL};
use crate::error::BusError;
use crate::registration;
use crate::registry;
use crate::row;
use crate::write::{self, Moment, Write, signed};
use model::{Channel, NOTICE_PAYLOAD_MAX, Notice, RegistrationId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Most notices in one page.
pub const NOTICE_PAGE_MAX: usize = 1000;
/// Longest time to live of a notice, in seconds: a week.
pub const NOTICE_TTL_MAX: u32 = 7 * 24 * 3600;
/// Longest idempotency key, in bytes.
pub const NOTICE_KEY_MAX: usize = 128;
/// Most rows one transaction of a purge deletes, so that nobody waits long behind it.
pub const PURGE_ROWS: usize = 500;
/// Pages one transaction of a purge gives back to the file system.
const VACUUM_PAGES: usize = 64;
/// Every so many notices the publisher purges once, for a bus without a daemon.
const PURGE_EVERY: i64 = 256;
/// An ended registration is kept this long by the wall clock, for the history of its notices.
const ENDED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, Clone, PartialEq)]
pub struct NewNotice {
    pub sender: RegistrationId,
    pub channel: Channel,
    /// None: everybody.
    pub recipient: Option<RegistrationId>,
    /// At most `model::NOTICE_PAYLOAD_MAX` bytes as JSON.
    pub payload: serde_json::Value,
    /// None: what the channel says. At most [`NOTICE_TTL_MAX`].
    pub ttl_seconds: Option<u32>,
    /// The same key of the same sender publishes once, for as long as the first notice lives.
    pub key: Option<String>,
}

/// Which notices to read. The default is the first page of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeQuery {
    /// Read after this id; 0 is the start.
    pub after: i64,
    /// The generation `after` belongs to; when given, another one is an error instead of a silent gap.
    pub generation: Option<String>,
    pub channel: Option<Channel>,
    /// Only what this registration should hear: addressed to it, or to everybody and not by itself.
    pub recipient: Option<RegistrationId>,
    /// 0 means [`NOTICE_PAGE_MAX`].
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NoticePage {
    pub generation: String,
    pub notices: Vec<Notice>,
    /// Where to read on: the id of the last notice, or `after` when there was none.
    pub next: i64,
}

impl Bus {
    /// Publishes a notice and wakes who should hear it. A crash of any process does not lose it; a power cut may.
    pub fn publish(&self, new: NewNotice) -> Result<Notice, BusError> {
        let payload = new.payload.to_string();
        let ttl = new.ttl_seconds.unwrap_or_else(|| new.channel.default_ttl_seconds());
        if payload.len() > NOTICE_PAYLOAD_MAX {
            return Err(BusError::Invalid(format!(
                "the payload of a notice is at most {NOTICE_PAYLOAD_MAX} bytes"
            )));
        }
        if ttl == 0 || ttl > NOTICE_TTL_MAX {
            return Err(BusError::Invalid(format!("a notice lives 1 to {NOTICE_TTL_MAX} seconds")));
        }
        if new.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > NOTICE_KEY_MAX) {
            return Err(BusError::Invalid(format!("an idempotency key has 1 to {NOTICE_KEY_MAX} bytes")));
        }
        let notice = self.inner.write(|w| publish(w, &new, &payload, ttl))?;
        if notice.id % PURGE_EVERY == 0 {
            self.purge_once()?;
        }
        Ok(notice)
    }

    /// Notices still alive, in commit order.
    pub fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        self.inner.read(|conn| {
            let present = generation(conn)?;
            if query.generation.as_ref().is_some_and(|given| *given != present) {
                return Err(BusError::GenerationChanged { generation: present });
            }
            if query.after > 0 {
                let newest = newest(conn)?;
                if query.after > newest {
                    return Err(BusError::CursorAhead { after: query.after, newest });
                }
            }
            let notices = page(conn, query, End::Oldest, Moment::read(&*self.inner.clock))?;
            let next = notices.last().map_or(query.after, |notice| notice.id);
            Ok(NoticePage { generation: present, notices, next })
        })
    }

    /// The newest notices still alive that the query asks for, oldest of them first.
    pub fn newest_notices(&self, query: &NoticeQuery) -> Result<Vec<Notice>, BusError> {
        self.inner.read(|conn| {
            let mut notices = page(conn, query, End::Newest, Moment::read(&*self.inner.clock))?;
            notices.reverse();
            Ok(notices)
        })
    }

    /// Blocks until something for this registration comes after `after`, or the time (of the bus's clock) is over: an
    /// empty page. One caller per registration at a time; a second one is woken late.
    pub fn wait_notices(
        &self,
        registration: RegistrationId,
        after: i64,
        timeout: Duration,
    ) -> Result<NoticePage, BusError> {
        let deadline = self.inner.clock.uptime().saturating_add(timeout);
        let bell = self.doorbell(Bell::Registration(registration))?;
        let query = NoticeQuery { after, recipient: Some(registration), ..NoticeQuery::default() };
        loop {
            // Looked at before waiting, and again after every ring: one that comes in between stays in the bell.
            let page = self.notices(&query)?;
            let now = self.inner.clock.uptime();
            if !page.notices.is_empty() || now >= deadline {
                return Ok(page);
            }
            self.inner.read(|conn| registry::present(conn, registration).map(|_| ()))?;
            bell.wait(SAFETY_POLL.min(deadline - now))?;
        }
    }

    /// Deletes notices whose time is over and registrations that ended long ago, in transactions of at most
    /// [`PURGE_ROWS`] rows; returns how many rows went.
    pub fn purge(&self) -> Result<usize, BusError> {
        let mut purged = 0;
        loop {
            let more = self.purge_once()?;
            purged += more;
            if more < PURGE_ROWS {
                return Ok(purged);
            }
        }
    }

    fn purge_once(&self) -> Result<usize, BusError> {
        self.inner.write(|w| {
            let most = PURGE_ROWS as i64;
            let notices = w
                .conn
                .prepare_cached(
                    "DELETE FROM inter_session_messages WHERE id IN (SELECT id FROM inter_session_messages
                     WHERE (epoch = ?1 AND expires_ns <= ?2) OR (epoch <> ?1 AND expires_ms <= ?3) LIMIT ?4)",
                )?
                .execute(params![signed(w.epoch), w.now.ns, w.now.wall.as_millis(), most])?;
            let long_ago = w.now.wall.as_millis() - i64::try_from(ENDED_KEPT.as_millis()).unwrap_or(i64::MAX);
            let ended = w
                .conn
                .prepare_cached(
                    "DELETE FROM session_registry WHERE session_id IN (SELECT session_id FROM session_registry r
                     WHERE status = 'terminated' AND ended_ms <= ?1
                       AND NOT EXISTS (SELECT 1 FROM inter_session_messages m WHERE m.sender_id = r.session_id)
                     LIMIT ?2)",
                )?
                .execute(params![long_ago, most - notices as i64])?;
            if notices + ended > 0 {
                // Every step of this statement gives one page back.
                write::attempt(w.conn, &format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            }
            Ok(notices + ended)
        })
    }
}

fn publish(w: &mut Write<'_>, new: &NewNotice, payload: &str, ttl: u32) -> Result<Notice, BusError> {
    let sender = registration::living(w, new.sender)?.registration;
    if let Some(recipient) = new.recipient {
        // Nobody would ever read it.
        registry::present(w.conn, recipient)?;
    }
    if let Some(known) = known_key(w, new, ttl)? {
        return Ok(known);
    }
    let notice = Notice {
        id: 0,
        sender: new.sender,
        agent: sender.agent,
        channel: new.channel.clone(),
        recipient: new.recipient,
        payload: new.payload.clone(),
        created_at: w.now.wall,
        ttl_seconds: ttl,
    };
    let lives = Duration::from_secs(ttl.into());
    let id = w
        .conn
        .prepare_cached(
            "INSERT INTO inter_session_messages (sender_id, channel, payload, created_at, ttl_seconds, agent,
                recipient_id, idem_key, epoch, expires_ns, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .insert(params![
            new.sender.to_string(),
            new.channel.as_str(),
            payload,
            notice.created_at.to_string(),
            ttl,
            notice.agent,
            new.recipient.map(|recipient| recipient.to_string()),
            new.key,
            signed(w.epoch),
            w.now.ns.saturating_add(write::nanos(lives)),
            w.now.wall.as_millis().saturating_add(i64::from(ttl) * 1000),
        ])?;
    let notice = Notice { id, ..notice };
    w.tell(&model::Event::NoticePublished(notice.clone()))?;
    match new.recipient {
        Some(recipient) => w.ring(Bell::Registration(recipient)),
        None => {
            for id in registry::present_ids(w.conn)? {
                if id != new.sender {
                    w.ring(Bell::Registration(id));
                }
            }
        }
    }
    Ok(notice)
}

/// The notice this sender has published under this key already. An expired one gives its key back.
fn known_key(w: &Write<'_>, new: &NewNotice, ttl: u32) -> Result<Option<Notice>, BusError> {
    let Some(key) = &new.key else { return Ok(None) };
    w.conn
        .prepare_cached(
            "DELETE FROM inter_session_messages WHERE sender_id = ?1 AND idem_key = ?2
             AND ((epoch = ?3 AND expires_ns <= ?4) OR (epoch <> ?3 AND expires_ms <= ?5))",
        )?
        .execute(params![new.sender.to_string(), key, signed(w.epoch), w.now.ns, w.now.wall.as_millis()])?;
    let mut statement =
        w.conn.prepare_cached(&format!("{COLUMNS} WHERE sender_id = ?1 AND idem_key = ?2"))?;
    let mut rows = statement.query([new.sender.to_string(), key.clone()])?;
    let Some(known) = rows.next()?.map(read).transpose()? else { return Ok(None) };
    let same = known.channel == new.channel
        && known.recipient == new.recipient
        && known.payload == new.payload
        && known.ttl_seconds == ttl;
    if same { Ok(Some(known)) } else { Err(BusError::KeyReused { key: key.clone() }) }
}

const COLUMNS: &str = "SELECT id, sender_id, agent, channel, recipient_id, payload, created_at, ttl_seconds
     FROM inter_session_messages";

fn read(row: &Row<'_>) -> Result<Notice, BusError> {
    Ok(Notice {
        id: row.get(0)?,
        sender: row::parsed(row, 1, "a notice's sender")?,
        agent: row.get(2)?,
        channel: row::parsed(row, 3, "a notice's channel")?,
        recipient: row::parsed_or_none(row, 4, "a notice's recipient")?,
        payload: row::json(&row.get::<_, String>(5)?, "a notice's payload")?,
        created_at: row::time(row, 6)?,
        ttl_seconds: row.get::<_, Option<u32>>(7)?.unwrap_or(0),
    })
}

/// The highest id ever given, also when its row is gone.
fn newest(conn: &Connection) -> Result<i64, BusError> {
    let newest = conn
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'inter_session_messages'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or(0))
}

/// The end of the history a page is read from.
#[derive(Clone, Copy)]
enum End {
    Oldest,
    Newest,
}

fn page(conn: &Connection, query: &NoticeQuery, from: End, now: Moment) -> Result<Vec<Notice>, BusError> {
    let limit = if query.limit == 0 { NOTICE_PAGE_MAX } else { query.limit.min(NOTICE_PAGE_MAX) };
    let channel = query.channel.as_ref().map(Channel::as_str);
    let recipient = query.recipient.map(|recipient| recipient.to_string());
    // Two texts, so that a read of one channel goes by its index.
    let scope = if channel.is_some() { "channel = ?2 AND" } else { "?2 IS NULL AND" };
    let order = match from {
        End::Oldest => "ASC",
        End::Newest => "DESC",
    };
    let sql = format!(
        "{COLUMNS} WHERE {scope} id > ?1
           AND (?3 IS NULL OR recipient_id = ?3 OR (recipient_id IS NULL AND sender_id <> ?3))
           AND ((epoch = (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ns > ?4)
             OR (epoch <> (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ms > ?5))
         ORDER BY id {order} LIMIT ?6"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        query.after,
        channel,
        recipient,
        now.ns,
        now.wall.as_millis(),
        limit as i64
    ])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        notices.push(read(row)?);
    }
    Ok(notices)
}
