//! Transcripts: how far each one has been read, and what its session used.

use super::model_call::add_usage;
use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::TranscriptImport;

statements! { STATEMENTS in Sessions {
    UPSERT_TRANSCRIPT = "INSERT INTO transcripts (source, session_id, vendor, vendor_session, position, prefix_hash, file,
            messages, unknown, seq, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (source) DO UPDATE SET session_id = excluded.session_id, vendor = excluded.vendor,
            vendor_session = excluded.vendor_session, position = excluded.position, prefix_hash = excluded.prefix_hash,
            file = excluded.file, messages = transcripts.messages + excluded.messages,
            unknown = transcripts.unknown + excluded.unknown,
            seq = excluded.seq, updated_at = excluded.updated_at";
} }

/// What was used counts for the session, and not for what we have spent: it was paid for before.
pub(super) fn imported(
    db: &Connection,
    record: &Record,
    import: &TranscriptImport,
) -> Result<(), StoreError> {
    run(
        db,
        &UPSERT_TRANSCRIPT,
        params![
            import.source,
            import.session.to_string(),
            import.vendor.as_str(),
            import.vendor_session,
            column::figure(import.offset),
            import.prefix_hash,
            column::to_json(&import.file)?,
            column::figure(import.messages),
            column::figure(import.unknown.len() as u64),
            seq(record),
            at(record)
        ],
    )?;
    add_usage(db, import.session, &import.usage)
}
