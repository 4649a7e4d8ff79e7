//! `coditect session coordinate`: a plan in a session that is there; `coditect run` makes the session, too, and watches.

use super::super::Outcome;
use super::super::task;
use crate::context::Context;
use clap::Args;
use model::AgentName;
use protocol::NewPlan;

#[derive(Debug, Args)]
pub(crate) struct Coordinate {
    /// Id or short id of the session, or the start of it
    session: String,
    /// What is wanted; `-` reads it from stdin
    prompt: String,
    /// Agents of the session; without it, all of them
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES")]
    agents: Vec<AgentName>,
    /// Each agent does its tasks in a git worktree of its own; all of it comes to the branch at the end
    #[arg(long)]
    worktrees: bool,
    #[command(flatten)]
    seat: task::Seat,
}

impl Coordinate {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (prompt, client) = (context.text(&self.prompt)?, self.seat.client);
        let new = NewPlan { prompt, agents: self.agents, worktrees: self.worktrees, client };
        let plan = context
            .talk("coordinating", async |client| Ok(client.coordinate(&self.session, &new, None).await?))?;
        let shown = task::show_plan(context, &plan);
        if !context.screen.json {
            context.screen.say(&format!("watch it with `coditect session watch {}`", self.session));
        }
        shown
    }
}
