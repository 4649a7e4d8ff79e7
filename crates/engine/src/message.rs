//! Messages: prompting, and reading the conversation.

use crate::{Call, Engine, LiveTurn, TaskView};
use model::{AgentName, Message, MessageId, Refusal, SessionId, TaskId};

#[derive(Debug, Clone, Default)]
pub struct NewPrompt {
    pub text: String,
    /// Empty: every participant.
    pub targets: Vec<AgentName>,
    pub priority: i32,
    pub depends_on: Vec<TaskId>,
}

#[derive(Debug, Clone)]
pub struct MessagePage {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Older messages exist before this one.
    pub earlier: Option<MessageId>,
}

impl Engine {
    pub async fn prompt(
        &self,
        call: &Call,
        session: SessionId,
        prompt: NewPrompt,
    ) -> Result<TaskView, Refusal> {
        todo!()
    }

    pub fn messages(
        &self,
        session: SessionId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<MessagePage, Refusal> {
        todo!()
    }

    pub fn live(&self, session: SessionId) -> Result<Vec<LiveTurn>, Refusal> {
        todo!()
    }
}
