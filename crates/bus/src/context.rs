//! Shared context: versioned keys and values of a workspace, in messaging.db, with no daemon needed.
//!
//! There is one writer at a time, so whoever names the version a change is made from loses nothing: the change is made on
//! that version or not at all. A version is never given twice, so a key that was removed and set anew is told apart.
//!
//! It is shared on this machine. The bridge between machines does not carry it.

mod history;

pub use history::{CONTEXT_CHANGES_MAX, ContextPage, ContextQuery};

use crate::bus::Bus;
use crate::error::BusError;
use crate::registration;
use crate::row;
use crate::write::{Write, unsigned};
use model::{
    CONTEXT_ENTRIES_MAX, CONTEXT_VALUE_MAX, ContextChange, ContextEntry, ContextKey, Event, RegistrationId,
};
use rusqlite::{Connection, Row, params};
use serde_json::Value;

/// Most entries in one page.
pub const CONTEXT_PAGE_MAX: usize = 200;

/// A change of a context entry.
#[derive(Debug, Clone, PartialEq)]
pub struct NewContext {
    /// A live registration.
    pub author: RegistrationId,
    pub key: ContextKey,
    /// At most [`CONTEXT_VALUE_MAX`] bytes as JSON. Null removes the entry.
    pub value: Value,
    /// The version the change is made from, 0 for an entry that must not be there; none overwrites whatever there is.
    pub expected_version: Option<u64>,
}

const COLUMNS: &str = "SELECT key, value, version, author, agent, changed_at FROM context_entries";

fn read(row: &Row<'_>) -> Result<ContextEntry, BusError> {
    Ok(ContextEntry {
        key: row::parsed(row, 0, "a context key")?,
        value: parse_value(&row.get::<_, String>(1)?)?,
        version: unsigned(row.get(2)?),
        author: row::parsed(row, 3, "a context entry's author")?,
        agent: row.get(4)?,
        changed_at: row::time(row, 5)?,
    })
}

fn parse_value(text: &str) -> Result<Value, BusError> {
    row::json(text, "a context value")
}

fn find(conn: &Connection, key: &ContextKey) -> Result<Option<ContextEntry>, BusError> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} WHERE key = ?1"))?;
    let mut rows = statement.query([key.as_str()])?;
    rows.next()?.map(read).transpose()
}

/// Writes the change where the old entry was; the version it gets is higher than every one before.
fn replace(w: &Write<'_>, new: &NewContext, value: &str, agent: &str) -> Result<u64, BusError> {
    w.conn.prepare_cached("DELETE FROM context_entries WHERE key = ?1")?.execute([new.key.as_str()])?;
    let version = w
        .conn
        .prepare_cached(
            "INSERT INTO context_entries (key, value, author, agent, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .insert(params![new.key.as_str(), value, new.author.to_string(), agent, w.wall_text()])?;
    if new.value.is_null() {
        w.conn.prepare_cached("DELETE FROM context_entries WHERE version = ?1")?.execute([version])?;
    }
    Ok(unsigned(version))
}

impl Bus {
    /// Sets or removes an entry. [`BusError::ContextConflict`] shows what is there instead of the expected version.
    pub fn set_context(&self, new: &NewContext) -> Result<ContextChange, BusError> {
        let value = new.value.to_string();
        if value.len() > CONTEXT_VALUE_MAX {
            return Err(BusError::ContextTooLarge { bytes: value.len(), most: CONTEXT_VALUE_MAX });
        }
        let change = self.inner.write(|w| {
            let author = registration::living(w, new.author)?.registration;
            let present = find(w.conn, &new.key)?;
            let version = present.as_ref().map_or(0, |entry| entry.version);
            if new.expected_version.is_some_and(|expected| expected != version) {
                return Err(BusError::ContextConflict {
                    key: new.key.clone(),
                    present: present.map(Box::new),
                });
            }
            match (&present, new.value.is_null()) {
                (None, true) => return Err(BusError::NoContext(new.key.clone())),
                (None, false) if count(w.conn)? >= CONTEXT_ENTRIES_MAX as u64 => {
                    return Err(BusError::ContextFull { most: CONTEXT_ENTRIES_MAX });
                }
                _ => {}
            }
            let change = ContextChange {
                key: new.key.clone(),
                value: (!new.value.is_null()).then(|| new.value.clone()),
                version: replace(w, new, &value, &author.agent)?,
                author: author.id,
                agent: author.agent,
                changed_at: w.now.wall,
            };
            history::keep(w, &change, &value)?;
            w.tell(&Event::ContextChanged(change.clone()))?;
            Ok(change)
        })?;
        self.inner.ring_all(history::BELL);
        Ok(change)
    }

    /// What is known under a key.
    pub fn context(&self, key: &ContextKey) -> Result<Option<ContextEntry>, BusError> {
        self.inner.read(|conn| find(conn, key))
    }

    /// Entries whose keys begin with `prefix`, in the order of their keys, from behind `after` on; at most
    /// [`CONTEXT_PAGE_MAX`].
    pub fn context_entries(
        &self,
        prefix: &str,
        after: Option<&ContextKey>,
        limit: usize,
    ) -> Result<Vec<ContextEntry>, BusError> {
        self.inner.read(|conn| {
            // Keys are ASCII, so that everything behind a prefix comes before the prefix and the last character.
            let mut statement = conn.prepare_cached(&format!(
                "{COLUMNS} WHERE key >= ?1 AND key < ?1 || char(127) AND (?2 IS NULL OR key > ?2)
                 ORDER BY key LIMIT ?3"
            ))?;
            let most = i64::try_from(limit.clamp(1, CONTEXT_PAGE_MAX)).unwrap_or(1);
            let mut rows = statement.query(params![prefix, after.map(ContextKey::as_str), most])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(read(row)?);
            }
            Ok(entries)
        })
    }
}

fn count(conn: &Connection) -> Result<u64, BusError> {
    let count =
        conn.prepare_cached("SELECT count(*) FROM context_entries")?.query_row([], |row| row.get(0))?;
    Ok(unsigned(count))
}
