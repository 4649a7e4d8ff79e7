//! `coditect lock`: claims on files, straight on the bus.
//!
//! Who takes a lock here is a registration of its own that lives by lease, so that two scripts of one user exclude
//! each other. A command inside an agent's run acts for that agent.

mod acquire;
mod guard;
mod list;
mod release;
mod wait;
mod who;

use super::Outcome;
use crate::context::Context;
use crate::failure::Failure;
use crate::worktree::Worktree;
use clap::{Args, Subcommand, ValueEnum};
use model::LockMode;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Take locks on paths or globs: all of them or none. Prints the fencing tokens
    #[command(
        after_help = "Examples:\n  coditect lock acquire src/lib.rs --wait 30\n  coditect lock acquire \"src/**/*.rs\" --mode shared --json"
    )]
    Acquire(acquire::Acquire),
    /// Let a lock live longer
    #[command(
        after_help = "Examples:\n  coditect lock renew 1099511627777\n  coditect lock renew 1099511627777 --ttl 900"
    )]
    Renew(release::Renew),
    /// Give locks back
    #[command(
        after_help = "Examples:\n  coditect lock release 1099511627777\n  coditect lock release --all --holder reg_0198c0de0000700080000000000000a1"
    )]
    Release(release::Release),
    /// Show who holds what and who waits
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect lock list\n  coditect lock list --here --json"
    )]
    List(list::List),
    /// Show who holds or waits for what covers a path, in order, and what that leads to
    #[command(
        after_help = "Examples:\n  coditect lock who src/lib.rs\n  coditect lock who \"src/**\" --json"
    )]
    Who(who::Who),
    /// Say whether a file may be changed: exit code 0 when it may, 2 when not. Takes nothing, and decides also when
    /// the bus cannot be asked
    #[command(
        after_help = "Examples:\n  coditect lock guard src/lib.rs\n  coditect lock guard src/lib.rs --json"
    )]
    Guard(guard::Guard),
    /// Wait until nobody holds what would be in the way; takes nothing
    #[command(
        after_help = "Examples:\n  coditect lock wait src/lib.rs --timeout 60\n  coditect lock wait \"docs/**\" --mode shared"
    )]
    Wait(wait::Wait),
    /// Take a lock away from whoever holds it; its holder cannot write under it any more
    #[command(
        after_help = "Examples:\n  coditect lock break 1099511627777\n  coditect lock break 1099511627777 --json"
    )]
    Break(release::Break),
}

/// Where.
#[derive(Debug, Args)]
pub(crate) struct Spots {
    /// Paths or globs, from where you stand; a folder means everything below it
    #[arg(required = true)]
    paths: Vec<String>,
    /// A folder of the worktree; without it, the one you stand in
    #[arg(long, value_name = "DIR")]
    worktree: Option<PathBuf>,
}

/// Where and how.
#[derive(Debug, Args)]
pub(crate) struct Paths {
    #[command(flatten)]
    spots: Spots,
    /// How others are kept out
    #[arg(long, value_enum, default_value = "exclusive")]
    mode: Mode,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Others may share, nobody may write
    Shared,
    /// Nobody else
    Exclusive,
    /// Recorded and shown, keeps nobody out
    Advisory,
}

impl From<Mode> for LockMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Shared => Self::Shared,
            Mode::Exclusive => Self::Exclusive,
            Mode::Advisory => Self::Advisory,
        }
    }
}

impl Lock {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Acquire(command) => command.run(context),
            Self::Renew(command) => command.run(context),
            Self::Release(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Who(command) => command.run(context),
            Self::Guard(command) => command.run(context),
            Self::Wait(command) => command.run(context),
            Self::Break(command) => command.run(context),
        }
    }
}

impl Spots {
    /// The worktree's name and the paths in it.
    fn located(&self, context: &Context) -> Result<(String, Vec<String>), Failure> {
        let place = self.worktree.as_ref().map_or_else(|| context.cwd.clone(), |dir| context.path(dir));
        let worktree = Worktree::around(&place)?;
        let paths = self.paths.iter().map(|path| worktree.path(path)).collect::<Result<_, _>>()?;
        Ok((worktree.name()?, paths))
    }
}
