//! `coditect cost`: what work has cost.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table, money, tokens};
use clap::Args;
use model::{CostSource, Timestamp};
use protocol::{CostBy, CostQuery, CostReport, CostRow, Usage};

const DAY_MILLIS: i64 = 86_400_000;
/// Longest look back that is given in days.
const DAYS_MAX: i64 = 36_500;

/// Days are those of UTC. `~` before an amount: reckoned from list prices, as the vendor gave no figure; `≥`: a part of it has no
/// known price; `?`: none of it has.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect cost\n  coditect cost --by day --since 7d")]
pub(crate) struct Cost {
    /// session, task, agent, model or day
    #[arg(long, value_parser = by, default_value = "agent")]
    by: CostBy,
    /// The first day that counts, as in 2026-01-31, or a number of days back, as in 7d
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// Only this session
    #[arg(long)]
    session: Option<String>,
}

fn by(given: &str) -> Result<CostBy, String> {
    let found = CostBy::ALL.into_iter().find(|by| by.as_str() == given);
    found.ok_or_else(|| "one of session, task, agent, model, day".to_owned())
}

impl Cost {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let since = self.since.as_deref().map(|given| first_day(context.now(), given)).transpose()?;
        let query = CostQuery { by: Some(self.by.as_str().to_owned()), since, session: self.session };
        let report = context.talk("reckoning", async |client| Ok(client.cost(&query).await?))?;
        context.screen.show(&report, || table(&report))?;
        let used = report.total.tokens();
        context.screen.say(&format!("in all {} tokens, {}", tokens(used), amount(&report.total)));
        if matches!(report.total.cost_source, CostSource::Table | CostSource::Mixed) {
            let as_of = &report.prices_as_of;
            context
                .screen
                .say(&format!("~ is by the list prices of {as_of}, where the vendor gave no figure"));
        }
        Ok(Exit::Done)
    }
}

/// `7d`, or the day as it is; the daemon looks at that.
fn first_day(now: Timestamp, given: &str) -> Result<String, Failure> {
    let Some(days) = given.strip_suffix('d') else { return Ok(given.to_owned()) };
    match days.parse::<i64>() {
        Ok(days) if (0..=DAYS_MAX).contains(&days) => {
            Ok(Timestamp::from_millis(now.as_millis() - days * DAY_MILLIS).day())
        }
        _ => Err(Failure::new(Exit::Usage, "not_a_day", format!("`{given}` is no number of days"))
            .hint("write a day as in 2026-01-31, or days back as in 7d")),
    }
}

/// What it cost, and how sure that is.
fn amount(usage: &Usage) -> String {
    match usage.cost_source {
        CostSource::None if usage.tokens() > 0 => "?".to_owned(),
        CostSource::None | CostSource::Vendor => money(usage.cost_micros),
        CostSource::Table => format!("~{}", money(usage.cost_micros)),
        CostSource::Mixed => format!("≥{}", money(usage.cost_micros)),
    }
}

fn table(report: &CostReport) -> Table {
    Table::of(
        &["WHAT", "TITLE", "CALLS", "IN", "OUT", "CACHED", "COST", "SOURCE"],
        &report.rows,
        |row: &CostRow| {
            let usage = &row.usage;
            let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
            let key = if row.key.is_empty() { "unknown" } else { &row.key };
            vec![
                Cell::new(key).paint(Paint::Note),
                Cell::maybe(row.title.as_ref()),
                Cell::new(row.calls.to_string()),
                Cell::new(tokens(usage.input_tokens)).piped(usage.input_tokens.to_string()),
                Cell::new(tokens(usage.output_tokens)).piped(usage.output_tokens.to_string()),
                Cell::new(tokens(cached)).piped(cached.to_string()),
                Cell::new(amount(usage)).paint(Paint::Strong).piped(usage.cost_micros.to_string()),
                Cell::new(usage.cost_source.as_str()).paint(Paint::Dim),
            ]
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_back_are_days_of_the_calendar() {
        let now: Timestamp = "2026-03-02T01:00:00.000Z".parse().unwrap();
        assert_eq!(first_day(now, "7d").ok().as_deref(), Some("2026-02-23"));
        assert_eq!(first_day(now, "0d").ok().as_deref(), Some("2026-03-02"));
        assert_eq!(first_day(now, "2026-01-31").ok().as_deref(), Some("2026-01-31"));
        for bad in ["d", "-1d", "999999d", "1.5d"] {
            assert!(first_day(now, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_amount_says_how_sure_it_is() {
        let of = |cost_source, cost_micros| Usage {
            output_tokens: 1,
            cost_micros,
            cost_source,
            ..Usage::default()
        };
        assert_eq!(amount(&of(CostSource::Vendor, 2_500_000)), "$2.5000");
        assert_eq!(amount(&of(CostSource::Table, 2_500_000)), "~$2.5000");
        assert_eq!(amount(&of(CostSource::Mixed, 2_500_000)), "≥$2.5000");
        assert_eq!(amount(&of(CostSource::None, 0)), "?");
        assert_eq!(amount(&Usage::default()), "$0.0000");
    }
}
