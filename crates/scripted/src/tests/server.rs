//! The server without a socket: whole answers, streams, and what a real API would refuse.

use super::*;
use axum::body::to_bytes;
use axum::http::Request;
use model::Vendor;
use tower::ServiceExt;

fn face(record: &Record) -> Face {
    Face { record: record.clone(), pace: Duration::ZERO, failed: Arc::default() }
}

fn record() -> Record {
    Record::new(None, None).unwrap()
}

/// A request to one of the dialects, with all that belongs to it.
fn ask(dialect: Dialect, prompt: &str, stream: bool) -> (String, Vec<(&'static str, &'static str)>, Value) {
    let tool = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    let system = "You are kimi, the reviewer.";
    match dialect {
        Dialect::Anthropic => (
            "/v1/messages?beta=true".into(),
            vec![("x-api-key", "k"), ("anthropic-version", "2023-06-01")],
            json!({"model": "m", "max_tokens": 100, "stream": stream, "system": system,
                "messages": [{"role": "user", "content": prompt}],
                "tools": [{"name": "read_file", "input_schema": tool}]}),
        ),
        Dialect::Chat => (
            "/v1/chat/completions".into(),
            vec![("authorization", "Bearer k")],
            json!({"model": "m", "stream": stream,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                "tools": [{"type": "function", "function": {"name": "read_file", "parameters": tool}}]}),
        ),
        Dialect::Google => (
            format!(
                "/v1beta/models/m:{}",
                if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
            ),
            vec![("x-goog-api-key", "k")],
            json!({"systemInstruction": {"parts": [{"text": system}]},
                "contents": [{"role": "user", "parts": [{"text": prompt}]}],
                "tools": [{"functionDeclarations": [{"name": "read_file", "parametersJsonSchema": tool}]}]}),
        ),
        Dialect::Responses => (
            "/v1/responses".into(),
            vec![("authorization", "Bearer k")],
            json!({"model": "m", "stream": stream, "store": false, "instructions": system, "input": prompt,
                "tools": [{"type": "function", "name": "read_file", "parameters": tool}]}),
        ),
    }
}

const ALL: [Dialect; 4] = [Dialect::Anthropic, Dialect::Chat, Dialect::Google, Dialect::Responses];

async fn send(
    face: &Face,
    path: &str,
    headers: &[(&'static str, &'static str)],
    body: &Value,
) -> (u16, String) {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = router(face.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn answers_can_be_had_whole_in_every_dialect() {
    let face = face(&record());
    for (dialect, at, call_at) in [
        (Dialect::Anthropic, "/content/0/text", "/content/1/name"),
        (Dialect::Chat, "/choices/0/message/content", "/choices/0/message/tool_calls/0/function/name"),
        (
            Dialect::Google,
            "/candidates/0/content/parts/0/text",
            "/candidates/0/content/parts/1/functionCall/name",
        ),
        (Dialect::Responses, "/output/0/content/0/text", "/output/1/name"),
    ] {
        let (path, headers, body) = ask(dialect, "[[say Hello]] [[read a]]", false);
        let (status, answer) = send(&face, &path, &headers, &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, answer.pointer(at)), (200, Some(&json!("Hello"))), "{answer}");
        assert_eq!(answer.pointer(call_at), Some(&json!("read_file")), "{answer}");
    }
}

#[tokio::test]
async fn a_limit_that_is_used_up_is_said_in_the_words_of_each_vendor() {
    let face = face(&record());
    for (dialect, at, says) in [
        (Dialect::Anthropic, "/error/type", "rate_limit_error"),
        (Dialect::Chat, "/error/message", "again after 90 seconds"),
        (Dialect::Google, "/error/message", "retry in 90s"),
        // Without a clock it is 1970.
        (Dialect::Responses, "/error/resets_at", "90"),
    ] {
        let (path, headers, body) = ask(dialect, "[[limit 90]] [[say Never]]", true);
        let (status, answer) = send(&face, &path, &headers, &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(status, 429);
        assert!(answer.pointer(at).unwrap().to_string().contains(says), "{answer}");
    }
}

#[tokio::test]
async fn streams_are_events_of_the_dialect() {
    let face = face(&record());
    for (dialect, end) in [
        (Dialect::Anthropic, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        (Dialect::Chat, "data: [DONE]\n\n"),
        (Dialect::Google, "\r\n\r\n"),
        (Dialect::Responses, "\n\n"),
    ] {
        let (path, headers, body) = ask(dialect, "[[say Hello]]", true);
        let (status, answer) = send(&face, &path, &headers, &body).await;
        assert!(status == 200 && answer.ends_with(end), "{answer}");
        assert!(answer.contains("data: {") && answer.contains("\"Hello\""), "{answer}");
    }
}

#[tokio::test]
async fn what_a_real_api_would_refuse_is_refused() {
    let record = record();
    let face = face(&record);
    for dialect in ALL {
        let (path, headers, body) = ask(dialect, "hi", true);
        let mut strange = body.clone();
        strange["surprise"] = json!(1);
        let (status, answer) = send(&face, &path, &headers, &strange).await;
        assert!(status == 400 && answer.contains("unknown field `surprise`"), "{answer}");
        let (status, _) = send(&face, &path, &[], &body).await;
        assert!(status == 401 || (dialect == Dialect::Google && status == 400), "{status}");
        let (path, headers, empty) = ask(dialect, "  ", true);
        assert_eq!(send(&face, &path, &headers, &empty).await.0, 400, "{dialect:?}");
        assert_eq!(send(&face, &path, &headers, &json!([1])).await.0, 400, "{dialect:?}");
    }
    assert!(record.all().iter().all(|exchange| exchange.refused.is_some()));
    let (path, _, body) = ask(Dialect::Anthropic, "hi", true);
    let (status, answer) = send(&face, &path, &[("x-api-key", "k")], &body).await;
    assert!(status == 400 && answer.contains("anthropic-version"), "{answer}");
    let (_, headers, body) = ask(Dialect::Google, "hi", true);
    assert_eq!(send(&face, "/v1beta/models/m:noSuchMethod", &headers, &body).await.0, 404);
}

#[tokio::test]
async fn a_program_is_read_leniently_and_known_by_its_headers() {
    let record = record();
    let face = face(&record);
    for dialect in ALL {
        let (path, mut headers, mut body) = ask(dialect, "[[error_once 529]] [[say Hello]]", true);
        headers.push(("user-agent", "some-cli/1.0"));
        body["surprise"] = json!(1);
        assert_eq!(send(&face, &path, &headers, &body).await.0, 529, "{dialect:?}");
        // What a program changes when it asks again does not make it another request.
        body["surprise"] = json!(2);
        let (status, answer) = send(&face, &path, &headers, &body).await;
        assert!(status == 200 && answer.contains("Hello"), "{answer}");
    }
    for exchange in record.all() {
        assert_eq!(exchange.headers.get("user-agent").map(String::as_str), Some("some-cli/1.0"));
        let secret = ["authorization", "x-api-key", "x-goog-api-key"];
        assert!(secret.iter().all(|name| !exchange.headers.contains_key(*name)), "{:?}", exchange.headers);
    }
}

#[tokio::test]
async fn tokens_of_a_prompt_can_be_asked_for() {
    let face = face(&record());
    for (path, field) in
        [("/v1/messages/count_tokens", "input_tokens"), ("/v1beta/models/m:countTokens", "totalTokens")]
    {
        let (status, answer) = send(&face, path, &[], &json!({"messages": []})).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer[field]), (200, &json!(4)), "{answer}");
    }
}

#[tokio::test]
async fn thinking_that_comes_back_changed_is_refused() {
    let face = face(&record());
    let (path, headers, mut body) = ask(Dialect::Anthropic, "[[read a]]", true);
    let signed = |text: &str, of: &str| {
        json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": text, "signature": crate::dialect::signature(of)},
            {"type": "tool_use", "id": "toolu_1t", "name": "read_file", "input": {}}]})
    };
    let result = json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1t", "content": "x"}]});
    body["thinking"] = json!({"type": "adaptive"});
    let prompt = body["messages"][0].clone();
    body["messages"] = json!([prompt, signed("a", "a"), result]);
    assert_eq!(send(&face, &path, &headers, &body).await.0, 200);
    body["messages"][1] = signed("changed", "a");
    let (status, answer) = send(&face, &path, &headers, &body).await;
    assert!(status == 400 && answer.contains("Invalid `signature`"), "{answer}");
    body["messages"][1]["content"].as_array_mut().unwrap().remove(0);
    let (status, answer) = send(&face, &path, &headers, &body).await;
    assert!(status == 400 && answer.contains("Expected `thinking`"), "{answer}");
}

#[tokio::test]
async fn an_error_once_fails_the_first_time_only() {
    let record = record();
    let face = face(&record);
    for dialect in ALL {
        let (path, headers, body) = ask(dialect, "[[error_once 503]] [[say ok]]", true);
        assert_eq!(send(&face, &path, &headers, &body).await.0, 503, "{dialect:?}");
        assert_eq!(send(&face, &path, &headers, &body).await.0, 200, "{dialect:?}");
        assert_eq!(send(&face, &path, &headers, &body).await.0, 200, "{dialect:?}");
        let (_, _, other) = ask(dialect, "Another [[error_once 503]]", true);
        assert_eq!(send(&face, &path, &headers, &other).await.0, 503, "{dialect:?}");
    }
    let played: Vec<_> = record.all().into_iter().take(2).map(|exchange| exchange.directives).collect();
    assert_eq!(played, [vec!["error_once", "say"], vec!["say"]]);
}

#[tokio::test]
async fn the_log_has_a_line_for_every_request() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("requests.jsonl");
    let face = face(&Record::new(Some(&log), None).unwrap());
    for dialect in ALL {
        let (path, headers, body) = ask(dialect, "[[for kimi]][[read a]][[end]] [[bash x]]", true);
        send(&face, &path, &headers, &body).await;
    }
    let lines: Vec<Value> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["n"], at + 1);
        assert_eq!(line["agent"], "kimi");
        assert_eq!((&line["directives"], &line["skipped"]), (&json!(["read"]), &json!(["bash"])));
        assert!(line["usage"]["prompt_tokens"].as_u64().unwrap() > 5, "{line}");
        assert!(line["body"].is_object());
    }
    let vendors: Vec<_> = lines.iter().map(|line| line["vendor"].as_str().unwrap()).collect();
    assert_eq!(vendors, ["anthropic", "moonshot", "google", "openai"]);
    assert_eq!(lines[0]["vendor"], json!(Vendor::Anthropic));
}
