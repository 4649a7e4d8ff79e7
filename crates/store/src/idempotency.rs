//! Keys that were seen, and the records they stand for. A projection of the record headers.

use crate::sql::{Connection, params};
use crate::statement::{self, statements};
use crate::{StoreError, column};
use journal::{IdempotencyKey, Record};
use model::Actor;

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) request_hash: String,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

/// Prefix of the keys of the bus's outbox: `outbox:<generation>:<row>`. Rows come in rising order and are ticked off
/// by the page, so that a row a window behind the newest never comes again, and its key need not be remembered.
const OUTBOX: &str = "outbox:";
/// Rows remembered of a generation; more than are ever journaled before they are ticked off.
pub const OUTBOX_WINDOW: u64 = 4096;

statements! { QUERIES in Sessions {
    SEEN = "SELECT request_hash, first_seq, last_seq FROM idempotency WHERE actor = ?1 AND key = ?2";
    // All records of one commit carry its key; a later commit under it is never written.
    REMEMBER = "INSERT INTO idempotency (actor, key, request_hash, first_seq, last_seq)
        VALUES (?1, ?2, ?3, ?4, ?4)
        ON CONFLICT (actor, key) DO UPDATE SET last_seq = excluded.last_seq";
    // The range is that of the partial index, which holds no other keys.
    FORGET = "DELETE FROM idempotency WHERE key = ?1 AND key >= 'outbox:' AND key < 'outbox;'";
} }

/// Keys belong to the actor who chose them: nobody is answered with what somebody else did.
pub(crate) fn seen(
    sessions: &Connection,
    actor: &Actor,
    key: &IdempotencyKey,
) -> Result<Option<Seen>, StoreError> {
    statement::row(sessions, &SEEN, [&actor.to_string(), &key.key], |row| {
        Ok(Seen {
            request_hash: row.get("request_hash")?,
            first_seq: column::unsigned(row, "first_seq")?,
            last_seq: column::unsigned(row, "last_seq")?,
        })
    })
}

pub(crate) fn apply(sessions: &Connection, record: &Record) -> Result<(), StoreError> {
    if let Some(key) = &record.key {
        statement::run(
            sessions,
            &REMEMBER,
            params![
                record.actor.to_string(),
                key.key,
                key.request_hash,
                record.position.cursor.seq.cast_signed()
            ],
        )?;
        if let Some(past) = past(&key.key) {
            statement::run(sessions, &FORGET, [past])?;
        }
    }
    Ok(())
}

/// The key that nobody will ask for any more once this one was seen.
fn past(key: &str) -> Option<String> {
    let (generation, row) = key.strip_prefix(OUTBOX)?.rsplit_once(':')?;
    let row: u64 = row.parse().ok()?;
    Some(format!("{OUTBOX}{generation}:{}", row.checked_sub(OUTBOX_WINDOW)?))
}
