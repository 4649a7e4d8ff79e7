//! What the loop says, asks and is answered, on its way to the mediation and back.
//!
//! Invariant: events are given out in the order in which they were said.

use model::Refusal;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

use crate::run::lines::{EVENT_LINE_MAX, LineTooLong, encode};
use crate::run::wire::{Reply, Request, RunEvent};

/// Events that may wait to be passed on.
const QUEUE: usize = 64;

type Answer = Result<Reply, Refusal>;

pub(crate) struct Link {
    events: mpsc::Sender<RunEvent>,
    asked: RefCell<HashMap<u64, oneshot::Sender<Answer>>>,
    last_id: Cell<u64>,
}

impl Link {
    pub(crate) fn new() -> (Self, mpsc::Receiver<RunEvent>) {
        let (events, said) = mpsc::channel(QUEUE);
        (Self { events, asked: RefCell::default(), last_id: Cell::new(0) }, said)
    }

    /// Queues an event; waits while the daemon does not read. A message that does not fit the pipe is not said.
    pub(crate) async fn say(&self, event: RunEvent) -> Result<(), LineTooLong> {
        if matches!(event, RunEvent::Message { .. } | RunEvent::Request { .. }) {
            encode(&event, EVENT_LINE_MAX)?;
        }
        // It fails when nobody listens any more; then the turn is over.
        let _ = self.events.send(event).await;
        Ok(())
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

    pub(crate) fn answered(&self, id: u64, result: Answer) {
        if let Some(waiting) = self.asked.borrow_mut().remove(&id) {
            let _ = waiting.send(result);
        }
    }
}
