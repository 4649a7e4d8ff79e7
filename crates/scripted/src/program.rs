//! The vendors' own programs: Claude Code, Codex, Gemini CLI, Kimi Code.
//!
//! They send more than our loop does, and what they send is their vendors' business: nobody tests them
//! here. So a program's request is first brought to the part of the dialect that is read strictly.
//!
//! Invariant: the texts people wrote, the calls, their results and the tools survive; what the vendor
//! wrapped around them is in the system prompt or gone.

mod claude;
mod codex;
mod gemini;
mod kimi;

use crate::conversation::{Conversation, OfferedTool};
use crate::dialect::Dialect;
use axum::http::{HeaderMap, header};
use model::Vendor;
use serde_json::{Map, Value, json};

/// What our own client calls itself in `user-agent`.
const OURS: &str = "coditect/";

/// Elements the programs, and our drivers of them, put around and between what people write.
const WRAPPERS: &[&str] = &[
    "conversation_so_far",
    "system-reminder",
    "environment_context",
    "session_context",
    "hook_context",
    "user_instructions",
    "INSTRUCTIONS",
    "subagent_notification",
    "task-notification",
    "turn_aborted",
];

/// Whether a program asks: whoever names himself and is not us.
pub(crate) fn asks(headers: &HeaderMap) -> bool {
    let name = headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok()).unwrap_or_default();
    !name.is_empty() && !name.starts_with(OURS)
}

/// What a program's request says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    /// The request in words that are read strictly.
    pub(crate) body: Option<Value>,
    /// The tools, where the dialect alone has no words for them.
    pub(crate) tools: Option<Vec<OfferedTool>>,
    pub(crate) deferred: Vec<String>,
    pub(crate) answer_schema: Option<Value>,
}

impl Told {
    /// Adds to the conversation what its dialect does not know.
    pub(crate) fn complete(&self, conversation: &mut Conversation) {
        conversation.program = true;
        conversation.deferred.clone_from(&self.deferred);
        conversation.answer_schema.clone_from(&self.answer_schema);
        if let Some(tools) = &self.tools {
            conversation.tools.clone_from(tools);
        }
        let usual = match conversation.vendor {
            Vendor::Anthropic => "claude",
            Vendor::Openai => "codex",
            Vendor::Google => "gemini",
            Vendor::Moonshot => "kimi",
        };
        conversation.agent.get_or_insert_with(|| usual.to_owned());
    }
}

pub(crate) fn told(dialect: Dialect, body: &Value) -> Told {
    let Some(body) = body.as_object() else { return Told::default() };
    match dialect {
        Dialect::Anthropic => claude::told(body),
        Dialect::Responses => codex::told(body),
        Dialect::Google => gemini::told(body),
        Dialect::Chat => kimi::told(body),
    }
}

/// How the studio's own wish for a title begins.
const NAMES: &str = "You name conversations.";
/// And how its wish for a summary does.
const CONDENSES: &str = "You condense conversations.";

/// The answer to a request beside the conversation. Programs ask for titles, classes and summaries in
/// requests that offer no tools; the prompt in them is quoted, and its script not meant. So does the studio itself.
pub(crate) fn aside(conversation: &Conversation) -> Option<String> {
    if conversation.system.starts_with(CONDENSES) {
        return Some("A scripted summary.".to_owned());
    }
    let names = conversation.system.starts_with(NAMES);
    if !names && !conversation.program || !conversation.tools.is_empty() {
        return None;
    }
    Some(match &conversation.answer_schema {
        Some(schema) => least(schema).to_string(),
        None => "A scripted conversation".to_owned(),
    })
}

/// A small value the schema allows.
fn least(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.get(0)) {
        return least(first);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind.unwrap_or("object").to_ascii_lowercase().as_str() {
        "object" => {
            let known = schema.get("properties").and_then(Value::as_object);
            let fields = known.into_iter().flatten().map(|(name, schema)| (name.clone(), least(schema)));
            Value::Object(fields.collect())
        }
        "array" => json!([]),
        "string" => json!("scripted"),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
    }
}

/// The text without what the program put in it.
pub(crate) fn spoken(text: &str) -> String {
    let mut said = text.to_owned();
    for name in WRAPPERS {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        while let Some(at) = said.find(&open) {
            let end = said[at..].find(&close).map_or(said.len(), |end| at + end + close.len());
            said.replace_range(at..end, "");
        }
    }
    said
}

/// The fields of an object that are named.
fn only(object: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    object
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// The text of a content that is one or is made of parts.
fn flat(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) => {
            let text = |part: &Value| match part {
                Value::String(text) => text.clone(),
                // A task for a sub-agent is called encrypted, though nobody encrypted it here.
                part => match ["text", "encrypted_content"].iter().find_map(|key| part.get(*key)?.as_str()) {
                    Some(text) => text.to_owned(),
                    None => format!("[{}]", part.get("type").and_then(Value::as_str).unwrap_or("part")),
                },
            };
            parts.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "tests/program.rs"]
mod tests;
