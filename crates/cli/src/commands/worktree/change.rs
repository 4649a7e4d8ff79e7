//! What is done to worktrees.

use super::super::Outcome;
use super::{absolute, found, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::{Args, ValueEnum};
use client::Client;
use model::AgentName;
use protocol::{
    NewAdoption, NewMerge, NewRemoval, NewScriptRun, NewWorktree, ScriptKind, ScriptOutcome, Worktree,
    WorktreeRemoval,
};
use std::path::PathBuf;
use std::time::Duration;

/// How often it is looked whether a script is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Name, id, short id, or path of the repository
    repo: String,
    /// What it is called, and its branch when nothing else is said
    #[arg(allow_hyphen_values = true)]
    name: String,
    /// Branch that is made
    #[arg(long, value_name = "BRANCH", conflicts_with = "checkout")]
    branch: Option<String>,
    /// Branch, tag or commit it begins from; without it, what the checkout stands on
    #[arg(long, value_name = "BASE", conflicts_with = "checkout")]
    from: Option<String>,
    /// A branch that is there, worked on as it is
    #[arg(long, value_name = "BRANCH")]
    checkout: Option<String>,
    /// Wait until the setup script is over
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// Name, id, short id, or path of the repository
    repo: String,
    /// Where the worktree is
    path: PathBuf,
    /// What it is called; without it as its folder
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Name, repository/name, id or short id
    worktree: String,
    /// Branch that is to have its work; without it, the one that is checked out
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Of the merge commit, where one is needed
    #[arg(long)]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Script {
    Setup,
    Run,
    Teardown,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name, repository/name, id or short id
    worktree: String,
    #[arg(value_enum, default_value = "run")]
    script: Script,
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Name, repository/name, id or short id; or the session whose agent's own worktree it is
    worktree: String,
    /// Agent whose own worktree it is
    agent: Option<AgentName>,
    /// Even with work that is nowhere else; everything is kept as a checkpoint first
    #[arg(long, visible_alias = "discard")]
    force: bool,
}

impl Add {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let made = context.talk("making the worktree", async |client| {
            let repo = found(context, client, &self.repo).await?;
            let new = NewWorktree {
                repo,
                name: self.name.clone(),
                branch: self.branch.clone(),
                from: self.from.clone(),
                checkout: self.checkout.clone(),
            };
            Ok(client.add_worktree(&new, None).await?)
        })?;
        finish(context, made, ScriptKind::Setup, self.wait)
    }
}

impl Adopt {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let path = absolute(context, &self.path)?;
        let adopted = context.talk("registering", async |client| {
            let repo = found(context, client, &self.repo).await?;
            Ok(client.adopt_worktree(&NewAdoption { repo, path, name: self.name }, None).await?)
        })?;
        show::one(context, &adopted)
    }
}

impl Merge {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let merge = NewMerge { into: self.into, message: self.message };
        let merged = context.talk("merging", async |client| {
            Ok(client.merge_worktree(&self.worktree, &merge, None).await?)
        })?;
        if context.screen.json {
            context.screen.document(&merged)?;
            return Ok(Exit::Done);
        }
        let into = merged.into.as_deref().unwrap_or("HEAD");
        let files = match merged.changed.len() {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        context.screen.say(&match (merged.changed.is_empty(), merged.merged) {
            (true, _) => format!("{into} has its work already"),
            (false, false) => format!("{into} has its work: {files} changed"),
            (false, true) => format!("{into} has its work, by a merge commit: {files} changed"),
        });
        Ok(Exit::Done)
    }
}

impl Run {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let script = match self.script {
            Script::Setup => ScriptKind::Setup,
            Script::Run => ScriptKind::Run,
            Script::Teardown => ScriptKind::Teardown,
        };
        let started = context.talk("starting", async |client| {
            Ok(client.start_script(&self.worktree, &NewScriptRun { script }, None).await?)
        })?;
        finish(context, started, script, self.wait)
    }
}

/// Shows the worktree; before that, waits until a script in it is over, when that is wanted.
fn finish(context: &Context, one: Worktree, script: ScriptKind, wait: bool) -> Outcome {
    let (Some(id), true) = (one.id, wait) else { return show::one(context, &one) };
    let over = context.follow(async |client| over(client, &id.to_string(), script).await)?;
    let end = over.scripts.iter().find(|run| run.script == script).and_then(|run| run.end);
    show::one(context, &over)?;
    match end {
        None | Some(ScriptOutcome::Done) => Ok(Exit::Done),
        Some(_) => Ok(Exit::Failed),
    }
}

async fn over(client: &Client, id: &str, script: ScriptKind) -> Result<Worktree, Failure> {
    // A setup begins after the answer; where there is a script, its row comes at once.
    let mut looks = 0;
    loop {
        let one = client.worktree(id).await?;
        looks += 1;
        let run = one.scripts.iter().find(|run| run.script == script);
        let (over, begun) = (run.is_some_and(|run| run.end.is_some()), run.is_some());
        if over || (!begun && looks > 4) {
            return Ok(one);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Rm {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let Self { worktree, agent, force } = self;
        let removed = context.block(async {
            // A teardown script may take its time.
            let client = context.patient_client();
            crate::launcher::reach(context, &client).await?;
            let removing = async {
                match agent {
                    Some(agent) => {
                        let removal = WorktreeRemoval { session: worktree, agent, discard: force };
                        client.remove_worktree(&removal, None).await
                    }
                    None => client.trash_worktree(&worktree, &NewRemoval { force }, None).await,
                }
            };
            Ok::<_, Failure>(context.with_word("taking the worktree away", removing).await?)
        })?;
        if context.screen.json {
            context.screen.document(&removed)?;
        } else {
            context.screen.say(&show::said(&removed));
        }
        Ok(Exit::Done)
    }
}
