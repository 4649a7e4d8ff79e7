//! The outbox: what happened here, for the daemon to put into the journal. Each row is written in
//! the transaction of the change it tells of.
//!
//! Without a daemon nobody empties it, so it is bounded; what it loses is counted.

use crate::bus::{Bus, name_generation};
use crate::error::BusError;
use crate::notice;
use crate::write::{Write, unsigned};
use model::Event;
use rusqlite::{Connection, params};

/// Most rows in one read.
pub const OUTBOX_PAGE_MAX: usize = 1000;
/// Rows kept for a daemon that is not there; older ones are dropped and counted.
pub const OUTBOX_ROWS_MAX: i64 = 100_000;
/// Every so many rows the bound is enforced, on at most [`TRIM_ROWS`] rows.
const TRIM_EVERY: i64 = 256;
const TRIM_ROWS: i64 = 500;

#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Rises with commit order within one generation; with it, the idempotency key of the event.
    pub id: i64,
    pub event: Event,
}

pub(crate) fn append(conn: &Connection, epoch: u64, event: &Event) -> Result<(), BusError> {
    let payload = event
        .payload()
        .map_err(|error| BusError::Malformed { what: "an outbox row", detail: error.to_string() })?;
    conn.prepare_cached("INSERT INTO outbox (epoch, kind, payload) VALUES (?1, ?2, ?3)")?
        .execute(params![crate::write::signed(epoch), event.kind(), payload])?;
    bound(conn, conn.last_insert_rowid())
}

/// A row that tells of the notice this transaction inserts next, under the id it will have. Both know the other's
/// number, so neither needs an index: an index is a page more in the WAL of every publish.
pub(crate) fn announce(w: &mut Write<'_>, notice: i64) -> Result<i64, BusError> {
    let row = w
        .conn
        .prepare_cached(
            "INSERT INTO outbox (epoch, kind, payload, notice) VALUES (?1, 'notice.published', '', ?2)",
        )?
        .insert([crate::write::signed(w.epoch), notice])?;
    w.told();
    bound(w.conn, row)?;
    Ok(row)
}

fn bound(conn: &Connection, newest: i64) -> Result<(), BusError> {
    if newest % TRIM_EVERY == 0 {
        trim(conn, newest - OUTBOX_ROWS_MAX)?;
    }
    Ok(())
}

/// A notice goes together with the row that tells of it, so it is there.
fn published(conn: &Connection, id: i64) -> Result<Event, BusError> {
    let mut statement = conn.prepare_cached(&format!("{} WHERE id = ?1", notice::COLUMNS))?;
    let mut rows = statement.query([id])?;
    let found = rows.next()?.map(notice::read).transpose()?;
    found.map(Event::NoticePublished).ok_or_else(|| BusError::Malformed {
        what: "an outbox row",
        detail: format!("it tells of notice {id}, which is gone"),
    })
}

fn trim(conn: &Connection, upto: i64) -> Result<(), BusError> {
    let dropped = conn
        .prepare_cached(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id <= ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute([upto, TRIM_ROWS])?;
    if dropped > 0 {
        conn.execute(
            "UPDATE bus_state SET outbox_dropped = outbox_dropped + ?1 WHERE id = 1",
            [dropped as i64],
        )?;
    }
    Ok(())
}

impl Bus {
    /// Rows after `after`, oldest first, and the generation *these rows* belong to; a page never spans
    /// two. (generation, id) names a row for ever. After a restart read from 0: what was done is gone.
    pub fn outbox(&self, after: i64, limit: usize) -> Result<(String, Vec<OutboxRow>), BusError> {
        let limit = i64::try_from(limit.clamp(1, OUTBOX_PAGE_MAX)).unwrap_or(1);
        self.inner.read(|conn| {
            let (birth, present): (String, i64) = conn
                .prepare_cached("SELECT birth, epoch FROM bus_state WHERE id = 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut statement = conn.prepare_cached(
                "SELECT id, epoch, kind, payload, notice FROM outbox WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let mut rows = statement.query([after, limit])?;
            let mut page = Vec::new();
            let mut of = None;
            while let Some(row) = rows.next()? {
                let epoch: i64 = row.get(1)?;
                if *of.get_or_insert(epoch) != epoch {
                    break;
                }
                let event = match row.get::<_, Option<i64>>(4)? {
                    Some(notice) => published(conn, notice)?,
                    None => {
                        let kind: String = row.get(2)?;
                        Event::parse(&kind, &row.get::<_, String>(3)?).map_err(|error| {
                            BusError::Malformed { what: "an outbox row", detail: error.to_string() }
                        })?
                    }
                };
                page.push(OutboxRow { id: row.get(0)?, event });
            }
            Ok((name_generation(&birth, of.unwrap_or(present)), page))
        })
    }

    /// The rows of this generation up to and including this one are in the journal and can go. Those of a bus that was made
    /// anew meanwhile stay.
    pub fn outbox_done(&self, generation: &str, upto: i64) -> Result<(), BusError> {
        self.inner.write(|w| {
            let sql = "DELETE FROM outbox WHERE id <= ?1
                       AND (SELECT birth FROM bus_state WHERE id = 1) || '-' || epoch = ?2";
            w.conn.prepare_cached(sql)?.execute(rusqlite::params![upto, generation])?;
            Ok(())
        })
    }

    /// Rows lost since the database was made because nobody emptied the outbox.
    pub fn outbox_dropped(&self) -> Result<u64, BusError> {
        self.inner.read(|conn| {
            let dropped =
                conn.query_row("SELECT outbox_dropped FROM bus_state WHERE id = 1", [], |row| row.get(0))?;
            Ok(unsigned(dropped))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_outbox_is_bounded_and_counts_what_it_lost() {
        let conn = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&conn, Path::new("x"), "now").unwrap();
        conn.execute("INSERT INTO bus_state (id, birth, epoch, token) VALUES (1, 'b', 1, 0)", []).unwrap();
        conn.execute(
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1)
             INSERT INTO outbox (id, epoch, kind, payload) SELECT id, 1, 'k', '{}' FROM n",
            [OUTBOX_ROWS_MAX],
        )
        .unwrap();
        for _ in 0..TRIM_EVERY * 2 {
            let repair = model::JournalRepair { side_file: "s".to_owned(), torn_bytes: 0, previous_epoch: 0 };
            append(&conn, 1, &Event::JournalRepaired(repair)).unwrap();
        }
        let count: i64 = conn.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap();
        let dropped: i64 =
            conn.query_row("SELECT outbox_dropped FROM bus_state", [], |row| row.get(0)).unwrap();
        assert!(count < OUTBOX_ROWS_MAX + TRIM_EVERY, "{count}");
        assert_eq!(count + dropped, OUTBOX_ROWS_MAX + 2 * TRIM_EVERY);
    }
}
