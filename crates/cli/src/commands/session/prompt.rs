//! `coditect session prompt`: one message codec with every other face, by way of the daemon.

use super::super::Outcome;
use super::super::task;
use crate::context::Context;
use crate::failure::Exit;
use clap::Args;
use model::AgentName;
use protocol::NewPrompt;

#[derive(Debug, Args)]
pub(crate) struct Prompt {
    /// Id or short id of the session, or the start of it
    session: String,
    /// What is wanted; `-` reads it from stdin
    text: String,
    /// Agents of the session; without it, all of them
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    to: Vec<AgentName>,
    /// Higher goes first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Tasks that must be completed first
    #[arg(long, value_delimiter = ',', value_name = "TASKS")]
    after: Vec<String>,
    #[command(flatten)]
    seat: task::Seat,
    #[command(flatten)]
    terms: task::Terms,
    /// No agent begins it by itself: it waits for whoever claims it
    #[arg(long, conflicts_with = "to")]
    pool: bool,
    /// Wait until the task has ended or an agent asks something
    #[arg(long)]
    wait: bool,
}

impl Prompt {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let prompt = NewPrompt {
            text: context.text(&self.text)?,
            targets: self.to,
            priority: self.priority,
            depends_on: self.after,
            on_failed: self.terms.on_failed().unwrap_or_default(),
            deadline: self.terms.deadline(),
            deadline_seconds: self.terms.deadline_seconds(),
            retry: self.terms.retry(),
            wants: self.terms.wants(),
            pool: self.pool,
            client: self.seat.client,
        };
        let submitted = context
            .talk("prompting", async |client| Ok(client.prompt(&self.session, &prompt, None).await?))?;
        if self.wait {
            return task::wait_for(context, vec![submitted.id.to_string()]);
        }
        task::show(context, &submitted)?;
        if !context.screen.json {
            context.screen.say(&format!("watch it with `coditect session watch {}`", self.session));
        }
        Ok(Exit::Done)
    }
}
