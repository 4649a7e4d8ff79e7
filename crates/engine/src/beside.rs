//! A call of a model beside the turns: for a title, for a summary. What it used is recorded like everything else.

use crate::cost;
use crate::engine::Shared;
use futures_util::StreamExt;
use llm::{
    CancellationToken, Chunk, Endpoint, LanguageModel, Provider, ProviderOptions, Request, RetryPolicy, Stop,
};
use model::{Actor, Block, Event, ModelAnswer, ModelCall, Participant, Refusal, RunId, TurnId, Usage};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Whose model is asked, and in whose name.
pub(crate) struct Beside<'a> {
    /// With the vendor and the model that are asked.
    pub(crate) seat: &'a Participant,
    pub(crate) endpoint: Endpoint,
    /// The turn that pays for it.
    pub(crate) turn: TurnId,
    pub(crate) run: RunId,
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// What it said.
pub(crate) struct Said {
    pub(crate) text: String,
    /// It had said everything.
    pub(crate) whole: bool,
}

/// Asks once. The inner error is a sentence about why there is no answer; the outer one is the store's.
pub(crate) async fn ask(
    shared: &Arc<Shared>,
    beside: Beside<'_>,
    request: Request,
) -> Result<Result<Said, String>, Refusal> {
    let Beside { seat, endpoint, turn, run, patience } = beside;
    let once = ProviderOptions {
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
        ..Default::default()
    };
    let provider =
        Provider::new(endpoint, once, Arc::clone(&shared.options.entropy)).map_err(Refusal::internal)?;
    let (session, vendor, model) = (seat.session, seat.vendor, seat.model.clone());
    let call = ModelCall {
        session,
        turn,
        run,
        vendor,
        model: model.clone(),
        prompt_tokens: request.estimated_tokens(),
        estimated_cost_micros: 0,
    };
    shared.record(Actor::System, vec![Event::ModelCalled(call)]).await?;
    let since = Instant::now();
    let (said, usage) = answer(shared, &provider, request, patience).await;
    let latency_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let usage = cost::marked(seat, usage);
    let answered = ModelAnswer { session, turn, run, vendor, model, usage, latency_ms, retries: 0 };
    shared.record(Actor::System, vec![Event::ModelAnswered(answered)]).await?;
    Ok(said)
}

async fn answer(
    shared: &Shared,
    provider: &Provider,
    request: Request,
    patience: Duration,
) -> (Result<Said, String>, Usage) {
    let cancel = CancellationToken::new();
    let mut stream = provider.stream(request, cancel.clone());
    let listening = async {
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(Chunk::Done(answer)) => return Ok(answer),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("the model's answer ended early".to_owned())
    };
    let answer = tokio::select! {
        answer = tokio::time::timeout(patience, listening) => {
            answer.unwrap_or_else(|_| Err(format!("the model did not answer within {} s", patience.as_secs())))
        }
        () = shared.stopping.cancelled() => Err("the daemon stops".to_owned()),
    };
    cancel.cancel();
    match answer {
        Err(why) => (Err(why), Usage::default()),
        Ok(answer) => {
            let texts = answer.blocks.iter().filter_map(|block| match block {
                Block::Text { text } => Some(text.as_str()),
                _ => None,
            });
            let said = Said { text: texts.collect(), whole: answer.stop == Stop::End };
            (Ok(said), answer.usage)
        }
    }
}
