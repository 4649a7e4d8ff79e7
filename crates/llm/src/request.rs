//! What is asked of a model and what comes back, in words no vendor owns.

use model::{Block, Role, Usage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of text counted as one token when a prompt's size is estimated before it is sent.
pub const BYTES_PER_TOKEN: u64 = 4;

/// A conversation to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The vendor's name of the model.
    pub model: String,
    /// Instructions that stand before the conversation; may be empty.
    pub system: String,
    pub turns: Vec<Turn>,
    pub tools: Vec<ToolSpec>,
    /// Most tokens the answer may have, thinking included; as many as the model can when none.
    pub max_tokens: Option<u32>,
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
            max_tokens: None,
            thinking: Thinking::Off,
            cache: true,
        }
    }

    /// Roughly how many tokens the prompt has, for showing and for budgets before the vendor counts.
    pub fn estimated_tokens(&self) -> u64 {
        let tools: usize =
            self.tools.iter().map(|t| t.name.len() + t.description.len() + t.schema.to_string().len()).sum();
        let turns: usize = self.turns.iter().flat_map(|turn| &turn.blocks).map(block_bytes).sum();
        (self.system.len() + tools + turns) as u64 / BYTES_PER_TOKEN
    }
}

fn block_bytes(block: &Block) -> usize {
    match block {
        Block::Text { text } | Block::Thinking { text, .. } => text.len(),
        Block::ToolCall { tool, arguments, .. } => tool.len() + arguments.to_string().len(),
        Block::ToolResult { output, .. } => output.len(),
        Block::Image { .. } => 0,
    }
}

/// One entry of the conversation. Tool results come as turns of [`Role::Tool`].
///
/// Histories need not be tidy: a tool call without a result is answered with a note that its outcome
/// is unknown, results that answer nothing are left out, and so are empty texts, image blocks and
/// the thinking of another vendor.
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
    /// Not asked for: switched off where every model accepts that, else the model's own default.
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
    /// A whole call: its arguments are parsed and form an object. Calls come after all text.
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
    /// What goes back as [`Turn::assistant`]: thinking, then text, then tool calls. A thinking block
    /// without text only carries a vendor's signature: to be kept, not shown.
    pub blocks: Vec<Block>,
    /// The four counts do not overlap: their sum is what the vendor counted, and `input_tokens` is
    /// the part of the prompt that was neither read from nor written to the cache. With its cost.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_counts_everything_that_is_sent() {
        let mut request = Request::new("m", "x".repeat(400), vec![Turn::user("y".repeat(400))]);
        assert_eq!(request.estimated_tokens(), 200);
        request.turns.push(Turn::assistant(vec![Block::ToolCall {
            call_id: "c".into(),
            tool: "read".into(),
            arguments: serde_json::json!({"path": "z".repeat(389)}),
        }]));
        assert_eq!(request.estimated_tokens(), 300 + 1);
    }
}
