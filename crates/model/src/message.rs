//! Messages: one entry of a conversation, a role and content blocks.

use crate::{MessageId, ParticipantId, SessionId, TaskId, Timestamp, TurnId};
use serde::{Deserialize, Serialize};

/// Longest text of a prompt, in bytes.
pub const PROMPT_MAX: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub session: SessionId,
    pub task: Option<TaskId>,
    pub turn: Option<TurnId>,
    /// The participant who said it; none for the user and the system.
    pub participant: Option<ParticipantId>,
    pub parent: Option<MessageId>,
    pub role: Role,
    pub blocks: Vec<Block>,
    /// What the model call behind it used; none for messages no model wrote.
    pub usage: Option<Usage>,
    /// Milliseconds from request to the last byte of the answer.
    pub latency_ms: Option<u64>,
    pub created_at: Timestamp,
}

impl Message {
    /// The text a reader sees first: text blocks only, joined by blank lines.
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

    /// The seed's word for what the message is: `chat`, `tool_call` or `system`.
    pub fn message_type(&self) -> &'static str {
        if self.role == Role::System {
            "system"
        } else if self.blocks.iter().any(|b| matches!(b, Block::ToolCall { .. } | Block::ToolResult { .. })) {
            "tool_call"
        } else {
            "chat"
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    Tool,
    System,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::User, Self::Assistant, Self::Tool, Self::System];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::System => "system",
        }
    }
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a model call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    /// Millionths of a US dollar; 0 when nobody knows a price.
    pub cost_micros: u64,
    /// Who says so. Records of before the field have `none`.
    #[serde(default)]
    pub cost_source: CostSource,
}

/// Where the figure of a cost is from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// Nobody said: no price is known, or nothing was used.
    #[default]
    None,
    /// Reckoned from the tokens by our dated table of list prices.
    Table,
    /// The vendor's own figure.
    Vendor,
    /// A sum of figures from different sources.
    Mixed,
}

impl CostSource {
    pub const ALL: [Self; 4] = [Self::None, Self::Table, Self::Vendor, Self::Mixed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Table => "table",
            Self::Vendor => "vendor",
            Self::Mixed => "mixed",
        }
    }
}

impl Usage {
    /// All tokens, cached or not, in and out.
    pub fn tokens(&self) -> u64 {
        [self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Nothing was used.
    pub fn is_empty(&self) -> bool {
        self.tokens() == 0 && self.cost_micros == 0
    }
}

/// Text of a message that is still being written, kept so that a crash loses at most a second of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDraft {
    pub session: SessionId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    /// Bytes of text kept before: what comes goes behind them. At 0, as in records without the field, it is all.
    #[serde(default)]
    pub text_from: u64,
    pub text: String,
    /// As `text_from`.
    #[serde(default)]
    pub thinking_from: u64,
    pub thinking: String,
}
