//! The daemon's end of a run's pipes.

use model::RunId;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::lines::{COMMAND_LINE_MAX, LineTooLong, encode};
use super::queue::Outlet;
use super::wire::{RunCommand, RunEvent};

/// How a run ended, from our own `wait`, never from what it said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunExitStatus {
    /// Exit code of the driver; none when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The guard itself was killed; what it guarded was swept by its marks.
    pub guard_lost: bool,
}

impl RunExitStatus {
    /// The driver left by itself and without complaint.
    pub const fn is_clean(self) -> bool {
        matches!(self.code, Some(0)) && self.signal.is_none() && !self.guard_lost
    }
}

/// A live run. Dropping it closes the pipe: the guard then kills everything the run started.
#[derive(Debug)]
pub struct RunHandle {
    /// What the run says; ends after [`RunEvent::Exited`]. Bounded: a run whose daemon does not
    /// listen stops, and nothing piles up.
    pub events: Outlet<RunEvent>,
    pub(super) control: RunControl,
    pub(super) _tasks: JoinSet<()>,
}

/// The part of a handle that can be copied: commands and the exit.
#[derive(Debug, Clone)]
pub struct RunControl {
    pub(super) run: RunId,
    pub(super) pid: u32,
    /// Lines, ready to be written.
    pub(super) commands: mpsc::Sender<Vec<u8>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) exit: watch::Receiver<Option<RunExitStatus>>,
}

/// Why a command did not reach the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the run is gone")]
    Gone,
    #[error("the run does not read its commands")]
    Full,
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
}

impl RunHandle {
    pub fn control(&self) -> RunControl {
        self.control.clone()
    }

    pub fn pid(&self) -> u32 {
        self.control.pid
    }

    /// See [`RunControl::send`].
    pub fn send(&self, command: RunCommand) -> Result<(), SendError> {
        self.control.send(command)
    }

    /// See [`RunControl::stop`].
    pub fn stop(&self) {
        self.control.stop();
    }

    /// See [`RunControl::exited`].
    pub async fn exited(&self) -> RunExitStatus {
        self.control.exited().await
    }
}

impl RunControl {
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Process id of the guard, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Queues a command without waiting.
    pub fn send(&self, command: RunCommand) -> Result<(), SendError> {
        let line = encode(&command, COMMAND_LINE_MAX)?;
        self.commands.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Gone,
        })
    }

    /// Closes the pipe: the guard ends every process of the run (TERM, grace, KILL) and exits. For
    /// the polite way send [`RunCommand::Cancel`] first.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until every process of the run is dead.
    pub async fn exited(&self) -> RunExitStatus {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            // The supervising task was dropped with its handle; nobody is left to wait.
            Err(_) => RunExitStatus::default(),
        }
    }
}
