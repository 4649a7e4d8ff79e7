//! What a turn costs, and what becomes of one that costs more than it may.
//!
//! Invariant: a turn that has gone beyond a budget does not go on. One whose last answer went beyond it has done its work by then
//! and stays as it ended; vendors' programs tell what they used with their last word, or a moment before.

use super::{TurnDriver, failed, start};
use crate::{budget, cost};
use agent::RunEvent;
use model::{Block, CostSource, Event, ModelAnswer, Refusal, Role, TurnOutcome, Usage};
use std::time::Duration;
use tokio::time::Instant;

/// How long a run that has gone beyond a budget, and does nothing more, may take to say that its turn is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The end of a turn that goes on beyond a budget.
#[derive(Debug)]
pub(super) struct Overspent {
    outcome: TurnOutcome,
    until: Instant,
}

/// Whether the agent does more than to say its last words.
pub(super) fn goes_on(event: &RunEvent) -> bool {
    match event {
        RunEvent::ModelCalled { .. } | RunEvent::Request { .. } | RunEvent::Wrote { .. } => true,
        RunEvent::Message { role, blocks, .. } => {
            *role == Role::Tool || blocks.iter().any(|block| matches!(block, Block::ToolCall { .. }))
        }
        _ => false,
    }
}

impl TurnDriver {
    /// Records what was used and what it cost. When that was more than it may cost, the turn does not go on.
    pub(super) async fn model_answered(
        &mut self,
        usage: Usage,
        latency_ms: u64,
        retries: u32,
    ) -> Result<(), Refusal> {
        let usage = cost::marked(&self.participant, usage);
        self.used += usage;
        // A figure of the vendor's is about all before it.
        self.ahead =
            if usage.cost_micros > 0 { 0 } else { self.ahead + cost::ahead(&self.participant, &usage) };
        let ahead = self.ahead;
        let (vendor, model) = (self.participant.vendor, self.participant.model.clone());
        let (session, turn, run) = (self.participant.session, self.turn, self.run);
        let answer = ModelAnswer { session, turn, run, vendor, model, usage, latency_ms, retries };
        let budgets = self.shared.config.snapshot().config.budgets.clone();
        let account = start::account(&self.shared, &self.order.task, &self.participant);
        let (seat, of, bounds) = (self.participant.clone(), account.clone(), budgets.clone());
        let command = move |view: &store::View<'_>| {
            let mut events = budget::warnings(view, &bounds, &of, &seat, &answer)?;
            events.insert(0, Event::ModelAnswered(answer));
            Ok(events)
        };
        self.shared.commit(self.actor(), None, command).await?;
        let beyond = self.shared.store.read(|view| budget::gone_beyond(view, &budgets, &account, ahead))?;
        if let Some(refusal) = beyond.filter(|_| self.verdict.is_none()) {
            let hint = refusal.hint.unwrap_or_default();
            let outcome = failed(budget::EXCEEDED, &format!("{}; {hint}", refusal.message));
            self.overspent.get_or_insert(Overspent { outcome, until: Instant::now() + LAST_WORDS });
        }
        Ok(())
    }

    /// A turn that ended before its vendor said the price costs what our table says, not nothing.
    pub(super) async fn reckon(&mut self) -> Result<(), Refusal> {
        let cost_micros = std::mem::take(&mut self.ahead);
        if cost_micros == 0 {
            return Ok(());
        }
        let usage = Usage { cost_micros, cost_source: CostSource::Table, ..Usage::default() };
        self.used += usage;
        let (vendor, model) = (self.participant.vendor, self.participant.model.clone());
        let (session, turn, run) = (self.participant.session, self.turn, self.run);
        let answer = ModelAnswer { session, turn, run, vendor, model, usage, latency_ms: 0, retries: 0 };
        let events = vec![Event::ModelAnswered(answer)];
        self.shared.conclude(self.actor(), move |_| Ok(events.clone())).await.map(drop)
    }

    /// Until when a run that has gone beyond a budget may end its turn by itself.
    pub(super) fn spends_until(&self) -> Option<Instant> {
        self.overspent.as_ref().map(|overspent| overspent.until)
    }

    /// It has gone beyond a budget, and does not go on.
    pub(super) fn stop_spending(&mut self) {
        if let Some(overspent) = self.overspent.take()
            && self.verdict.is_none()
        {
            self.end_as(overspent.outcome);
        }
    }
}
