//! `coditect task pool`, `claim`, `renew` and `finish`: tasks for whoever claims them.

use super::super::Outcome;
use super::{show, table};
use crate::context::Context;
use crate::failure::Exit;
use clap::Args;
use protocol::{ClaimEnd, ClaimOutcome, ClaimRenewal, NewClaim};

#[derive(Debug, Args)]
pub(crate) struct Claim {
    /// Id or short id of a task of the pool; without it, the first whose wishes are met
    task: Option<String>,
    /// Who does it, for people
    #[arg(long = "as", value_name = "NAME")]
    holder: Option<String>,
    /// What you are able to
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    can: Vec<String>,
    /// How long the claim holds without renewal; 600 without
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    /// Id or short id of the task, or the start of it
    task: String,
    /// As the claim has it
    #[arg(long)]
    token: u64,
    /// How long it holds from now on; 600 without
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Finish {
    /// Id or short id of the task, or the start of it
    task: String,
    /// As the claim has it
    #[arg(long)]
    token: u64,
    /// It could not be done
    #[arg(long)]
    failed: bool,
    /// What was done, or why not; `-` reads it from stdin
    #[arg(default_value = "")]
    text: String,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// Id or short id of the task, or the start of it
    task: String,
    /// As the claim has it
    #[arg(long)]
    token: u64,
}

pub(super) fn list(context: &Context) -> Outcome {
    let tasks = context.talk("asking the daemon", async |client| Ok(client.task_pool().await?))?;
    context.screen.show(&tasks, || table(context, &tasks.items))?;
    Ok(Exit::Done)
}

impl Claim {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let new = NewClaim { task: self.task, holder: self.holder, can: self.can, seconds: self.seconds };
        let task = context.talk("claiming", async |client| Ok(client.claim_task(&new, None).await?))?;
        show(context, &task)?;
        if let (Some(claim), false) = (&task.claim, context.screen.json) {
            let (short, token) = (&task.short_id, claim.token);
            context.screen.say(&format!("end it with `coditect task finish {short} --token {token} \"…\"`"));
        }
        Ok(Exit::Done)
    }
}

impl Renew {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let renewal = ClaimRenewal { token: self.token, seconds: self.seconds };
        let task = context.talk("renewing the claim", async |client| {
            Ok(client.renew_claim(&self.task, &renewal, None).await?)
        })?;
        show(context, &task)
    }
}

impl Finish {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let outcome = if self.failed { ClaimOutcome::Failed } else { ClaimOutcome::Completed };
        let text = if self.text.is_empty() { String::new() } else { context.text(&self.text)? };
        ended(context, &self.task, &ClaimEnd { token: self.token, outcome, text })
    }
}

impl Release {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let end = ClaimEnd { token: self.token, outcome: ClaimOutcome::Released, text: String::new() };
        ended(context, &self.task, &end)
    }
}

fn ended(context: &Context, task: &str, end: &ClaimEnd) -> Outcome {
    let task =
        context.talk("ending the claim", async |client| Ok(client.finish_claim(task, end, None).await?))?;
    show(context, &task)
}
