//! What Codex sends: tools of five kinds, some of them in the middle of the conversation.

use super::{Told, flat, only};
use crate::conversation::{Form, OfferedTool};
use serde_json::{Map, Value, json};

/// Before the names of the namespaces that are to be searched for.
const DEFERRED: &str = "Deferred tool namespaces:";
/// What the tool that runs JavaScript has for the rest of its tools.
const NESTED: &[(&str, &str)] = &[("apply_patch", "input"), ("exec_command", "cmd")];

pub(super) fn told(body: &Map<String, Value>) -> Told {
    let mut plain = only(
        body,
        &["model", "stream", "store", "tool_choice", "include", "parallel_tool_calls", "prompt_cache_key"],
    );
    plain.insert("store".into(), json!(false));
    let mut system = vec![flat(body.get("instructions").unwrap_or(&Value::Null))];
    let mut tools = Vec::new();
    offer(body.get("tools"), None, &mut tools);
    let mut input = Vec::new();
    if let Some(text) = body.get("input").and_then(Value::as_str) {
        input.push(json!({"role": "user", "content": text}));
    }
    for item in body.get("input").and_then(Value::as_array).into_iter().flatten() {
        match (item["type"].as_str(), item["role"].as_str()) {
            (Some("additional_tools"), _) => offer(item.get("tools"), None, &mut tools),
            (Some("tool_search_output"), _) => {
                offer(item.get("tools"), None, &mut tools);
                input.extend(plain_item(item));
            }
            (Some("message"), Some("developer" | "system")) => system.push(flat(&item["content"])),
            _ => input.extend(plain_item(item)),
        }
    }
    plain.insert("input".into(), json!(input));
    let system = system.join("\n\n");
    let deferred = deferred_in(&system);
    plain.insert("instructions".into(), json!(system));
    let answer_schema = body.get("text").and_then(|text| text.pointer("/format/schema")).cloned();
    Told { body: Some(plain.into()), tools: Some(tools), deferred, answer_schema }
}

/// An item in the words of functions.
fn plain_item(item: &Value) -> Option<Value> {
    let call = |name: String, arguments: String| json!({"type": "function_call", "call_id": item["call_id"], "name": name, "arguments": arguments});
    let output =
        |text: String| json!({"type": "function_call_output", "call_id": item["call_id"], "output": text});
    let name = item["name"].as_str().unwrap_or_default();
    Some(match item["type"].as_str().unwrap_or("message") {
        "message" => message(item)?,
        // What another agent says comes as the user's word.
        "agent_message" => json!({"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": flat(&item["content"])}]}),
        "function_call" => {
            let name = match item["namespace"].as_str() {
                Some(space) => format!("{space}__{name}"),
                None => name.to_owned(),
            };
            call(name, item["arguments"].as_str().unwrap_or("{}").to_owned())
        }
        "custom_tool_call" => call(name.to_owned(), json!({"input": item["input"]}).to_string()),
        "tool_search_call" => call("tool_search".into(), item["arguments"].to_string()),
        "function_call_output" | "custom_tool_call_output" => output(flat(&item["output"])),
        "tool_search_output" => output(item["tools"].to_string()),
        "reasoning" if item["encrypted_content"].is_string() => {
            only(item.as_object()?, &["type", "encrypted_content", "summary"]).into()
        }
        _ => return None,
    })
}

fn message(item: &Value) -> Option<Value> {
    let role = item["role"].as_str()?;
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    let text = flat(&item["content"]);
    let text = if text.trim().is_empty() { "(nothing)".to_owned() } else { text };
    Some(json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]}))
}

/// Adds the tools of a list, and of the namespaces in it.
fn offer(list: Option<&Value>, space: Option<&str>, to: &mut Vec<OfferedTool>) {
    for tool in list.and_then(Value::as_array).into_iter().flatten() {
        let name = tool["name"].as_str().unwrap_or_default();
        let form = match tool["type"].as_str() {
            // The namespace `functions` is where tools are that have none.
            Some("namespace") => {
                offer(tool.get("tools"), Some(name).filter(|name| *name != "functions"), to);
                continue;
            }
            Some("custom") => Form::Custom,
            Some("tool_search") => Form::Search,
            Some("function") => space.map_or(Form::Function, |space| Form::Namespaced(space.to_owned())),
            _ => continue,
        };
        if name == "exec" && form == Form::Custom {
            let text = tool["description"].as_str().unwrap_or_default();
            for (nested, argument) in NESTED.iter().filter(|(nested, _)| text.contains(nested)) {
                let schema = json!({"properties": {*argument: {"type": "string"}}});
                put(to, OfferedTool { name: (*nested).to_owned(), schema, form: Form::Nested });
            }
        }
        let name = match (space, tool["type"].as_str()) {
            (_, Some("tool_search")) => "tool_search".to_owned(),
            (Some(space), _) => format!("{space}__{name}"),
            (None, _) => name.to_owned(),
        };
        let schema = tool.get("parameters").cloned().unwrap_or_else(|| json!({}));
        put(to, OfferedTool { name, schema, form });
    }
}

/// A tool that was found twice is one.
fn put(to: &mut Vec<OfferedTool>, tool: OfferedTool) {
    to.retain(|other| other.name != tool.name);
    to.push(tool);
}

fn deferred_in(system: &str) -> Vec<String> {
    let lists = system.split(DEFERRED).skip(1);
    let names = lists.flat_map(|list| {
        list.lines().skip(1).map_while(|line| line.strip_prefix("- ")?.split(':').next().map(str::to_owned))
    });
    names.collect()
}
