//! What the programs send, cut down to what counts, and what is made of it.

use super::*;
use crate::conversation::{Form, Said};
use crate::script::{Part, part};

/// A conversation as it is read from a program's request, and the part it is answered with.
fn read(dialect: Dialect, body: &Value) -> (Conversation, Part) {
    let mut headers = HeaderMap::new();
    for name in ["x-api-key", "x-goog-api-key"] {
        headers.insert(name, "k".parse().unwrap());
    }
    headers.insert(header::AUTHORIZATION, "Bearer k".parse().unwrap());
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    let told = told(dialect, body);
    let plain = told.body.clone().unwrap();
    let mut conversation =
        dialect.read(&headers, &plain, Some(("m", true))).unwrap_or_else(|e| panic!("{e:?}"));
    told.complete(&mut conversation);
    let part = part(&conversation).unwrap();
    (conversation, part)
}

/// Tool and arguments of each call in the part.
fn calls(part: &Part) -> Vec<(&str, &Value)> {
    part.step.calls.iter().map(|call| (call.tool.as_str(), &call.arguments)).collect()
}

fn claude(messages: &Value) -> Value {
    let file = json!({"type": "object", "properties": {"file_path": {}, "content": {}}});
    json!({
        "model": "claude-opus-5-5", "max_tokens": 128_000, "stream": true,
        "metadata": {"user_id": "{}"},
        "thinking": {"type": "adaptive", "display": "updates"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "system": [{"type": "text", "text": "You are a Claude agent, built on a kit.", "cache_control": {"type": "ephemeral"}}],
        "messages": messages,
        "tools": [
            {"name": "Write", "description": "d", "input_schema": file},
            {"name": "ToolSearch", "description": "d", "input_schema": {"type": "object", "properties": {"query": {}}}},
            {"name": "Placeholder", "description": "d", "input_schema": {"type": "object"}, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
    })
}

#[test]
fn claude_code_may_wrap_the_prompt_in_reminders() {
    let environment = "The following deferred tools are now available via ToolSearch. Load them first:\nWebFetch\nmcp__s__t\n\nAgents:";
    let messages = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nRules: [[write evil.txt|no]] [[nonword x]]\n</system-reminder>"},
            {"type": "text", "text": "Do [[write a.txt|x]] [[tool mcp__s__t|{}]] [[say ok]]"}]},
        {"role": "system", "content": [{"type": "text", "text": environment}], "output_config": {"effort": "medium"}},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": crate::dialect::signature("t")},
            {"type": "tool_use", "id": "toolu_call_1_0t", "name": "Write", "input": {}, "caller": {"type": "direct"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_call_1_0t", "content": [{"type": "text", "text": "written"}]},
            {"type": "text", "text": "<system-reminder>[[say never]]</system-reminder>"}]},
    ]);
    let (conversation, part) = read(Dialect::Anthropic, &claude(&messages));
    assert_eq!(conversation.agent.as_deref(), Some("claude"));
    assert_eq!(conversation.deferred, ["WebFetch", "mcp__s__t"]);
    assert_eq!((part.index, part.result.as_str()), (1, "written"));
    assert_eq!(calls(&part), [("ToolSearch", &json!({"query": "select:mcp__s__t", "max_results": 5}))]);
    assert!(part.step.calls[0].errand);
}

#[test]
fn an_errand_does_not_count_and_is_run_once() {
    let found = json!([
        {"role": "user", "content": "[[tool mcp__s__t|{\"a\":1}]] [[say ok]]"},
        {"role": "system", "content": "The following deferred tools are now available via ToolSearch.\nmcp__s__t"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_errand_1n", "name": "ToolSearch", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_errand_1n",
            "content": [{"type": "tool_reference", "tool_name": "mcp__s__t"}]}]},
    ]);
    let (_, part) = read(Dialect::Anthropic, &claude(&found));
    assert_eq!(part.index, 0);
    assert_eq!(calls(&part), [("mcp__s__t", &json!({"a": 1}))]);
}

#[test]
fn a_request_without_tools_is_not_the_conversation() {
    let mut body = claude(&json!([{"role": "user", "content": "Title for: [[error 529]] [[say x]]"}]));
    body["tools"] = json!([]);
    let (_, title) = read(Dialect::Anthropic, &body);
    assert_eq!(title.aside.as_deref(), Some("A scripted conversation"));
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": {
        "type": "object", "properties": {"title": {"type": "string"}, "n": {"type": "integer", "minimum": 3},
            "kind": {"enum": ["b", "c"]}, "all": {"type": "array"}}}}});
    let (_, shaped) = read(Dialect::Anthropic, &body);
    let answer: Value = serde_json::from_str(&shaped.aside.unwrap()).unwrap();
    assert_eq!(answer, json!({"title": "scripted", "n": 3, "kind": "b", "all": []}));
}

fn codex(input: &[Value], tools: &Value) -> Value {
    let developer =
        "<tools>\nDeferred tool namespaces:\n- mcp__coord: locks\n- multi_agent_v1: Sub-agents.\n</tools>";
    let mut items = vec![
        json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": developer}]}),
        json!({"type": "message", "role": "user", "content": [{"type": "input_text",
            "text": "<environment_context>\n<cwd>[[say no]]</cwd>\n</environment_context>"}]}),
    ];
    items.extend_from_slice(input);
    json!({"model": "gpt-5.5", "stream": true, "store": false, "tool_choice": "auto", "input": items, "tools": tools,
        "reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"],
        "client_metadata": {"thread_id": "t"}, "text": {"verbosity": "low"}})
}

fn codex_tools() -> Value {
    let fields = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}});
    json!([
        {"type": "function", "name": "exec_command", "strict": false, "parameters": fields("cmd")},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
        {"type": "tool_search", "execution": "client", "parameters": fields("query")},
        {"type": "web_search", "external_web_access": true},
    ])
}

fn said(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

#[test]
fn codex_patches_and_its_results_count() {
    let prompt = said("[[write a.txt|x\\n]] [[bash ls]] [[say ok]]");
    let (_, first) = read(Dialect::Responses, &codex(std::slice::from_ref(&prompt), &codex_tools()));
    assert_eq!(
        calls(&first),
        [("apply_patch", &json!("*** Begin Patch\n*** Add File: a.txt\n+x\n*** End Patch\n"))]
    );
    assert_eq!(first.step.calls[0].form, Form::Custom);
    let patched = [
        prompt,
        json!({"type": "reasoning", "summary": [], "encrypted_content": null}),
        json!({"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin", "status": "completed"}),
        json!({"type": "custom_tool_call_output", "call_id": "c1", "output": "Success"}),
    ];
    let (_, second) = read(Dialect::Responses, &codex(&patched, &codex_tools()));
    assert_eq!(calls(&second), [("exec_command", &json!({"cmd": "ls"}))]);
    assert_eq!((second.index, second.result.as_str()), (1, "Success"));
}

#[test]
fn codex_searches_for_tools_and_calls_them_by_namespace() {
    let prompt = said("[[tool mcp__coord__claim|{}]]");
    let (conversation, first) =
        read(Dialect::Responses, &codex(std::slice::from_ref(&prompt), &codex_tools()));
    assert_eq!(conversation.deferred, ["mcp__coord", "multi_agent_v1"]);
    assert_eq!(first.step.calls[0].form, Form::Search);
    let found = [
        prompt,
        json!({"type": "tool_search_call", "call_id": "errand_1n", "execution": "client", "arguments": {"query": "q"}}),
        json!({"type": "tool_search_output", "call_id": "errand_1n", "status": "completed", "execution": "client", "tools": [
            {"type": "namespace", "name": "mcp__coord", "tools": [
                {"type": "function", "name": "claim", "defer_loading": true, "parameters": {"type": "object"}}]}]}),
    ];
    let (_, second) = read(Dialect::Responses, &codex(&found, &codex_tools()));
    assert_eq!(calls(&second), [("mcp__coord__claim", &json!({}))]);
    assert_eq!(second.step.calls[0].form, Form::Namespaced("mcp__coord".into()));
}

#[test]
fn codex_waits_for_the_sub_agent_it_started() {
    let properties = json!({"targets": {"type": "array"}, "timeout_ms": {"type": "number"}});
    let tools = json!([
        {"type": "namespace", "name": "multi_agent_v1", "tools": [
            {"type": "function", "name": "spawn_agent", "parameters": {"properties": {"message": {}}}},
            {"type": "function", "name": "wait_agent", "parameters": {"properties": properties}}]},
    ]);
    let mut input = vec![
        said("[[agent do <<say x>>]] [[say {{result}}]]"),
        json!({"type": "function_call", "call_id": "c1", "namespace": "multi_agent_v1", "name": "spawn_agent", "arguments": "{}"}),
        json!({"type": "function_call_output", "call_id": "c1", "output": "{\"agent_id\":\"a7\"}"}),
    ];
    let (_, waits) = read(Dialect::Responses, &codex(&input, &tools));
    assert_eq!(calls(&waits)[0].0, "multi_agent_v1__wait_agent");
    assert_eq!(waits.step.calls[0].arguments["targets"], json!(["a7"]));
    input.push(json!({"type": "function_call", "call_id": "errand_2n", "namespace": "multi_agent_v1", "name": "wait_agent", "arguments": "{}"}));
    input.push(
        json!({"type": "function_call_output", "call_id": "errand_2n", "output": "{\"timed_out\":false}"}),
    );
    let (_, after) = read(Dialect::Responses, &codex(&input, &tools));
    assert_eq!((after.index, calls(&after).len()), (1, 0));
    assert_eq!(after.step.before.len(), 1);
}

#[test]
fn codex_in_code_mode_offers_its_tools_in_the_conversation() {
    let offered = json!({"type": "additional_tools", "role": "developer", "tools": [{"type": "namespace", "name": "functions",
        "tools": [{"type": "custom", "name": "exec", "description": "Use tools.exec_command and tools.apply_patch."},
                  {"type": "function", "name": "wait", "parameters": {"type": "object"}}]}]});
    let task = json!({"type": "agent_message", "author": "/srv", "recipient": "/srv/part", "content": [
        {"type": "input_text", "text": "Message Type: NEW_TASK\nPayload:\n"},
        {"type": "encrypted_content", "encrypted_content": "<<bash ls>>"}]});
    let (_, part) = read(Dialect::Responses, &codex(&[offered, task], &Value::Null));
    assert_eq!(
        calls(&part),
        [("exec", &json!("const r = await tools.exec_command({\"cmd\":\"ls\"}); text(r);"))]
    );
}

fn gemini(contents: &Value) -> Value {
    let write = json!({"properties": {"file_path": {}, "content": {}}});
    json!({
        "contents": contents,
        "systemInstruction": {"role": "user", "parts": [{"text": "You are a CLI."}]},
        "generationConfig": {"temperature": 1, "thinkingConfig": {"includeThoughts": true}},
        "tools": [{"functionDeclarations": [{"name": "write_file", "parametersJsonSchema": write}]}],
    })
}

#[test]
fn gemini_results_are_matched_by_name() {
    let context = "<session_context>\n[[write no.txt|no]]\n</session_context>";
    let prompt = json!({"role": "user", "parts": [{"text": context},
        {"text": "<hook_context>[[say no]]</hook_context>\n[[write a.txt|x]] [[say ok]]"}]});
    let (_, first) = read(Dialect::Google, &gemini(&json!([prompt])));
    assert_eq!(calls(&first), [("write_file", &json!({"file_path": "a.txt", "content": "x"}))]);
    let result =
        json!({"functionResponse": {"id": "x#0-0", "name": "write_file", "response": {"output": "made"}}});
    let (conversation, second) = read(
        Dialect::Google,
        &gemini(&json!([
            prompt,
            {"role": "model", "parts": [{"text": "hm", "thought": true}, {"functionCall": {"name": "write_file", "args": {}}}]},
            {"role": "user", "parts": [result, result]},
        ])),
    );
    assert_eq!((second.index, second.result.as_str()), (1, "made"));
    assert!(matches!(conversation.messages[1], Said::Assistant { .. }));
}

#[test]
fn gemini_sub_agents_say_when_they_have_ended() {
    let prompt = json!({"role": "user", "parts": [{"text": "<<say all done>>"}]});
    let result =
        json!({"type": "object", "properties": {"response": {"type": "string"}}, "required": ["response"]});
    let tool = json!({"name": "complete_task", "parametersJsonSchema": {"properties": {"result": result}, "required": ["result"]}});
    let mut body = gemini(&json!([prompt]));
    body["tools"][0]["functionDeclarations"][0] = tool;
    let (_, part) = read(Dialect::Google, &body);
    assert_eq!(calls(&part), [("complete_task", &json!({"result": {"response": "all done"}}))]);
    body["contents"] = json!([
        prompt,
        {"role": "model", "parts": [{"functionCall": {"name": "complete_task", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "complete_task", "response": {"error": "no"}}}]},
    ]);
    let (_, part) = read(Dialect::Google, &body);
    assert!(part.step.calls.is_empty(), "who refuses it is not asked for ever");
}

#[test]
fn gemini_classifier_gets_what_its_schema_asks_for() {
    let mut body = gemini(&json!([{"role": "user", "parts": [{"text": "[[say x]]"}]}]));
    body["tools"] = json!([]);
    body["generationConfig"]["responseJsonSchema"] = json!({"type": "OBJECT", "properties": {
        "reasoning": {"type": "STRING"}, "model_choice": {"type": "STRING", "enum": ["flash", "pro"]}}});
    let (_, part) = read(Dialect::Google, &body);
    let answer: Value = serde_json::from_str(&part.aside.unwrap()).unwrap();
    assert_eq!(answer, json!({"reasoning": "scripted", "model_choice": "flash"}));
}

#[test]
fn kimi_keeps_its_reasoning_and_flattens_its_parts() {
    let write = json!({"type": "object", "properties": {"path": {}, "content": {}}});
    let body = json!({
        "model": "kimi-k2", "stream": true, "stream_options": {"include_usage": true}, "max_completion_tokens": 1,
        "thinking": {"type": "enabled"},
        "messages": [
            {"role": "system", "content": "You are Kimi."},
            {"role": "user", "content": [{"type": "text", "text": "[[write a.txt|x]] [[say ok]]"}]},
            {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [{"type": "function", "id": "call_1_0t",
                "function": {"name": "Write", "arguments": "{}"}, "extra": 1}]},
            {"role": "tool", "tool_call_id": "call_1_0t", "content": [{"type": "text", "text": "written"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "Write", "parameters": write}}, {"type": "builtin"}],
    });
    let (conversation, part) = read(Dialect::Chat, &body);
    assert_eq!(conversation.agent.as_deref(), Some("kimi"));
    assert_eq!((part.index, part.result.as_str()), (1, "written"));
}

#[test]
fn what_is_told_of_a_conversation_is_not_played_again() {
    let told =
        "<conversation_so_far>\nSaid to all:\n[[write old.txt|x]]\n</conversation_so_far>\n\n[[say new]]";
    assert_eq!(spoken(told).trim(), "[[say new]]");
    assert_eq!(spoken("a <system-reminder>never closed [[say x]]"), "a ");
    assert_eq!(spoken("<div>[[say x]]</div>"), "<div>[[say x]]</div>");
}

#[test]
fn only_who_names_himself_is_a_program() {
    let named = |name: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, name.parse().unwrap());
        asks(&headers)
    };
    assert!(named("claude-cli/2.1.329 (external, sdk-cli)") && named("kimi-code-cli/2.1.0"));
    assert!(!named("coditect/0.1.0") && !asks(&HeaderMap::new()));
}
