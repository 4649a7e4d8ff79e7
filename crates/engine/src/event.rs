//! Events: the journal as subscribers read it. The doorbell only says that there is more; what there
//! is, is read after the cursor, so that a reconnect, a restart and a slow reader are one thing.

use crate::aside::aside;
use crate::{Delta, Engine};
use journal::ReadPage;
use model::{Actor, Cursor, Event, Refusal, SessionId, Timestamp};
use tokio::sync::{broadcast, watch};

/// Most events in one page.
pub(crate) const PAGE_MAX: usize = 1000;
/// Records looked at for one page when a filter passes most of them over.
const LOOK_MAX: usize = 10_000;

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
    /// Durable events after a cursor, in order; only those of a session when one is given.
    pub fn events_after(
        &self,
        after: Cursor,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<EventsPage, Refusal> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        let reader = self.shared.store.reader();
        let (mut next, mut looked, mut events) = (after, 0, Vec::new());
        while events.len() < limit && looked < LOOK_MAX {
            let page = aside(|| reader.read_after(next, limit))?;
            let records = match page {
                ReadPage::Reset { newest, .. } => return Ok(EventsPage::Reset { newest }),
                ReadPage::Records(records) if records.is_empty() => break,
                ReadPage::Records(records) => records,
            };
            looked += records.len();
            for record in records {
                if events.len() == limit {
                    break;
                }
                next = record.position.cursor;
                if session.is_none_or(|session| record.session == Some(session)) {
                    events.push(EventEntry {
                        cursor: next,
                        ts: record.ts,
                        session: record.session,
                        actor: record.actor,
                        event: record.event,
                    });
                }
            }
        }
        Ok(EventsPage::Events { events, next })
    }

    pub fn newest(&self) -> Cursor {
        self.shared.store.durable()
    }

    /// Rings with the newest cursor after every commit.
    pub fn doorbell(&self) -> watch::Receiver<Cursor> {
        self.shared.bell.subscribe()
    }

    /// Text as it is written. A receiver that is too slow is told how much it missed and asks for
    /// the text so far with [`Engine::live`].
    pub fn deltas(&self) -> broadcast::Receiver<Delta> {
        self.shared.live.watch()
    }
}
