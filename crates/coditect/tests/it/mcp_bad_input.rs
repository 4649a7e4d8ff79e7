//! `coditect mcp` and what no client should send: nothing ends the server, and everything that can be answered is.

use crate::command::Home;
use crate::mcp_client::{Agent, error_of};
use model::{CONTEXT_VALUE_MAX, Entropy};
use serde_json::{Value, json};

#[test]
fn what_a_tool_cannot_take_has_a_code_and_a_next_step() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    let long = "x".repeat(mcp::TEXT_MAX + 1);
    let paths = |count: usize| (0..count).map(|n| format!("f{n}")).collect::<Vec<_>>();
    let cases: &[(&str, Value, &str)] = &[
        ("lock_acquire", json!({}), "bad_arguments"),
        ("lock_acquire", json!({ "paths": "a" }), "bad_arguments"),
        ("lock_acquire", json!({ "paths": ["a"], "force": true }), "bad_arguments"),
        ("lock_acquire", json!({ "paths": ["a"], "mode": "greedy" }), "bad_arguments"),
        ("lock_acquire", json!({ "paths": ["a"], "wait_seconds": -1 }), "bad_arguments"),
        ("lock_acquire", json!({ "paths": ["a"], "wait_seconds": 301 }), "wait_too_long"),
        ("lock_acquire", json!({ "paths": ["a"], "ttl_seconds": 0 }), "invalid"),
        ("lock_acquire", json!({ "paths": ["a"], "ttl_seconds": 86_401 }), "invalid"),
        ("lock_acquire", json!({ "paths": [] }), "invalid"),
        ("lock_acquire", json!({ "paths": paths(bus::LOCK_PATHS_MAX + 1) }), "invalid"),
        ("lock_acquire", json!({ "paths": ["a", "a"] }), "invalid"),
        ("lock_acquire", json!({ "paths": [""] }), "path_empty"),
        ("lock_acquire", json!({ "paths": ["../../etc/passwd"] }), "path_outside"),
        ("lock_acquire", json!({ "paths": ["/etc/passwd"] }), "path_outside"),
        ("lock_acquire", json!({ "paths": ["a"], "worktree": "here" }), "path_relative"),
        ("lock_acquire", json!({ "paths": ["a"], "worktree": "/" }), "no_worktree"),
        ("lock_release", json!({}), "bad_arguments"),
        ("lock_release", json!({ "tokens": [1], "all": true }), "bad_arguments"),
        ("lock_release", json!({ "tokens": vec![1; bus::LOCK_PATHS_MAX + 1] }), "too_many_tokens"),
        ("notice_send", json!({ "text": long }), "text_too_long"),
        ("notice_send", json!({ "text": "x", "channel": "two words" }), "bad_channel"),
        ("notice_send", json!({ "text": "x", "channel": "task_broadcast" }), "bad_channel"),
        ("notice_send", json!({ "text": "x", "to": ["nobody"] }), "no_session"),
        ("notice_send", json!({ "text": "x", "to": vec!["a"; 33] }), "too_many_recipients"),
        ("notice_send", json!({ "text": "x", "reply_to": 99 }), "no_notice"),
        ("notice_send", json!({ "text": "x", "ttl_seconds": 604_801 }), "invalid"),
        ("notice_wait", json!({ "wait_seconds": 301 }), "wait_too_long"),
        ("task_offer", json!({ "text": long }), "text_too_long"),
        ("task_offer", json!({ "text": "x", "files": paths(bus::LOCK_PATHS_MAX + 1) }), "too_many_files"),
        ("task_claim", json!({ "id": 99 }), "no_notice"),
        ("task_claim", json!({ "ttl_seconds": 0 }), "invalid"),
        ("task_done", json!({ "token": u64::MAX }), "claim_lost"),
        ("task_done", json!({ "token": 1, "text": long }), "text_too_long"),
        ("context_get", json!({ "key": "two words" }), "bad_key"),
        ("context_set", json!({ "key": "a", "value": "v".repeat(CONTEXT_VALUE_MAX) }), "context_too_large"),
        ("context_set", json!({ "key": "a", "value": null }), "no_context"),
        ("context_set", json!({ "key": "a" }), "bad_arguments"),
        ("context_list", json!({ "after": "" }), "bad_key"),
        ("who", json!({ "x": 1 }), "bad_arguments"),
        ("session_read", json!({}), "daemon_not_running"),
        ("session_read", json!({ "messages": 51 }), "bad_arguments"),
        (
            "session_prompt",
            json!({ "session": "s", "prompt": "p".repeat(model::PROMPT_MAX + 1) }),
            "prompt_too_long",
        ),
        ("session_spawn", json!({ "prompt": "p", "agents": ["Not A Name"] }), "bad_agent"),
        ("task_cancel", json!({ "task": "q4x9" }), "daemon_not_running"),
    ];
    for (tool, arguments, code) in cases {
        let outcome = agent.call(tool, arguments.clone());
        let shown: String = arguments.to_string().chars().take(120).collect();
        assert_eq!(outcome.code(), *code, "{tool} {shown}");
    }
    // One value is missing its `value`: null is a value, nothing is not.
    assert_eq!(agent.call("lock_list", json!({})).data()["locks"], json!([]), "nothing was taken");
}

#[test]
fn garbage_is_answered_or_dropped_and_the_next_request_is_served() {
    let home = Home::new();
    let mut agent = Agent::raw(&home, &[]);
    let early: &[&[u8]] = &[
        b"",
        b"   ",
        b"not json",
        b"\xff\xfe\x00",
        b"{",
        b"null",
        b"[]",
        b"42",
        b"\"text\"",
        br#"{"jsonrpc":"2.0"}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/unheard_of"}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        br#"{"jsonrpc":"2.0","id":"r","result":{}}"#,
    ];
    for line in early {
        agent.write(line);
    }
    agent.write("[".repeat(100_000).as_bytes());
    // Before the handshake, too.
    let told = agent.shake_hands("garbage");
    assert_eq!(told["result"]["serverInfo"]["name"], "coditect");
    agent.write(br#"{"jsonrpc":"2.0","id":"bad","method":"tools/call","params":{"name":7}}"#);
    let bad = agent.until(|message| message["id"] == "bad");
    assert!(bad["error"]["code"].is_i64(), "{bad}");
    agent.write(br#"{"jsonrpc":"2.0","id":"none","method":"no/such"}"#);
    assert_eq!(agent.until(|message| message["id"] == "none")["error"]["code"], -32601);
    agent.write(br#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#);
    assert!(!agent.tools().is_empty());
}

#[test]
fn a_message_that_is_too_long_is_refused_and_the_next_one_is_served() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    let text = "x".repeat(mcp::FRAME_MAX);
    let call = json!({
        "jsonrpc": "2.0", "id": "big", "method": "tools/call",
        "params": { "name": "notice_send", "arguments": { "text": text } },
    });
    agent.write(call.to_string().as_bytes());
    let refused = agent.until(|message| message["error"].is_object());
    let words = refused["error"]["message"].as_str().unwrap();
    assert!(words.contains(&mcp::FRAME_MAX.to_string()), "{words}");
    assert_eq!(agent.call("notice_read", json!({})).data()["notices"], json!([]));
}

#[test]
fn calls_under_way_are_bounded() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    agent.call("who", json!({})).data();
    let calls: Vec<i64> =
        (0..=mcp::CALLS_MAX).map(|_| agent.begin("notice_wait", json!({ "wait_seconds": 300 }))).collect();
    let refused = agent.until(|message| message["result"]["isError"] == true);
    assert_eq!(error_of(&refused["result"])["code"], "too_many_calls");
    for call in calls {
        agent.cancel(call);
    }
    // Room again, once the first of them has ended.
    crate::house::until("a call has a place", || {
        (agent.call("who", json!({})).0["result"]["isError"] == false).then_some(())
    });
}

#[test]
fn mutilated_requests_never_end_the_server() {
    let home = Home::new();
    let mut agent = Agent::start(&home, &[]);
    let dice = testkit::SeededEntropy::new(4242);
    let roll = |most: usize| {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % most as u64).unwrap()
    };
    let whole = [
        json!({ "jsonrpc": "2.0", "id": 900_001, "method": "tools/call",
            "params": { "name": "lock_acquire", "arguments": { "paths": ["a", "b/**"], "ttl_seconds": 9 } } }),
        json!({ "jsonrpc": "2.0", "id": 900_002, "method": "tools/call",
            "params": { "name": "context_set", "arguments": { "key": "k", "value": { "deep": [1, [2]] } } } }),
        json!({ "jsonrpc": "2.0", "id": 900_003, "method": "tools/list", "params": {} }),
        json!({ "jsonrpc": "2.0", "id": 900_004, "method": "initialize",
            "params": { "protocolVersion": "x", "capabilities": {}, "clientInfo": { "name": "n", "version": "v" } } }),
    ];
    for _ in 0..400 {
        let mut line = whole[roll(whole.len())].to_string().into_bytes();
        for _ in 0..=roll(4) {
            let at = roll(line.len());
            match roll(4) {
                0 => line[at] = u8::try_from(roll(256)).unwrap(),
                1 => drop(line.remove(at)),
                2 => line.insert(at, b"{}[]\",:0-\\"[roll(10)]),
                _ => line.truncate(at.max(1)),
            }
        }
        line.retain(|byte| *byte != b'\n');
        agent.write(&line);
    }
    assert!(agent.call("who", json!({})).data()["me"].is_string());
}
