//! History of locks as the journal knows it. What is held now is the bus's to say.

use crate::{StoreError, View};
use model::{Cursor, LockChange, SessionId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockChangeRow {
    pub change: LockChange,
    pub cursor: Cursor,
    pub at: Timestamp,
}

impl View<'_> {
    /// The newest `limit` changes of the session's locks, oldest of them first.
    pub fn lock_changes(&self, session: SessionId, limit: usize) -> Result<Vec<LockChangeRow>, StoreError> {
        crate::store::unfinished((session, limit))
    }
}
