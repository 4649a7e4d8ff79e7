//! OpenAI's Responses API, without a stored conversation.

use super::strict::{array, flag, json_text, known, object, positive, text};
use super::{Frame, Refused, argument_pieces, event, signature, strict};
use crate::conversation::{Conversation, Form, OfferedTool, Said, ToolCall, ToolResult, agent_of};
use crate::reply::{Act, Arguments, Reply};
use axum::http::HeaderMap;
use model::Vendor;
use serde_json::{Map, Value, json};

/// When every answer was made, in seconds since 1970.
const CREATED: u64 = 1_780_000_000;

pub(crate) fn read(headers: &HeaderMap, body: &Map<String, Value>) -> Result<Conversation, Refused> {
    strict::key(headers, "authorization", "Bearer ")?;
    known(
        body,
        &[
            "model",
            "input",
            "instructions",
            "stream",
            "store",
            "tools",
            "tool_choice",
            "include",
            "reasoning",
            "max_output_tokens",
            "parallel_tool_calls",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "temperature",
            "top_p",
            "text",
            "metadata",
        ],
        "the request",
    )?;
    positive(body, "max_output_tokens")?;
    // The API itself stores unless told not to; here it must be told.
    if body.get("store") != Some(&Value::Bool(false)) {
        return Err(Refused::bad("`store` must be false: nothing is to be kept at the vendor's"));
    }
    let mut conversation = Conversation::empty(Vendor::Openai);
    conversation.model = text(body, "model", "the request")?.to_owned();
    conversation.stream = flag(body, "stream")?;
    conversation.wants_signatures = body
        .get("include")
        .and_then(Value::as_array)
        .is_some_and(|include| include.iter().any(|what| what == "reasoning.encrypted_content"));
    if body.contains_key("instructions") {
        conversation.system = text(body, "instructions", "the request")?.to_owned();
    }
    conversation.agent = agent_of(&conversation.system);
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let tool = object(tool, "a tool")?;
        known(tool, &["type", "name", "description", "parameters", "strict"], "a tool")?;
        if text(tool, "type", "a tool")? != "function" {
            return Err(Refused::bad("only function tools are known"));
        }
        conversation.tools.push(OfferedTool {
            form: Form::Function,
            name: text(tool, "name", "a tool")?.to_owned(),
            schema: tool.get("parameters").cloned().unwrap_or_default(),
        });
    }
    let items = match body.get("input") {
        Some(Value::String(text)) => vec![json!({"role": "user", "content": text})],
        _ => array(body, "input", "the request")?.clone(),
    };
    read_items(&items, &mut conversation)?;
    Ok(conversation)
}

fn read_items(items: &[Value], to: &mut Conversation) -> Result<(), Refused> {
    let loop_start = items.iter().rposition(|item| item["role"] == "user").unwrap_or(0);
    let mut thought = false;
    for (at, item) in items.iter().enumerate() {
        let item = object(item, "an item")?;
        match item.get("type").and_then(Value::as_str).unwrap_or("message") {
            "message" => {
                known(item, &["type", "role", "content", "status", "id"], "a message")?;
                let said = content(item)?;
                match text(item, "role", "a message")? {
                    "user" => to.messages.push(Said::User { text: said }),
                    "assistant" => to.push_call(None),
                    other => return Err(Refused::bad(format!("the role `{other}` is unknown"))),
                }
            }
            "reasoning" => {
                known(item, &["type", "encrypted_content", "summary", "id"], "a reasoning item")?;
                array(item, "summary", "a reasoning item")?;
                check_encrypted(text(item, "encrypted_content", "a reasoning item")?)?;
                thought = true;
            }
            "function_call" => {
                known(item, &["type", "call_id", "name", "arguments", "id", "status"], "a call")?;
                let id = text(item, "call_id", "a call")?;
                if at > loop_start && id.ends_with('t') && !thought {
                    return Err(Refused::bad(
                        "Item of type 'function_call' was provided without its required 'reasoning' item",
                    ));
                }
                let arguments = json_text(text(item, "arguments", "a call")?, "`arguments` of a call")?;
                to.push_call(Some(ToolCall {
                    call_id: Some(id.to_owned()),
                    tool: text(item, "name", "a call")?.to_owned(),
                    bytes: arguments.to_string().len(),
                }));
            }
            "function_call_output" => {
                known(item, &["type", "call_id", "output", "id", "status"], "an output")?;
                thought = false;
                to.push_result(ToolResult {
                    call_id: Some(text(item, "call_id", "an output")?.to_owned()),
                    tool: None,
                    output: text(item, "output", "an output")?.to_owned(),
                });
            }
            other => return Err(Refused::bad(format!("an item of the unknown type `{other}`"))),
        }
    }
    Ok(())
}

fn content(message: &Map<String, Value>) -> Result<String, Refused> {
    let parts = match message.get("content") {
        Some(Value::String(text)) => return Ok(text.clone()),
        _ => array(message, "content", "a message")?,
    };
    let kind = if message.get("role").is_some_and(|role| role == "assistant") {
        "output_text"
    } else {
        "input_text"
    };
    let mut texts = Vec::new();
    for part in parts {
        let part = object(part, "a part")?;
        if text(part, "type", "a part")? != kind {
            return Err(Refused::bad(format!("a part must be of type {kind}")));
        }
        texts.push(text(part, "text", "a part")?);
    }
    Ok(texts.join("\n\n"))
}

/// Encrypted reasoning is opaque to clients; it proves itself by its second half.
fn encrypted(reply: &Reply) -> String {
    format!("gAAAAA.{}.{}", reply.id, signature(&reply.id))
}

fn check_encrypted(given: &str) -> Result<(), Refused> {
    let mut parts = given.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("gAAAAA"), Some(id), Some(proof), None) if proof == signature(id) => Ok(()),
        _ => Err(Refused::bad("The encrypted content could not be verified.")),
    }
}

/// Ids end with `t` when the answer had signed reasoning, which must then come back with the call.
fn call_id(reply: &Reply, id: &str) -> String {
    let thought = reply.acts.iter().any(|act| matches!(act, Act::Think(_)));
    format!("{id}{}", if thought && reply.wants_signatures { 't' } else { 'n' })
}

fn usage(reply: &Reply) -> Value {
    let output = reply.text_tokens + reply.thinking_tokens;
    json!({
        "input_tokens": reply.prompt.total,
        "input_tokens_details": {"cached_tokens": reply.prompt.cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reply.thinking_tokens},
        "total_tokens": reply.prompt.total + output,
    })
}

fn response(reply: &Reply, status: &str, output: &[Value]) -> Value {
    let usage = if status == "completed" { usage(reply) } else { Value::Null };
    json!({
        "id": format!("resp_{}", reply.id),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": null,
        "model": reply.model,
        "output": output,
        "store": false,
        "usage": usage,
    })
}

/// Numbers the events and names them twice, as the API does.
struct Writer {
    frames: Vec<Frame>,
    number: u64,
}

impl Writer {
    fn send(&mut self, name: &'static str, mut data: Value) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.number);
        self.number += 1;
        self.frames.push(event(Some(name), &data, "\n"));
    }

    fn item(&mut self, at: usize, started: &Value, done: &Value, between: impl FnOnce(&mut Self)) {
        self.send("response.output_item.added", json!({"output_index": at, "item": started}));
        between(self);
        self.send("response.output_item.done", json!({"output_index": at, "item": done}));
    }
}

pub(crate) fn stream(reply: &Reply) -> Vec<Frame> {
    let mut writer = Writer { frames: Vec::new(), number: 0 };
    for name in ["response.created", "response.in_progress"] {
        writer.send(name, json!({"response": response(reply, "in_progress", &[])}));
    }
    let mut output = Vec::new();
    for act in &reply.acts {
        match act {
            Act::Sleep(time) => writer.frames.push(Frame::Sleep(*time)),
            Act::Cut => {
                writer.frames.push(Frame::Cut);
                return writer.frames;
            }
            Act::Fault => {
                let message = "The server had an error while processing your request.";
                let mut failed = response(reply, "failed", &[]);
                failed["error"] = json!({"code": "server_error", "message": message});
                writer.send("response.failed", json!({"response": failed}));
                return writer.frames;
            }
            Act::Say(_) | Act::Think(_) | Act::Call { .. } => {
                let done = item(reply, act, output.len());
                write_item(&mut writer, act, &done, output.len());
                output.push(done);
            }
        }
    }
    writer.send("response.completed", json!({"response": response(reply, "completed", &output)}));
    writer.frames
}

/// The item as it stands when it is complete.
fn item(reply: &Reply, act: &Act, at: usize) -> Value {
    match act {
        Act::Say(pieces) => json!({
            "id": format!("msg_{}_{at}", reply.id),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": pieces.concat(), "annotations": []}],
        }),
        Act::Think(pieces) => {
            let mut item = json!({
                "id": format!("rs_{}_{at}", reply.id),
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": pieces.concat()}],
            });
            if reply.wants_signatures {
                item["encrypted_content"] = json!(encrypted(reply));
            }
            item
        }
        Act::Call { id, tool, form, arguments } => {
            let mut item = called(tool, form, arguments);
            item["id"] = json!(format!("fc_{}_{at}", reply.id));
            item["status"] = json!("completed");
            item["call_id"] = json!(call_id(reply, id));
            item
        }
        _ => Value::Null,
    }
}

/// The part of a call's item that depends on how the tool is called.
fn called(tool: &str, form: &Form, arguments: &Arguments) -> Value {
    match form {
        Form::Namespaced(space) => {
            let name = tool.strip_prefix(space.as_str()).and_then(|rest| rest.strip_prefix("__"));
            json!({"type": "function_call", "namespace": space, "name": name.unwrap_or(tool),
                "arguments": arguments.text()})
        }
        Form::Custom => json!({"type": "custom_tool_call", "name": tool, "input": arguments.text()}),
        Form::Search => {
            let Arguments::Json(arguments) = arguments else { return Value::Null };
            json!({"type": "tool_search_call", "execution": "client", "arguments": arguments})
        }
        Form::Function | Form::Nested => {
            json!({"type": "function_call", "name": tool, "arguments": arguments.text()})
        }
    }
}

fn write_item(writer: &mut Writer, act: &Act, done: &Value, at: usize) {
    let mut started = done.clone();
    match act {
        Act::Say(pieces) => {
            started["content"] = json!([]);
            writer.item(at, &started, done, |writer| {
                let place = |mut data: Value| {
                    data["output_index"] = json!(at);
                    data["content_index"] = json!(0);
                    data["item_id"] = done["id"].clone();
                    data
                };
                let part = json!({"type": "output_text", "text": "", "annotations": []});
                writer.send("response.content_part.added", place(json!({"part": part})));
                for text in pieces {
                    writer.send("response.output_text.delta", place(json!({"delta": text})));
                }
                writer.send("response.output_text.done", place(json!({"text": pieces.concat()})));
                writer.send("response.content_part.done", place(json!({"part": done["content"][0]})));
            });
        }
        Act::Think(pieces) => {
            started["summary"] = json!([]);
            writer.item(at, &started, done, |writer| {
                for text in pieces {
                    let delta = json!({"output_index": at, "summary_index": 0, "delta": text});
                    writer.send("response.reasoning_summary_text.delta", delta);
                }
                let text = json!({"output_index": at, "summary_index": 0, "text": pieces.concat()});
                writer.send("response.reasoning_summary_text.done", text);
            });
        }
        Act::Call { form: Form::Search, .. } => writer.item(at, &started, done, |_| {}),
        Act::Call { form, arguments, .. } => {
            let (field, delta_name, done_name) = if *form == Form::Custom {
                ("input", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done")
            } else {
                (
                    "arguments",
                    "response.function_call_arguments.delta",
                    "response.function_call_arguments.done",
                )
            };
            started[field] = json!("");
            writer.item(at, &started, done, |writer| {
                for text in argument_pieces(&arguments.text()) {
                    let delta = json!({"output_index": at, "item_id": done["id"], "delta": text});
                    writer.send(delta_name, delta);
                }
                let mut whole = json!({"output_index": at, "item_id": done["id"]});
                whole[field] = json!(arguments.text());
                writer.send(done_name, whole);
            });
        }
        _ => {}
    }
}

pub(crate) fn whole(reply: &Reply) -> Value {
    let mut output = Vec::new();
    for act in &reply.acts {
        let item = item(reply, act, output.len());
        if !item.is_null() {
            output.push(item);
        }
    }
    response(reply, "completed", &output)
}
