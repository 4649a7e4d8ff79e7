//! Transcripts with records of the shapes that the programs write, in about the mixture of a working day: short words, calls, results of
//! some kilobytes, and the programs' own bookkeeping.

use model::Vendor;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes of one transcript.
const SESSION: u64 = 5_000_000;
/// Bytes of a tool's result, by turns.
const RESULTS: [usize; 5] = [300, 9_000, 1_500, 4_000, 20_000];
const AT: &str = "2026-11-21T12:14:46.582Z";
const LINE: &str = "    let held = table.iter().filter(|lock| lock.path == path).count(); // \"as it was\"\n";

/// Writes about so many bytes of the vendor's transcripts; how many they are.
pub(crate) fn write(vendor: Vendor, below: &Path, bytes: u64) -> Result<u64, String> {
    let mut written = 0;
    let mut session = 0;
    while written < bytes {
        session += 1;
        written += transcript(vendor, below, session).map_err(|error| error.to_string())?;
    }
    Ok(written)
}

fn transcript(vendor: Vendor, below: &Path, session: u64) -> std::io::Result<u64> {
    let path = path(vendor, below, session);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let mut written = 0;
    let mut put = |record: &Value| -> std::io::Result<u64> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        out.write_all(&line)?;
        written += line.len() as u64;
        Ok(written)
    };
    for record in head(vendor, session) {
        put(&record)?;
    }
    let mut step = 0;
    let mut so_far = 0;
    while so_far < SESSION {
        let result = code(RESULTS[step % RESULTS.len()]);
        for record in turn(vendor, session, step, &result) {
            so_far = put(&record)?;
        }
        step += 1;
    }
    out.flush()?;
    Ok(so_far)
}

fn path(vendor: Vendor, below: &Path, session: u64) -> PathBuf {
    match vendor {
        Vendor::Anthropic => below.join(format!("-srv-shop/{}.jsonl", id(session, 0))),
        Vendor::Openai => {
            below.join(format!("2026/11/21/rollout-2026-11-21T12-14-14-{}.jsonl", id(session, 0)))
        }
        Vendor::Google => below.join(format!("shop/chats/session-2026-11-21T12-14-{session:08x}.jsonl")),
        Vendor::Moonshot => {
            below.join(format!("wd_shop_1/session_{}/agents/main/wire.jsonl", id(session, 0)))
        }
    }
}

fn id(session: u64, step: usize) -> String {
    format!("{session:08x}-0000-4000-8000-{step:012x}")
}

fn code(bytes: usize) -> String {
    LINE.chars().cycle().take(bytes).collect()
}

fn head(vendor: Vendor, session: u64) -> Vec<Value> {
    match vendor {
        Vendor::Anthropic => vec![json!({
            "type": "attachment", "uuid": id(session, 0), "timestamp": AT, "cwd": "/srv/shop", "gitBranch": "main",
            "attachment": { "type": "prompt_snapshot", "systemPrompt": [code(8_000)], "tools": code(50_000) },
        })],
        Vendor::Openai => vec![
            json!({ "timestamp": AT, "ordinal": 0, "type": "session_meta", "payload": {
                "id": id(session, 0), "timestamp": AT, "cwd": "/srv/shop", "cli_version": "0.169.0",
                "base_instructions": { "text": code(20_000) }, "git": { "branch": "main" },
            } }),
            json!({ "timestamp": AT, "ordinal": 1, "type": "turn_context", "payload": { "model": "gpt-5.5" } }),
        ],
        Vendor::Google => vec![json!({
            "sessionId": id(session, 0), "projectHash": "00ff", "startTime": AT, "lastUpdated": AT, "kind": "main",
        })],
        Vendor::Moonshot => vec![
            json!({ "type": "metadata", "protocol_version": "1.5", "created_at": 1_795_263_258_512_u64 }),
            json!({ "type": "llm.tools_snapshot", "agentId": "main", "hash": "00ff", "tools": code(77_000) }),
        ],
    }
}

/// A prompt now and then; a word, a call and its result; what the program notes beside.
fn turn(vendor: Vendor, session: u64, step: usize, result: &str) -> Vec<Value> {
    let prompt = step.is_multiple_of(20).then(|| format!("Step {step}: look at the locks. {}", code(200)));
    let say = format!("I look at what holds the lock, step {step}. {}", code(150));
    let call = format!("call_{session}_{step}");
    match vendor {
        Vendor::Anthropic => claude(session, step, prompt, &say, &call, result),
        Vendor::Openai => codex(step, prompt, &say, &call, result, &id(session, step)),
        Vendor::Google => gemini(prompt, &say, &call, result, &id(session, step + 1)),
        Vendor::Moonshot => kimi(step, prompt, &say, &call, result, &id(session, step)),
    }
}

fn claude(
    session: u64,
    step: usize,
    prompt: Option<String>,
    say: &str,
    call: &str,
    result: &str,
) -> Vec<Value> {
    let line = |part: usize, more: Value| {
        let mut record = json!({
            "parentUuid": id(session, step * 8 + part), "isSidechain": false, "uuid": id(session, step * 8 + part + 1),
            "timestamp": AT, "userType": "external", "entrypoint": "cli", "cwd": "/srv/shop",
            "sessionId": id(session, 0), "version": "2.1.329", "gitBranch": "main",
        });
        if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
            record.extend(more);
        }
        record
    };
    let answer = |part: usize, content: Value| {
        line(
            part,
            json!({ "type": "assistant", "requestRef": id(session, step), "message": {
            "id": format!("msg_{session}_{step}"), "type": "message", "role": "assistant", "model": "claude-opus-5-5",
            "content": [content], "stop_reason": "tool_use", "usage": {
                "input_tokens": 120, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 9000,
                "output_tokens": 420, "service_tier": "standard",
                "cache_creation": { "ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0 },
            },
        } }),
        )
    };
    let mut records: Vec<Value> = prompt
        .map(|prompt| line(0, json!({ "type": "user", "message": { "role": "user", "content": prompt } })))
        .into_iter()
        .collect();
    records.extend([
        answer(1, json!({ "type": "thinking", "thinking": say, "signature": "c2ln".repeat(60) })),
        answer(2, json!({ "type": "text", "text": say })),
        answer(3, json!({ "type": "tool_use", "id": call, "name": "Read", "input": { "file_path": "/srv/shop/a.rs" } })),
        line(4, json!({ "type": "user", "message": { "role": "user", "content": [
            { "tool_use_id": call, "type": "tool_result", "content": result },
        ] }, "toolUseResult": { "type": "text", "file": { "filePath": "/srv/shop/a.rs", "content": result } } })),
        json!({ "type": "last-prompt", "lastPrompt": say, "sessionId": id(session, 0) }),
    ]);
    records
}

fn codex(step: usize, prompt: Option<String>, say: &str, call: &str, result: &str, own: &str) -> Vec<Value> {
    let line = |part: usize, kind: &str, payload: Value| json!({ "timestamp": AT, "ordinal": step * 8 + part, "type": kind, "payload": payload });
    let through = json!({ "turn_id": own });
    let mut records: Vec<Value> = prompt
        .map(|prompt| {
            line(
                2,
                "response_item",
                json!({
                    "type": "message", "id": format!("msg_u{own}"), "role": "user",
                    "content": [{ "type": "input_text", "text": prompt }],
                    "internal_chat_message_metadata_passthrough": { "content_item_kinds": ["user.text"] },
                }),
            )
        })
        .into_iter()
        .collect();
    let used = json!({ "input_tokens": 9150, "cached_input_tokens": 9000, "output_tokens": 42, "total_tokens": 9192 });
    records.extend([
        line(3, "event_msg", json!({ "type": "item_completed", "turn_id": own, "item": {
            "type": "AgentMessage", "id": own, "content": [{ "type": "Text", "text": say }],
        } })),
        line(4, "response_item", json!({
            "type": "message", "id": format!("msg_{own}"), "role": "assistant",
            "content": [{ "type": "output_text", "text": say, "annotations": [] }],
            "internal_chat_message_metadata_passthrough": through,
        })),
        line(5, "response_item", json!({
            "type": "function_call", "id": format!("fc_{own}"), "name": "exec_command", "call_id": call,
            "arguments": "{\"cmd\": \"sed -n 1,200p a.rs\"}", "internal_chat_message_metadata_passthrough": through,
        })),
        line(6, "token_usage_record", json!({ "response_id": own, "usage": used, "thread_token_usage": used })),
        line(7, "event_msg", json!({ "type": "item_completed", "item": {
            "type": "CommandExecution", "id": call, "aggregated_output": result, "exit_code": 0, "status": "completed",
        } })),
        line(8, "response_item", json!({
            "type": "function_call_output", "id": format!("fco_{own}"), "call_id": call,
            "output": format!("Chunk ID: 1\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\n{result}"),
            "internal_chat_message_metadata_passthrough": through,
        })),
    ]);
    records
}

fn gemini(prompt: Option<String>, say: &str, call: &str, result: &str, own: &str) -> Vec<Value> {
    let answer =
        json!({ "functionResponse": { "id": call, "name": "read_file", "response": { "output": result } } });
    let said = json!({
        "id": own, "timestamp": AT, "type": "gemini", "content": say, "thoughts": [],
        "tokens": { "input": 9150, "output": 42, "cached": 9000, "thoughts": 5 }, "model": "gemini-2.5-flash",
    });
    let mut called = said.clone();
    called["toolCalls"] = json!([{
        "id": call, "name": "read_file", "args": { "file_path": "a.rs" }, "result": [answer], "status": "success",
        "timestamp": AT, "resultDisplay": "", "description": "a.rs", "displayName": "ReadFile",
    }]);
    let set = json!({ "$set": { "lastUpdated": AT } });
    let mut records: Vec<Value> = prompt
        .map(|prompt| json!({ "id": format!("p{own}"), "timestamp": AT, "type": "user", "content": [{ "text": prompt }] }))
        .into_iter()
        .collect();
    records.extend([
        said,
        set.clone(),
        called,
        json!({ "id": format!("r{own}"), "timestamp": AT, "type": "user", "content": [answer] }),
        set,
    ]);
    records
}

fn kimi(step: usize, prompt: Option<String>, say: &str, call: &str, result: &str, own: &str) -> Vec<Value> {
    let at = 1_795_263_258_581_u64 + step as u64;
    let event = |event: Value| json!({ "type": "context.append_loop_event", "agentId": "main", "event": event, "time": at });
    let mut records: Vec<Value> = prompt
        .map(|prompt| {
            json!({ "type": "context.append_message", "agentId": "main", "time": at, "message": {
                "role": "user", "content": [{ "type": "text", "text": prompt }], "id": format!("msg_{own}"),
                "toolCalls": [], "origin": { "kind": "user" },
            } })
        })
        .into_iter()
        .collect();
    let usage = json!({ "inputOther": 150, "output": 42, "inputCacheRead": 9000, "inputCacheCreation": 0 });
    records.extend([
        event(json!({ "type": "step.begin", "uuid": own, "turnId": "0", "step": step })),
        json!({ "type": "llm.request", "agentId": "main", "kind": "loop", "model": "kimi-k2", "time": at }),
        json!({ "type": "usage.record", "agentId": "main", "usage": usage, "usageScope": "turn", "time": at }),
        event(json!({
            "type": "content.part", "uuid": format!("t{own}"), "turnId": "0", "part": { "type": "text", "text": say },
        })),
        event(json!({
            "type": "tool.call", "uuid": format!("c{own}"), "toolCallId": call, "name": "Read",
            "args": { "path": "/srv/shop/a.rs" }, "display": { "kind": "file_io", "operation": "read", "path": "a.rs" },
        })),
        event(json!({
            "type": "tool.result", "parentUuid": format!("c{own}"), "toolCallId": call,
            "result": { "output": result, "durationMs": 7 },
        })),
        event(json!({ "type": "step.end", "uuid": own, "finishReason": "tool_use", "usage": usage })),
        json!({ "type": "agent.message.appended", "time": at, "kind": "event", "message": {
            "message": { "role": "tool", "content": [{ "type": "text", "text": result }], "toolCallId": call },
        } }),
    ]);
    records
}
