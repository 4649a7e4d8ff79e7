//! A request in words no vendor owns, and the rules all four share.
//!
//! Invariant: a [`Conversation`] that passed [`Conversation::check`] is one every real API would take.

use model::Vendor;
use serde_json::Value;

/// A request as its dialect read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) vendor: Vendor,
    /// From the line `You are AGENT,` of the system prompt.
    pub(crate) agent: Option<String>,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) system: String,
    pub(crate) tools: Vec<OfferedTool>,
    pub(crate) messages: Vec<Said>,
    /// Whether parts are marked for the cache (Anthropic).
    pub(crate) cache_marks: bool,
    /// Whether signed reasoning is wanted back (OpenAI's encrypted content).
    pub(crate) wants_signatures: bool,
    /// Whether a vendor's own program asks, and not our loop.
    pub(crate) program: bool,
    /// Names of tools that are to be searched for before they can be called; or what such names begin with.
    pub(crate) deferred: Vec<String>,
    /// The schema the answer must have, when it must have one.
    pub(crate) answer_schema: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfferedTool {
    /// With its namespace, if it has one: `mcp__server__tool`.
    pub(crate) name: String,
    pub(crate) schema: Value,
    pub(crate) form: Form,
}

/// How a tool is called.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Form {
    #[default]
    Function,
    /// A function that is called by its own name and that of its namespace.
    Namespaced(String),
    /// With text instead of JSON.
    Custom,
    /// The vendor's own way to search for tools.
    Search,
    /// From the JavaScript the tool `exec` runs.
    Nested,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    User { text: String },
    Assistant { calls: Vec<ToolCall> },
    Results(Vec<ToolResult>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall {
    /// Google may leave it out.
    pub(crate) call_id: Option<String>,
    pub(crate) tool: String,
    /// Bytes of its arguments as JSON.
    pub(crate) bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolResult {
    pub(crate) call_id: Option<String>,
    /// Google names the tool.
    pub(crate) tool: Option<String>,
    pub(crate) output: String,
}

/// Tokens of a prompt, counted so that all dialects come to the same figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PromptTokens {
    pub(crate) total: u64,
    /// Those of them an earlier request of the same conversation had already.
    pub(crate) cached: u64,
}

/// A fourth of the bytes, rounded up.
pub(crate) fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

impl Conversation {
    pub(crate) fn empty(vendor: Vendor) -> Self {
        Self {
            vendor,
            agent: None,
            model: String::new(),
            stream: true,
            system: String::new(),
            tools: Vec::new(),
            messages: Vec::new(),
            cache_marks: false,
            wants_signatures: true,
            program: false,
            deferred: Vec::new(),
            answer_schema: None,
        }
    }

    /// Says what is wrong with the order of messages, calls and results.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.model.is_empty() {
            return Err("`model` is empty".into());
        }
        for (at, tool) in self.tools.iter().enumerate() {
            if !tool.schema.is_object() {
                return Err(format!("the schema of `{}` is no object", tool.name));
            }
            if self.tools[..at].iter().any(|other| other.name == tool.name) {
                return Err(format!("the tool `{}` is offered twice", tool.name));
            }
        }
        if !matches!(self.messages.first(), Some(Said::User { .. })) {
            return Err("the first message is not the user's".into());
        }
        let mut open: &[ToolCall] = &[];
        for said in &self.messages {
            match said {
                Said::Results(results) => {
                    answered(open, results)?;
                    open = &[];
                }
                _ if !open.is_empty() => {
                    return Err(format!("the call of `{}` has no result right after it", open[0].tool));
                }
                Said::User { text } if text.trim().is_empty() => {
                    return Err("a user message is empty".into());
                }
                Said::User { .. } => {}
                Said::Assistant { calls } => open = calls,
            }
        }
        if matches!(self.messages.last(), Some(Said::Assistant { .. })) {
            return Err("the last message is the assistant's".into());
        }
        Ok(())
    }

    /// Adds a result to the ones right before it, as dialects have it that send each alone.
    pub(crate) fn push_result(&mut self, result: ToolResult) {
        match self.messages.last_mut() {
            Some(Said::Results(results)) => results.push(result),
            _ => self.messages.push(Said::Results(vec![result])),
        }
    }

    /// Adds to the assistant message right before, as dialects have it that send each call alone.
    pub(crate) fn push_call(&mut self, call: Option<ToolCall>) {
        match self.messages.last_mut() {
            Some(Said::Assistant { calls }) => calls.extend(call),
            _ => self.messages.push(Said::Assistant { calls: call.into_iter().collect() }),
        }
    }

    pub(crate) fn prompt_tokens(&self) -> PromptTokens {
        let bytes = |messages: &[Said]| -> usize {
            messages
                .iter()
                .map(|said| match said {
                    Said::User { text } => text.len(),
                    Said::Assistant { calls } => calls.iter().map(|call| call.tool.len() + call.bytes).sum(),
                    Said::Results(results) => results.iter().map(|result| result.output.len()).sum(),
                })
                .sum()
        };
        let total = tokens(self.system.len() + bytes(&self.messages));
        // The request before this one ended before the last answer.
        let before = self.messages.iter().rposition(|said| matches!(said, Said::Assistant { .. }));
        let cached = before.map_or(0, |at| tokens(self.system.len() + bytes(&self.messages[..at])));
        PromptTokens { total, cached: cached.min(total) }
    }
}

/// Every call has one result and every result a call. Without ids they are matched in their order.
fn answered(open: &[ToolCall], results: &[ToolResult]) -> Result<(), String> {
    if open.len() != results.len() {
        return Err(format!("{} calls and {} results", open.len(), results.len()));
    }
    for (call, result) in open.iter().zip(results) {
        let fits = match &result.call_id {
            Some(id) => open.iter().filter(|call| call.call_id.as_ref() == Some(id)).count() == 1,
            None => call.call_id.is_none() && result.tool.as_ref() == Some(&call.tool),
        };
        if !fits {
            return Err(format!("a result fits no call: {:?} {:?}", result.call_id, result.tool));
        }
    }
    for (at, result) in results.iter().enumerate() {
        if result.call_id.is_some() && results[..at].iter().any(|other| other.call_id == result.call_id) {
            return Err(format!("two results for {:?}", result.call_id));
        }
    }
    Ok(())
}

/// The name in the line `You are AGENT,` of a system prompt.
pub(crate) fn agent_of(system: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    system.lines().find_map(|line| {
        let name = line.trim_start().strip_prefix("You are ")?.split_once(',')?.0.trim();
        (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_the_one_the_system_prompt_addresses() {
        assert_eq!(agent_of("You are claude, one of four."), Some("claude".into()));
        assert_eq!(agent_of("Rules.\n  You are kimi-2, yes."), Some("kimi-2".into()));
        assert_eq!(agent_of("You are Codex, a program.\nYou are ada, one of two."), Some("ada".into()));
        for none in ["", "You are", "You are a helpful assistant, really", "you are x,"] {
            assert_eq!(agent_of(none), None, "{none}");
        }
    }

    fn talk(messages: Vec<Said>) -> Result<(), String> {
        Conversation { model: "m".into(), messages, ..Conversation::empty(Vendor::Openai) }.check()
    }

    fn user() -> Said {
        Said::User { text: "u".into() }
    }

    fn calls(ids: &[&str]) -> Said {
        let call = |id: &&str| ToolCall { call_id: Some((*id).into()), tool: "t".into(), bytes: 0 };
        Said::Assistant { calls: ids.iter().map(call).collect() }
    }

    fn results(ids: &[&str]) -> Said {
        let result = |id: &&str| ToolResult { call_id: Some((*id).into()), tool: None, output: "o".into() };
        Said::Results(ids.iter().map(result).collect())
    }

    #[test]
    fn calls_and_results_must_pair() {
        assert_eq!(talk(vec![user(), calls(&["a", "b"]), results(&["b", "a"])]), Ok(()));
        for (wrong, why) in [
            (vec![], "begins with nothing"),
            (vec![calls(&["a"]), results(&["a"])], "begins with the assistant"),
            (vec![user(), calls(&["a"]), user()], "no result"),
            (vec![user(), calls(&["a"])], "ends with the assistant"),
            (vec![user(), results(&["a"])], "no call"),
            (vec![user(), calls(&["a", "b"]), results(&["a", "a"])], "twice the same"),
            (vec![user(), calls(&["a"]), results(&["x"])], "another id"),
            (vec![Said::User { text: " ".into() }], "empty"),
        ] {
            assert!(talk(wrong).is_err(), "{why}");
        }
    }

    #[test]
    fn tokens_of_earlier_requests_count_as_cached() {
        let mut conversation = Conversation::empty(Vendor::Openai);
        conversation.system = "s".repeat(40);
        conversation.messages = vec![Said::User { text: "u".repeat(20) }];
        assert_eq!(conversation.prompt_tokens(), PromptTokens { total: 15, cached: 0 });
        conversation.messages.push(calls(&["a"]));
        conversation.messages.push(results(&["a"]));
        assert_eq!(conversation.prompt_tokens(), PromptTokens { total: 16, cached: 15 });
    }
}
