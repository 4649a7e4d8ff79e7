//! What Claude Code sends.

use super::{Told, flat, only};
use serde_json::{Map, Value, json};

/// Before the names of tools that are to be searched for.
const DEFERRED: &str = "deferred tools are now available";

pub(super) fn told(body: &Map<String, Value>) -> Told {
    let mut plain = only(
        body,
        &["model", "max_tokens", "stream", "metadata", "temperature", "tool_choice", "stop_sequences"],
    );
    let mut deferred = Vec::new();
    let mut system = vec![flat(body.get("system").unwrap_or(&Value::Null))];
    let mut messages = Vec::new();
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let content = &message["content"];
        deferred.extend(deferred_in(&flat(content)));
        match message["role"].as_str() {
            Some("system") => system.push(flat(content)),
            Some("assistant") => messages.push(json!({"role": "assistant", "content": blocks(content)})),
            _ => messages.push(json!({"role": "user", "content": blocks(content)})),
        }
    }
    plain.insert("system".into(), json!(system.join("\n\n")));
    plain.insert("messages".into(), json!(messages));
    let tools = body.get("tools").and_then(Value::as_array);
    let known = tools.into_iter().flatten().filter(|tool| tool.get("input_schema").is_some());
    let known: Vec<Value> = known
        .filter_map(|tool| Some(only(tool.as_object()?, &["name", "description", "input_schema"])))
        .map(Value::Object)
        .collect();
    plain.insert("tools".into(), json!(known));
    let answer_schema =
        body.get("output_config").and_then(|config| config.pointer("/format/schema")).cloned();
    Told { body: Some(plain.into()), tools: None, deferred, answer_schema }
}

/// A message's blocks as far as we read them: results first, then texts.
fn blocks(content: &Value) -> Value {
    let Value::Array(given) = content else { return content.clone() };
    let mut results = Vec::new();
    let mut others = Vec::new();
    for block in given {
        let Some(fields) = block.as_object() else { continue };
        match block["type"].as_str() {
            Some("tool_result") => {
                let mut result = only(fields, &["type", "tool_use_id", "is_error"]);
                result.insert("content".into(), json!(flat(fields.get("content").unwrap_or(&Value::Null))));
                results.push(Value::Object(result));
            }
            Some("text") if !block["text"].as_str().unwrap_or_default().trim().is_empty() => {
                others.push(only(fields, &["type", "text"]).into());
            }
            Some("thinking") => others.push(only(fields, &["type", "thinking", "signature"]).into()),
            Some("redacted_thinking") => others.push(block.clone()),
            Some("tool_use") => others.push(only(fields, &["type", "id", "name", "input"]).into()),
            _ => {}
        }
    }
    results.append(&mut others);
    if results.is_empty() {
        results.push(json!({"type": "text", "text": "(nothing)"}));
    }
    Value::Array(results)
}

/// The names of the lines after the announcement, up to the first line that is no name.
fn deferred_in(text: &str) -> Vec<String> {
    let Some((_, names)) = text.split_once(DEFERRED) else { return Vec::new() };
    let is_name = |line: &&str| {
        !line.is_empty() && line.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    names.lines().skip(1).take_while(is_name).map(str::to_owned).collect()
}
