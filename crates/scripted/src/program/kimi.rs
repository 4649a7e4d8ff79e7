//! What Kimi Code sends.

use super::{Told, flat, only};
use serde_json::{Map, Value, json};

pub(super) fn told(body: &Map<String, Value>) -> Told {
    let mut plain = only(
        body,
        &[
            "model",
            "stream",
            "stream_options",
            "tool_choice",
            "max_tokens",
            "temperature",
            "prompt_cache_key",
        ],
    );
    let mut messages = Vec::new();
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let Some(fields) = message.as_object() else { continue };
        let text = flat(fields.get("content").unwrap_or(&Value::Null));
        let mut fields = only(fields, &["role", "tool_calls", "tool_call_id", "reasoning_content"]);
        if fields.get("role").is_some_and(|role| role == "developer") {
            fields.insert("role".into(), json!("system"));
        }
        let text = if text.trim().is_empty() { "(nothing)".to_owned() } else { text };
        fields.insert("content".into(), json!(text));
        for call in fields.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(known) = call.as_object() {
                *call = only(known, &["type", "id", "function"]).into();
            }
        }
        messages.push(Value::Object(fields));
    }
    plain.insert("messages".into(), json!(messages));
    let mut tools = Vec::new();
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        if let Some(function) = tool.get("function").and_then(Value::as_object) {
            let function = only(function, &["name", "description", "parameters"]);
            tools.push(json!({"type": "function", "function": function}));
        }
    }
    plain.insert("tools".into(), json!(tools));
    let answer_schema =
        body.get("response_format").and_then(|format| format.pointer("/json_schema/schema")).cloned();
    Told { body: Some(plain.into()), tools: None, deferred: Vec::new(), answer_schema }
}
