//! What was shared before, and what changes now: the versions of an entry, and the changes after a version.
//!
//! Every change is a row until the limits take it: a reader that was away for longer than they keep is told that it missed
//! something, and finds the newest change of every key that still is one. A bell per waiter says "look again"; whoever
//! changes something rings them all, and one that is not heard is cleared away.

use super::parse_value;
use crate::bus::Bus;
use crate::doorbell::Doorbell;
use crate::error::BusError;
use crate::row;
use crate::write::{Write, nanos, signed, unsigned};
use model::{CONTEXT_HISTORY_MAX, CONTEXT_VERSIONS_MAX, ContextChange, ContextKey};
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// Most changes in one page.
pub const CONTEXT_CHANGES_MAX: usize = 200;

/// What the name of a waiter's bell begins with.
pub(super) const BELL: &str = "context-";

/// Which changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextQuery {
    /// Only of keys that begin so.
    pub prefix: String,
    /// Only those after this version; 0 is the start.
    pub after: u64,
    /// 0 means [`CONTEXT_CHANGES_MAX`].
    pub limit: usize,
}

/// A page of changes, the oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextPage {
    pub changes: Vec<ContextChange>,
    /// Where to read on.
    pub next: u64,
    /// Some changes in between are kept no more. What each key is now is known all the same.
    pub missed: bool,
}

const COLUMNS: &str = "SELECT key, value, version, author, agent, changed_at FROM context_versions";

fn read(row: &Row<'_>) -> Result<ContextChange, BusError> {
    let value: Option<String> = row.get(1)?;
    Ok(ContextChange {
        key: row::parsed(row, 0, "a context key")?,
        value: value.map(|text| parse_value(&text)).transpose()?,
        version: unsigned(row.get(2)?),
        author: row::parsed(row, 3, "a context entry's author")?,
        agent: row.get(4)?,
        changed_at: row::time(row, 5)?,
    })
}

/// Keeps the change, and drops what the limits do not keep.
pub(super) fn keep(w: &Write<'_>, change: &ContextChange, value: &str) -> Result<(), BusError> {
    let (key, version) = (change.key.as_str(), signed(change.version));
    let value = change.value.is_some().then_some(value);
    w.conn
        .prepare_cached(
            "INSERT INTO context_versions (version, key, value, author, agent, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![version, key, value, change.author.to_string(), change.agent, w.wall_text()])?;
    w.conn
        .prepare_cached(
            "DELETE FROM context_versions WHERE key = ?1 AND version <= (SELECT version FROM context_versions
             WHERE key = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![key, CONTEXT_VERSIONS_MAX as i64])?;
    w.conn
        .prepare_cached(
            "DELETE FROM context_versions WHERE version <= ?1 AND NOT EXISTS
             (SELECT 1 FROM context_entries e WHERE e.version = context_versions.version)",
        )?
        .execute([version - CONTEXT_HISTORY_MAX as i64])?;
    Ok(())
}

/// The version of the last change there ever was.
fn newest(conn: &Connection) -> Result<u64, BusError> {
    let newest: Option<i64> = conn
        .prepare_cached("SELECT max(seq) FROM sqlite_sequence WHERE name = 'context_entries'")?
        .query_row([], |row| row.get(0))?;
    Ok(unsigned(newest.unwrap_or(0)))
}

fn page(conn: &Connection, query: &ContextQuery) -> Result<ContextPage, BusError> {
    // Asked first: what is committed after this may be in the page all the same, and what was before certainly is.
    let newest = newest(conn)?;
    let after = query.after;
    if after > newest {
        return Err(BusError::ContextAhead { after, newest });
    }
    let limit = if query.limit == 0 { CONTEXT_CHANGES_MAX } else { query.limit.min(CONTEXT_CHANGES_MAX) };
    let mut statement = conn.prepare_cached(&format!(
        "{COLUMNS} WHERE version > ?1 AND key >= ?2 AND key < ?2 || char(127) ORDER BY version LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![signed(after), query.prefix, limit as i64])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read(row)?);
    }
    let last = changes.last().map_or(after, |change| change.version);
    let next = if changes.len() == limit { last } else { last.max(newest) };
    let kept: i64 = conn
        .prepare_cached("SELECT count(*) FROM context_versions WHERE version > ?1 AND version <= ?2")?
        .query_row([signed(after), signed(newest)], |row| row.get(0))?;
    Ok(ContextPage { changes, next, missed: after > 0 && unsigned(kept) < newest - after })
}

impl Bus {
    /// The versions of an entry that are kept, the newest first; at most [`CONTEXT_VERSIONS_MAX`].
    pub fn context_versions(&self, key: &ContextKey) -> Result<Vec<ContextChange>, BusError> {
        self.inner.read(|conn| {
            let sql = format!("{COLUMNS} WHERE key = ?1 ORDER BY version DESC");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([key.as_str()])?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                versions.push(read(row)?);
            }
            Ok(versions)
        })
    }

    /// The version of the last change: who reads on from here gets what changes from now on.
    pub fn newest_context(&self) -> Result<u64, BusError> {
        self.inner.read(newest)
    }

    /// Changes after a version, in the order they were made.
    pub fn context_changes(&self, query: &ContextQuery) -> Result<ContextPage, BusError> {
        self.inner.read(|conn| page(conn, query))
    }

    /// Blocks until there is a change, or the time (of the bus's clock) is over: then the page is empty.
    pub fn wait_context(&self, query: &ContextQuery, timeout: Duration) -> Result<ContextPage, BusError> {
        let deadline = nanos(self.inner.clock.uptime()).saturating_add(nanos(timeout));
        let found = self.context_changes(query)?;
        if !found.changes.is_empty() || timeout.is_zero() {
            return Ok(found);
        }
        // The bell is open before the next look, so that no change is between the two.
        let bell = Doorbell::listen_once(&self.inner.bell(&self.inner.one_bell(BELL)))?;
        loop {
            let found = self.context_changes(query)?;
            let left = deadline.saturating_sub(nanos(self.inner.clock.uptime()));
            if !found.changes.is_empty() || left <= 0 {
                return Ok(found);
            }
            bell.wait(self.inner.safety_poll.min(Duration::from_nanos(unsigned(left))))?;
        }
    }
}
