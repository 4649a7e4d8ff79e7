//! Messages, and the drafts of those still being written.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{Message, MessageDraft, MessageId, SessionId, TaskId, Timestamp, TurnId};

macro_rules! message_columns {
    () => {
        "message_id, session_id, task_id, turn_id, participant_id, parent_message_id, role, blocks, usage, \
         latency_ms, timestamp"
    };
}

/// The messages of a task, from the first to the last. Those of other tasks may stand between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRange {
    pub first: MessageId,
    pub last: MessageId,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
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
    MESSAGES_UPTO = concat!(
        "SELECT ", message_columns!(),
        " FROM agent_messages WHERE session_id = ?1
            AND seq <= (SELECT b.seq FROM agent_messages b WHERE b.message_id = ?2)
          ORDER BY seq DESC LIMIT ?3"
    );
    MESSAGES_BETWEEN = concat!(
        "SELECT ", message_columns!(),
        " FROM agent_messages WHERE session_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT ?4"
    );
    MESSAGE_NUMBER = "SELECT seq FROM agent_messages WHERE message_id = ?1";
    SPOKEN_AFTER = "SELECT 1 FROM agent_messages
        WHERE task_id = ?1 AND turn_id = ?2
          AND seq > (SELECT b.seq FROM agent_messages b WHERE b.message_id = ?3) LIMIT 1";
    MESSAGES_OF_TASK = concat!(
        "SELECT ", message_columns!(), " FROM agent_messages WHERE task_id = ?1 ORDER BY seq"
    );
    FIRST_OF_TASK = "SELECT message_id, timestamp FROM agent_messages WHERE task_id = ?1 ORDER BY seq LIMIT 1";
    LAST_OF_TASK = "SELECT message_id, timestamp FROM agent_messages WHERE task_id = ?1 ORDER BY seq DESC LIMIT 1";
    COUNT_OF_TASK = "SELECT count(*) FROM agent_messages WHERE task_id = ?1";
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

    /// The newest `most` messages of the session up to this one, which is among them; oldest of them first.
    pub fn messages_upto(
        &self,
        session: SessionId,
        upto: MessageId,
        most: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let row = params![session.to_string(), upto.to_string(), limit(most)];
        let mut messages = self.rows(&MESSAGES_UPTO, row, read_message)?;
        messages.reverse();
        Ok(messages)
    }

    /// The newest `most` messages of the session behind the event of one number and up to that of another one; oldest of
    /// them first.
    pub fn messages_between(
        &self,
        session: SessionId,
        after: u64,
        upto: Option<u64>,
        most: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (after, upto) = (number(after), upto.map_or(i64::MAX, number));
        let row = params![session.to_string(), after, upto, limit(most)];
        let mut messages = self.rows(&MESSAGES_BETWEEN, row, read_message)?;
        messages.reverse();
        Ok(messages)
    }

    /// The number of the event that made the message; none when there is no such message.
    pub fn message_number(&self, id: MessageId) -> Result<Option<u64>, StoreError> {
        self.row(&MESSAGE_NUMBER, [id.to_string()], |row| column::unsigned(row, "seq"))
    }

    /// Whether anything was said in the turn after the message.
    pub fn spoken_after(&self, task: TaskId, turn: TurnId, after: MessageId) -> Result<bool, StoreError> {
        let ids = [task.to_string(), turn.to_string(), after.to_string()];
        Ok(self.row(&SPOKEN_AFTER, ids, |_| Ok(()))?.is_some())
    }

    /// Every message of the task, oldest first.
    pub fn task_messages(&self, task: TaskId) -> Result<Vec<Message>, StoreError> {
        self.rows(&MESSAGES_OF_TASK, [task.to_string()], read_message)
    }

    /// Where the task's messages are; none when it has none.
    pub fn message_range(&self, task: TaskId) -> Result<Option<MessageRange>, StoreError> {
        let task = [task.to_string()];
        let end = |row: &Row<'_>| Ok((column::parsed(row, "message_id")?, column::time(row, "timestamp")?));
        let Some((first, first_at)) = self.row(&FIRST_OF_TASK, task.clone(), end)? else { return Ok(None) };
        let Some((last, last_at)) = self.row(&LAST_OF_TASK, task.clone(), end)? else { return Ok(None) };
        let count = self.count(&COUNT_OF_TASK, task)?;
        Ok(Some(MessageRange { first, last, count, first_at, last_at }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate;
    use crate::statement::{Database, Statement};
    use rusqlite::{Connection, StatementStatus};

    /// A session with so many messages, none of them as their content would have it.
    fn session_of(messages: u32) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate::create(&connection, Database::Messages).unwrap();
        let insert = "INSERT INTO agent_messages
                (message_id, session_id, agent_id, message_type, content, timestamp, short_id, seq, role, blocks)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            SELECT 'msg' || i, 'ses', 'claude', 'chat', '', i, 's' || i, i, 'user', '[]' FROM n";
        connection.execute(insert, [messages]).unwrap();
        connection
    }

    /// What the database did to answer: steps of its machine.
    fn steps(connection: &Connection, statement: &Statement, params: &[&dyn rusqlite::ToSql]) -> i32 {
        let mut prepared = connection.prepare(statement.sql).unwrap();
        let mut rows = prepared.query(params).unwrap();
        let mut found = 0;
        while rows.next().unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, 50, "{}", statement.name);
        drop(rows);
        prepared.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn a_page_and_a_window_cost_what_is_in_them_in_a_session_of_a_million_messages() {
        const SHORT: u32 = 200;
        const LONG: u32 = 1_000_000;
        let (short, long) = (session_of(SHORT), session_of(LONG));
        let (in_short, in_long) = (format!("msg{}", SHORT - 60), format!("msg{}", LONG / 2));
        let newest = |of: &Connection| steps(of, &NEWEST_MESSAGES, params!["ses", 50]);
        assert_eq!(newest(&short), newest(&long));
        let after = |of: &Connection, last: u32| {
            steps(of, &MESSAGES_BETWEEN, params!["ses", last - 50, i64::MAX, 4_000])
        };
        assert_eq!(
            after(&short, SHORT),
            after(&long, LONG),
            "what is behind a compaction, and nothing before it"
        );
        for statement in [&MESSAGES_BEFORE, &MESSAGES_UPTO] {
            let few = steps(&short, statement, params!["ses", in_short, 50]);
            assert_eq!(few, steps(&long, statement, params!["ses", in_long, 50]), "{}", statement.name);
        }
    }
}
