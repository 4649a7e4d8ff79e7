//! What a vendor's stream said at its end, as one [`Answer`].
//!
//! Invariant: every tool call that leaves here has a name, an id of its own and an object of
//! arguments; anything else is [`LlmError::Malformed`].

use crate::conversation::{seal, seal_redacted};
use crate::{Answer, LlmError, Price, Stop, price_of};
use genai::chat::{ContentPart, StopReason, StreamEnd, ToolCall};
use model::{Block, CostSource, Entropy, Usage, Vendor};
use serde_json::{Value, json};

/// Longest answer that is taken, in bytes of text, thinking and arguments.
pub const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// What is needed to read an answer besides the answer.
pub(crate) struct Reader<'a> {
    pub(crate) vendor: Vendor,
    pub(crate) model: &'a str,
    pub(crate) price: Option<Price>,
    pub(crate) entropy: &'a dyn Entropy,
    /// Tokens read from the cache as Kimi reports them, in a field of its own.
    pub(crate) cached_aside: u64,
}

impl Reader<'_> {
    /// The answer; none when the stream ended without the vendor saying that it is complete.
    pub(crate) fn read(&self, end: StreamEnd, retries: u32) -> Result<Option<Answer>, LlmError> {
        let Some(reason) = end.captured_stop_reason else { return Ok(None) };
        let usage = self.usage(end.captured_usage);
        let parts = end.captured_content.map(|content| content.into_parts()).unwrap_or_default();
        let cut = reason.is_max_tokens();
        let blocks = self.blocks(parts, end.captured_reasoning_content, cut)?;
        let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall { .. }));
        let stop = stop(&reason, calls, blocks.is_empty())?;
        Ok(Some(Answer { blocks, usage, stop, retries }))
    }

    fn blocks(
        &self,
        parts: Vec<ContentPart>,
        reasoning: Option<String>,
        cut: bool,
    ) -> Result<Vec<Block>, LlmError> {
        let mut thinking: Vec<Block> = Vec::new();
        let mut rest: Vec<Block> = Vec::new();
        let with_calls = if self.vendor == Vendor::Google { signatures_of_calls(&parts) } else { Vec::new() };
        for part in parts {
            match part {
                // Google's signature belongs to one call and goes right before it.
                ContentPart::ThoughtSignature(signature) if with_calls.contains(&signature) => {}
                ContentPart::ThoughtSignature(signature) => {
                    thinking.push(self.signed(&signature));
                }
                ContentPart::ReasoningContent(text) => say(&mut thinking, text),
                ContentPart::Custom(custom) => thinking.push(Block::Thinking {
                    text: String::new(),
                    signature: Some(seal_redacted(self.vendor, &custom.data)),
                }),
                ContentPart::Text(text) if !text.is_empty() => rest.push(Block::Text { text }),
                ContentPart::ToolCall(call) => self.call(call, cut, &mut rest)?,
                _ => {}
            }
        }
        // Vendors other than Anthropic do not say which signature covers which thought.
        if let Some(text) = reasoning.filter(|_| !thinking.iter().any(has_text)) {
            say(&mut thinking, text);
        }
        thinking.append(&mut rest);
        Ok(thinking)
    }

    fn signed(&self, signature: &str) -> Block {
        Block::Thinking { text: String::new(), signature: Some(seal(self.vendor, signature)) }
    }

    fn call(&self, call: ToolCall, cut: bool, blocks: &mut Vec<Block>) -> Result<(), LlmError> {
        let ToolCall { call_id, fn_name, fn_arguments, thought_signatures } = call;
        let arguments = match object(fn_arguments) {
            Some(arguments) if !fn_name.is_empty() => arguments,
            // The limit cut it off in the middle; what is there of it must not be carried out.
            _ if cut => return Ok(()),
            Some(_) => return Err(malformed("a tool call without a name")),
            None => {
                return Err(malformed(format!("the arguments of `{fn_name}` are not a JSON object")));
            }
        };
        if self.vendor == Vendor::Google {
            let signature = thought_signatures.and_then(|all| all.into_iter().next());
            blocks.extend(signature.map(|signature| self.signed(&signature)));
        }
        let call_id = self.call_id(call_id, &fn_name);
        blocks.push(Block::ToolCall { call_id, tool: fn_name, arguments });
        Ok(())
    }

    /// Google names its calls only sometimes and genai numbers the others anew in every answer. The
    /// number is replaced by a random one; the form stays, by which genai knows not to send it.
    fn call_id(&self, given: String, tool: &str) -> String {
        if !given.is_empty() && !given.starts_with("call#") {
            return given;
        }
        let mut random = [0u8; 4];
        self.entropy.fill(&mut random);
        format!("call#{tool}#{}", u32::from_le_bytes(random))
    }

    fn usage(&self, counted: Option<genai::chat::Usage>) -> Usage {
        let counted = counted.unwrap_or_default();
        let count = |tokens: Option<i32>| u64::try_from(tokens.unwrap_or(0)).unwrap_or(0);
        let details = counted.prompt_tokens_details.unwrap_or_default();
        let prompt = count(counted.prompt_tokens);
        let cache_read_tokens = count(details.cached_tokens).max(self.cached_aside).min(prompt);
        let cache_write_tokens = count(details.cache_creation_tokens).min(prompt - cache_read_tokens);
        let mut usage = Usage {
            input_tokens: prompt - cache_read_tokens - cache_write_tokens,
            output_tokens: count(counted.completion_tokens),
            cache_read_tokens,
            cache_write_tokens,
            cost_micros: 0,
            cost_source: CostSource::None,
        };
        let price = self.price.or_else(|| price_of(self.vendor, self.model, prompt));
        if let Some(price) = price {
            usage.cost_micros = price.cost_micros(&usage);
            usage.cost_source = CostSource::Table;
        }
        usage
    }
}

fn signatures_of_calls(parts: &[ContentPart]) -> Vec<String> {
    let calls = parts.iter().filter_map(|part| match part {
        ContentPart::ToolCall(call) => call.thought_signatures.clone(),
        _ => None,
    });
    calls.flatten().collect()
}

fn has_text(block: &Block) -> bool {
    matches!(block, Block::Thinking { text, .. } if !text.is_empty())
}

/// Gives the text to the thinking block that waits for it, else to one of its own.
fn say(thinking: &mut Vec<Block>, said: String) {
    match thinking.last_mut() {
        Some(Block::Thinking { text, .. }) if text.is_empty() => *text = said,
        _ if said.is_empty() => {}
        _ => thinking.push(Block::Thinking { text: said, signature: None }),
    }
}

fn object(arguments: Value) -> Option<Value> {
    match arguments {
        Value::Object(_) => Some(arguments),
        Value::Null => Some(json!({})),
        Value::String(text) if text.trim().is_empty() => Some(json!({})),
        Value::String(text) => serde_json::from_str(&text).ok().filter(Value::is_object),
        _ => None,
    }
}

fn stop(reason: &StopReason, calls: bool, empty: bool) -> Result<Stop, LlmError> {
    match reason {
        StopReason::MaxTokens(_) => Ok(Stop::MaxTokens),
        StopReason::ContentFilter(_) => Ok(Stop::Declined),
        _ if calls => Ok(Stop::ToolCalls),
        StopReason::Completed(_) | StopReason::StopSequence(_) => Ok(Stop::End),
        StopReason::ToolCall(_) => Err(malformed("it wants to call a tool and names none")),
        // Google says so when its model wrote a call nobody can read.
        StopReason::Other(other) if empty => Err(malformed(format!("it stopped with `{other}`"))),
        StopReason::Other(_) => Ok(Stop::End),
    }
}

pub(crate) fn malformed(detail: impl Into<String>) -> LlmError {
    LlmError::Malformed { detail: detail.into() }
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
