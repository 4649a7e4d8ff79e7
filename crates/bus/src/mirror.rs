//! Mirrors: which notice here stands for which one on the bus between machines, so that each crosses once.
//!
//! The row is written in the transaction that imports the notice. What was exported is written down after the other
//! bus has it; a crash in between sends it again under the same key, and the other bus knows it by that.

use crate::bus::Bus;
use crate::error::BusError;
use crate::notice::{self, NewNotice};
use crate::row;
use model::RegistrationId;
use rusqlite::{OptionalExtension, params};

/// An acknowledgement of an imported notice that its sender's machine has not been told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) notice: i64,
    /// The notice's id on the other bus.
    pub(crate) there: i64,
    pub(crate) by: RegistrationId,
    pub(crate) sender: RegistrationId,
}

/// Most acknowledgements told of at once.
const UNTOLD_PAGE: i64 = 256;

impl Bus {
    /// Publishes what came from another machine; false when it was here already. Its sender need not live any more.
    pub(crate) fn import(
        &self,
        generation: &str,
        there: i64,
        new: &NewNotice,
        agent: &str,
    ) -> Result<bool, BusError> {
        let payload = new.checked()?;
        self.inner.write(|w| {
            let known: Option<i64> = w
                .conn
                .prepare_cached("SELECT notice FROM mirrors WHERE generation = ?1 AND there = ?2")?
                .query_row(params![generation, there], |row| row.get(0))
                .optional()?;
            if known.is_some() {
                return Ok(false);
            }
            let notice = notice::publish(w, new, &payload, agent)?;
            w.conn
                .prepare_cached(
                    "INSERT INTO mirrors (notice, generation, there, imported) VALUES (?1, ?2, ?3, 1)",
                )?
                .execute(params![notice.id, generation, there])?;
            Ok(true)
        })
    }

    /// Writes down under which ids notices of ours lie on the other bus.
    pub(crate) fn exported(&self, generation: &str, pairs: &[(i64, i64)]) -> Result<(), BusError> {
        self.inner.write(|w| {
            let mut insert = w.conn.prepare_cached(
                "INSERT OR IGNORE INTO mirrors (notice, generation, there, imported) VALUES (?1, ?2, ?3, 0)",
            )?;
            for (here, there) in pairs {
                insert.execute(params![here, generation, there])?;
            }
            Ok(())
        })
    }

    /// Forgets what the other bus has lost: those ids will be given again.
    pub(crate) fn forget_mirrors_after(&self, generation: &str, newest: i64) -> Result<(), BusError> {
        self.inner.write(|w| {
            w.conn
                .prepare_cached("DELETE FROM mirrors WHERE generation = ?1 AND there > ?2")?
                .execute(params![generation, newest])?;
            Ok(())
        })
    }

    /// Whether a notice has crossed, in either direction.
    pub(crate) fn has_crossed(&self, notice: i64) -> Result<bool, BusError> {
        self.inner.read(|conn| {
            let found: Option<i64> = conn
                .prepare_cached("SELECT 1 FROM mirrors WHERE notice = ?1")?
                .query_row([notice], |row| row.get(0))
                .optional()?;
            Ok(found.is_some())
        })
    }

    /// The id a notice of ours has on the other bus.
    pub(crate) fn there(&self, generation: &str, here: i64) -> Result<Option<i64>, BusError> {
        self.crossing("SELECT there FROM mirrors WHERE generation = ?1 AND notice = ?2", generation, here)
    }

    /// The id a notice of the other bus has here.
    pub(crate) fn here(&self, generation: &str, there: i64) -> Result<Option<i64>, BusError> {
        self.crossing("SELECT notice FROM mirrors WHERE generation = ?1 AND there = ?2", generation, there)
    }

    fn crossing(&self, sql: &str, generation: &str, id: i64) -> Result<Option<i64>, BusError> {
        self.inner.read(|conn| {
            let found = conn.prepare_cached(sql)?.query_row(params![generation, id], |row| row.get(0));
            found.optional().map_err(BusError::from)
        })
    }

    /// Acknowledgements to be told of, oldest notice first; empty when there are no more.
    pub(crate) fn untold(&self, generation: &str) -> Result<Vec<Untold>, BusError> {
        self.inner.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT r.notice, x.there, r.session_id, m.sender_id
                 FROM receipts r JOIN mirrors x ON x.notice = r.notice AND x.imported = 1 AND x.generation = ?1
                 JOIN inter_session_messages m ON m.id = r.notice
                 WHERE r.acked_at IS NOT NULL AND r.told = 0 ORDER BY r.notice LIMIT ?2",
            )?;
            let mut rows = statement.query(params![generation, UNTOLD_PAGE])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(Untold {
                    notice: row.get(0)?,
                    there: row.get(1)?,
                    by: row::parsed(row, 2, "a receipt's session")?,
                    sender: row::parsed(row, 3, "a notice's sender")?,
                });
            }
            Ok(all)
        })
    }

    pub(crate) fn told(&self, acks: &[Untold]) -> Result<(), BusError> {
        self.inner.write(|w| {
            let mut update = w
                .conn
                .prepare_cached("UPDATE receipts SET told = 1 WHERE notice = ?1 AND session_id = ?2")?;
            for ack in acks {
                update.execute(params![ack.notice, ack.by.to_string()])?;
            }
            Ok(())
        })
    }
}
