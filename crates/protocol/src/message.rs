//! The message codec: how a prompt is written by every face, and how a committed message is shown by
//! every face. The rules for what a prompt may say are the engine's, where all faces meet.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use crate::{RetryPolicy, Task};
use model::{
    AgentName, CostSource, MessageId, OnFailed, ParticipantId, Role, SessionId, TaskId, Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    #[schema(value_type = String)]
    pub id: MessageId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskId>,
    #[schema(value_type = Option<String>)]
    pub turn: Option<TurnId>,
    /// The participant who said it; none for the user and the system.
    #[schema(value_type = Option<String>)]
    pub participant: Option<ParticipantId>,
    #[schema(value_type = Option<String>)]
    pub parent: Option<MessageId>,
    #[schema(value_type = words::Role)]
    pub role: Role,
    pub blocks: Vec<Block>,
    /// What the model call behind it used; none for messages no model wrote.
    pub usage: Option<Usage>,
    /// Milliseconds from request to the last byte of the answer.
    pub latency_ms: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    Text {
        text: String,
    },
    Thinking {
        text: String,
        signature: Option<String>,
    },
    ToolCall {
        call_id: String,
        tool: String,
        arguments: serde_json::Value,
    },
    ToolResult {
        call_id: String,
        tool: String,
        output: String,
        is_error: bool,
        exit_code: Option<i32>,
    },
    /// `hash` names the bytes in the blob store.
    Image {
        media_type: String,
        hash: String,
    },
}

/// What model calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    /// Millionths of a US dollar; 0 when nobody knows a price.
    pub cost_micros: u64,
    /// `vendor`: the vendor's own figure; `table`: reckoned from the daemon's list prices; `mixed`: a sum of both, or a
    /// part of it has no price; `none`: no price is known.
    #[schema(value_type = words::CostSource)]
    pub cost_source: CostSource,
}

impl Usage {
    /// All tokens, cached or not, in and out.
    pub fn tokens(&self) -> u64 {
        [self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

impl From<model::Usage> for Usage {
    fn from(usage: model::Usage) -> Self {
        let model::Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cost_micros,
            cost_source,
        } = usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_source }
    }
}

impl From<model::Block> for Block {
    fn from(block: model::Block) -> Self {
        match block {
            model::Block::Text { text } => Self::Text { text },
            model::Block::Thinking { text, signature } => Self::Thinking { text, signature },
            model::Block::ToolCall { call_id, tool, arguments } => {
                Self::ToolCall { call_id, tool, arguments }
            }
            model::Block::ToolResult { call_id, tool, output, is_error, exit_code } => {
                Self::ToolResult { call_id, tool, output, is_error, exit_code }
            }
            model::Block::Image { media_type, hash } => Self::Image { media_type, hash },
        }
    }
}

impl From<model::Message> for Message {
    fn from(message: model::Message) -> Self {
        Self {
            id: message.id,
            session: message.session,
            task: message.task,
            turn: message.turn,
            participant: message.participant,
            parent: message.parent,
            role: message.role,
            blocks: message.blocks.into_iter().map(Block::from).collect(),
            usage: message.usage.map(Usage::from),
            latency_ms: message.latency_ms,
            created_at: message.created_at,
        }
    }
}

impl Message {
    /// The text a reader sees first: text blocks only, joined by blank lines. Thinking and tools are
    /// shown apart or not at all.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self
            .blocks
            .iter()
            .filter_map(|block| match block {
                Block::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        texts.join("\n\n")
    }
}

/// Body of `POST /sessions/{id}/messages`: a prompt, which becomes a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrompt {
    /// At most 256 KiB.
    pub text: String,
    /// Agents of the session; empty: all of them.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub targets: Vec<AgentName>,
    /// Higher goes first; equal ones in the order of submission. Between -1000000 and 1000000.
    #[serde(default)]
    pub priority: i32,
    /// Ids or short ids of tasks of the workspace that must be completed first. At most 32.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What becomes of the task when one of them is not completed; `cancel` without.
    #[serde(default)]
    #[schema(value_type = words::OnFailed)]
    pub on_failed: OnFailed,
    /// When the task fails if it has not ended by then.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// The same as seconds from now: 1 to 31622400.
    #[serde(default)]
    pub deadline_seconds: Option<u64>,
    /// When it is tried again; without it after crashes, as often as `limits.max_attempts` says.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// What whoever does it must be able to; with no targets, one agent of the session who is gets it. At most 16.
    #[serde(default)]
    pub wants: Vec<String>,
    /// No agent begins it by itself: it waits for whoever claims it.
    #[serde(default)]
    pub pool: bool,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    #[serde(default)]
    pub client: Option<String>,
}

/// Which messages of a session to list: the newest page, or the newest before one. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// `next` of the page after: messages older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<MessageId>,
    /// Of a fork: also what was said before it, in the sessions it was forked from.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with messages.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("messages", id, method, path, access, summary);
    vec![
        op(
            "list_messages",
            Get,
            "/sessions/{id}/messages",
            Run,
            "Lists the newest messages, oldest of them first.",
        )
        .query::<MessageQuery>()
        .lists::<Message>(),
        op(
            "prompt",
            Post,
            "/sessions/{id}/messages",
            User,
            "Prompts agents of a session; the answer is the task.",
        )
        .body::<NewPrompt>()
        .creates::<Task>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_one_form_in_journal_and_wire() {
        let blocks = vec![
            model::Block::Text { text: "t".to_owned() },
            model::Block::Thinking { text: "h".to_owned(), signature: Some("s".to_owned()) },
            model::Block::ToolCall {
                call_id: "1".to_owned(),
                tool: "bash".to_owned(),
                arguments: serde_json::json!({"command": "ls"}),
            },
            model::Block::ToolResult {
                call_id: "1".to_owned(),
                tool: "bash".to_owned(),
                output: "x".to_owned(),
                is_error: true,
                exit_code: Some(1),
            },
            model::Block::Image { media_type: "image/png".to_owned(), hash: "00".to_owned() },
        ];
        for block in blocks {
            let stored = serde_json::to_value(&block).unwrap();
            assert_eq!(serde_json::to_value(Block::from(block)).unwrap(), stored);
        }
    }
}
