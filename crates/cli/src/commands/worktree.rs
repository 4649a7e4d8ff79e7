//! `coditect worktree`: the worktrees that are lent to agents.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table};
use clap::{Args, Subcommand};
use model::AgentName;
use protocol::{RemovedWorktree, WorktreeRemoval};

#[derive(Debug, Subcommand)]
pub(crate) enum Worktree {
    /// List the worktrees that are lent to agents, and why each stays
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect worktree list\n  coditect worktree list --json"
    )]
    List,
    /// Take a worktree away; refused while work in it is nowhere else
    #[command(
        after_help = "Examples:\n  coditect worktree rm 7k2m claude\n  coditect worktree rm 7k2m claude --discard"
    )]
    Rm(Rm),
    /// Take away every worktree whose work is elsewhere
    #[command(after_help = "Examples:\n  coditect worktree prune\n  coditect worktree prune --json")]
    Prune,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Agent whose worktree it is
    agent: AgentName,
    /// Even with work that is nowhere else; everything is kept as a checkpoint first
    #[arg(long)]
    discard: bool,
}

impl Worktree {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List => list(context),
            Self::Rm(Rm { session, agent, discard }) => {
                let removal = WorktreeRemoval { session, agent, discard };
                let removed = context.talk("taking the worktree away", async |client| {
                    Ok(client.remove_worktree(&removal, None).await?)
                })?;
                if context.screen.json {
                    context.screen.document(&removed)?;
                } else {
                    context.screen.say(&said(&removed));
                }
                Ok(Exit::Done)
            }
            Self::Prune => {
                let pruned = context.talk("looking at the worktrees", async |client| {
                    Ok(client.prune_worktrees(None).await?)
                })?;
                if context.screen.json {
                    context.screen.document(&pruned)?;
                } else if pruned.items.is_empty() {
                    context.screen.say("no worktrees are lent");
                }
                for one in pruned.items.iter().filter(|_| !context.screen.json) {
                    context.screen.say(&said(one));
                }
                Ok(Exit::Done)
            }
        }
    }
}

fn list(context: &Context) -> Outcome {
    let worktrees = context.talk("asking the daemon", async |client| Ok(client.worktrees().await?))?;
    context.screen.show(&worktrees, || {
        const HEAD: [&str; 6] = ["SESSION", "AGENT", "REPO", "BRANCH", "STAYS BECAUSE", "PATH"];
        Table::of(&HEAD, &worktrees.items, |one| {
            let stays = match &one.kept_because {
                Some(reason) => Cell::new(reason).paint(Paint::Warm),
                None => Cell::new("nothing; its work is elsewhere").paint(Paint::Dim),
            };
            vec![
                Cell::new(&one.session_short).paint(Paint::Note).piped(one.session.to_string()),
                Cell::new(one.agent.as_str()).paint(Paint::Strong),
                Cell::new(&one.repo),
                Cell::new(&one.branch),
                stays,
                Cell::new(&one.path),
            ]
        })
    })?;
    Ok(Exit::Done)
}

fn said(one: &RemovedWorktree) -> String {
    let what = format!("worktree of {} in {}", one.agent, one.session_short);
    match (&one.kept_because, &one.kept_as) {
        (Some(reason), _) => format!("{what} stays: {reason}"),
        (None, Some(kept)) => format!("{what} is gone; all that was in it is kept as {kept}"),
        (None, None) => format!("{what} is gone; its work is elsewhere"),
    }
}
