//! `coditect worktree`: worktrees, whoever made them, and the trash.

mod change;
mod show;

use super::Outcome;
use super::repo::{absolute, found};
use crate::context::Context;
use crate::failure::Exit;
use change::{Add, Adopt, Merge, Rm, Run};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Worktree {
    /// Make a worktree on a new branch, or on one that is there
    #[command(
        after_help = "Examples:\n  coditect worktree add shop feat-auth\n  coditect worktree add shop hotfix --checkout release/1.2 --wait"
    )]
    Add(Add),
    /// Register a worktree that somebody else made; it stays where it is
    #[command(
        after_help = "Examples:\n  coditect worktree adopt shop ../shop-fix\n  coditect worktree adopt shop ../shop-fix --name fix --json"
    )]
    Adopt(Adopt),
    /// List worktrees, and why each would stay; with --trash those that can be restored
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect worktree list --repo shop\n  coditect worktree list --trash --json"
    )]
    List(List),
    /// Show a worktree: its branch, ports and scripts, and what it takes on the disk
    #[command(
        after_help = "Examples:\n  coditect worktree show feat-auth\n  coditect worktree show shop/feat-auth --json"
    )]
    Show(Which),
    /// Print where a worktree is
    #[command(
        after_help = "Examples:\n  coditect worktree path feat-auth\n  coditect worktree path shop/feat-auth --json"
    )]
    Path(Which),
    /// Let a session work in a worktree, from its next turn on; several may share one
    #[command(
        after_help = "Examples:\n  coditect worktree use feat-auth 7k2m\n  coditect worktree use shop/feat-auth 7k2m --json"
    )]
    Use {
        #[command(flatten)]
        which: Which,
        /// Id or short id of the session, or the start of it
        session: String,
    },
    /// Let a session work in its repository's checkout again
    #[command(
        after_help = "Examples:\n  coditect worktree leave 7k2m\n  coditect worktree leave 7k2m --json"
    )]
    Leave {
        /// Id or short id of the session, or the start of it
        session: String,
    },
    /// Bring a worktree's commits to a branch
    #[command(
        after_help = "Examples:\n  coditect worktree merge feat-auth\n  coditect worktree merge feat-auth --into release/1.2 --message \"Merge leases\""
    )]
    Merge(Merge),
    /// Run the repository's trusted script in a worktree
    #[command(
        after_help = "Examples:\n  coditect worktree run feat-auth\n  coditect worktree run feat-auth setup --wait"
    )]
    Run(Run),
    /// End the scripts that run in a worktree
    #[command(
        after_help = "Examples:\n  coditect worktree stop feat-auth\n  coditect worktree stop shop/feat-auth --json"
    )]
    Stop(Which),
    /// Put a worktree into the trash; refused while work in it is nowhere else or somebody is in it
    #[command(
        after_help = "Examples:\n  coditect worktree rm feat-auth --force\n  coditect worktree rm 7k2m claude --discard"
    )]
    Rm(Rm),
    /// Put every worktree into the trash whose work is elsewhere
    #[command(after_help = "Examples:\n  coditect worktree prune\n  coditect worktree prune --json")]
    Prune,
    /// Bring a worktree back from the trash
    #[command(
        after_help = "Examples:\n  coditect worktree restore feat-auth\n  coditect worktree restore 7k2mqs --json"
    )]
    Restore(Which),
    /// Delete a worktree that is in the trash, for good
    #[command(
        after_help = "Examples:\n  coditect worktree purge feat-auth\n  coditect worktree purge 7k2mqs --json"
    )]
    Purge(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Name, repository/name, id or short id
    worktree: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this repository
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
    /// What is in the trash
    #[arg(long)]
    trash: bool,
}

impl Worktree {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context),
            Self::Adopt(adopt) => adopt.run(context),
            Self::List(list) => show::list(context, list),
            Self::Show(which) => {
                let one =
                    context.talk("looking", async |client| Ok(client.worktree(&which.worktree).await?))?;
                show::one(context, &one)
            }
            Self::Path(which) => {
                let one =
                    context.talk("looking", async |client| Ok(client.worktree(&which.worktree).await?))?;
                match context.screen.json {
                    true => context.screen.document(&serde_json::json!({ "path": one.path }))?,
                    false => context.screen.print(&format!("{}\n", one.path))?,
                }
                Ok(Exit::Done)
            }
            Self::Use { which, session } => {
                let assignment = protocol::NewAssignment { worktree: which.worktree };
                let one = context.talk("writing it down", async |client| {
                    Ok(client.assign_worktree(&session, &assignment, None).await?)
                })?;
                show::one(context, &one)
            }
            Self::Leave { session } => {
                context.talk("writing it down", async |client| {
                    Ok(client.unassign_worktree(&session, None).await?)
                })?;
                match context.screen.json {
                    true => context.screen.document(&serde_json::json!({ "left": session }))?,
                    false => {
                        context.screen.say(&format!("{session} works in its repository's checkout again"))
                    }
                }
                Ok(Exit::Done)
            }
            Self::Merge(merge) => merge.run(context),
            Self::Run(run) => run.run(context),
            Self::Stop(which) => {
                let one = context
                    .talk("ending", async |client| Ok(client.stop_scripts(&which.worktree, None).await?))?;
                show::one(context, &one)
            }
            Self::Rm(rm) => rm.run(context),
            Self::Prune => show::prune(context),
            Self::Restore(which) => {
                let one = context.talk("bringing it back", async |client| {
                    Ok(client.restore_worktree(&which.worktree, None).await?)
                })?;
                show::one(context, &one)
            }
            Self::Purge(which) => {
                let gone = context.talk("deleting", async |client| {
                    Ok(client.purge_worktree(&which.worktree, None).await?)
                })?;
                match context.screen.json {
                    true => context.screen.document(&gone)?,
                    false => context.screen.say(&format!(
                        "{} is gone for good; refs in the repository keep its commits",
                        gone.name
                    )),
                }
                Ok(Exit::Done)
            }
        }
    }
}
