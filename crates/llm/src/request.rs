//! What is asked of a model and what comes back, in words no vendor owns.

use model::{Block, Role, Usage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tokens an answer may have when the caller has no opinion.
pub const MAX_TOKENS: u32 = 32_000;

/// A conversation to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The vendor's name of the model.
    pub model: String,
    /// Instructions that stand before the conversation; may be empty.
    pub system: String,
    pub turns: Vec<Turn>,
    pub tools: Vec<ToolSpec>,
    /// Most tokens the answer may have, thinking included.
    pub max_tokens: u32,
    pub thinking: Thinking,
    /// Marks system, tools and history as worth keeping in the vendor's prompt cache.
    pub cache: bool,
}

impl Request {
    /// A request without tools or thinking, with the prompt cache on.
    pub fn new(model: impl Into<String>, system: impl Into<String>, turns: Vec<Turn>) -> Self {
        Self {
            model: model.into(),
            system: system.into(),
            turns,
            tools: Vec::new(),
            max_tokens: MAX_TOKENS,
            thinking: Thinking::Off,
            cache: true,
        }
    }
}

/// One entry of the conversation. Tool results come as turns of [`Role::Tool`]; each of them must
/// answer a tool call of the assistant turn before. Image blocks are not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub role: Role,
    pub blocks: Vec<Block>,
}

impl Turn {
    pub fn new(role: Role, blocks: Vec<Block>) -> Self {
        Self { role, blocks }
    }

    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![Block::Text { text: text.into() }])
    }

    /// The model's own turn, as [`Answer::blocks`] gave it: order and signatures matter.
    pub fn assistant(blocks: Vec<Block>) -> Self {
        Self::new(Role::Assistant, blocks)
    }

    /// Results of tool calls.
    pub fn results(blocks: Vec<Block>) -> Self {
        Self::new(Role::Tool, blocks)
    }
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments; an object schema.
    pub schema: serde_json::Value,
}

/// How hard the model should think before it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Whatever the model does when it is not told.
    #[default]
    Off,
    Low,
    Medium,
    High,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// Nothing of the answer came yet, the call failed, and it will be made again after `wait`.
    Retrying {
        /// Number of the coming attempt; the first retry is 2.
        attempt: u32,
        wait: Duration,
        reason: String,
    },
    Text(String),
    Thinking(String),
    /// A whole call: its arguments are parsed and form an object. Comes after all text.
    ToolCall {
        call_id: String,
        tool: String,
        arguments: serde_json::Value,
    },
    /// The last chunk.
    Done(Answer),
}

/// An answer as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What goes back as [`Turn::assistant`], with the vendor's signatures in place.
    pub blocks: Vec<Block>,
    /// With its cost by our price table.
    pub usage: Usage,
    pub stop: Stop,
    /// How often the call was made again before it was answered.
    pub retries: u32,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// It had said everything.
    End,
    /// It waits for tool results; there is at least one tool call.
    ToolCalls,
    /// [`Request::max_tokens`] was reached; the answer is incomplete.
    MaxTokens,
    /// The vendor's filter or the model itself declined.
    Declined,
}
