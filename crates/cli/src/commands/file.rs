//! `coditect file`: files of the worktrees, found, and brought back.

mod search;

use super::Outcome;
use super::repo::{absolute, found};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::{Args, Subcommand, ValueEnum};
use model::RepoPath;
use protocol::{NewRestore, RestorePoint};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum File {
    /// Find files by their names and the words in them
    #[command(
        after_help = "Examples:\n  coditect file search lock table\n  coditect file search checkRoom --worktree . --language rust --json"
    )]
    Search(search::Search),
    /// Look at the files of the worktrees now, and say what the index holds
    #[command(after_help = "Examples:\n  coditect file index\n  coditect file index --anew --json")]
    Index(search::Index),
    /// Bring back what a locked file held before something wrote over it without the lock
    #[command(
        after_help = "Examples:\n  coditect file restore src/lock.rs\n  coditect file restore src/lock.rs --to before-lock"
    )]
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The file, in a registered repository
    path: PathBuf,
    /// Which content: what the holder left in it last, or what it held when the lock was granted
    #[arg(long, value_enum, default_value_t = To::LastKnown)]
    to: To,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum To {
    LastKnown,
    BeforeLock,
}

impl File {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Search(search) => search.run(context),
            Self::Index(index) => index.run(context),
            Self::Restore(restore) => restore.run(context),
        }
    }
}

impl Restore {
    fn run(self, context: &Context) -> Outcome {
        let path = absolute(context, &self.path)?;
        let to = match self.to {
            To::LastKnown => RestorePoint::LastKnown,
            To::BeforeLock => RestorePoint::BeforeLock,
        };
        let restored = context.talk("restoring", async |client| {
            let id = found(context, client, &path).await?;
            let root = client.repo(&id).await?.path;
            let new = NewRestore { path: inside(&root, &path)?, to };
            Ok(client.restore_file(&id, &new, None).await?)
        })?;
        if context.screen.json {
            context.screen.document(&restored)?;
            return Ok(Exit::Done);
        }
        let under = restored.holder.map_or(String::new(), |holder| format!(", under {holder}'s lock"));
        context.screen.say(&format!("{} holds again what was known of it{under}", restored.path));
        if let Some(kept) = restored.kept_at {
            context.screen.say(&format!("what it held until now is kept in {kept}"));
        }
        Ok(Exit::Done)
    }
}

fn inside(root: &str, path: &str) -> Result<RepoPath, Failure> {
    let failed = |reason: String| Failure::new(Exit::Usage, "path_refused", reason);
    let rest = Path::new(path).strip_prefix(root).map_err(|error| failed(error.to_string()))?;
    rest.display().to_string().parse().map_err(|error: model::RepoPathError| failed(error.to_string()))
}
