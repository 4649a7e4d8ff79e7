//! `coditect agent`: who could work.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table, ahead, tokens};
use clap::{Args, Subcommand};
use model::Vendor;
use protocol::NewResumption;

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

impl Agent {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let agents = match self {
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
