//! Chat completions as Kimi speaks it: OpenAI's older dialect with `reasoning_content`.

use super::strict::{array, flag, json_text, known, object, positive, text};
use super::{Frame, Refused, argument_pieces, event, strict};
use crate::conversation::{Conversation, Form, OfferedTool, Said, ToolCall, ToolResult, agent_of};
use crate::reply::{Act, Reply};
use axum::http::HeaderMap;
use model::Vendor;
use serde_json::{Map, Value, json};

/// When every answer was made, in seconds since 1970: the server has no clock of its own to tell.
const CREATED: u64 = 1_780_000_000;

pub(crate) fn read(headers: &HeaderMap, body: &Map<String, Value>) -> Result<Conversation, Refused> {
    strict::key(headers, "authorization", "Bearer ")?;
    known(
        body,
        &[
            "model",
            "messages",
            "stream",
            "stream_options",
            "tools",
            "tool_choice",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "n",
            "stop",
            "response_format",
            "thinking",
            "reasoning_effort",
            "prompt_cache_key",
        ],
        "the request",
    )?;
    positive(body, "max_tokens")?;
    let mut conversation = Conversation::empty(Vendor::Moonshot);
    conversation.model = text(body, "model", "the request")?.to_owned();
    conversation.stream = flag(body, "stream")?;
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let tool = object(tool, "a tool")?;
        known(tool, &["type", "function"], "a tool")?;
        let function = object(tool.get("function").unwrap_or(&Value::Null), "`function` of a tool")?;
        known(function, &["name", "description", "parameters", "strict"], "a function")?;
        conversation.tools.push(OfferedTool {
            form: Form::Function,
            name: text(function, "name", "a function")?.to_owned(),
            schema: function.get("parameters").cloned().unwrap_or_default(),
        });
    }
    let messages = array(body, "messages", "the request")?;
    let loop_start = messages.iter().rposition(|message| message["role"] == "user").unwrap_or(0);
    for (at, message) in messages.iter().enumerate() {
        read_message(object(message, "a message")?, &mut conversation, at > loop_start)?;
    }
    conversation.agent = agent_of(&conversation.system);
    Ok(conversation)
}

fn read_message(message: &Map<String, Value>, to: &mut Conversation, in_loop: bool) -> Result<(), Refused> {
    match text(message, "role", "a message")? {
        "system" => {
            known(message, &["role", "content"], "a system message")?;
            to.system = text(message, "content", "a system message")?.to_owned();
        }
        "user" => {
            known(message, &["role", "content"], "a user message")?;
            let text = text(message, "content", "a user message")?.to_owned();
            to.messages.push(Said::User { text });
        }
        "tool" => {
            known(message, &["role", "content", "tool_call_id", "name"], "a tool message")?;
            to.push_result(ToolResult {
                call_id: Some(text(message, "tool_call_id", "a tool message")?.to_owned()),
                tool: None,
                output: text(message, "content", "a tool message")?.to_owned(),
            });
        }
        "assistant" => {
            let fields = ["role", "content", "tool_calls", "reasoning_content"];
            known(message, &fields, "an assistant message")?;
            to.push_call(None);
            for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                let call = read_call(object(call, "a tool call")?)?;
                let thought = message.get("reasoning_content").and_then(Value::as_str);
                let id = call.call_id.as_deref().unwrap_or_default();
                if in_loop && id.ends_with('t') && thought.is_none_or(str::is_empty) {
                    return Err(Refused::bad(
                        "thinking is enabled but reasoning_content is missing in assistant tool call message",
                    ));
                }
                to.push_call(Some(call));
            }
        }
        other => return Err(Refused::bad(format!("the role `{other}` is unknown"))),
    }
    Ok(())
}

fn read_call(call: &Map<String, Value>) -> Result<ToolCall, Refused> {
    known(call, &["type", "id", "function"], "a tool call")?;
    let function = object(call.get("function").unwrap_or(&Value::Null), "`function` of a tool call")?;
    let arguments = json_text(text(function, "arguments", "a tool call")?, "`arguments` of a tool call")?;
    Ok(ToolCall {
        call_id: Some(text(call, "id", "a tool call")?.to_owned()),
        tool: text(function, "name", "a tool call")?.to_owned(),
        bytes: arguments.to_string().len(),
    })
}

/// Ids end with `t` when the answer had reasoning, which must then come back with the call.
fn call_id(reply: &Reply, id: &str) -> String {
    let thought = reply.acts.iter().any(|act| matches!(act, Act::Think(_)));
    format!("{id}{}", if thought { 't' } else { 'n' })
}

/// Kimi tells its cached tokens beside the counts, not in details.
fn usage(reply: &Reply) -> Value {
    let completion = reply.text_tokens + reply.thinking_tokens;
    json!({
        "prompt_tokens": reply.prompt.total,
        "completion_tokens": completion,
        "total_tokens": reply.prompt.total + completion,
        "cached_tokens": reply.prompt.cached,
    })
}

fn finish(reply: &Reply) -> &'static str {
    let calls = reply.acts.iter().any(|act| matches!(act, Act::Call { .. }));
    if calls { "tool_calls" } else { "stop" }
}

fn chunk(reply: &Reply, delta: &Value, finish: Option<&str>) -> Frame {
    let mut choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    if finish.is_some() {
        choice["usage"] = usage(reply);
    }
    event(None, &whole_chunk(reply, &json!([choice])), "\n")
}

fn whole_chunk(reply: &Reply, choices: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-{}", reply.id),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": reply.model,
        "choices": choices,
        "system_fingerprint": "fpv0_scripted",
    })
}

pub(crate) fn stream(reply: &Reply) -> Vec<Frame> {
    let mut frames = vec![chunk(reply, &json!({"role": "assistant", "content": ""}), None)];
    let mut number = 0;
    for act in &reply.acts {
        match act {
            Act::Sleep(time) => frames.push(Frame::Sleep(*time)),
            Act::Cut => {
                frames.push(Frame::Cut);
                return frames;
            }
            Act::Fault => {
                frames.push(event(None, &error(529, "The engine is currently overloaded"), "\n"));
                return frames;
            }
            Act::Say(pieces) => {
                frames.extend(pieces.iter().map(|text| chunk(reply, &json!({"content": text}), None)));
            }
            Act::Think(pieces) => {
                let delta = |text: &String| chunk(reply, &json!({"reasoning_content": text}), None);
                frames.extend(pieces.iter().map(delta));
            }
            Act::Call { id, tool, arguments, .. } => {
                for (at, text) in argument_pieces(&arguments.text()).iter().enumerate() {
                    let mut call = json!({"index": number, "function": {"arguments": text}});
                    if at == 0 {
                        call["id"] = json!(call_id(reply, id));
                        call["type"] = json!("function");
                        call["function"]["name"] = json!(tool);
                    }
                    frames.push(chunk(reply, &json!({"tool_calls": [call]}), None));
                }
                number += 1;
            }
        }
    }
    frames.push(chunk(reply, &json!({}), Some(finish(reply))));
    let mut tail = whole_chunk(reply, &json!([]));
    tail["usage"] = usage(reply);
    frames.push(event(None, &tail, "\n"));
    frames.push(Frame::Bytes("data: [DONE]\n\n".into()));
    frames
}

pub(crate) fn whole(reply: &Reply) -> Value {
    let mut message = json!({"role": "assistant", "content": ""});
    let mut calls = Vec::new();
    for act in &reply.acts {
        match act {
            Act::Say(pieces) => message["content"] = json!(pieces.concat()),
            Act::Think(pieces) => message["reasoning_content"] = json!(pieces.concat()),
            Act::Call { id, tool, arguments, .. } => calls.push(json!({
                "id": call_id(reply, id),
                "type": "function",
                "function": {"name": tool, "arguments": arguments.text()},
            })),
            _ => {}
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({
        "id": format!("chatcmpl-{}", reply.id),
        "object": "chat.completion",
        "created": CREATED,
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish(reply)}],
        "usage": usage(reply),
    })
}

/// The same in both of OpenAI's dialects.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 | 404 => "invalid_request_error",
        401 => "invalid_authentication_error",
        429 => "rate_limit_reached_error",
        529 => "engine_overloaded_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "code": null, "param": null}})
}
