//! What can go wrong with a journal.

use model::{Cursor, EventError, Refusal, RefusalKind};
use std::io;
use std::path::{Path, PathBuf};

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal in {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// Nothing was written; the journal goes on as soon as there is room.
    #[error("the disk is full; free some space and try again")]
    Full,
    /// What was written last may or may not be on the disk, and no later call can tell. Reopening does.
    #[error("the journal stopped after a failed write ({0}); restart to find out what is on the disk")]
    Poisoned(String),
    #[error("could not {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The record that should have this number cannot be trusted.
    #[error("the journal is damaged at record {seq} in {segment}: {what}; restore it from an export")]
    Damaged { segment: String, seq: u64, what: String },
    #[error("record {seq} cannot be read: {source}")]
    Decode { seq: u64, source: EventError },
    #[error("{what} was written by a newer version ({found}, this one knows {known}); update to read it")]
    TooNew { what: String, found: u64, known: u64 },
    #[error("{after} is not a position of this journal")]
    UnknownPosition { after: Cursor },
    #[error("a {kind} event of {bytes} bytes is over the limit of {limit}")]
    PayloadTooLarge { kind: &'static str, bytes: usize, limit: usize },
    #[error("a {kind} event cannot be written as JSON: {source}")]
    Encode { kind: &'static str, source: serde_json::Error },
    #[error("{what} (blob {hash})")]
    Blob { hash: String, what: String },
    #[error("an idempotency key has 1 to {key} characters and its request hash at most {hash}",
        key = crate::KEY_MAX, hash = crate::REQUEST_HASH_MAX)]
    Key,
    #[error("{} is not empty; restore into a new place", .0.display())]
    NotEmpty(PathBuf),
    #[error("the archive was refused: {0}")]
    Archive(String),
    /// What lies on a shelf cannot be had now.
    #[error("the database with the journal: {0}")]
    Elsewhere(String),
}

impl JournalError {
    /// Wraps an IO error, telling a full disk from the rest.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::Full;
        }
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// What a face is told. Damage says what it is and what to do: nobody could mend it without that.
impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        match &error {
            JournalError::Damaged { .. } | JournalError::Decode { .. } | JournalError::Blob { .. } => {
                Self::new(RefusalKind::Unavailable, "journal_damaged", error.to_string()).hint(
                    "see all of it with `coditect data verify`; keep the data root as it is, and restore a good export",
                )
            }
            JournalError::Full => Self::new(RefusalKind::Full, "disk_full", error.to_string())
                .hint("free some space and try again"),
            JournalError::Elsewhere(_) => {
                Self::new(RefusalKind::Unavailable, "database_unreachable", error.to_string())
                    .hint("try again when the server of database.url answers")
            }
            _ => Self::internal(error),
        }
    }
}

/// True for the errors that mean "no room": disk, quota, file size limit.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
