//! Events: the journal as subscribers read it.

use crate::{Delta, Engine};
use model::{Actor, Cursor, Event, Refusal, SessionId, Timestamp};
use tokio::sync::{broadcast, watch};

#[derive(Debug, Clone)]
pub struct EventEntry {
    pub cursor: Cursor,
    pub ts: Timestamp,
    pub session: Option<SessionId>,
    pub actor: Actor,
    pub event: Event,
}

#[derive(Debug, Clone)]
pub enum EventsPage {
    Events {
        events: Vec<EventEntry>,
        /// Where to go on reading; beyond the last entry when a filter passed some over.
        next: Cursor,
    },
    /// The cursor is of history that was cut off or never was; start over from `newest` after a fresh look.
    Reset { newest: Cursor },
}

impl Engine {
    pub fn events_after(
        &self,
        after: Cursor,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<EventsPage, Refusal> {
        todo!()
    }

    pub fn newest(&self) -> Cursor {
        todo!()
    }

    pub fn doorbell(&self) -> watch::Receiver<Cursor> {
        todo!()
    }

    pub fn deltas(&self) -> broadcast::Receiver<Delta> {
        todo!()
    }
}
