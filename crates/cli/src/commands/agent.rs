//! `coditect agent`: who could work.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table, tokens};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List the configured agents and whether they have their keys
    #[command(after_help = "Examples:\n  coditect agent list\n  coditect agent list --json")]
    List,
}

impl Agent {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let Self::List = self;
        let agents = context.talk("asking the daemon", async |client| Ok(client.agents().await?))?;
        context.screen.show(&agents, || {
            Table::of(
                &["AGENT", "VENDOR", "MODEL", "CONTEXT", "KEY", "ISOLATION", "ADDRESS"],
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
                        Cell::maybe(agent.base_url.as_ref()),
                    ]
                },
            )
        })?;
        Ok(Exit::Done)
    }
}
