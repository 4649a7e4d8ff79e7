//! What a turn of Claude Code has used up: the tokens of each answer as they are streamed, and at the end what it was in all.
//!
//! Claude Code counts for the whole session, also what was spent before it was resumed or forked; so what was there at the beginning
//! is taken off. What sub-agents and side calls used is not streamed and comes out as the rest at the end, and so does the
//! price, which it says only then.
//!
//! Invariant: the answers of a turn add up to what Claude Code says the turn has used.

use super::wire::{ApiUsage, ModelUsage, SessionUsage, Verdict};
use model::Usage;

#[derive(Debug, Default)]
pub(super) struct Spending {
    /// What the session had used before; none when that is not known.
    before: Option<Usage>,
    /// The answer under way.
    answer: Usage,
    said: Usage,
}

impl Spending {
    /// `before`: what Claude Code says of the session it goes on with; a new session has used nothing.
    pub(super) fn of_new() -> Self {
        Self { before: Some(Usage::default()), ..Self::default() }
    }

    pub(super) fn of_resumed(before: Option<&SessionUsage>) -> Self {
        let before = before.map(|before| total(before.model_usage.values(), before.total_cost_usd));
        Self { before, ..Self::default() }
    }

    /// The model has begun to answer; how many tokens it was given.
    pub(super) fn begin(&mut self, usage: Option<ApiUsage>) -> u64 {
        self.answer = Usage::default();
        self.update(usage);
        self.answer.input_tokens + self.answer.cache_read_tokens + self.answer.cache_write_tokens
    }

    pub(super) fn update(&mut self, usage: Option<ApiUsage>) {
        let Some(usage) = usage else { return };
        let answer = &mut self.answer;
        for (now, counted) in [
            (usage.input_tokens, &mut answer.input_tokens),
            (usage.output_tokens, &mut answer.output_tokens),
            (usage.cache_read_input_tokens, &mut answer.cache_read_tokens),
            (usage.cache_creation_input_tokens, &mut answer.cache_write_tokens),
        ] {
            if let Some(now) = now {
                *counted = now;
            }
        }
    }

    /// The answer is complete.
    pub(super) fn answered(&mut self) -> Usage {
        let answer = std::mem::take(&mut self.answer);
        self.said += answer;
        answer
    }

    /// What the turn has used beyond what was said; none when that is nothing.
    pub(super) fn rest(&mut self, verdict: &Verdict) -> Option<Usage> {
        let before = self.before?;
        let now = total(verdict.model_usage.values(), verdict.total_cost_usd?);
        let rest = |now: u64, before: u64, said: u64| now.saturating_sub(before).saturating_sub(said);
        let rest = Usage {
            input_tokens: rest(now.input_tokens, before.input_tokens, self.said.input_tokens),
            output_tokens: rest(now.output_tokens, before.output_tokens, self.said.output_tokens),
            cache_read_tokens: rest(
                now.cache_read_tokens,
                before.cache_read_tokens,
                self.said.cache_read_tokens,
            ),
            cache_write_tokens: rest(
                now.cache_write_tokens,
                before.cache_write_tokens,
                self.said.cache_write_tokens,
            ),
            cost_micros: rest(now.cost_micros, before.cost_micros, self.said.cost_micros),
        };
        self.said += rest;
        (rest != Usage::default()).then_some(rest)
    }
}

fn total<'a>(models: impl Iterator<Item = &'a ModelUsage>, dollars: f64) -> Usage {
    let mut usage = Usage { cost_micros: micros(dollars), ..Usage::default() };
    for model in models {
        usage.input_tokens += model.input_tokens;
        usage.output_tokens += model.output_tokens;
        usage.cache_read_tokens += model.cache_read_input_tokens;
        usage.cache_write_tokens += model.cache_creation_input_tokens;
    }
    usage
}

/// Millionths of a dollar; what is no amount is nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and NaN is 0"
)]
fn micros(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(input: u64, output: u64, dollars: f64) -> Verdict {
        let usage = json!({"inputTokens": input, "outputTokens": output, "costUSD": dollars});
        serde_json::from_value(json!({"total_cost_usd": dollars, "modelUsage": {"m": usage}})).unwrap()
    }

    fn streamed(spending: &mut Spending, input: u64, output: u64) -> Usage {
        let usage =
            |input, output| ApiUsage { input_tokens: input, output_tokens: output, ..ApiUsage::default() };
        assert_eq!(spending.begin(Some(usage(Some(input), Some(1)))), input);
        spending.update(Some(usage(None, Some(output))));
        spending.answered()
    }

    #[test]
    fn the_answers_and_the_rest_are_what_the_turn_has_used() {
        let mut spending = Spending::of_new();
        let mut sum = streamed(&mut spending, 100, 7);
        sum += streamed(&mut spending, 110, 3);
        // A sub-agent used 40 and 5 more.
        sum += spending.rest(&verdict(250, 15, 0.0125)).unwrap();
        let all = Usage { input_tokens: 250, output_tokens: 15, cost_micros: 12_500, ..Usage::default() };
        assert_eq!(sum, all);
        assert_eq!(spending.rest(&verdict(250, 15, 0.0125)), None, "it is said once");
    }

    #[test]
    fn what_a_resumed_session_had_used_before_does_not_count() {
        let before =
            json!({"total_cost_usd": 0.5, "model_usage": {"m": {"inputTokens": 1000, "outputTokens": 50}}});
        let before = serde_json::from_value(before).unwrap();
        let mut spending = Spending::of_resumed(Some(&before));
        let mut sum = streamed(&mut spending, 1010, 2);
        sum += spending.rest(&verdict(2010, 52, 0.75)).unwrap();
        assert_eq!((sum.input_tokens, sum.output_tokens, sum.cost_micros), (1010, 2, 250_000));
        let mut unknown = Spending::of_resumed(None);
        assert_eq!(unknown.rest(&verdict(2010, 52, 0.75)), None, "better no price than that of other turns");
    }

    #[test]
    fn an_odd_price_is_none() {
        assert_eq!((micros(0.072_388), micros(-1.0), micros(f64::NAN)), (72_388, 0, 0));
    }
}
