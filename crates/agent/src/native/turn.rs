//! The loop of a turn: ask the model, carry out its tool calls, ask again with the results, until it
//! has nothing more to call.
//!
//! Invariant: what the model is shown next is exactly what was reported in `Message` events.

use futures_util::StreamExt;
use llm::{Answer, CancellationToken, Chunk, LanguageModel, LlmError, Request, Stop, Turn};
use model::{Block, ParticipantStatus, Role, TurnOutcome, Usage};
use std::fmt::Display;
use std::rc::Rc;
use tokio::time::Instant;

use super::confine::Tree;
use super::deltas::Deltas;
use super::link::Link;
use super::prompt;
use super::tools::{Outcome, Toolbox};
use crate::run::wire::{RunEvent, Start, TextKind};

pub(crate) fn failed(code: &str, message: impl Display) -> TurnOutcome {
    TurnOutcome::Failed { code: code.into(), message: message.to_string() }
}

/// Takes the turn. Dropping the future ends everything it has begun.
pub(crate) async fn converse(
    start: &Start,
    model: &dyn LanguageModel,
    tree: Tree,
    link: &Rc<Link>,
) -> TurnOutcome {
    let mut request = prompt::first_request(start);
    let toolbox = Toolbox::new(start, tree, Rc::clone(link));
    for iteration in 1..=start.max_iterations {
        let (answer, latency_ms) = match ask(model, &request, start, link).await {
            Ok(answered) => answered,
            Err(LlmError::Canceled) => return TurnOutcome::Canceled,
            Err(error) => {
                if let LlmError::RateLimited { retry_after: Some(after), detail, .. } = &error {
                    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                    let (retry_after_ms, reason) = (Some(millis), detail.clone());
                    let _ = link.say(RunEvent::Limited { retry_after_ms, until: None, reason }).await;
                }
                return failed(error.code(), error);
            }
        };
        let message = RunEvent::Message {
            role: Role::Assistant,
            blocks: answer.blocks.clone(),
            usage: Some(answer.usage),
            latency_ms: Some(latency_ms),
        };
        if let Err(too_long) = link.say(message).await {
            return failed("message_too_long", too_long);
        }
        if let Some(outcome) = ending(&answer, iteration) {
            return outcome;
        }
        let results = carry_out(&toolbox, &answer.blocks).await;
        let message =
            RunEvent::Message { role: Role::Tool, blocks: results.clone(), usage: None, latency_ms: None };
        if let Err(too_long) = link.say(message).await {
            return failed("message_too_long", too_long);
        }
        request.turns.push(Turn::assistant(answer.blocks));
        request.turns.push(Turn::results(results));
    }
    failed(
        "iteration_cap",
        format!("the agent was not done after {} answers of the model", start.max_iterations),
    )
}

/// The end of the turn, when the answer is one.
fn ending(answer: &Answer, iteration: u32) -> Option<TurnOutcome> {
    if answer.blocks.iter().any(|block| matches!(block, Block::ToolCall { .. })) {
        return None;
    }
    let texts: Vec<&str> = answer
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text { text } => Some(text.trim()),
            _ => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    let summary = texts.join("\n\n");
    Some(match answer.stop {
        Stop::MaxTokens => failed(
            "output_limit",
            "the model's answer was cut at the output limit; ask for less at once or raise max_tokens",
        ),
        Stop::Declined => failed(
            "model_declined",
            "the model or its vendor's filter declined to answer; ask in other words",
        ),
        // After its tools have run a model may end without a word; as a first answer that is none.
        Stop::End | Stop::ToolCalls if summary.is_empty() && iteration == 1 => {
            failed("model_malformed", "the model answered nothing; submit the task again")
        }
        Stop::End | Stop::ToolCalls => TurnOutcome::Completed { summary },
    })
}

/// One call of the model, its text passed on as it comes. Gives the answer and the milliseconds it took.
async fn ask(
    model: &dyn LanguageModel,
    request: &Request,
    start: &Start,
    link: &Link,
) -> Result<(Answer, u64), LlmError> {
    status(link, ParticipantStatus::Thinking, "").await;
    let prompt_tokens = request.estimated_tokens();
    let estimate = Usage { input_tokens: prompt_tokens, ..Usage::default() };
    let estimated_cost_micros = llm::price_of(start.endpoint.vendor, &start.model, prompt_tokens)
        .map_or(0, |price| price.cost_micros(&estimate));
    let _ = link.say(RunEvent::ModelCalled { prompt_tokens, estimated_cost_micros }).await;
    let began = Instant::now();
    let mut stream = model.stream(request.clone(), CancellationToken::new());
    let mut deltas = Deltas::default();
    let mut answered = None;
    loop {
        let chunk = match deltas.due() {
            None => stream.next().await,
            Some(due) => tokio::select! {
                chunk = stream.next() => chunk,
                () = tokio::time::sleep_until(due) => {
                    pass_on(link, deltas.flush()).await;
                    continue;
                }
            },
        };
        match chunk {
            None => break,
            Some(Err(error)) => {
                pass_on(link, deltas.flush()).await;
                return Err(error);
            }
            Some(Ok(Chunk::Text(text))) => pass_on(link, deltas.push(TextKind::Text, &text)).await,
            Some(Ok(Chunk::Thinking(text))) => pass_on(link, deltas.push(TextKind::Thinking, &text)).await,
            Some(Ok(Chunk::Retrying { attempt, wait, reason })) => {
                let detail = format!("attempt {attempt} in {} ms: {reason}", wait.as_millis());
                status(link, ParticipantStatus::Thinking, &detail).await;
            }
            // The calls come again, in order, in the whole answer.
            Some(Ok(Chunk::ToolCall { .. })) => {}
            Some(Ok(Chunk::Done(answer))) => {
                answered = Some(answer);
                break;
            }
        }
    }
    pass_on(link, deltas.flush()).await;
    let answer =
        answered.ok_or_else(|| LlmError::Interrupted { detail: "the stream ended early".to_owned() })?;
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let event = RunEvent::ModelAnswered { usage: answer.usage, latency_ms, retries: answer.retries };
    let _ = link.say(event).await;
    Ok((answer, latency_ms))
}

async fn pass_on(link: &Link, delta: Option<RunEvent>) {
    if let Some(delta) = delta {
        let _ = link.say(delta).await;
    }
}

pub(crate) async fn status(link: &Link, status: ParticipantStatus, detail: &str) {
    let _ = link.say(RunEvent::Status { status, detail: detail.to_owned() }).await;
}

/// Carries out the calls one after the other: the model may have meant them in that order.
async fn carry_out(toolbox: &Toolbox, blocks: &[Block]) -> Vec<Block> {
    let mut results = Vec::new();
    for block in blocks {
        let Block::ToolCall { call_id, tool, arguments } = block else { continue };
        let Outcome { output, is_error, exit_code } = toolbox.run(tool, arguments).await;
        results.push(Block::ToolResult {
            call_id: call_id.clone(),
            tool: tool.clone(),
            output,
            is_error,
            exit_code,
        });
    }
    results
}
