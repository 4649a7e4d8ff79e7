//! `coditect checkpoint`: restorable points of files and conversations.

mod show;

use super::Outcome;
use super::repo::{absolute, found};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::{Args, Subcommand};
use model::{AgentName, RepoPath};
use protocol::{CheckpointRestore, ComparisonQuery, NewBundleImport, NewCheckpoint};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    /// Keep the files of a session's worktree as they are now
    #[command(
        after_help = "Examples:\n  coditect checkpoint create 7k2m --name \"before leases\"\n  coditect checkpoint create 7k2m --name green --agent claude --json"
    )]
    Create(Create),
    /// List the checkpoints of a session, oldest first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect checkpoint list 7k2m\n  coditect checkpoint list 7k2m --asked --json"
    )]
    List(List),
    /// Show a checkpoint: what it is of, when, and what it does not hold
    #[command(
        after_help = "Examples:\n  coditect checkpoint show 9q4w\n  coditect checkpoint show @last --json"
    )]
    Show(Which),
    /// Compare a checkpoint with another one, or with what is there now
    #[command(
        visible_alias = "diff",
        after_help = "Examples:\n  coditect checkpoint compare 9q4w\n  coditect checkpoint compare 9q4w b3xt --path src"
    )]
    Compare(Compare),
    /// Bring back files, the conversation (as a fork), or both; what is there now is kept first
    #[command(
        after_help = "Examples:\n  coditect checkpoint restore 9q4w src/lock.rs\n  coditect checkpoint restore 9q4w --conversation"
    )]
    Restore(Restore),
    /// Remove a checkpoint; files stay as they are
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  coditect checkpoint remove 9q4w\n  coditect checkpoint remove 9q4w --json"
    )]
    Remove(Which),
    /// Bring checkpoints back from the workspace's bundles, or in from a file
    #[command(
        after_help = "Examples:\n  coditect checkpoint import --repo shop\n  coditect checkpoint import 000001-whole.bundle --repo shop --session 7k2m"
    )]
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Id or short id, or the start of it
    checkpoint: String,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Id or short id of the session, or the start of it
    session: String,
    /// What it is called
    #[arg(long)]
    name: String,
    /// Of this agent's own worktree; without it, of where the session works
    #[arg(long)]
    agent: Option<AgentName>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Without those that nobody asked for
    #[arg(long)]
    asked: bool,
    /// Those before this one
    #[arg(long, value_name = "CHECKPOINT")]
    before: Option<String>,
    /// The newest so many
    #[arg(long)]
    limit: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Id or short id, or the start of it
    checkpoint: String,
    /// Another checkpoint; without it, what is there now
    with: Option<String>,
    /// Only this file, or what is below this folder
    #[arg(long)]
    path: Option<String>,
    /// The files alone, without their lines
    #[arg(long)]
    files: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Id or short id, or the start of it
    checkpoint: String,
    /// Only these files, and what is below these folders; relative to the worktree
    paths: Vec<RepoPath>,
    /// The conversation, too, as a fork of the session
    #[arg(long)]
    conversation: bool,
    /// The conversation and no files
    #[arg(long, conflicts_with_all = ["conversation", "paths", "force"])]
    only_conversation: bool,
    /// Also files that others have locked
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A bundle; without it, those the workspace has of the repository
    file: Option<PathBuf>,
    /// Name, id, short id, or path of the repository
    #[arg(long, value_name = "REPO")]
    repo: String,
    /// Session that gets those of sessions nobody knows here
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
}

impl Checkpoint {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Create(create) => create.run(context),
            Self::List(list) => show::list(context, list),
            Self::Show(which) => {
                let one = context
                    .talk("looking", async |client| Ok(client.checkpoint(&which.checkpoint).await?))?;
                show::one(context, &one)
            }
            Self::Compare(compare) => compare.run(context),
            Self::Restore(restore) => restore.run(context),
            Self::Remove(which) => {
                let gone = context.talk("removing", async |client| {
                    Ok(client.remove_checkpoint(&which.checkpoint, None).await?)
                })?;
                match context.screen.json {
                    true => context.screen.document(&gone)?,
                    false => {
                        context.screen.say(&format!("{} is removed; files are as they were", gone.id.short()))
                    }
                }
                Ok(Exit::Done)
            }
            Self::Import(import) => import.run(context),
        }
    }
}

impl Create {
    fn run(self, context: &Context) -> Outcome {
        let new = NewCheckpoint { name: self.name, agent: self.agent };
        let made = context.talk("keeping the files", async |client| {
            Ok(client.create_checkpoint(&self.session, &new, None).await?)
        })?;
        show::one(context, &made)
    }
}

impl Compare {
    fn run(self, context: &Context) -> Outcome {
        let Self { checkpoint, with, path, files } = self;
        let query = ComparisonQuery { with, path };
        let compared = context
            .talk("comparing", async |client| Ok(client.compare_checkpoint(&checkpoint, &query).await?))?;
        show::comparison(context, &compared, files)
    }
}

impl Restore {
    fn run(self, context: &Context) -> Outcome {
        let Self { checkpoint, paths, conversation, only_conversation, force } = self;
        let restore = CheckpointRestore {
            files: Some(!only_conversation),
            conversation: conversation || only_conversation,
            paths,
            force,
        };
        let restored = context.block(async {
            // Many files take their time.
            let client = context.patient_client();
            crate::launcher::reach(context, &client).await?;
            let restoring = client.restore_checkpoint(&checkpoint, &restore, None);
            Ok::<_, Failure>(context.with_word("bringing it back", restoring).await?)
        })?;
        show::restored(context, &restored)
    }
}

impl Import {
    fn run(self, context: &Context) -> Outcome {
        let path = self.file.as_deref().map(|file| absolute(context, file)).transpose()?;
        let import = NewBundleImport { path, session: self.session };
        let imported = context.block(async {
            let client = context.patient_client();
            crate::launcher::reach(context, &client).await?;
            let repo = found(context, &client, &self.repo).await?;
            let importing = client.import_bundle(&repo, &import, None);
            Ok::<_, Failure>(context.with_word("reading bundles", importing).await?)
        })?;
        show::imported(context, &imported)
    }
}
