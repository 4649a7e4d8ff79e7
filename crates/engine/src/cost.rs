//! Costs: where the figures come from, and what they add up to.

use crate::Engine;
use model::{CostSource, Driver, Participant, Refusal, SessionId, Usage};
pub use store::{SpendingBy, SpendingRow};

/// Most rows of one reckoning.
pub const SPENDING_ROWS_MAX: usize = 200;

#[derive(Debug, Clone)]
pub struct Spending {
    pub rows: Vec<SpendingRow>,
    pub total: Usage,
    pub prices_as_of: &'static str,
}

impl Engine {
    /// What was used since the beginning of `since` (as in `2026-01-31`, UTC), or ever.
    pub fn spending(
        &self,
        by: SpendingBy,
        session: Option<SessionId>,
        since: Option<&str>,
    ) -> Result<Spending, Refusal> {
        let since = since.unwrap_or_default();
        self.shared.store.read_or_refuse(|view| {
            Ok(Spending {
                rows: view.spending(by, session, since, SPENDING_ROWS_MAX)?,
                total: view.spending_total(session, since)?,
                prices_as_of: llm::PRICES_AS_OF,
            })
        })
    }
}

/// What a model's answer cost, and who says so: the vendor's own figure where there is one, else our table's.
pub(crate) fn marked(seat: &Participant, mut usage: Usage) -> Usage {
    if usage.cost_source != CostSource::None || usage.is_empty() {
        return usage;
    }
    if usage.cost_micros > 0 {
        let own = seat.driver == Driver::Native;
        usage.cost_source = if own { CostSource::Table } else { CostSource::Vendor };
        return usage;
    }
    let prompt = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens];
    let prompt = prompt.into_iter().fold(0, u64::saturating_add);
    if let Some(price) = llm::price_of(seat.vendor, &seat.model, prompt) {
        usage.cost_micros = price.cost_micros(&usage);
        usage.cost_source = CostSource::Table;
    }
    usage
}

/// What an answer has cost as far as can be reckoned, when its vendor says so later: budgets do not wait for that.
pub(crate) fn ahead(seat: &Participant, usage: &Usage) -> u64 {
    if usage.cost_source != CostSource::Vendor || usage.cost_micros > 0 {
        return 0;
    }
    marked(seat, Usage { cost_source: CostSource::None, ..*usage }).cost_micros
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Vendor;

    fn seat(driver: Driver, model: &str) -> Participant {
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::default());
        Participant {
            id: model::Id::new(&clock, &dice),
            session: model::Id::new(&clock, &dice),
            agent: "claude".parse().unwrap(),
            driver,
            vendor: Vendor::Anthropic,
            model: model.to_owned(),
            context_window: 1,
            joined_at: model::Timestamp::default(),
            history: None,
        }
    }

    #[test]
    fn the_vendors_figure_goes_before_the_tables_and_none_before_a_guess() {
        let tokens = Usage { output_tokens: 1_000_000, ..Usage::default() };
        let paid = Usage { cost_micros: 7, ..tokens };
        let known = "claude-sonnet-4-5";
        let of = |driver, model, usage| {
            let marked = marked(&seat(driver, model), usage);
            (marked.cost_micros, marked.cost_source)
        };
        assert_eq!(of(Driver::Claude, known, paid), (7, CostSource::Vendor));
        assert_eq!(of(Driver::Native, known, paid), (7, CostSource::Table));
        assert_eq!(of(Driver::Codex, known, tokens), (15_000_000, CostSource::Table));
        assert_eq!(of(Driver::Acp, "unheard-of", tokens), (0, CostSource::None));
        assert_eq!(of(Driver::Claude, known, Usage::default()), (0, CostSource::None));
        let said = Usage { cost_source: CostSource::Vendor, ..tokens };
        assert_eq!(
            of(Driver::Claude, known, said),
            (0, CostSource::Vendor),
            "the vendor says later what it was"
        );
        let seat = seat(Driver::Claude, known);
        assert_eq!((ahead(&seat, &said), ahead(&seat, &paid), ahead(&seat, &tokens)), (15_000_000, 0, 0));
    }
}
