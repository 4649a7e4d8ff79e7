//! Messages, and the drafts of those still being written.

use crate::{StoreError, View};
use model::{Message, MessageDraft, MessageId, SessionId, TaskId, TurnId};

impl View<'_> {
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        crate::store::unfinished(id)
    }

    /// The newest `limit` messages of the session, or the newest before `before`; oldest of them first.
    pub fn messages(
        &self,
        session: SessionId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        crate::store::unfinished((session, before, limit))
    }

    /// Every message of the task, oldest first.
    pub fn task_messages(&self, task: TaskId) -> Result<Vec<Message>, StoreError> {
        crate::store::unfinished(task)
    }

    /// What the turn was writing when it was last heard of. A turn that failed keeps its draft.
    pub fn draft(&self, turn: TurnId) -> Result<Option<MessageDraft>, StoreError> {
        crate::store::unfinished(turn)
    }

    /// Drafts of the session, oldest turn first, those of failed turns too.
    pub fn drafts(&self, session: SessionId) -> Result<Vec<MessageDraft>, StoreError> {
        crate::store::unfinished(session)
    }
}
