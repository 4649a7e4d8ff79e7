//! History of locks as the journal knows it. What is held now is the bus's to say.

use crate::sql::params;
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{Cursor, LockChange, SessionId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockChangeRow {
    pub change: LockChange,
    pub cursor: Cursor,
    pub at: Timestamp,
}

statements! { QUERIES in Sessions {
    LOCK_CHANGES_OF_SESSION = "SELECT data, epoch, seq, changed_at FROM lock_changes
        WHERE session_id = ?1 ORDER BY seq DESC LIMIT ?2";
} }

impl View<'_> {
    /// The newest `most` changes of the session's locks, oldest of them first.
    pub fn lock_changes(&self, session: SessionId, most: usize) -> Result<Vec<LockChangeRow>, StoreError> {
        let mut changes =
            self.rows(&LOCK_CHANGES_OF_SESSION, params![session.to_string(), limit(most)], |row| {
                Ok(LockChangeRow {
                    change: column::json(row, "data")?,
                    cursor: column::cursor(row)?,
                    at: column::time(row, "changed_at")?,
                })
            })?;
        changes.reverse();
        Ok(changes)
    }
}
