//! Session archives: where a session came from that was exported elsewhere, and how far it has been read in.

use crate::{Cursor, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a session was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSource {
    /// The workspace it was led in.
    pub workspace: String,
    /// The hash of the archive's last line, in hex: no other archive has it.
    pub archive: String,
    pub exported_at: Timestamp,
    /// The last event there that the archive could know of.
    pub through: Cursor,
}

/// A piece of a session archive was read in; what it says is in the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionImport {
    /// The session that was exported.
    pub session: SessionId,
    /// All sessions in the archive, that one included.
    pub sessions: Vec<SessionId>,
    pub source: SessionSource,
    /// Lines of the archive read before, and now: the piece is what lies between.
    pub from: u64,
    pub lines: u64,
    /// It was the last piece.
    pub whole: bool,
}
