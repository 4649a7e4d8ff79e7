//! What Gemini CLI sends.

use super::{Told, only};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

pub(super) fn told(body: &Map<String, Value>) -> Told {
    let mut plain = Map::new();
    if let Some(system) = body.get("systemInstruction") {
        let texts: Vec<Value> =
            parts(system).filter_map(|part| Some(json!({"text": part.get("text")?}))).collect();
        plain.insert("systemInstruction".into(), json!({"parts": texts}));
    }
    let contents = body.get("contents").and_then(Value::as_array).into_iter().flatten();
    let contents: Vec<Value> = contents
        .map(|content| {
            // A resumed conversation has each result twice.
            let mut seen = HashSet::new();
            let fresh = |part: &&Value| match part.pointer("/functionResponse/id").and_then(Value::as_str) {
                Some(id) => seen.insert(id.to_owned()),
                None => true,
            };
            let mut kept: Vec<Value> = parts(content).filter(fresh).filter_map(part).collect();
            if kept.is_empty() {
                kept.push(json!({"text": "(nothing)"}));
            }
            json!({"role": content.get("role").cloned().unwrap_or_else(|| json!("user")), "parts": kept})
        })
        .collect();
    plain.insert("contents".into(), json!(contents));
    let mut functions = Vec::new();
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let declared = tool.get("functionDeclarations").and_then(Value::as_array);
        for function in declared.into_iter().flatten().filter_map(Value::as_object) {
            let mut known = only(function, &["name", "description", "parametersJsonSchema"]);
            if let Some(schema) = function.get("parameters") {
                known.entry("parametersJsonSchema").or_insert_with(|| schema.clone());
            }
            known.entry("parametersJsonSchema").or_insert_with(|| json!({}));
            functions.push(Value::Object(known));
        }
    }
    if !functions.is_empty() {
        plain.insert("tools".into(), json!([{"functionDeclarations": functions}]));
    }
    let config = body.get("generationConfig");
    let answer_schema =
        config.and_then(|config| config.get("responseJsonSchema").or_else(|| config.get("responseSchema")));
    Told {
        body: Some(plain.into()),
        tools: None,
        deferred: Vec::new(),
        answer_schema: answer_schema.cloned(),
    }
}

fn parts(content: &Value) -> impl Iterator<Item = &Value> {
    content.get("parts").and_then(Value::as_array).into_iter().flatten()
}

fn part(part: &Value) -> Option<Value> {
    if part.get("thought").is_some_and(|thought| thought == true) {
        return None;
    }
    // Sub-agents give a result the id of a call that has none: names and order must do.
    let Some(response) = part.get("functionResponse").and_then(Value::as_object) else {
        let mut kept = only(part.as_object()?, &["text", "functionCall", "thoughtSignature"]);
        if let Some(call) = kept.get_mut("functionCall").and_then(Value::as_object_mut) {
            *call = only(call, &["name", "args"]);
            call.entry("args").or_insert_with(|| json!({}));
        }
        let says = kept.contains_key("text") || kept.contains_key("functionCall");
        return says.then_some(Value::Object(kept));
    };
    let mut kept = only(response, &["name"]);
    let given = response.get("response").unwrap_or(&Value::Null);
    let text = ["output", "error", "content"].iter().find_map(|key| given.get(*key)?.as_str());
    let text = text.map_or_else(|| given.to_string(), str::to_owned);
    kept.insert("response".into(), json!({"content": text}));
    Some(json!({"functionResponse": kept}))
}
