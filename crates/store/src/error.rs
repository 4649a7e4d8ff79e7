//! What can go wrong with the databases themselves.

use crate::postgresql::WORKSPACE_MAX;
use model::{Refusal, RefusalKind};
use postgresql::Trouble;
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
    #[error("PostgreSQL: {0}")]
    Postgresql(#[from] Trouble),
    #[error("PostgreSQL: {why}")]
    Server { why: String },
    #[error(
        "`{name}` names no workspace on a server; it has 1 to {WORKSPACE_MAX} lower-case letters, digits, `_` or `-`"
    )]
    Name { name: String },
    #[error("{place} holds something that is not ours; give the workspace another name there")]
    ForeignSchema { place: String },
    #[error("{place} was made by a newer version; update to open it")]
    Newer { place: String },
    /// Its lease was renewed while we waited for it to run out.
    #[error("the workspace is open on {place}")]
    Owned { place: String },
    /// Somebody else has become the owner: this daemon writes no more.
    #[error("the workspace was taken over by {place}; this daemon writes to it no more")]
    Lost { place: String },
    #[error(
        "a move into {place} was not finished; run `coditect data move` again on the machine it began on"
    )]
    Arriving { place: String },
    #[error("this workspace has {records} events in files, and {place} has none")]
    NotMoved { place: String, records: u64 },
    #[error("{place} has a workspace already")]
    Taken { place: String },
    #[error("the copy differs in {tables}; nothing was switched")]
    CopyDiffers { tables: String },
    /// Seen by nobody but the read that is run once more because of it.
    #[error("something was committed between two questions of one read")]
    Torn,
}

/// A column of another shape than ours, and the like.
impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgresql(error.into())
    }
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), error }
    }

    /// True when the file's content is not what SQLite wrote.
    pub fn is_damage(&self) -> bool {
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
    pub fn is_full(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Journal(error) => matches!(error, journal::JournalError::Full),
            Self::Postgresql(trouble) => trouble.code() == Some("53100"),
            _ => false,
        }
    }

    /// True when another process holds what is needed: the file's write lock, a row or a table of the server's.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy),
            Self::Postgresql(trouble) => {
                matches!(trouble.code(), Some("40001" | "40P01" | "55P03" | "57014"))
            }
            _ => false,
        }
    }

    /// True when it is the server that said so.
    pub(crate) fn was_told(&self) -> bool {
        matches!(self, Self::Postgresql(trouble) if trouble.code().is_some())
    }

    /// True when there is no server to talk to for now.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Postgresql(trouble) => trouble.is_away(),
            Self::Journal(error) => matches!(error, journal::JournalError::Elsewhere(_)),
            _ => false,
        }
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
            Self::Lost { .. } => true,
            // What a server refuses, another statement may be granted.
            Self::Postgresql(_)
            | Self::Server { .. }
            | Self::Name { .. }
            | Self::ForeignSchema { .. }
            | Self::Newer { .. }
            | Self::Owned { .. }
            | Self::Arriving { .. }
            | Self::NotMoved { .. }
            | Self::Taken { .. }
            | Self::CopyDiffers { .. }
            | Self::Torn
            | Self::Foreign { .. }
            | Self::SqliteTooOld { .. }
            | Self::Io { .. } => false,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let said = error.to_string();
        match error {
            away if away.is_away() => Self::new(RefusalKind::Busy, "database_unreachable", said)
                .hint("try again when the server of database.url answers"),
            StoreError::Journal(error) => error.into(),
            StoreError::Postgresql(Trouble::Address(_)) | StoreError::Name { .. } => {
                Self::invalid("database_invalid", said).hint("mend database in config.json and start again")
            }
            StoreError::Owned { .. } => Self::conflict("workspace_owned", said)
                .hint("stop the daemon there; when that machine is gone, its lease runs out by itself"),
            StoreError::Lost { .. } => Self::conflict("workspace_lost", said)
                .hint("`coditect up` opens it here again when the other one has stopped"),
            StoreError::NotMoved { .. } => Self::conflict("data_not_moved", said)
                .hint("take them there with `coditect data move --to <url>`"),
            StoreError::Taken { .. } => Self::conflict("target_taken", said)
                .hint("give the copy another name with `--name`; nothing was changed"),
            StoreError::Arriving { .. } => Self::conflict("move_unfinished", said),
            error => Self::internal(error),
        }
    }
}
