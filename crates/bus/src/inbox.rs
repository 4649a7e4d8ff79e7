//! Reading notices: by cursor, from a time or from the beginning, at once or when there is something.
//!
//! Reading changes nothing: what somebody was given, saw and acknowledged are three other facts. A cursor is an id
//! and the generation it belongs to; one that cannot be continued without a gap is an error when asked for strictly.

use crate::bus::{Bus, generation};
use crate::doorbell::{Bell, Doorbell};
use crate::error::BusError;
use crate::notice::{COLUMNS, NOTICE_PAGE_MAX, read};
use crate::receipt;
use crate::registry;
use crate::write::{Moment, nanos};
use model::{Channel, Envelope, Notice, RegistrationId, Timestamp, Vitality};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use std::sync::LazyLock;
use std::time::Duration;

/// Which notices to read. The default is the first page of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeQuery {
    /// Read after this id; 0 is the start.
    pub after: i64,
    /// The generation `after` belongs to; when given, another one is an error instead of a silent gap.
    pub generation: Option<String>,
    pub channel: Option<Channel>,
    /// Only what this registration should hear: addressed to it, or on a channel it listens to and not by itself.
    pub recipient: Option<RegistrationId>,
    pub thread: Option<String>,
    /// Only of at least this priority.
    pub priority: Option<i32>,
    /// When set, notices after `after` that are over and gone are an error ([`BusError::CursorExpired`]).
    pub complete: bool,
    /// 0 means [`NOTICE_PAGE_MAX`].
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NoticePage {
    pub generation: String,
    pub notices: Vec<Notice>,
    /// Where to read on: the id of the last notice, or `after` when there was none.
    pub next: i64,
    /// Notices handed out once more because nobody acknowledged them in time; only where the reader is who has to.
    pub again: Vec<Notice>,
}

impl NoticePage {
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.again.is_empty()
    }
}

/// A place in the notices of one life of messaging.db.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub generation: String,
    pub id: i64,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// With the oldest notice that lives.
    Beginning,
    /// With the first one sent at this time or later, by the senders' wall clocks.
    Since(Timestamp),
    /// After this one, and without a gap: [`BusError::CursorExpired`], [`BusError::CursorAhead`] and
    /// [`BusError::GenerationChanged`] say that it cannot be.
    After(Position),
    /// With the next one to be sent.
    Now,
}

/// What a reader remembers from look to look.
#[derive(Debug, Default)]
pub(crate) struct Eye {
    /// None before the first look.
    epoch: Option<i64>,
    generation: String,
    /// There was no more when it last looked.
    seen_all: bool,
}

impl Bus {
    /// Notices still alive, in commit order. The channel `heartbeat` has one of each session that lives, from its
    /// slot, with the id 0: they have no order to read on in, and every page begins anew.
    pub fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        if query.channel.as_ref() == Some(&Channel::heartbeat()) {
            return self.heartbeats_as_notices(query);
        }
        self.inner.read(|conn| {
            let present = generation(conn)?;
            check(conn, query, &present)?;
            let notices = page(conn, query, End::Oldest, Moment::read(&*self.inner.clock))?;
            let next = notices.last().map_or(query.after, |notice| notice.id);
            Ok(NoticePage { generation: present, notices, next, again: Vec::new() })
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

    /// The first page from there on; the query's own `after` and `generation` are not looked at.
    pub fn replay(&self, from: &Replay, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let query = self.from(from, query.clone())?;
        self.notices(&query)
    }

    /// The newest position: a reader that begins here gets what is sent from now on.
    pub fn newest_position(&self) -> Result<Position, BusError> {
        self.inner.read(|conn| Ok(Position { generation: generation(conn)?, id: newest(conn)? }))
    }

    /// The query whose first page begins there.
    pub fn from(&self, from: &Replay, query: NoticeQuery) -> Result<NoticeQuery, BusError> {
        Ok(match from {
            Replay::Beginning => NoticeQuery { after: 0, generation: None, complete: false, ..query },
            Replay::Since(time) => {
                let after = self.inner.read(|conn| {
                    // The ids are in commit order; of equal ids and times the id decides.
                    let first: Option<i64> = conn
                        .prepare_cached("SELECT min(id) FROM inter_session_messages WHERE created_at >= ?1")?
                        .query_row([time.to_string()], |row| row.get(0))?;
                    first.map_or_else(|| newest(conn), |first| Ok(first - 1))
                })?;
                NoticeQuery { after, generation: None, complete: false, ..query }
            }
            Replay::After(position) => NoticeQuery {
                after: position.id,
                generation: Some(position.generation.clone()),
                complete: true,
                ..query
            },
            Replay::Now => {
                let Position { generation, id } = self.newest_position()?;
                NoticeQuery { after: id, generation: Some(generation), complete: false, ..query }
            }
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
        self.wait(&NoticeQuery { after, recipient: Some(registration), ..NoticeQuery::default() }, timeout)
    }

    /// Blocks until the query has something, or the time (of the bus's clock) is over: an empty page. Without a recipient
    /// nobody rings for it, and it looks every safety poll.
    pub fn wait(&self, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError> {
        if let Some(registration) = query.recipient {
            let bell = self.doorbell(Bell::Registration(registration))?;
            return self.wait_at(&bell, query, registration, timeout, &mut Eye::default());
        }
        let deadline = self.inner.clock.uptime().saturating_add(timeout);
        loop {
            let page = self.notices(query)?;
            let left = deadline.saturating_sub(self.inner.clock.uptime());
            if !page.is_empty() || left.is_zero() {
                return Ok(page);
            }
            std::thread::sleep(self.inner.safety_poll.min(left));
        }
    }

    /// The same at a bell that is open already, by somebody who has looked before.
    pub(crate) fn wait_at(
        &self,
        bell: &Doorbell,
        query: &NoticeQuery,
        registration: RegistrationId,
        timeout: Duration,
        eye: &mut Eye,
    ) -> Result<NoticePage, BusError> {
        let deadline = self.inner.clock.uptime().saturating_add(timeout);
        // Who has seen all there was and was not rung since need not look again.
        let mut seen_all = eye.seen_all && !timeout.is_zero() && bell.is_quiet();
        let mut around = eye.epoch.is_none();
        loop {
            let mut now = self.inner.clock.uptime();
            if !seen_all {
                let glance = if around { None } else { self.glance(query, eye)? };
                let page = match glance {
                    Some(page) => page,
                    // Rung for something else, or not at all: what else could it be?
                    None => self.look_around(query, registration, eye)?,
                };
                eye.seen_all = page.notices.len() < NOTICE_PAGE_MAX;
                now = self.inner.clock.uptime();
                if !page.is_empty() || now >= deadline {
                    return Ok(page);
                }
            }
            seen_all = false;
            let left = deadline.saturating_sub(now);
            around = !bell.wait(self.inner.safety_poll.min(left))?;
        }
    }

    /// The next page, with as little work as there can be; none when it is empty, or anything in it needs a closer look.
    fn glance(&self, query: &NoticeQuery, eye: &Eye) -> Result<Option<NoticePage>, BusError> {
        let (Some(checkout), Some(epoch)) = (self.inner.glancing()?, eye.epoch) else { return Ok(None) };
        let now = nanos(self.inner.clock.uptime());
        match at_a_glance(checkout.conn(), query, epoch, now) {
            Ok(Some(notices)) if !notices.is_empty() => {
                let next = notices.last().map_or(query.after, |notice| notice.id);
                Ok(Some(NoticePage { generation: eye.generation.clone(), notices, next, again: Vec::new() }))
            }
            // Somebody recovers the WAL: the longer way waits for it.
            Ok(_) | Err(BusError::Busy(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All that may be new for a registration: notices, those that come again, and that it has ended.
    fn look_around(
        &self,
        query: &NoticeQuery,
        registration: RegistrationId,
        eye: &mut Eye,
    ) -> Result<NoticePage, BusError> {
        let (mut page, again) = self.inner.read(|conn| {
            let generation = generation(conn)?;
            check(conn, query, &generation)?;
            let notices = page(conn, query, End::Oldest, Moment::read(&*self.inner.clock))?;
            if notices.is_empty() {
                registry::present(conn, registration)?;
            }
            let epoch = conn.query_row("SELECT epoch FROM bus_state WHERE id = 1", [], |row| row.get(0))?;
            *eye = Eye { epoch: Some(epoch), generation: generation.clone(), seen_all: false };
            let next = notices.last().map_or(query.after, |notice| notice.id);
            let again = receipt::has_again(conn, registration)?;
            Ok((NoticePage { generation, notices, next, again: Vec::new() }, again))
        })?;
        if again {
            page.again = self.inner.write(|w| receipt::take_again(w, registration, query.after))?;
        }
        Ok(page)
    }

    /// What waits for an answer or was addressed to this registration and is not acknowledged: the most urgent first.
    pub fn inbox(&self, registration: RegistrationId, limit: usize) -> Result<Vec<Notice>, BusError> {
        let limit = limit.clamp(1, NOTICE_PAGE_MAX) as i64;
        self.inner.read(|conn| {
            let now = Moment::read(&*self.inner.clock);
            let sql = format!(
                "{COLUMNS} m WHERE (recipient_id = ?1 OR instr(audience, ?1) > 0
                    OR id IN (SELECT notice FROM receipts WHERE session_id = ?1))
                   AND NOT EXISTS (SELECT 1 FROM receipts r
                    WHERE r.notice = m.id AND r.session_id = ?1 AND r.acked_at IS NOT NULL)
                   AND {LIVING}
                 ORDER BY priority DESC, id LIMIT ?4"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows =
                statement.query(params![registration.to_string(), now.ns, now.wall.as_millis(), limit])?;
            let mut notices = Vec::new();
            while let Some(row) = rows.next()? {
                notices.push(read(row)?);
            }
            Ok(notices)
        })
    }

    fn heartbeats_as_notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let ttl = Channel::heartbeat().default_ttl_seconds();
        let plain = query.thread.is_none() && query.priority.is_none_or(|least| least <= 0);
        let limit = if query.limit == 0 { NOTICE_PAGE_MAX } else { query.limit.min(NOTICE_PAGE_MAX) };
        let fresh = self.sessions()?.into_iter().filter(|session| {
            plain
                && query.recipient != Some(session.registration.id)
                && session.vitality == Vitality::Alive
                && session.beat_age <= Duration::from_secs(ttl.into())
        });
        let notices = fresh
            .take(limit)
            .map(|session| Notice {
                id: 0,
                sender: session.registration.id,
                agent: session.registration.agent,
                channel: Channel::heartbeat(),
                recipient: None,
                payload: json!({
                    "session_id": session.registration.id, "alive": true, "status": session.status,
                }),
                created_at: session.registration.heartbeat_at,
                ttl_seconds: ttl,
                envelope: Envelope::default(),
            })
            .collect();
        Ok(NoticePage { generation: self.generation()?, notices, next: query.after, again: Vec::new() })
    }
}

/// A cursor that belongs to another life, lies beyond the end, or (when it matters) behind a gap.
fn check(conn: &Connection, query: &NoticeQuery, present: &str) -> Result<(), BusError> {
    if query.generation.as_ref().is_some_and(|given| given != present) {
        return Err(BusError::GenerationChanged { generation: present.to_owned() });
    }
    if query.after > 0 {
        let newest = newest(conn)?;
        if query.after > newest {
            return Err(BusError::CursorAhead { after: query.after, newest });
        }
    }
    if query.complete {
        let gone: Option<i64> = conn
            .prepare_cached("SELECT max(upto) FROM purged WHERE ?1 IS NULL OR channel = ?1")?
            .query_row([query.channel.as_ref().map(Channel::as_str)], |row| row.get(0))?;
        if gone.is_some_and(|gone| gone > query.after) {
            let oldest: Option<i64> = conn
                .prepare_cached("SELECT min(id) FROM inter_session_messages")?
                .query_row([], |row| row.get(0))?;
            let oldest = oldest.map_or_else(|| newest(conn).map(|newest| newest + 1), Ok)?;
            return Err(BusError::CursorExpired { after: query.after, oldest });
        }
    }
    Ok(())
}

/// The highest id ever given, also when its row is gone.
pub(crate) fn newest(conn: &Connection) -> Result<i64, BusError> {
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

/// A notice whose time is not over; ?2 is the time since boot, ?3 the wall clock.
pub(crate) const LIVING: &str = "((epoch = (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ns > ?2)
             OR (epoch <> (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ms > ?3))";

/// What ?5 should hear: what is addressed to it, and what others send to everybody on a channel it listens to.
const HEARD: &str = "(recipient_id = ?5 OR (recipient_id IS NULL AND sender_id <> ?5
             AND (instr(audience, ?5) > 0 OR (audience IS NULL
               AND (NOT EXISTS (SELECT 1 FROM subscriptions WHERE session_id = ?5)
                 OR channel IN (SELECT channel FROM subscriptions WHERE session_id = ?5))))))";

/// [`page`] for a reader that asks for all it should hear, in one short statement. The epoch is that of the rows: one of
/// another epoch, or over already, is left to [`page`] with everything that comes with it.
static GLANCE: LazyLock<String> = LazyLock::new(|| {
    let columns = COLUMNS.replacen("FROM inter", ", epoch, expires_ns FROM inter", 1);
    format!("{columns} WHERE id > ?1 AND {} ORDER BY id LIMIT ?3", HEARD.replace("?5", "?2"))
});

fn at_a_glance(
    conn: &Connection,
    query: &NoticeQuery,
    epoch: i64,
    now: i64,
) -> Result<Option<Vec<Notice>>, BusError> {
    let NoticeQuery {
        after,
        channel: None,
        recipient: Some(recipient),
        thread: None,
        priority: None,
        limit,
        ..
    } = query
    else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(&GLANCE)?;
    let mut rows = statement.query(params![after, recipient.to_string(), page_size(*limit)])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(14)? != epoch || row.get::<_, i64>(15)? <= now {
            return Ok(None);
        }
        notices.push(read(row)?);
    }
    Ok(Some(notices))
}

fn page_size(limit: usize) -> i64 {
    if limit == 0 { NOTICE_PAGE_MAX as i64 } else { limit.min(NOTICE_PAGE_MAX) as i64 }
}

fn page(conn: &Connection, query: &NoticeQuery, from: End, now: Moment) -> Result<Vec<Notice>, BusError> {
    let channel = query.channel.as_ref().map(Channel::as_str);
    let recipient = query.recipient.map(|recipient| recipient.to_string());
    // Each text is one SQLite has a good plan for: a read of one channel or thread goes by its index.
    let mut sql = format!("{COLUMNS} WHERE id > ?1 AND {LIVING}");
    sql += if channel.is_some() { " AND channel = ?4" } else { " AND ?4 IS NULL" };
    if recipient.is_some() {
        sql += " AND ";
        sql += HEARD;
    } else {
        sql += " AND ?5 IS NULL";
    }
    sql += if query.thread.is_some() { " AND thread_id = ?6" } else { " AND ?6 IS NULL" };
    sql += if query.priority.is_some() { " AND priority >= ?7" } else { " AND ?7 IS NULL" };
    sql += match from {
        End::Oldest => " ORDER BY id ASC LIMIT ?8",
        End::Newest => " ORDER BY id DESC LIMIT ?8",
    };
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        query.after,
        now.ns,
        now.wall.as_millis(),
        channel,
        recipient,
        query.thread,
        query.priority,
        page_size(query.limit)
    ])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        notices.push(read(row)?);
    }
    Ok(notices)
}
