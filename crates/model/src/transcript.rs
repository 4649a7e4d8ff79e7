//! History that was made outside the studio: where a session of it came from, and how far its transcript has been read.

use crate::{SessionId, Usage, Vendor};
use serde::{Deserialize, Serialize};

/// Where a session came from that a vendor's own program led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub vendor: Vendor,
    /// The vendor's name of the session; of a sub-agent `<session>/<agent>`.
    pub session: String,
    /// Absolute path of the transcript it was first read from.
    pub source: String,
    /// Where the vendor's program worked.
    pub cwd: Option<String>,
    /// The git branch at the session's start.
    pub branch: Option<String>,
    /// Version of the vendor's program.
    pub version: Option<String>,
    /// The tool call of the parent session that started this sub-agent.
    pub call: Option<String>,
}

/// A piece of a transcript was read; its messages are in the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptImport {
    pub session: SessionId,
    pub vendor: Vendor,
    /// As in [`Origin::session`].
    pub vendor_session: String,
    /// Absolute path of the transcript.
    pub source: String,
    /// Which file that was, and what was seen of it.
    pub file: FileMark,
    /// Bytes read before, and now: the piece is what lies between.
    pub from: u64,
    pub offset: u64,
    /// BLAKE3, in hex, of all bytes before `offset`.
    pub prefix_hash: String,
    pub lines: u64,
    pub messages: u64,
    /// Lines that were understood and say nothing of the conversation; they are counted, and stay in the vendor's file.
    pub passed: u64,
    /// Lines nobody understood, as they stand there.
    pub unknown: Vec<RawLine>,
    /// What the piece says was used.
    pub usage: Usage,
    /// Files the agent says it has changed.
    pub files: Vec<TouchedFile>,
    /// The file at this path was another one before, or was rewritten: it was read from its start again.
    pub again: bool,
}

/// Tells one file from another at the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileMark {
    pub device: u64,
    pub inode: u64,
    /// Bytes, the torn end included.
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified: i64,
}

/// A line as it stands in a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawLine {
    /// Where it begins.
    pub at: u64,
    pub bytes: u64,
    pub reason: RawReason,
    /// None for one that is no text or is too long.
    pub text: Option<String>,
    /// The bytes in hex, of a line that is no text.
    pub hex: Option<String>,
    /// BLAKE3, in hex, of a line too long to keep.
    pub hash: Option<String>,
}

/// Why a line is kept raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawReason {
    /// A kind of record, or a shape of it, that is not known.
    UnknownRecord,
    NotJson,
    NotUtf8,
    TooLong,
}

impl RawReason {
    pub const ALL: [Self; 4] = [Self::UnknownRecord, Self::NotJson, Self::NotUtf8, Self::TooLong];
}

/// A file an agent says it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedFile {
    /// As the vendor writes it: absolute, or relative to where its program worked.
    pub path: String,
    /// The tool call that changed it.
    pub call: Option<String>,
}
