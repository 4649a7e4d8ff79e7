//! Anthropic's Messages API, version 2023-06-01.

use super::strict::{array, flag, known, object, positive, text};
use super::{Frame, Refused, argument_pieces, event, signature, strict};
use crate::conversation::{Conversation, Form, OfferedTool, Said, ToolCall, ToolResult, agent_of};
use crate::reply::{Act, Arguments, Reply};
use axum::http::HeaderMap;
use model::Vendor;
use serde_json::{Map, Value, json};

/// Most cache marks a request may have.
const CACHE_MARKS_MAX: usize = 4;

pub(crate) fn read(headers: &HeaderMap, body: &Map<String, Value>) -> Result<Conversation, Refused> {
    strict::key(headers, "x-api-key", "")?;
    if headers.get("anthropic-version").is_none() {
        return Err(Refused::bad("the header `anthropic-version` is missing"));
    }
    known(
        body,
        &[
            "model",
            "messages",
            "max_tokens",
            "system",
            "stream",
            "tools",
            "tool_choice",
            "thinking",
            "output_config",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
            "metadata",
        ],
        "the request",
    )?;
    if !body.contains_key("max_tokens") {
        return Err(Refused::bad("`max_tokens` is missing"));
    }
    positive(body, "max_tokens")?;
    let mut marks = 0;
    let mut conversation = Conversation::empty(Vendor::Anthropic);
    conversation.model = text(body, "model", "the request")?.to_owned();
    conversation.stream = flag(body, "stream")?;
    conversation.system = system(body.get("system"), &mut marks)?;
    conversation.agent = agent_of(&conversation.system);
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        conversation.tools.push(offered(object(tool, "a tool")?, &mut marks)?);
    }
    let thinks = thinking(body)?;
    let messages = array(body, "messages", "the request")?;
    let loop_start = messages.iter().rposition(is_prompt).unwrap_or(0);
    for (at, message) in messages.iter().enumerate() {
        let message = object(message, "a message")?;
        known(message, &["role", "content"], "a message")?;
        match text(message, "role", "a message")? {
            "user" => user(message, &mut conversation, &mut marks)?,
            "assistant" => assistant(message, &mut conversation, &mut marks, thinks && at > loop_start)?,
            other => return Err(Refused::bad(format!("the role `{other}` is unknown"))),
        }
    }
    if marks > CACHE_MARKS_MAX {
        return Err(Refused::bad(format!("{marks} blocks with cache_control, at most 4")));
    }
    conversation.cache_marks = marks > 0;
    Ok(conversation)
}

fn system(value: Option<&Value>, marks: &mut usize) -> Result<String, Refused> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(blocks)) => {
            let mut texts = Vec::new();
            for block in blocks {
                texts.push(text_block(object(block, "a system block")?, marks)?);
            }
            Ok(texts.join("\n\n"))
        }
        Some(_) => Err(Refused::bad("`system` is neither text nor blocks")),
    }
}

fn text_block(block: &Map<String, Value>, marks: &mut usize) -> Result<String, Refused> {
    known(block, &["type", "text", "cache_control"], "a text block")?;
    mark(block, marks)?;
    let said = text(block, "text", "a text block")?;
    if said.trim().is_empty() {
        return Err(Refused::bad("text content blocks must be non-empty"));
    }
    Ok(said.to_owned())
}

fn mark(block: &Map<String, Value>, marks: &mut usize) -> Result<(), Refused> {
    let Some(control) = block.get("cache_control") else { return Ok(()) };
    *marks += 1;
    match control.get("type").and_then(Value::as_str) {
        Some("ephemeral") => Ok(()),
        _ => Err(Refused::bad("`cache_control` is not ephemeral")),
    }
}

fn offered(tool: &Map<String, Value>, marks: &mut usize) -> Result<OfferedTool, Refused> {
    known(tool, &["name", "description", "input_schema", "cache_control", "strict"], "a tool")?;
    mark(tool, marks)?;
    let schema = tool.get("input_schema").cloned().unwrap_or_default();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Refused::bad("`input_schema` must be of type object"));
    }
    Ok(OfferedTool { form: Form::Function, name: text(tool, "name", "a tool")?.to_owned(), schema })
}

/// Whether thinking is on.
fn thinking(body: &Map<String, Value>) -> Result<bool, Refused> {
    let Some(thinking) = body.get("thinking") else { return Ok(false) };
    match thinking.get("type").and_then(Value::as_str) {
        Some("adaptive") => Ok(true),
        Some("disabled") => Ok(false),
        Some("enabled") => {
            let budget = thinking.get("budget_tokens").and_then(Value::as_u64).unwrap_or(0);
            let most = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
            if budget < 1024 || budget >= most {
                return Err(Refused::bad("`budget_tokens` must be at least 1024 and below `max_tokens`"));
            }
            Ok(true)
        }
        _ => Err(Refused::bad("`thinking` has no type")),
    }
}

/// Whether the message is something said, not results of the loop.
fn is_prompt(message: &Value) -> bool {
    let is_result = |block: &Value| block.get("type").and_then(Value::as_str) == Some("tool_result");
    let only_results = message
        .get("content")
        .and_then(Value::as_array)
        .is_some_and(|blocks| !blocks.is_empty() && blocks.iter().all(is_result));
    message.get("role").and_then(Value::as_str) == Some("user") && !only_results
}

fn user(message: &Map<String, Value>, to: &mut Conversation, marks: &mut usize) -> Result<(), Refused> {
    let blocks = match message.get("content") {
        Some(Value::String(text)) => {
            to.messages.push(Said::User { text: text.clone() });
            return Ok(());
        }
        Some(Value::Array(blocks)) if !blocks.is_empty() => blocks,
        _ => return Err(Refused::bad("a message has no content")),
    };
    let mut texts = Vec::new();
    for block in blocks {
        let block = object(block, "a block")?;
        match text(block, "type", "a block")? {
            "text" => texts.push(text_block(block, marks)?),
            "tool_result" if !texts.is_empty() => {
                return Err(Refused::bad("tool results must come before text"));
            }
            "tool_result" => to.push_result(result(block, marks)?),
            other => return Err(Refused::bad(format!("a `{other}` block in a user message"))),
        }
    }
    if !texts.is_empty() {
        to.messages.push(Said::User { text: texts.join("\n\n") });
    }
    Ok(())
}

fn result(block: &Map<String, Value>, marks: &mut usize) -> Result<ToolResult, Refused> {
    known(block, &["type", "tool_use_id", "content", "is_error", "cache_control"], "a tool result")?;
    mark(block, marks)?;
    flag(block, "is_error")?;
    Ok(ToolResult {
        call_id: Some(text(block, "tool_use_id", "a tool result")?.to_owned()),
        tool: None,
        output: text(block, "content", "a tool result")?.to_owned(),
    })
}

fn assistant(
    message: &Map<String, Value>,
    to: &mut Conversation,
    marks: &mut usize,
    must_have_thought: bool,
) -> Result<(), Refused> {
    to.push_call(None);
    let blocks = match message.get("content") {
        Some(Value::String(text)) if !text.trim().is_empty() => return Ok(()),
        Some(Value::Array(blocks)) if !blocks.is_empty() => blocks,
        _ => return Err(Refused::bad("an assistant message has no content")),
    };
    let mut thought = false;
    let mut said = false;
    for block in blocks {
        let block = object(block, "a block")?;
        match text(block, "type", "a block")? {
            "text" => {
                text_block(block, marks)?;
                said = true;
            }
            "thinking" | "redacted_thinking" if said => {
                return Err(Refused::bad("thinking must come before text and tool calls"));
            }
            "redacted_thinking" => thought = true,
            "thinking" => {
                known(block, &["type", "thinking", "signature"], "a thinking block")?;
                let thinking = text(block, "thinking", "a thinking block")?;
                if text(block, "signature", "a thinking block")? != signature(thinking) {
                    return Err(Refused::bad("Invalid `signature` in `thinking` block"));
                }
                thought = true;
            }
            "tool_use" => {
                known(block, &["type", "id", "name", "input", "cache_control"], "a tool call")?;
                mark(block, marks)?;
                said = true;
                let input = object(block.get("input").unwrap_or(&Value::Null), "`input` of a tool call")?;
                let id = text(block, "id", "a tool call")?;
                if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                    return Err(Refused::bad("tool_use.id: should match pattern '^[a-zA-Z0-9_-]+$'"));
                }
                if must_have_thought && !thought && id.ends_with('t') {
                    return Err(Refused::bad("Expected `thinking`, but found `tool_use`"));
                }
                to.push_call(Some(ToolCall {
                    call_id: Some(id.to_owned()),
                    tool: text(block, "name", "a tool call")?.to_owned(),
                    bytes: json!(input).to_string().len(),
                }));
            }
            other => return Err(Refused::bad(format!("a `{other}` block in an assistant message"))),
        }
    }
    Ok(())
}

/// Ids end with `t` when the answer had thinking, which must then come back with the call.
fn call_id(reply: &Reply, id: &str) -> String {
    let thought = reply.acts.iter().any(|act| matches!(act, Act::Think(_)));
    format!("toolu_{id}{}", if thought { 't' } else { 'n' })
}

fn usage(reply: &Reply) -> Value {
    let fresh = reply.prompt.total - reply.prompt.cached;
    // What is marked is read from or written to the cache, save for the last few tokens.
    let written = if reply.cache_marks { fresh.saturating_sub(4) } else { 0 };
    let read = if reply.cache_marks { reply.prompt.cached } else { 0 };
    json!({
        "input_tokens": reply.prompt.total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": reply.text_tokens + reply.thinking_tokens,
        "service_tier": "standard",
    })
}

fn stop_reason(reply: &Reply) -> &'static str {
    let calls = reply.acts.iter().any(|act| matches!(act, Act::Call { .. }));
    if calls { "tool_use" } else { "end_turn" }
}

fn named(name: &'static str, mut data: Value) -> Frame {
    data["type"] = json!(name);
    event(Some(name), &data, "\n")
}

pub(crate) fn stream(reply: &Reply) -> Vec<Frame> {
    let mut usage_at_start = usage(reply);
    usage_at_start["output_tokens"] = json!(1);
    let mut message = message(reply, Vec::new());
    message["usage"] = usage_at_start;
    message["stop_reason"] = Value::Null;
    let mut frames = vec![named("message_start", json!({"message": message})), named("ping", json!({}))];
    let mut index = 0;
    for act in &reply.acts {
        let (block, deltas) = match act {
            Act::Sleep(time) => {
                frames.push(Frame::Sleep(*time));
                continue;
            }
            Act::Cut => {
                frames.push(Frame::Cut);
                return frames;
            }
            Act::Fault => {
                frames.push(event(Some("error"), &error(529, "Overloaded"), "\n"));
                return frames;
            }
            Act::Say(pieces) => {
                let deltas = pieces.iter().map(|text| json!({"type": "text_delta", "text": text}));
                (json!({"type": "text", "text": ""}), deltas.collect())
            }
            Act::Think(pieces) => {
                (json!({"type": "thinking", "thinking": "", "signature": ""}), thought(pieces))
            }
            Act::Call { id, tool, arguments, .. } => {
                let block = json!({"type": "tool_use", "id": call_id(reply, id), "name": tool, "input": {}});
                (block, argued(arguments))
            }
        };
        frames.push(named("content_block_start", json!({"index": index, "content_block": block})));
        for delta in deltas {
            frames.push(named("content_block_delta", json!({"index": index, "delta": delta})));
        }
        frames.push(named("content_block_stop", json!({"index": index})));
        index += 1;
    }
    let delta = json!({"stop_reason": stop_reason(reply), "stop_sequence": null});
    frames.push(named("message_delta", json!({"delta": delta, "usage": usage(reply)})));
    frames.push(named("message_stop", json!({})));
    frames
}

fn thought(pieces: &[String]) -> Vec<Value> {
    // One event has all of it: Claude Code keeps the last one only.
    let signed = signature(&pieces.concat());
    pieces
        .iter()
        .map(|text| json!({"type": "thinking_delta", "thinking": text}))
        .chain([json!({"type": "signature_delta", "signature": signed})])
        .collect()
}

fn argued(arguments: &Arguments) -> Vec<Value> {
    argument_pieces(&arguments.text())
        .iter()
        .map(|text| json!({"type": "input_json_delta", "partial_json": text}))
        .collect()
}

fn message(reply: &Reply, content: Vec<Value>) -> Value {
    json!({
        "id": format!("msg_{}", reply.id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop_reason(reply),
        "stop_sequence": null,
        "usage": usage(reply),
    })
}

pub(crate) fn whole(reply: &Reply) -> Value {
    let content = reply.acts.iter().filter_map(|act| match act {
        Act::Say(pieces) => Some(json!({"type": "text", "text": pieces.concat()})),
        Act::Think(pieces) => {
            let text = pieces.concat();
            let signature = signature(&text);
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Act::Call { id, tool, arguments: Arguments::Json(input), .. } => {
            Some(json!({"type": "tool_use", "id": call_id(reply, id), "name": tool, "input": input}))
        }
        _ => None,
    });
    message(reply, content.collect())
}

pub(crate) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}
