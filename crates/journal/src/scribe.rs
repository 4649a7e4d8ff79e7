//! From drafts to records and their lines: the part of writing that is the same wherever lines lie.

use crate::line::{SALT_LEN, Stamp, encode};
use crate::{Draft, IdempotencyKey, JournalError, KEY_MAX, PAYLOAD_MAX, Position, REQUEST_HASH_MAX, Record};
use model::{Clock, Cursor, EVENT_VERSION, Entropy};
use std::io;

/// Appends the lines of one write to `lines`, chained to `last` and in the given epoch.
pub(crate) fn stamp(
    lines: &mut Vec<u8>,
    drafts: &[Draft],
    payloads: &[String],
    blobs: &[Option<[u8; 32]>],
    (epoch, mut last): (u64, Position),
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> io::Result<Vec<Record>> {
    let ts = clock.now();
    let ts_text = ts.to_string();
    let mut salts = vec![0; drafts.len() * SALT_LEN];
    entropy.fill(&mut salts);
    let mut records = Vec::with_capacity(drafts.len());
    let together = drafts.iter().zip(payloads).zip(blobs).zip(salts.chunks_exact(SALT_LEN)).enumerate();
    for (at, (((draft, payload), &blob), salt)) in together {
        let more = u32::try_from(drafts.len() - 1 - at).unwrap_or(u32::MAX);
        let cursor = Cursor { epoch, seq: last.cursor.seq + 1 };
        let past = draft.past.map(|past| past.to_string());
        let imported = past.is_some().then_some(ts_text.as_str());
        let happened = past.as_deref().unwrap_or(&ts_text);
        let mut stamp = Stamp { cursor, ts: happened, imported, more, prev: last.hash, salt: [0; SALT_LEN] };
        stamp.salt.copy_from_slice(salt);
        let hash = encode(lines, draft, &stamp, payload, blob)?;
        last = Position { cursor, hash };
        records.push(Record {
            position: last,
            ts: draft.past.unwrap_or(ts),
            imported: draft.past.map(|_| ts),
            session: draft.event.session(),
            actor: draft.actor.clone(),
            key: draft.key.clone(),
            event: draft.event.clone(),
            version: EVENT_VERSION,
            more,
        });
    }
    Ok(records)
}

/// The draft's payload, once it and its key are within the limits.
pub(crate) fn payload_of(draft: &Draft) -> Result<String, JournalError> {
    if let Some(IdempotencyKey { key, request_hash }) = &draft.key {
        let characters = key.chars().take(KEY_MAX + 1).count();
        if characters == 0 || characters > KEY_MAX || request_hash.len() > REQUEST_HASH_MAX {
            return Err(JournalError::Key);
        }
    }
    let kind = draft.event.kind();
    let payload = draft.event.payload().map_err(|source| JournalError::Encode { kind, source })?;
    if payload.len() > PAYLOAD_MAX {
        return Err(JournalError::PayloadTooLarge { kind, bytes: payload.len(), limit: PAYLOAD_MAX });
    }
    Ok(payload)
}
