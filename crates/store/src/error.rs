//! What can go wrong with the databases themselves.

use model::Refusal;
use std::path::PathBuf;

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
    #[error("SQLite {found} is older than {needed}, which has a bug that loses data")]
    SqliteTooOld { found: String, needed: &'static str },
    #[error("{what} {}: {error}", path.display())]
    Io { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}
