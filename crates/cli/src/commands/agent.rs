//! `coditect agent`: who could work.

use super::Outcome;
use super::events::Moment;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table, ahead, money, tokens};
use clap::{Args, Subcommand};
use model::Vendor;
use protocol::{AgentStatsQuery, NewResumption};

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List the configured agents and whether they have their keys
    #[command(after_help = "Examples:\n  coditect agent list\n  coditect agent list --json")]
    List,
    /// Try a vendor that said it takes no calls for a while: anthropic, google, moonshot or openai
    #[command(
        after_help = "Examples:\n  coditect agent resume anthropic\n  coditect agent resume openai --json"
    )]
    Resume(Resume),
    /// Show what agents' turns came to: how they ended, how long they took, what they used
    #[command(
        after_help = "Examples:\n  coditect agent stats\n  coditect agent stats --session 7k2m --since 2026-01-31 --json"
    )]
    Stats(Stats),
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The vendor
    #[arg(value_parser = vendor)]
    vendor: Vendor,
}

fn vendor(given: &str) -> Result<Vendor, String> {
    let words: Vec<&str> = Vendor::ALL.iter().map(|vendor| vendor.as_str()).collect();
    let found = Vendor::ALL.into_iter().find(|vendor| vendor.as_str() == given);
    found.ok_or_else(|| format!("one of {}", words.join(", ")))
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Only turns of this session
    #[arg(long)]
    session: Option<String>,
    /// Only turns that ended at or after this time, written 2026-01-31T14:23:00Z, or from this day on
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
}

impl Stats {
    fn run(self, context: &Context) -> Outcome {
        let query = AgentStatsQuery { session: self.session, since: self.since.map(Moment::begins) };
        let stats =
            context.talk("asking the daemon", async |client| Ok(client.agent_stats(&query).await?))?;
        context.screen.show(&stats, || {
            Table::of(
                &[
                    "AGENT", "TURNS", "DONE", "FAILED", "CANCELED", "AVG", "LONGEST", "TOKENS", "COST",
                    "TOOLS", "ERRORS",
                ],
                &stats.items,
                |one| {
                    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1000.0);
                    let failed = Cell::new(one.failed.to_string());
                    vec![
                        Cell::new(&one.agent).paint(Paint::Strong),
                        Cell::new(one.turns.to_string()),
                        Cell::new(one.completed.to_string()),
                        if one.failed > 0 { failed.paint(Paint::Warm) } else { failed },
                        Cell::new(one.canceled.to_string()),
                        Cell::new(seconds(one.latency_ms)).piped(one.latency_ms.to_string()),
                        Cell::new(seconds(one.latency_max_ms)).piped(one.latency_max_ms.to_string()),
                        Cell::new(tokens(one.tokens)).piped(one.tokens.to_string()),
                        Cell::new(money(one.cost_micros)).piped(one.cost_micros.to_string()),
                        Cell::new(one.tool_calls.to_string()),
                        Cell::new(one.tool_errors.to_string()),
                    ]
                },
            )
        })?;
        if let Some(reason) = &stats.stopped {
            context.screen.say(&format!("counted through {} only: {reason}", stats.through));
        }
        Ok(Exit::Done)
    }
}

impl Agent {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let agents = match self {
            Self::Stats(stats) => return stats.run(context),
            Self::List => context.talk("asking the daemon", async |client| Ok(client.agents().await?))?,
            Self::Resume(Resume { vendor }) => {
                let new = NewResumption { vendor };
                context
                    .talk("trying the vendor", async |client| Ok(client.resume_vendor(&new, None).await?))?
            }
        };
        context.screen.show(&agents, || {
            Table::of(
                &["AGENT", "VENDOR", "MODEL", "CONTEXT", "KEY", "ISOLATION", "PAUSED", "ADDRESS"],
                &agents.items,
                |agent| {
                    let key = match agent.key_present {
                        true => Cell::new("present").paint(Paint::Good),
                        false => Cell::new(format!("{} not set", agent.api_key_env)).paint(Paint::Warm),
                    };
                    let isolation = match agent.sandbox.as_ref().map(|sandbox| &sandbox.held_by) {
                        None => Cell::new(agent.isolation.as_str()),
                        Some(Some(by)) => Cell::new(format!("sandbox ({by})")).paint(Paint::Good),
                        Some(None) => Cell::new("UNSANDBOXED").paint(Paint::Bad),
                    };
                    vec![
                        Cell::new(agent.name.as_str()).paint(Paint::Strong),
                        Cell::new(agent.vendor.as_str()),
                        Cell::new(&agent.model),
                        Cell::new(tokens(agent.context_window)).piped(agent.context_window.to_string()),
                        key,
                        isolation,
                        paused(context, agent),
                        Cell::maybe(agent.base_url.as_ref()),
                    ]
                },
            )
        })?;
        Ok(Exit::Done)
    }
}

fn paused(context: &Context, agent: &protocol::Agent) -> Cell {
    let Some(pause) = &agent.paused else { return Cell::new("") };
    Cell::new(ahead(context.now(), pause.until)).paint(Paint::Warm).piped(pause.until.to_string())
}
