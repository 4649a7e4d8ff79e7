//! The per-session JSONL archive: a projection in the seed's record format.

use crate::{JournalError, Position, Reader, Record};
use std::path::Path;

/// Writes one JSONL file per session.
#[derive(Debug)]
pub struct Archive {}

impl Archive {
    /// Opens the archive in `dir` (`session-logs`), making it if needed.
    pub fn open(_dir: &Path) -> Result<Self, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Takes in one record. Records at or before [`Self::position`] change nothing.
    pub fn apply(&mut self, _record: &Record) -> Result<(), JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Makes what was applied durable and remembers the position.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// The last record taken in with all others of its write.
    pub fn position(&self) -> Position {
        Position::START
    }

    /// Applies and syncs everything the reader has after [`Self::position`]. When the journal does not know that
    /// position, or its epoch has risen, the archive is made anew.
    pub fn catch_up(&mut self, _reader: &Reader) -> Result<(), JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }
}
