//! Clearing away what is over: notices past their time and registrations that ended long ago.
//!
//! In transactions of at most [`PURGE_ROWS`] rows, so that nobody waits long behind one. A purge leaves, per channel, how
//! far it went: a cursor behind that has missed something and is told so.

use crate::bus::Bus;
use crate::error::BusError;
use crate::write::{self, Write, signed};
use rusqlite::params;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most rows one transaction of a purge deletes, so that nobody waits long behind it.
pub const PURGE_ROWS: usize = 500;
/// Pages one transaction of a purge gives back to the file system.
const VACUUM_PAGES: usize = 64;
/// An ended registration is kept this long by the wall clock, for the history of its notices.
pub(crate) const ENDED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Bus {
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

    /// One transaction of it; none when there is nothing to do.
    pub(crate) fn purge_once(&self) -> Result<usize, BusError> {
        let work = self.inner.read(|conn| {
            let now = write::Moment::read(&*self.inner.clock);
            let found: bool = conn
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM inter_session_messages
                        WHERE epoch = (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ns <= ?1)
                         OR EXISTS (SELECT 1 FROM inter_session_messages
                        WHERE epoch < (SELECT epoch FROM bus_state WHERE id = 1) AND expires_ms <= ?2)
                         OR EXISTS (SELECT 1 FROM session_registry WHERE status = 'terminated' AND ended_ms <= ?3)",
                )?
                .query_row(params![now.ns, now.wall.as_millis(), long_ago(now)], |row| row.get(0))?;
            Ok(found)
        })?;
        if !work {
            return Ok(0);
        }
        self.inner.write(|w| {
            let notices = expired(w)?;
            let ended = w
                .conn
                .prepare_cached(
                    "DELETE FROM session_registry WHERE session_id IN (SELECT session_id FROM session_registry r
                     WHERE status = 'terminated' AND ended_ms <= ?1
                       AND NOT EXISTS (SELECT 1 FROM inter_session_messages m WHERE m.sender_id = r.session_id)
                       AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.holder = r.session_id)
                     LIMIT ?2)",
                )?
                .execute(params![long_ago(w.now), PURGE_ROWS as i64 - notices as i64])?;
            if notices + ended > 0 {
                // Every step of this statement gives one page back.
                write::attempt(w.conn, &format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            }
            Ok(notices + ended)
        })
    }
}

fn long_ago(now: write::Moment) -> i64 {
    now.wall.as_millis() - i64::try_from(ENDED_KEPT.as_millis()).unwrap_or(i64::MAX)
}

/// Deletes notices that are over, and what hangs on them. An outbox row that told of one is a gap in the journal, and
/// counted as one: with a daemon it was gone long before.
fn expired(w: &mut Write<'_>) -> Result<usize, BusError> {
    let mut statement = w.conn.prepare_cached(
        "SELECT id, channel FROM inter_session_messages
         WHERE (epoch = ?1 AND expires_ns <= ?2) OR (epoch < ?1 AND expires_ms <= ?3) LIMIT ?4",
    )?;
    let mut rows =
        statement.query(params![signed(w.epoch), w.now.ns, w.now.wall.as_millis(), PURGE_ROWS as i64])?;
    let mut ids: Vec<i64> = Vec::new();
    let mut channels: BTreeMap<String, i64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (id, channel): (i64, String) = (row.get(0)?, row.get(1)?);
        ids.push(id);
        let upto = channels.entry(channel).or_insert(id);
        *upto = id.max(*upto);
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let list = serde_json::json!(ids).to_string();
    let dropped = w
        .conn
        .prepare_cached("DELETE FROM outbox WHERE notice IS NOT NULL AND id IN
                (SELECT m.outbox FROM inter_session_messages m WHERE m.id IN (SELECT value FROM json_each(?1)))")?
        .execute([&list])?;
    if dropped > 0 {
        w.conn
            .prepare_cached("UPDATE bus_state SET outbox_dropped = outbox_dropped + ?1 WHERE id = 1")?
            .execute([dropped as i64])?;
    }
    for table in ["receipts", "claims", "mirrors", "asks"] {
        let sql = format!("DELETE FROM {table} WHERE notice IN (SELECT value FROM json_each(?1))");
        w.conn.prepare_cached(&sql)?.execute([&list])?;
    }
    w.conn
        .prepare_cached("DELETE FROM inter_session_messages WHERE id IN (SELECT value FROM json_each(?1))")?
        .execute([&list])?;
    for (channel, upto) in channels {
        w.conn
            .prepare_cached(
                "INSERT INTO purged (channel, upto) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)",
            )?
            .execute(params![channel, upto])?;
    }
    Ok(ids.len())
}
