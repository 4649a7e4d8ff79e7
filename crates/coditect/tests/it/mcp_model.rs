//! A model that calls one tool and then says what came of it, in the four dialects as the vendors' programs speak them.
//!
//! It takes whatever a request carries beside what it needs, since it is the programs that are tested and not the dialect.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Largest request taken, in bytes.
const BODY_MAX: usize = 32 * 1024 * 1024;

/// What is called, under the name each dialect has it.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
}

pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    results: Arc<Mutex<Vec<String>>>,
}

impl Model {
    /// Serves until the test's process ends.
    pub(crate) fn start(order: Order) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let results = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&results);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (order, seen) = (order.clone(), Arc::clone(&seen));
                std::thread::spawn(move || drop(serve(stream, &order, &seen)));
            }
        });
        Self { address, results }
    }

    /// What the tool came to, as the model was told.
    pub(crate) fn results(&self) -> Vec<String> {
        self.results.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, order: &Order, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some((target, body)) = request(&mut input)? {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let result = result(&body);
        if let Some(result) = &result {
            seen.lock().unwrap().push(result.clone());
        }
        let (status, kind, text) = match answer(&target, &body, order, result.as_deref()) {
            Some(text) => ("200 OK", "text/event-stream", text),
            None => ("404 Not Found", "application/json", "{}".to_owned()),
        };
        let length = text.len();
        write!(out, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{text}")?;
    }
    Ok(())
}

/// The target and the body of the next request.
fn request(input: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        input.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0).min(BODY_MAX),
            Some(("transfer-encoding", _)) => chunked = true,
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    if !chunked {
        return Ok(Some((target, body)));
    }
    loop {
        let mut size = String::new();
        input.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; size.min(BODY_MAX) + 2];
        input.read_exact(&mut chunk)?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..size]);
    }
    Ok(Some((target, body)))
}

/// The result of a tool, wherever the dialect has it.
fn result(body: &Value) -> Option<String> {
    let is_result = |value: &Value| {
        value["type"] == "tool_result"
            || value["type"] == "function_call_output"
            || value["role"] == "tool"
            || value["functionResponse"].is_object()
    };
    let mut waiting = vec![body];
    while let Some(value) = waiting.pop() {
        if is_result(value) {
            return Some(value.to_string());
        }
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
            _ => {}
        }
    }
    None
}

fn answer(target: &str, body: &Value, order: &Order, result: Option<&str>) -> Option<String> {
    let path = target.split('?').next().unwrap_or_default();
    // A request without tools is for a title.
    let calls = result.is_none() && (body["tools"].is_array() || body["input"].is_array());
    match path {
        "/v1/messages" => Some(messages(calls.then_some(order))),
        "/v1/responses" => Some(responses(calls.then_some(order))),
        "/v1/chat/completions" => Some(completions(calls.then_some(order))),
        path if path.ends_with(":streamGenerateContent") => Some(contents(calls.then_some(order))),
        _ => None,
    }
}

fn named(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect()
}

fn messages(order: Option<&Order>) -> String {
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let (block, delta, stop) = match order {
        Some(order) => (
            json!({ "type": "tool_use", "id": "toolu_1", "name": order.tool, "input": {} }),
            json!({ "type": "input_json_delta", "partial_json": order.arguments.to_string() }),
            "tool_use",
        ),
        None => (
            json!({ "type": "text", "text": "" }),
            json!({ "type": "text_delta", "text": "done" }),
            "end_turn",
        ),
    };
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    named(&[
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": stop, "stop_sequence": null }, "usage": usage }),
        json!({ "type": "message_stop" }),
    ])
}

fn responses(order: Option<&Order>) -> String {
    let item = match order {
        Some(order) => {
            let (space, name) = order.tool.rsplit_once("__").unwrap();
            json!({
                "type": "function_call", "id": "fc_1", "call_id": "call_1", "namespace": space, "name": name,
                "arguments": order.arguments.to_string(),
            })
        }
        None => json!({
            "type": "message", "id": "msg_1", "role": "assistant",
            "content": [{ "type": "output_text", "text": "done" }],
        }),
    };
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 1,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 2,
    });
    named(&[
        json!({ "type": "response.created", "response": { "id": "resp_1" } }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": { "id": "resp_1", "usage": usage } }),
    ])
}

fn completions(order: Option<&Order>) -> String {
    let (delta, stop) = match order {
        Some(order) => (
            json!({ "role": "assistant", "tool_calls": [{
                "index": 0, "id": "call_1", "type": "function",
                "function": { "name": order.tool, "arguments": order.arguments.to_string() },
            }] }),
            "tool_calls",
        ),
        None => (json!({ "role": "assistant", "content": "done" }), "stop"),
    };
    let chunk = |delta: Value, stop: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": stop });
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice] })
        )
    };
    format!("{}{}data: [DONE]\n\n", chunk(delta, Value::Null), chunk(json!({}), json!(stop)))
}

fn contents(order: Option<&Order>) -> String {
    let part = match order {
        Some(order) => json!({ "functionCall": { "name": order.tool, "args": order.arguments } }),
        None => json!({ "text": "done" }),
    };
    let candidate =
        json!({ "content": { "role": "model", "parts": [part] }, "finishReason": "STOP", "index": 0 });
    let usage = json!({ "promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2 });
    format!("data: {}\r\n\r\n", json!({ "candidates": [candidate], "usageMetadata": usage }))
}
