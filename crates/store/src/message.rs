//! Messages, and the drafts of those still being written.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{Message, MessageDraft, MessageId, SessionId, TaskId, TurnId};

macro_rules! message_columns {
    () => {
        "message_id, session_id, task_id, turn_id, participant_id, parent_message_id, role, blocks, usage, \
         latency_ms, timestamp"
    };
}

statements! { QUERIES in Messages {
    MESSAGE = concat!("SELECT ", message_columns!(), " FROM agent_messages WHERE message_id = ?1");
    NEWEST_MESSAGES = concat!(
        "SELECT ", message_columns!(),
        " FROM agent_messages WHERE session_id = ?1 ORDER BY seq DESC LIMIT ?2"
    );
    MESSAGES_BEFORE = concat!(
        "SELECT ", message_columns!(),
        " FROM agent_messages WHERE session_id = ?1
            AND seq < (SELECT b.seq FROM agent_messages b WHERE b.message_id = ?2)
          ORDER BY seq DESC LIMIT ?3"
    );
    MESSAGES_OF_TASK = concat!(
        "SELECT ", message_columns!(), " FROM agent_messages WHERE task_id = ?1 ORDER BY seq"
    );
    DRAFT = "SELECT session_id, turn_id, participant_id, text, thinking FROM drafts WHERE turn_id = ?1";
    DRAFTS_OF_SESSION = "SELECT session_id, turn_id, participant_id, text, thinking FROM drafts
        WHERE session_id = ?1 ORDER BY seq";
} }

impl View<'_> {
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.row(&MESSAGE, [id.to_string()], read_message)
    }

    /// The newest `most` messages of the session, or the newest before `before`; oldest of them first. Nothing is
    /// before a message that does not exist.
    pub fn messages(
        &self,
        session: SessionId,
        before: Option<MessageId>,
        most: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let session = session.to_string();
        let mut messages = match before {
            None => self.rows(&NEWEST_MESSAGES, params![session, limit(most)], read_message),
            Some(before) => {
                self.rows(&MESSAGES_BEFORE, params![session, before.to_string(), limit(most)], read_message)
            }
        }?;
        messages.reverse();
        Ok(messages)
    }

    /// Every message of the task, oldest first.
    pub fn task_messages(&self, task: TaskId) -> Result<Vec<Message>, StoreError> {
        self.rows(&MESSAGES_OF_TASK, [task.to_string()], read_message)
    }

    /// What the turn was writing when it was last heard of. A turn that did not complete keeps its draft.
    pub fn draft(&self, turn: TurnId) -> Result<Option<MessageDraft>, StoreError> {
        self.row(&DRAFT, [turn.to_string()], read_draft)
    }

    /// Drafts of the session, oldest first, those of turns that did not complete too.
    pub fn drafts(&self, session: SessionId) -> Result<Vec<MessageDraft>, StoreError> {
        self.rows(&DRAFTS_OF_SESSION, [session.to_string()], read_draft)
    }
}

fn read_message(row: &Row<'_>) -> Result<Message, StoreError> {
    Ok(Message {
        id: column::parsed(row, "message_id")?,
        session: column::parsed(row, "session_id")?,
        task: column::parsed_or_none(row, "task_id")?,
        turn: column::parsed_or_none(row, "turn_id")?,
        participant: column::parsed_or_none(row, "participant_id")?,
        parent: column::parsed_or_none(row, "parent_message_id")?,
        role: column::word(row, "role")?,
        blocks: column::json(row, "blocks")?,
        usage: column::json_or_none(row, "usage")?,
        latency_ms: row.get::<_, Option<i64>>("latency_ms")?.map(i64::cast_unsigned),
        created_at: column::time(row, "timestamp")?,
    })
}

fn read_draft(row: &Row<'_>) -> Result<MessageDraft, StoreError> {
    Ok(MessageDraft {
        session: column::parsed(row, "session_id")?,
        turn: column::parsed(row, "turn_id")?,
        participant: column::parsed(row, "participant_id")?,
        text_from: 0,
        text: row.get("text")?,
        thinking_from: 0,
        thinking: row.get("thinking")?,
    })
}
