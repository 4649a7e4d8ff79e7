//! `coditect session land`: agents' own worktrees come to the user's branch.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use clap::Args;
use model::AgentName;
use protocol::NewLanding;

#[derive(Debug, Args)]
pub(crate) struct Land {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Whose work; without it, that of every agent that has a worktree
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
}

impl Land {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let new = NewLanding { agent: self.agent };
        let landed = context
            .talk("landing", async |client| Ok(client.land_session(&self.session, &new, None).await?))?;
        if context.screen.json {
            context.screen.document(&landed)?;
            return Ok(Exit::Done);
        }
        for one in landed.items {
            let branch = one.branch.as_deref().unwrap_or("HEAD");
            context.screen.say(&match (one.changed.len(), one.merged) {
                (0, _) => format!("{}'s work is on {branch} already", one.agent),
                (1, false) => format!("{branch} has {}'s work: 1 file changed", one.agent),
                (files, false) => format!("{branch} has {}'s work: {files} files changed", one.agent),
                (files, true) => format!("{branch} has {}'s work, merged: {files} files changed", one.agent),
            });
        }
        Ok(Exit::Done)
    }
}
