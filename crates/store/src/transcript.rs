//! Transcripts of the vendors' own programs: how far each one has been read.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{FileMark, SessionId, Vendor};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptRow {
    pub session: SessionId,
    pub vendor_session: String,
    /// Bytes that have been read.
    pub offset: u64,
    /// BLAKE3, in hex, of those bytes.
    pub prefix_hash: String,
    /// The file as it was then.
    pub file: FileMark,
}

statements! { QUERIES in Sessions {
    TRANSCRIPT = "SELECT session_id, vendor_session, position, prefix_hash, file FROM transcripts WHERE source = ?1";
    TRANSCRIPT_SESSION = "SELECT session_id FROM transcripts WHERE vendor = ?1 AND vendor_session = ?2 LIMIT 1";
    DRIVEN_SESSION = "SELECT session_id FROM participants WHERE vendor_session = ?1 AND vendor_session IS NOT NULL LIMIT 1";
} }

impl View<'_> {
    /// The session in which a participant of ours goes on in this session of a vendor.
    pub fn driven_session(&self, vendor_session: &str) -> Result<Option<SessionId>, StoreError> {
        self.row(&DRIVEN_SESSION, [vendor_session], |row| column::parsed(row, "session_id"))
    }

    /// The transcript at this absolute path.
    pub fn transcript(&self, source: &str) -> Result<Option<TranscriptRow>, StoreError> {
        self.row(&TRANSCRIPT, [source], read_transcript)
    }

    /// The session that a vendor's session was read into.
    pub fn transcript_session(&self, vendor: Vendor, session: &str) -> Result<Option<SessionId>, StoreError> {
        self.row(&TRANSCRIPT_SESSION, [vendor.as_str(), session], |row| column::parsed(row, "session_id"))
    }
}

fn read_transcript(row: &Row<'_>) -> Result<TranscriptRow, StoreError> {
    Ok(TranscriptRow {
        session: column::parsed(row, "session_id")?,
        vendor_session: row.get("vendor_session")?,
        offset: column::unsigned(row, "position")?,
        prefix_hash: row.get("prefix_hash")?,
        file: column::json(row, "file")?,
    })
}
