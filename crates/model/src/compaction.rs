//! Compactions: what was said in a session up to a message, in few words. The messages stay; agents are shown the words in their place.

use crate::{MessageId, ParticipantId, SessionId, Timestamp, Vendor};
use serde::{Deserialize, Serialize};

/// Files of each kind that a compaction names; the oldest are left out.
pub const COMPACTION_FILES_MAX: usize = 200;
/// Longest summary, in bytes.
pub const COMPACTION_SUMMARY_MAX: usize = 32 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    pub session: SessionId,
    /// Whose seat's model wrote it.
    pub participant: ParticipantId,
    /// The last message it stands for: one of the session's own, or one it was forked with.
    pub upto: MessageId,
    pub summary: String,
    /// Messages it stands for, those of the compaction before it counted once more.
    pub messages: u64,
    /// Files the agents have read and, as far as is known, not changed; all generations together, the last read one last.
    pub read_files: Vec<String>,
    /// Files they have changed.
    pub modified_files: Vec<String>,
    pub vendor: Vendor,
    pub model: String,
    /// Tokens, estimated, of what agents were shown before it, and are shown after it.
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// 1 for the first one of a conversation.
    pub generation: u32,
    pub created_at: Timestamp,
}

/// What was to be condensed was not; the last messages are shown instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionFailure {
    pub session: SessionId,
    pub participant: ParticipantId,
    /// The last message there was.
    pub upto: MessageId,
    pub code: String,
    /// What went wrong, and what to do about it.
    pub message: String,
    /// Tokens, estimated, that would have been shown.
    pub tokens: u64,
}
