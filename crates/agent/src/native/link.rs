//! The driver's end of the pipes: what it says, what it asks, what it is told.
//!
//! Invariant: events reach the daemon in the order in which they were said, each as one line.

use llm::CancellationToken;
use model::Refusal;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use crate::run::lines::{EVENT_LINE_MAX, Line, LineTooLong, encode};
use crate::run::wire::{Reply, Request, RunCommand, RunEvent};

/// Events that may wait to be written.
const QUEUE: usize = 64;

type Answer = Result<Reply, Refusal>;

pub(crate) struct Link {
    events: RefCell<Option<mpsc::Sender<Vec<u8>>>>,
    asked: RefCell<HashMap<u64, oneshot::Sender<Answer>>>,
    last_id: Cell<u64>,
    cancel: CancellationToken,
    leave: CancellationToken,
}

/// What is still to be written.
pub(crate) struct Outbox(mpsc::Receiver<Vec<u8>>);

impl Link {
    pub(crate) fn new() -> (Self, Outbox) {
        let (events, queue) = mpsc::channel(QUEUE);
        let link = Self {
            events: RefCell::new(Some(events)),
            asked: RefCell::default(),
            last_id: Cell::new(0),
            cancel: CancellationToken::new(),
            leave: CancellationToken::new(),
        };
        (link, Outbox(queue))
    }

    /// Queues an event; waits while the daemon does not read.
    pub(crate) async fn say(&self, event: RunEvent) -> Result<(), LineTooLong> {
        let line = encode(&event, EVENT_LINE_MAX)?;
        let events = self.events.borrow().clone();
        if let Some(events) = events {
            // It fails when the pipe is broken; then the guard is about to end us.
            let _ = events.send(line).await;
        }
        Ok(())
    }

    /// Nothing more will be said.
    pub(crate) fn close(&self) {
        self.events.take();
    }

    /// Asks the daemon and waits for its answer, however long it takes.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let (answer, answered) = oneshot::channel();
        self.asked.borrow_mut().insert(id, answer);
        self.say(RunEvent::Request { id, request })
            .await
            .map_err(|error| Refusal::invalid("too_long", error.to_string()))?;
        answered.await.unwrap_or_else(|_| Err(Refusal::internal("the daemon's answer was lost")))
    }

    /// Takes a line from the daemon. A line without meaning is passed over: the daemon is the one
    /// side of this pipe that is trusted, and a newer one may say more than we know.
    pub(crate) fn hear(&self, line: Line) {
        let Line::Whole(line) = line else { return };
        match serde_json::from_slice(&line) {
            Ok(RunCommand::Reply { id, result }) => {
                if let Some(waiting) = self.asked.borrow_mut().remove(&id) {
                    let _ = waiting.send(result);
                }
            }
            Ok(RunCommand::Cancel) => self.cancel.cancel(),
            Ok(RunCommand::Leave) => self.leave.cancel(),
            // The loop takes no words while it works: its next call to the model is made from what the tools say.
            Ok(RunCommand::Start(_) | RunCommand::Steer { .. }) | Err(_) => {}
        }
    }

    pub(crate) async fn canceled(&self) {
        self.cancel.cancelled().await;
    }

    /// Waits until the daemon has heard the end. A daemon that is gone never says so; the guard ends
    /// us then.
    pub(crate) async fn dismissed(&self) {
        self.leave.cancelled().await;
    }
}

impl Outbox {
    /// Writes until the link is closed or the pipe broken.
    pub(crate) async fn speak(mut self, mut stdout: pipe::Sender) {
        while let Some(line) = self.0.recv().await {
            if stdout.write_all(&line).await.is_err() {
                return;
            }
        }
    }
}
