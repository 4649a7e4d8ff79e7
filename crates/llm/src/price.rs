//! What tokens cost, in millionths of a US dollar per million tokens.
//!
//! List prices of the vendors' own APIs for ordinary (not batch, not priority) calls, as published
//! until 20 November 2026: platform.claude.com/docs/en/about-claude/pricing,
//! developers.openai.com/api/docs/pricing, ai.google.dev/gemini-api/docs/pricing and
//! platform.kimi.ai/docs/pricing. A model that is not here costs nothing as far as we know, which is
//! shown as unknown, never guessed; the user's own price goes before the table.

use model::{Usage, Vendor};
use serde::{Deserialize, Serialize};

/// The day the table was last compared with the vendors' pages.
pub const PRICES_AS_OF: &str = "2026-11-20";

/// Price of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl Price {
    /// Cost of a call in millionths of a US dollar, rounded up.
    pub fn cost_micros(&self, usage: &Usage) -> u64 {
        let total = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_tokens, self.cache_write),
        ]
        .into_iter()
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .fold(0, u128::saturating_add);
        u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// The list price of a model for a prompt of that many tokens; none when it is not in the table.
///
/// The longest name that begins the model's name decides, so dated and suffixed names find their
/// family's price.
pub fn price_of(vendor: Vendor, model: &str, prompt_tokens: u64) -> Option<Price> {
    PRICES
        .iter()
        .filter(|row| row.vendor == vendor && model.starts_with(row.model))
        .filter(|row| row.above == 0 || prompt_tokens > row.above)
        .max_by_key(|row| (row.model.len(), row.above))
        .map(|row| row.price)
}

struct Row {
    vendor: Vendor,
    model: &'static str,
    /// The price holds for prompts longer than this many tokens.
    above: u64,
    price: Price,
}

/// Prices are written in thousandths of a dollar per million tokens: input, output, cache read,
/// cache write.
const fn row(vendor: Vendor, model: &'static str, above: u64, milli: [u64; 4]) -> Row {
    let [input, output, cache_read, cache_write] = milli;
    Row {
        vendor,
        model,
        above,
        price: Price {
            input: input * 1000,
            output: output * 1000,
            cache_read: cache_read * 1000,
            cache_write: cache_write * 1000,
        },
    }
}

const A: Vendor = Vendor::Anthropic;
const G: Vendor = Vendor::Google;
const M: Vendor = Vendor::Moonshot;
const O: Vendor = Vendor::Openai;

/// Cache writes of Anthropic are those that live five minutes, the kind we ask for. Google and
/// Moonshot bill what goes into an automatic cache as ordinary input, and so does OpenAI before its
/// version 6.
const PRICES: &[Row] = &[
    row(A, "claude-fable-5", 0, [10_000, 50_000, 1_000, 12_500]),
    row(A, "claude-fable-5-1", 0, [10_000, 50_000, 250, 12_500]),
    row(A, "claude-mythos-5", 0, [10_000, 50_000, 1_000, 12_500]),
    row(A, "claude-mythos-5-1", 0, [10_000, 50_000, 250, 12_500]),
    row(A, "claude-opus-5-5", 0, [4_000, 20_000, 200, 5_000]),
    row(A, "claude-opus-5", 0, [5_000, 25_000, 500, 6_250]),
    row(A, "claude-opus-4-8", 0, [5_000, 25_000, 500, 6_250]),
    row(A, "claude-opus-4-7", 0, [5_000, 25_000, 500, 6_250]),
    row(A, "claude-opus-4-6", 0, [5_000, 25_000, 500, 6_250]),
    row(A, "claude-opus-4-5", 0, [5_000, 25_000, 500, 6_250]),
    row(A, "claude-opus-4", 0, [15_000, 75_000, 1_500, 18_750]),
    row(A, "claude-sonnet-5-5", 0, [2_000, 10_000, 100, 2_500]),
    row(A, "claude-sonnet-5", 0, [2_000, 10_000, 200, 2_500]),
    row(A, "claude-sonnet-4", 0, [3_000, 15_000, 300, 3_750]),
    row(A, "claude-haiku-5-5", 0, [100, 500, 10, 125]),
    row(A, "claude-haiku-5-5", 100_000, [500, 2_500, 50, 625]),
    row(A, "claude-haiku-4-5", 0, [1_000, 5_000, 100, 1_250]),
    row(G, "gemini-3.8-flash", 0, [750, 3_750, 75, 750]),
    row(G, "gemini-3.7-flash", 0, [750, 3_750, 75, 750]),
    row(G, "gemini-3.6-flash", 0, [1_500, 7_500, 150, 1_500]),
    row(G, "gemini-3.5-flash", 0, [1_500, 9_000, 150, 1_500]),
    row(G, "gemini-3.5-flash-lite", 0, [300, 2_500, 30, 300]),
    row(G, "gemini-3.1-pro", 0, [2_000, 12_000, 200, 2_000]),
    row(G, "gemini-3.1-pro", 200_000, [4_000, 18_000, 400, 4_000]),
    row(G, "gemini-3.1-flash-lite", 0, [250, 1_500, 25, 250]),
    row(G, "gemini-3-flash", 0, [500, 3_000, 50, 500]),
    row(G, "gemini-2.5-pro", 0, [1_250, 10_000, 125, 1_250]),
    row(G, "gemini-2.5-pro", 200_000, [2_500, 15_000, 250, 2_500]),
    row(G, "gemini-2.5-flash", 0, [300, 2_500, 30, 300]),
    row(G, "gemini-2.5-flash-lite", 0, [100, 400, 10, 100]),
    row(M, "kimi-k3.1-pro", 0, [2_000, 10_000, 200, 2_000]),
    row(M, "kimi-k3.1-pro-highspeed", 0, [4_000, 20_000, 200, 4_000]),
    row(M, "kimi-k3", 0, [3_000, 15_000, 300, 3_000]),
    row(O, "gpt-6.2-astra", 0, [8_000, 40_000, 400, 10_000]),
    row(O, "gpt-6.2-sol", 0, [2_000, 10_000, 100, 2_500]),
    row(O, "gpt-6.1-sol", 0, [2_000, 10_000, 100, 2_500]),
    row(O, "gpt-6.1-sol", 272_000, [4_000, 15_000, 200, 5_000]),
    row(O, "gpt-6-sol", 0, [2_000, 10_000, 200, 2_500]),
    row(O, "gpt-6-luna", 0, [100, 500, 10, 125]),
    row(O, "gpt-6-astra", 0, [10_000, 50_000, 1_000, 12_500]),
    row(O, "gpt-6-astra", 272_000, [20_000, 75_000, 2_000, 25_000]),
    row(O, "gpt-5.6-sol", 0, [4_000, 20_000, 400, 4_000]),
    row(O, "gpt-5.6-terra", 0, [2_000, 12_000, 200, 2_000]),
    row(O, "gpt-5.6-luna", 0, [200, 1_200, 20, 200]),
    row(O, "gpt-5.5", 0, [5_000, 30_000, 500, 5_000]),
    row(O, "gpt-5.5-pro", 0, [30_000, 180_000, 3_000, 30_000]),
    row(O, "gpt-5.4", 0, [2_500, 15_000, 250, 2_500]),
    row(O, "gpt-5.4-mini", 0, [750, 4_500, 75, 750]),
    row(O, "gpt-5.1", 0, [1_250, 10_000, 125, 1_250]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_and_the_longest_prompt_decide() {
        let input = |vendor, model, prompt| price_of(vendor, model, prompt).map(|price| price.input);
        assert_eq!(input(A, "claude-opus-4-20250514", 10), Some(15_000_000));
        assert_eq!(input(A, "claude-opus-4-8", 10), Some(5_000_000));
        assert_eq!(input(A, "claude-opus-5-5", 10), Some(4_000_000));
        assert_eq!(input(G, "gemini-3.1-pro-preview", 200_000), Some(2_000_000));
        assert_eq!(input(G, "gemini-3.1-pro-preview", 200_001), Some(4_000_000));
        assert_eq!(input(O, "claude-opus-5", 10), None);
        assert_eq!(input(M, "unheard-of", 10), None);
    }

    #[test]
    fn a_call_costs_the_sum_of_its_parts_rounded_up() {
        let price =
            Price { input: 5_000_000, output: 25_000_000, cache_read: 500_000, cache_write: 6_250_000 };
        let usage = Usage {
            input_tokens: 1000,
            output_tokens: 200,
            cache_read_tokens: 10_000,
            cache_write_tokens: 400,
            ..Usage::default()
        };
        assert_eq!(price.cost_micros(&usage), 5000 + 5000 + 5000 + 2500);
        assert_eq!(price.cost_micros(&Usage { cache_read_tokens: 1, ..Usage::default() }), 1);
        assert_eq!(price.cost_micros(&Usage::default()), 0);
        let most = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(Price { input: u64::MAX, ..price }.cost_micros(&most), u64::MAX);
    }

    #[test]
    fn no_row_is_shadowed_by_another() {
        for (at, row) in PRICES.iter().enumerate() {
            let same = |other: &Row| {
                other.vendor == row.vendor && other.model == row.model && other.above == row.above
            };
            assert!(!PRICES[at + 1..].iter().any(same), "{} twice", row.model);
            assert!(row.price.cache_read < row.price.input && row.price.input < row.price.output);
        }
    }
}
