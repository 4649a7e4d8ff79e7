//! What a thread used: Codex counts over the whole life of a thread, we say what each answer used.

use llm::price_of;
use model::{Usage, Vendor};
use serde_json::Value;
use std::collections::HashMap;

/// The counters of every thread we hear of.
#[derive(Default)]
pub(crate) struct Meter {
    seen: HashMap<String, Counters>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counters {
    input: u64,
    cached: u64,
    written: u64,
    output: u64,
}

impl Counters {
    fn read(value: &Value) -> Option<Self> {
        let number = |field: &str| value.get(field).and_then(Value::as_u64);
        Some(Self {
            input: number("inputTokens")?,
            cached: number("cachedInputTokens").unwrap_or(0),
            written: number("cacheWriteInputTokens").unwrap_or(0),
            output: number("outputTokens")?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            input: self.input.saturating_sub(before.input),
            cached: self.cached.saturating_sub(before.cached),
            written: self.written.saturating_sub(before.written),
            output: self.output.saturating_sub(before.output),
        }
    }

    /// Codex counts what came from the cache as input, too; we count it apart.
    fn usage(self, model: &str) -> Usage {
        let usage = Usage {
            input_tokens: self.input.saturating_sub(self.cached).saturating_sub(self.written),
            output_tokens: self.output,
            cache_read_tokens: self.cached,
            cache_write_tokens: self.written,
            cost_micros: 0,
        };
        let cost_micros =
            price_of(Vendor::Openai, model, self.input).map_or(0, |price| price.cost_micros(&usage));
        Usage { cost_micros, ..usage }
    }
}

impl Meter {
    /// What was used since the thread was last heard of; none when nothing was. Counters that come before this process asked for
    /// anything (`counts` is false) are what earlier turns used.
    pub(crate) fn hear(&mut self, params: &Value, model: &str, counts: bool) -> Option<Usage> {
        let thread = params.get("threadId")?.as_str()?;
        let usage = params.get("tokenUsage")?;
        let total = Counters::read(usage.get("total")?)?;
        let before = self.seen.insert(thread.to_owned(), total);
        let new = match before {
            Some(before) => total.since(before),
            // A fork begins with its source's counters, which nobody told: only the last answer is surely its own.
            None => Counters::read(usage.get("last")?)?,
        };
        (counts && new != Counters::default()).then(|| new.usage(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn counters(input: u64, cached: u64, output: u64) -> Value {
        json!({"totalTokens": input + output, "inputTokens": input, "cachedInputTokens": cached,
            "cacheWriteInputTokens": 0, "outputTokens": output, "reasoningOutputTokens": 1})
    }

    fn told(thread: &str, total: &Value, last: &Value) -> Value {
        json!({"threadId": thread, "turnId": "u", "tokenUsage": {"total": total, "last": last}})
    }

    fn usage(input: u64, cached: u64, output: u64) -> Option<Usage> {
        Some(Usage {
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: cached,
            ..Usage::default()
        })
    }

    #[test]
    fn each_answer_is_counted_once_though_the_counters_grow_and_repeat() {
        let mut meter = Meter::default();
        let once = counters(100, 10, 20);
        assert_eq!(meter.hear(&told("a", &once, &once), "none", true), usage(90, 10, 20));
        let twice = counters(250, 30, 25);
        assert_eq!(meter.hear(&told("a", &twice, &once), "none", true), usage(130, 20, 5));
        assert_eq!(meter.hear(&told("a", &twice, &once), "none", true), None);
        // Another thread in the same process has counters of its own.
        assert_eq!(meter.hear(&told("b", &once, &once), "none", true), usage(90, 10, 20));
    }

    #[test]
    fn what_earlier_turns_used_does_not_count_again() {
        let mut meter = Meter::default();
        let (old, last) = (counters(700, 70, 140), counters(100, 10, 20));
        assert_eq!(meter.hear(&told("resumed", &old, &last), "none", false), None);
        let now = counters(800, 80, 160);
        assert_eq!(meter.hear(&told("resumed", &now, &last), "none", true), usage(90, 10, 20));
        assert_eq!(meter.hear(&told("forked", &now, &last), "none", true), usage(90, 10, 20));
        assert_eq!(meter.hear(&json!({"threadId": "x"}), "none", true), None);
    }

    #[test]
    fn a_model_with_a_price_has_a_cost() {
        let mut meter = Meter::default();
        let once = counters(1_000_000, 0, 0);
        let used = meter.hear(&told("a", &once, &once), "gpt-5.5", true).unwrap();
        assert!(used.cost_micros > 0);
    }
}
