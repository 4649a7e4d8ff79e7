//! `coditect session new`.

use super::super::{Outcome, repo};
use super::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::Args;
use client::Client;
use model::AgentName;
use protocol::NewSession;

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Without it, made from the names of the agents
    #[arg(default_value = "")]
    title: String,
    /// Agents that get a seat; without it, all that have their keys
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES")]
    agents: Vec<AgentName>,
    /// Repository to work in: a registered one, or a folder, which is registered
    #[arg(short, long)]
    repo: Option<String>,
    /// Session this one is spawned from
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,
}

impl New {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let session = context.talk("starting the session", async |client| {
            let repo = match &self.repo {
                Some(given) => Some(repo::registered(context, client, given).await?.id.to_string()),
                None => None,
            };
            let agents = seated(client, self.agents).await?;
            let new = NewSession { title: self.title, repo, agents, board: None, parent: self.parent };
            Ok(client.create_session(&new, None).await?)
        })?;
        show::brief(context, &session)?;
        if !context.screen.json {
            context.screen.say(&format!("next: `coditect session prompt {} \"…\"`", &session.short_id));
        }
        Ok(Exit::Done)
    }
}

/// The agents named, or all that could work.
pub(crate) async fn seated(client: &Client, named: Vec<AgentName>) -> Result<Vec<AgentName>, Failure> {
    if !named.is_empty() {
        return Ok(named);
    }
    let ready: Vec<AgentName> = client
        .agents()
        .await?
        .items
        .into_iter()
        .filter(|agent| agent.key_present)
        .map(|agent| agent.name)
        .collect();
    if ready.is_empty() {
        return Err(Failure::failed("no_agent_ready", "no agent has its key")
            .hint("see which variables are missing with `coditect agent list`, set them and run `coditect daemon restart`"));
    }
    Ok(ready)
}
