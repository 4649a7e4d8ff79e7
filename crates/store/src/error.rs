//! What can go wrong with the databases themselves.

use model::Refusal;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Journal(#[from] journal::JournalError),
    #[error("{} is not a database of ours; move it out of the way and start again", path.display())]
    Foreign { path: PathBuf },
    #[error("a stored {column} does not read back: {reason}; run `coditect data rebuild`")]
    Malformed { column: &'static str, reason: String },
    #[error("SQLite {found} is older than {needed}; earlier ones can lose committed pages")]
    SqliteTooOld { found: String, needed: &'static str },
    #[error("could not {action} {}: {error}", path.display())]
    Io { action: &'static str, path: PathBuf, error: std::io::Error },
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), error }
    }

    /// True when the file's content is not what SQLite wrote.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Database(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                )
            }
            // Text that is not the JSON we wrote into the column, or no text at all.
            Self::Malformed { .. } => true,
            _ => false,
        }
    }

    /// True when there was no room to write.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Journal(error) => matches!(error, journal::JournalError::Full),
            _ => false,
        }
    }

    /// True when another process holds the file's write lock.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Database(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    /// True when the next statement cannot be expected to fare better.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::OutOfMemory
                        | ErrorCode::DatabaseBusy
                )
            ),
            Self::Journal(_) | Self::Malformed { .. } | Self::Stopped(_) => true,
            Self::Foreign { .. } | Self::SqliteTooOld { .. } | Self::Io { .. } => false,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Journal(error) => error.into(),
            error => Self::internal(error),
        }
    }
}
