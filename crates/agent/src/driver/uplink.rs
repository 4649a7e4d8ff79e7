//! The driver's end of the pipes to the daemon.
//!
//! Invariant: events reach the daemon in the order in which they were said, each as one line; and what waits to be written is bounded,
//! however fast the agent is.

use super::Commands;
use crate::run::lines::{EVENT_LINE_MAX, Line, LineTooLong, encode, excerpt};
use crate::run::queue::{Inlet, Outlet, queue};
use crate::run::wire::{RunCommand, RunEvent};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

/// Events that may wait to be written.
const QUEUE: usize = 64;
/// Bytes that those events may have together.
const QUEUE_BYTES: usize = 2 * EVENT_LINE_MAX;

pub(super) struct Uplink {
    events: Inlet<Vec<u8>>,
    commands: Commands,
}

/// What is still to be written.
pub(super) struct Outbox(Outlet<Vec<u8>>);

impl Uplink {
    pub(super) fn new(commands: Commands) -> (Self, Outbox) {
        let (events, queue) = queue(QUEUE, QUEUE_BYTES);
        (Self { events, commands }, Outbox(queue))
    }

    /// Queues an event; waits while the daemon does not read. A record that is too long is said by its beginning: what it means
    /// comes as well.
    pub(super) async fn say(&self, event: &RunEvent) -> Result<(), LineTooLong> {
        let line = match (encode(event, EVENT_LINE_MAX), event) {
            (Ok(line), _) => line,
            (Err(_), RunEvent::Record { line }) => {
                let line = excerpt(line.as_bytes());
                encode(&RunEvent::Record { line }, EVENT_LINE_MAX)?
            }
            (Err(error), _) => return Err(error),
        };
        let bytes = line.len();
        // It fails when the pipe is broken; then the guard is about to end us.
        self.events.put(line, bytes).await;
        Ok(())
    }

    /// The next command. A line without meaning is passed over: the daemon is the one side of this pipe
    /// that is trusted, and a newer one may say more than we know. A daemon that is gone is the guard's affair: it ends us, so the end of
    /// the commands is not the end of the turn.
    pub(super) async fn hear(&mut self) -> RunCommand {
        loop {
            match self.commands.next().await {
                Ok(Some(Line::Whole(line))) => {
                    if let Ok(command) = serde_json::from_slice(&line) {
                        return command;
                    }
                }
                Ok(Some(Line::TooLong { .. })) => {}
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Outbox {
    /// Writes until the other end is dropped or the pipe broken.
    pub(super) async fn speak(mut self, mut stdout: pipe::Sender) {
        while let Some(line) = self.0.recv().await {
            if stdout.write_all(&line).await.is_err() {
                return;
            }
        }
    }
}
