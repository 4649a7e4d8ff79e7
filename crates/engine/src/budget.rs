//! Budgets: what work may cost, held against what our own turns have cost.
//!
//! Invariant: no turn begins where nothing is left of a budget, and none goes on after an answer that went beyond one.
//! Whatever was done until then is kept.

use crate::config::{BudgetConfig, Usd};
use model::{
    AgentName, BudgetKind, BudgetUnit, BudgetWarning, Event, ModelAnswer, Participant, Refusal, RefusalKind,
    SessionId, TaskId, Usage,
};
use store::{StoreError, View};

/// Code of what a budget stops.
pub(crate) const EXCEEDED: &str = "budget_exceeded";

/// Whose work is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) session: SessionId,
    pub(crate) task: TaskId,
    pub(crate) agent: AgentName,
    /// As in `2026-01-31`.
    pub(crate) day: String,
}

/// One hard bound.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    kind: BudgetKind,
    unit: BudgetUnit,
    limit: u64,
    /// Where it is raised.
    setting: String,
}

/// Why the account's next turn does not begin; none when something is left of every budget.
pub(crate) fn used_up(
    view: &View<'_>,
    budgets: &BudgetConfig,
    account: &Account,
) -> Result<Option<Refusal>, StoreError> {
    for bound in bounds(budgets, &account.agent) {
        let spent = in_unit(&spent(view, bound.kind, account)?, bound.unit);
        if spent >= bound.limit {
            return Ok(Some(refusal(&bound, account, spent)));
        }
    }
    Ok(None)
}

/// Why a turn does not go on. `ahead`: what it has cost besides, in millionths of a dollar, of which the vendor has not
/// spoken yet.
pub(crate) fn gone_beyond(
    view: &View<'_>,
    budgets: &BudgetConfig,
    account: &Account,
    ahead: u64,
) -> Result<Option<Refusal>, StoreError> {
    for bound in bounds(budgets, &account.agent) {
        let ahead = if bound.unit == BudgetUnit::Usd { ahead } else { 0 };
        let spent = in_unit(&spent(view, bound.kind, account)?, bound.unit).saturating_add(ahead);
        if spent > bound.limit {
            return Ok(Some(refusal(&bound, account, spent)));
        }
    }
    Ok(None)
}

/// The budgets of which the answer passes the share from which on one is warned. The view is that of before the answer,
/// so each is said once.
pub(crate) fn warnings(
    view: &View<'_>,
    budgets: &BudgetConfig,
    account: &Account,
    seat: &Participant,
    answer: &ModelAnswer,
) -> Result<Vec<Event>, StoreError> {
    let mut warned = Vec::new();
    for bound in bounds(budgets, &account.agent) {
        let before = in_unit(&spent(view, bound.kind, account)?, bound.unit);
        let spent = before.saturating_add(in_unit(&answer.usage, bound.unit));
        let share = share(bound.limit, budgets.warn_percent);
        if before < share && spent >= share {
            warned.push(Event::BudgetWarned(BudgetWarning {
                session: account.session,
                task: account.task,
                turn: answer.turn,
                participant: seat.id,
                agent: account.agent.clone(),
                budget: bound.kind,
                unit: bound.unit,
                spent,
                limit: bound.limit,
            }));
        }
    }
    Ok(warned)
}

fn share(limit: u64, percent: u32) -> u64 {
    let share = (u128::from(limit) * u128::from(percent)).div_ceil(100);
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn bounds(budgets: &BudgetConfig, agent: &AgentName) -> Vec<Bound> {
    let own = budgets.agents.get(agent).cloned().unwrap_or_default();
    let usd = |amount: Option<Usd>| amount.map(|amount| (BudgetUnit::Usd, amount.0));
    let tokens = |count: Option<u64>| count.map(|count| (BudgetUnit::Tokens, count));
    [
        (BudgetKind::Task, "task_usd".to_owned(), usd(budgets.task_usd)),
        (BudgetKind::Task, "task_tokens".to_owned(), tokens(budgets.task_tokens)),
        (BudgetKind::Session, "session_usd".to_owned(), usd(budgets.session_usd)),
        (BudgetKind::Session, "session_tokens".to_owned(), tokens(budgets.session_tokens)),
        (BudgetKind::AgentDay, format!("agents.{agent}.day_usd"), usd(own.day_usd)),
        (BudgetKind::AgentDay, format!("agents.{agent}.day_tokens"), tokens(own.day_tokens)),
        (BudgetKind::Day, "day_usd".to_owned(), usd(budgets.day_usd)),
        (BudgetKind::Day, "day_tokens".to_owned(), tokens(budgets.day_tokens)),
    ]
    .into_iter()
    .filter_map(|(kind, setting, bound)| {
        bound.map(|(unit, limit)| Bound { kind, unit, limit, setting: format!("budgets.{setting}") })
    })
    .collect()
}

fn spent(view: &View<'_>, kind: BudgetKind, account: &Account) -> Result<Usage, StoreError> {
    match kind {
        BudgetKind::Task => view.spent_on_task(account.task),
        // Not what the session shows: that has what was imported in it, too, which no turn of ours has spent.
        BudgetKind::Session => view.spending_total(Some(account.session), ""),
        BudgetKind::AgentDay => view.spent_by_agent(&account.agent, &account.day),
        BudgetKind::Day => view.spent_on_day(&account.day),
    }
}

fn in_unit(usage: &Usage, unit: BudgetUnit) -> u64 {
    match unit {
        BudgetUnit::Usd => usage.cost_micros,
        BudgetUnit::Tokens => usage.tokens(),
    }
}

fn refusal(bound: &Bound, account: &Account, spent: u64) -> Refusal {
    let whose = match bound.kind {
        BudgetKind::Task => "the task's budget".to_owned(),
        BudgetKind::Session => "the session's budget".to_owned(),
        BudgetKind::AgentDay => format!("the budget of {} for {}", account.agent, account.day),
        BudgetKind::Day => format!("the budget for {}", account.day),
    };
    let (spent, limit) = match bound.unit {
        BudgetUnit::Usd => (format!("${}", Usd(spent)), format!("${}", Usd(bound.limit))),
        BudgetUnit::Tokens => (format!("{spent} tokens"), format!("{} tokens", bound.limit)),
    };
    let wait = match bound.kind {
        BudgetKind::Task | BudgetKind::Session => "",
        BudgetKind::AgentDay | BudgetKind::Day => ", or wait until the next day (UTC)",
    };
    Refusal::new(
        RefusalKind::Unavailable,
        EXCEEDED,
        format!("{whose} is used up: {spent} of {limit} ({})", bound.setting),
    )
    .hint(format!("raise {} in config.json and run `coditect daemon restart`{wait}", bound.setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::default());
        Account {
            session: model::Id::new(&clock, &dice),
            task: model::Id::new(&clock, &dice),
            agent: "claude".parse().unwrap(),
            day: "2026-01-31".to_owned(),
        }
    }

    #[test]
    fn a_refusal_says_what_was_spent_the_limit_and_how_to_raise_it() {
        let bound =
            |kind, unit, limit, setting: &str| Bound { kind, unit, limit, setting: setting.to_owned() };
        let usd = bound(BudgetKind::Day, BudgetUnit::Usd, 5_000_000, "budgets.day_usd");
        let said = refusal(&usd, &account(), 5_020_000);
        assert_eq!(said.message, "the budget for 2026-01-31 is used up: $5.02 of $5.00 (budgets.day_usd)");
        assert!(said.hint.unwrap().contains("budgets.day_usd"));
        let tokens = bound(BudgetKind::Task, BudgetUnit::Tokens, 10, "budgets.task_tokens");
        let said = refusal(&tokens, &account(), 12);
        assert!(said.message.contains("12 tokens of 10 tokens") && !said.hint.unwrap().contains("wait"));
    }

    #[test]
    fn bounds_are_those_of_all_and_of_the_agent() {
        let budgets: BudgetConfig = serde_json::from_value(serde_json::json!({
            "task_usd": "1.00", "day_tokens": 7, "agents": { "claude": { "day_usd": "2.00" }, "kimi": { "day_usd": "3.00" } },
        }))
        .unwrap();
        let settings: Vec<String> =
            bounds(&budgets, &account().agent).into_iter().map(|bound| bound.setting).collect();
        assert_eq!(settings, ["budgets.task_usd", "budgets.agents.claude.day_usd", "budgets.day_tokens"]);
        assert_eq!((share(10, 80), share(1, 80), share(u64::MAX, 100)), (8, 1, u64::MAX));
    }
}
