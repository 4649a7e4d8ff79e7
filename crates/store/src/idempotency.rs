//! Keys that were seen, and the records they stand for. A projection of the record headers.

use crate::statement::{self, statements};
use crate::{StoreError, column};
use journal::{IdempotencyKey, Record};
use model::Actor;
use rusqlite::{Connection, params};

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) request_hash: String,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

statements! { QUERIES in Sessions {
    SEEN = "SELECT request_hash, first_seq, last_seq FROM idempotency WHERE actor = ?1 AND key = ?2";
    // All records of one commit carry its key; a later commit under it is never written.
    REMEMBER = "INSERT INTO idempotency (actor, key, request_hash, first_seq, last_seq)
        VALUES (?1, ?2, ?3, ?4, ?4)
        ON CONFLICT (actor, key) DO UPDATE SET last_seq = excluded.last_seq";
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
    }
    Ok(())
}
