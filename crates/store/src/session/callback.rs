//! Who is still to be told that a session's work is over.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{ParticipantId, SessionId, TaskId};

/// A session's work is over, and the one that waits for it was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCallback {
    pub child: SessionId,
    /// The task its work ended with.
    pub ended: TaskId,
    /// Who is to be told.
    pub parent: SessionId,
    /// Whose turn it is there; none: everybody's.
    pub to: Option<ParticipantId>,
}

statements! { QUERIES in Sessions {
    CALLBACKS_DUE_TO = "SELECT child_session_id, task_id, parent_session_id, participant_id FROM callbacks_due
        WHERE parent_session_id = ?1 ORDER BY seq LIMIT ?2";
    CALLBACKS_DUE_OF = "SELECT child_session_id, task_id, parent_session_id, participant_id FROM callbacks_due
        WHERE child_session_id = ?1";
    CALLBACK_DUE = "SELECT child_session_id, task_id, parent_session_id, participant_id FROM callbacks_due
        WHERE child_session_id = ?1 AND task_id = ?2";
    WAITING_FOR_CALLBACKS = "SELECT DISTINCT parent_session_id FROM callbacks_due ORDER BY parent_session_id";
} }

impl View<'_> {
    /// What the session is to be told, the oldest first.
    pub fn callbacks_due_to(&self, parent: SessionId, most: usize) -> Result<Vec<DueCallback>, StoreError> {
        self.rows(&CALLBACKS_DUE_TO, params![parent.to_string(), limit(most)], read_due)
    }

    /// What others are to be told of the session.
    pub fn callbacks_due_of(&self, child: SessionId) -> Result<Vec<DueCallback>, StoreError> {
        self.rows(&CALLBACKS_DUE_OF, [child.to_string()], read_due)
    }

    /// None once it was delivered.
    pub fn callback_due(&self, child: SessionId, ended: TaskId) -> Result<Option<DueCallback>, StoreError> {
        self.row(&CALLBACK_DUE, [child.to_string(), ended.to_string()], read_due)
    }

    /// Sessions that are to be told something.
    pub fn waiting_for_callbacks(&self) -> Result<Vec<SessionId>, StoreError> {
        self.rows(&WAITING_FOR_CALLBACKS, [], |row| column::parsed(row, "parent_session_id"))
    }
}

fn read_due(row: &Row<'_>) -> Result<DueCallback, StoreError> {
    Ok(DueCallback {
        child: column::parsed(row, "child_session_id")?,
        ended: column::parsed(row, "task_id")?,
        parent: column::parsed(row, "parent_session_id")?,
        to: column::parsed_or_none(row, "participant_id")?,
    })
}
