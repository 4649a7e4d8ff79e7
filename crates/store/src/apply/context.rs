//! Context entries: what was known under each key when the journal last heard of it.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{ContextChange, ContextEntry};

statements! { STATEMENTS in Sessions {
    UPSERT_CONTEXT = "INSERT INTO context_entries (key, seq, version, author, changed_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, version = excluded.version, author = excluded.author,
            changed_at = excluded.changed_at, data = excluded.data";
    REMOVE_CONTEXT = "DELETE FROM context_entries WHERE key = ?1";
} }

/// The journal's order decides, not the version: a messaging.db that was made anew counts from the beginning.
pub(super) fn changed(db: &Connection, record: &Record, change: &ContextChange) -> Result<(), StoreError> {
    let Some(value) = &change.value else {
        run(db, &REMOVE_CONTEXT, [change.key.as_str()])?;
        return Ok(());
    };
    let entry = ContextEntry {
        key: change.key.clone(),
        value: value.clone(),
        version: change.version,
        author: change.author,
        agent: change.agent.clone(),
        changed_at: change.changed_at,
    };
    run(
        db,
        &UPSERT_CONTEXT,
        params![
            entry.key.as_str(),
            seq(record),
            entry.version.cast_signed(),
            entry.author.to_string(),
            entry.changed_at.as_millis(),
            column::to_json(&entry)?
        ],
    )?;
    Ok(())
}
