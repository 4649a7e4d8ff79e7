//! The fence: what the kernel keeps the processes of a run from.
//!
//! Two mechanisms do it, chosen by really trying them: bubblewrap gives the driver a view of the machine in which
//! nothing but the named places can be written and the hidden ones are not there; Landlock refuses the same by rules.
//!
//! Invariant: a process inside cannot leave, and neither can what it starts. What is written outside is written by
//! somebody else whom it could ask: the network is not fenced.

mod bubblewrap;
mod landlock;
mod probe;

pub use probe::{FenceReport, probe};

use crate::spawn;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc;

/// Device files that every program may write to: nothing stays in them.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];

/// How a run is fenced in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    pub mechanism: Mechanism,
    /// Folders and files that may be written, with what is below them. Absolute; one that is not there is left out.
    pub writable: Vec<PathBuf>,
    /// Files and folders that are to be seen though they lie below a hidden one, or in `/tmp`.
    pub readable: Vec<PathBuf>,
    /// Folders and files whose content is not to be read.
    pub hidden: Vec<PathBuf>,
    /// Below a writable folder and not to be written all the same. Bubblewrap alone can do that.
    pub frozen: Vec<PathBuf>,
    /// The run's own folder for temporary files; writable, and where `TMPDIR` leads.
    pub tmp: PathBuf,
}

/// What holds the fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    Bubblewrap { program: PathBuf },
    Landlock,
}

impl Mechanism {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Bubblewrap { .. } => "bubblewrap",
            Self::Landlock => "landlock",
        }
    }
}

/// Why a process was not started inside a fence. It was not started outside of it either.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    #[error("bubblewrap cannot be started: {0}")]
    Bubblewrap(std::io::Error),
    #[error("the kernel does not take the rules: {0}")]
    Landlock(String),
    #[error("cannot start what is fenced in: {0}")]
    Spawn(std::io::Error),
}

impl Fence {
    /// Whether the processes inside count their own from 1, so that their parent has another number there.
    pub(crate) const fn counts_anew(&self) -> bool {
        matches!(self.mechanism, Mechanism::Bubblewrap { .. })
    }

    /// Starts a program inside. `prepare` sets its folder, environment and pipes, not its arguments.
    pub(crate) fn spawn(
        &self,
        program: &OsStr,
        arguments: &[OsString],
        prepare: impl FnOnce(&mut Command) + Send + 'static,
    ) -> Result<Fenced, FenceError> {
        match &self.mechanism {
            Mechanism::Bubblewrap { program: bubblewrap } => {
                let mut command = spawn::command(bubblewrap);
                command.args(self.view()).arg("--").arg(program).args(arguments);
                prepare(&mut command);
                let child = command.spawn().map_err(FenceError::Bubblewrap)?;
                Ok(Fenced { child, _parent: None })
            }
            Mechanism::Landlock => {
                let mut command = spawn::command(program);
                command.args(arguments);
                prepare(&mut command);
                self.restricted(command)
            }
        }
    }
}

/// A process that was started inside. To be kept as long as it may live.
pub(crate) struct Fenced {
    pub(crate) child: Child,
    /// Ends the thread that is the process's parent.
    _parent: Option<mpsc::Sender<()>>,
}
