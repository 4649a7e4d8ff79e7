//! One request from the first attempt to the last chunk.
//!
//! Invariant: once a piece of the answer was handed out the call is never made again; and whatever
//! it waits for, cancelling ends it at once and closes the connection.

use crate::answer::{ANSWER_MAX, Reader, malformed};
use crate::fault::Fault;
use crate::provider::Inner;
use crate::{Answer, CancellationToken, Chunk, ChunkStream, LlmError};
use futures_util::{StreamExt, stream};
use genai::chat::{ChatOptions, ChatRequest, ChatStream, ChatStreamEvent};
use model::{Block, Vendor};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) struct Call {
    provider: Arc<Inner>,
    model: String,
    chat: ChatRequest,
    options: ChatOptions,
    cancel: CancellationToken,
    /// Attempts so far.
    made: u32,
    /// Whether a piece of the answer is out.
    handed_out: bool,
    /// Chunks that are ready to be handed out.
    ready: VecDeque<Chunk>,
    state: State,
}

enum State {
    Idle,
    Wait(Duration),
    Read(Reading),
    Ended,
}

struct Reading {
    events: ChatStream,
    /// Whether anything came that belongs to an answer.
    seen: bool,
    /// Bytes of the answer so far.
    bytes: usize,
    /// Bytes of the arguments of the tool call that grows at the moment.
    arguments: usize,
    cached_aside: Arc<AtomicU64>,
}

impl Call {
    pub(crate) fn new(
        provider: Arc<Inner>,
        model: String,
        chat: ChatRequest,
        options: ChatOptions,
        cancel: CancellationToken,
    ) -> Self {
        let ready = VecDeque::new();
        Self { provider, model, chat, options, cancel, made: 0, handed_out: false, ready, state: State::Idle }
    }

    pub(crate) fn into_stream(self) -> ChunkStream {
        Box::pin(stream::unfold(self, async |mut call| {
            let chunk = call.next().await?;
            Some((chunk, call))
        }))
    }

    async fn next(&mut self) -> Option<Result<Chunk, LlmError>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if matches!(self.state, State::Ended) {
                return None;
            }
            let cancel = self.cancel.clone();
            let step = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Fault::never_again(LlmError::Canceled)),
                step = self.step() => step,
            };
            if let Err(fault) = step
                && let Some(error) = self.recover(fault)
            {
                self.state = State::Ended;
                return Some(Err(error));
            }
        }
    }

    /// Does the next thing; what it yields is in `ready` afterwards.
    async fn step(&mut self) -> Result<(), Fault> {
        match &mut self.state {
            State::Idle => {
                self.made += 1;
                self.state = State::Read(self.ask().await?);
            }
            State::Wait(wait) => {
                tokio::time::sleep(*wait).await;
                self.state = State::Idle;
            }
            State::Read(reading) => {
                let event = reading.events.next().await;
                self.take(event)?;
            }
            State::Ended => {}
        }
        Ok(())
    }

    /// Prepares the attempt. genai sends it when the stream is read.
    async fn ask(&mut self) -> Result<Reading, Fault> {
        let cached_aside = Arc::new(AtomicU64::new(0));
        let options = if self.provider.vendor == Vendor::Moonshot {
            let seen = Arc::clone(&cached_aside);
            self.options.clone().with_raw_frame_fn(move |_, frame| note_cached(&seen, frame.data))
        } else {
            self.options.clone()
        };
        let target = self.provider.target(&self.model);
        let asked = self.provider.client.exec_chat_stream(target, self.chat.clone(), Some(&options)).await;
        let events = asked.map_err(|error| self.provider.teller().fault(error))?.stream;
        Ok(Reading { events, seen: false, bytes: 0, arguments: 0, cached_aside })
    }

    fn take(&mut self, event: Option<genai::Result<ChatStreamEvent>>) -> Result<(), Fault> {
        let State::Read(reading) = &mut self.state else { return Ok(()) };
        let chunk = match event {
            Some(Ok(ChatStreamEvent::Start | ChatStreamEvent::Heartbeat)) => return Ok(()),
            Some(Ok(ChatStreamEvent::ThoughtSignatureChunk(_))) => {
                reading.seen = true;
                return Ok(());
            }
            Some(Ok(ChatStreamEvent::ToolCallChunk(chunk))) => {
                // It comes again with every piece, whole so far; a shorter one is the next call.
                let length = chunk.tool_call.fn_arguments.as_str().map_or(0, str::len);
                let grown = if length >= reading.arguments { length - reading.arguments } else { length };
                reading.arguments = length;
                return reading.grow(grown);
            }
            Some(Ok(ChatStreamEvent::Chunk(chunk))) => Chunk::Text(chunk.content),
            Some(Ok(ChatStreamEvent::ReasoningChunk(chunk))) => Chunk::Thinking(chunk.content),
            Some(Ok(ChatStreamEvent::End(end))) => return self.end(end),
            Some(Err(error)) => return Err(self.provider.teller().fault(error)),
            None => return Err(broken_off(reading.seen)),
        };
        let (Chunk::Text(text) | Chunk::Thinking(text)) = &chunk else { return Ok(()) };
        reading.grow(text.len())?;
        if !text.is_empty() {
            self.handed_out = true;
            self.ready.push_back(chunk);
        }
        Ok(())
    }

    fn end(&mut self, end: genai::chat::StreamEnd) -> Result<(), Fault> {
        let State::Read(reading) = mem::replace(&mut self.state, State::Ended) else { return Ok(()) };
        let reader = Reader {
            vendor: self.provider.vendor,
            model: &self.model,
            price: self.provider.options.price,
            entropy: &*self.provider.entropy,
            cached_aside: reading.cached_aside.load(Ordering::Relaxed),
        };
        let answer = reader.read(end, self.made - 1).map_err(Fault::never_again)?;
        let answer = answer.ok_or_else(|| broken_off(reading.seen))?;
        self.ready.extend(calls(&answer));
        self.ready.push_back(Chunk::Done(answer));
        Ok(())
    }

    /// Plans the next attempt, or gives the error to end with.
    fn recover(&mut self, fault: Fault) -> Option<LlmError> {
        if self.handed_out || !fault.again {
            return Some(fault.error);
        }
        let wait = self.provider.options.retry.wait(self.made, fault.after, &*self.provider.entropy);
        let Some(wait) = wait else { return Some(fault.error) };
        self.ready.push_back(Chunk::Retrying {
            attempt: self.made + 1,
            wait,
            reason: fault.error.to_string(),
        });
        self.state = State::Wait(wait);
        None
    }
}

impl Reading {
    fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        self.seen = true;
        self.bytes += bytes;
        if self.bytes > ANSWER_MAX {
            let most = ANSWER_MAX / (1024 * 1024);
            return Err(Fault::never_again(malformed(format!("an answer longer than {most} MiB"))));
        }
        Ok(())
    }
}

fn calls(answer: &Answer) -> impl Iterator<Item = Chunk> + '_ {
    answer.blocks.iter().filter_map(|block| match block {
        Block::ToolCall { call_id, tool, arguments } => Some(Chunk::ToolCall {
            call_id: call_id.clone(),
            tool: tool.clone(),
            arguments: arguments.clone(),
        }),
        _ => None,
    })
}

/// A stream that ends without its end: a broken connection if there was something, else no answer.
fn broken_off(seen: bool) -> Fault {
    if seen {
        let detail = "the vendor closed the connection".to_owned();
        return Fault { error: LlmError::Interrupted { detail }, again: true, after: None };
    }
    Fault::never_again(malformed("nothing in it is an answer"))
}

/// Kimi counts the tokens it read from its cache beside the details where genai looks for them.
fn note_cached(seen: &AtomicU64, data: &str) {
    if !data.contains("\"cached_tokens\"") {
        return;
    }
    let Ok(event) = serde_json::from_str::<serde_json::Value>(data) else { return };
    let cached = ["/usage/cached_tokens", "/choices/0/usage/cached_tokens"]
        .iter()
        .find_map(|at| event.pointer(at).and_then(serde_json::Value::as_u64));
    if let Some(cached) = cached {
        seen.store(cached, Ordering::Relaxed);
    }
}
