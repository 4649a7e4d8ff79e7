//! What the tests sit at: a server, providers for it, and a loop that answers tool calls.

use futures_util::StreamExt;
use llm::{
    Answer, CancellationToken, Chunk, Endpoint, LanguageModel, LlmError, Provider, ProviderOptions, Request,
    RetryPolicy, Secret, Stop, ToolSpec, Turn,
};
use model::{Block, Entropy, Vendor};
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Long enough for a busy machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Dice that never show the same twice.
#[derive(Default)]
pub(crate) struct Dice(AtomicU64);

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(4) {
            let next = self.0.fetch_add(0x9e37_79b9, Ordering::Relaxed).to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}

pub(crate) fn server() -> Scripted {
    Scripted::start(ScriptedOptions::default()).unwrap()
}

/// Retries without noticeable waits.
pub(crate) fn quick() -> ProviderOptions {
    let retry = RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() };
    ProviderOptions { retry, ..ProviderOptions::default() }
}

pub(crate) fn endpoint(server: &Scripted, vendor: Vendor) -> Endpoint {
    Endpoint { vendor, base_url: Some(server.base_url(vendor)), api_key: Secret::new("test-key") }
}

pub(crate) fn provider_with(server: &Scripted, vendor: Vendor, options: ProviderOptions) -> Provider {
    Provider::new(endpoint(server, vendor), options, Arc::new(Dice::default())).unwrap()
}

pub(crate) fn provider(server: &Scripted, vendor: Vendor) -> Provider {
    provider_with(server, vendor, quick())
}

/// The strictest model of each vendor: Google wants signatures from Gemini 3 on.
pub(crate) fn model_of(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Anthropic => "claude-opus-5",
        Vendor::Google => "gemini-3.8-flash",
        Vendor::Moonshot => "kimi-k3",
        Vendor::Openai => "gpt-6-sol",
    }
}

pub(crate) fn request(vendor: Vendor, prompt: &str) -> Request {
    let system = "You are claude, one of several agents.\nKeep to your task.";
    let mut request = Request::new(model_of(vendor), system, vec![Turn::user(prompt)]);
    let tool = |name: &str, fields: &[&str]| {
        let properties: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
        ToolSpec {
            name: name.into(),
            description: format!("The tool {name}."),
            schema: json!({"type": "object", "properties": properties, "required": fields}),
        }
    };
    request.tools = vec![
        tool("read_file", &["path"]),
        tool("write_file", &["path", "content"]),
        tool("bash", &["command"]),
    ];
    request
}

/// Fails the test instead of hanging it.
pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

/// All chunks of one call up to its end.
pub(crate) async fn ask(provider: &Provider, request: Request) -> (Vec<Chunk>, Result<Answer, LlmError>) {
    ask_until(provider, request, CancellationToken::new()).await
}

pub(crate) async fn ask_until(
    provider: &Provider,
    request: Request,
    cancel: CancellationToken,
) -> (Vec<Chunk>, Result<Answer, LlmError>) {
    let mut stream = provider.stream(request, cancel);
    let mut chunks = Vec::new();
    let result = loop {
        match patiently(stream.next()).await {
            Some(Ok(Chunk::Done(answer))) => break Ok(answer),
            Some(Ok(chunk)) => chunks.push(chunk),
            Some(Err(error)) => break Err(error),
            None => panic!("the stream ended without its end; it said {chunks:?}"),
        }
    };
    assert!(patiently(stream.next()).await.is_none(), "something came after the end");
    (chunks, result)
}

pub(crate) async fn fail(provider: &Provider, request: Request) -> LlmError {
    let (chunks, result) = ask(provider, request).await;
    result.expect_err(&format!("it worked: {chunks:?}"))
}

/// Asks and answers every tool call with `result of PATH-OR-COMMAND` until the model has nothing to
/// call. Gives the chunks and the answer of every round.
pub(crate) async fn play(provider: &Provider, mut request: Request) -> Vec<(Vec<Chunk>, Answer)> {
    let mut rounds = Vec::new();
    loop {
        let (chunks, result) = ask(provider, request.clone()).await;
        let answer = result.unwrap();
        let stop = answer.stop;
        request.turns.push(Turn::assistant(answer.blocks.clone()));
        let results: Vec<Block> = answer.blocks.iter().filter_map(result_of).collect();
        rounds.push((chunks, answer));
        if stop != Stop::ToolCalls {
            return rounds;
        }
        request.turns.push(Turn::results(results));
    }
}

fn result_of(block: &Block) -> Option<Block> {
    let Block::ToolCall { call_id, tool, arguments } = block else { return None };
    let told =
        arguments.get("path").or(arguments.get("command")).and_then(Value::as_str).unwrap_or("nothing");
    Some(Block::ToolResult {
        call_id: call_id.clone(),
        tool: tool.clone(),
        output: format!("result of {told}"),
        is_error: told.contains("broken"),
        exit_code: None,
    })
}

pub(crate) fn text(chunks: &[Chunk]) -> String {
    let text = |chunk: &Chunk| match chunk {
        Chunk::Text(text) => Some(text.clone()),
        _ => None,
    };
    chunks.iter().filter_map(text).collect()
}

pub(crate) fn thinking(chunks: &[Chunk]) -> String {
    let text = |chunk: &Chunk| match chunk {
        Chunk::Thinking(text) => Some(text.clone()),
        _ => None,
    };
    chunks.iter().filter_map(text).collect()
}

pub(crate) fn calls(chunks: &[Chunk]) -> Vec<(String, Value)> {
    let call = |chunk: &Chunk| match chunk {
        Chunk::ToolCall { tool, arguments, .. } => Some((tool.clone(), arguments.clone())),
        _ => None,
    };
    chunks.iter().filter_map(call).collect()
}
