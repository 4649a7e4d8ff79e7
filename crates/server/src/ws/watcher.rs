//! One client's stream: what it wants, how far it is, and why it ends.

use super::incoming::{Heard, heard};
use super::outbox::Outbox;
use super::upgrade::Stream;
use crate::app::App;
use crate::bucket::Bucket;
use crate::show;
use engine::{Delta, EventEntry, EventsPage, PresenceView};
use futures_util::StreamExt;
use model::{Cursor, SessionId};
use protocol::ws::{At, Close, Complaint, Feed, Hello, Newest, ServerMessage, Subscription};
use protocol::{API_REVISION, Token, limits, resources};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// Events read from the journal at once.
const HISTORY_PAGE: usize = 64;
/// A client that wants few of the events is told this often, in events, how far it is.
const POSITION_EVERY: u64 = 256;

pub(crate) async fn watch(app: &App, token: &Token, outbox: &Outbox, stream: &mut Stream) {
    let why = Watcher::new(app, outbox).run(token, stream).await;
    match why {
        // What waits is still good; it goes out before the good-bye.
        Some(why @ (Close::Draining | Close::NotSubscribed)) => outbox.close(why),
        Some(why) => outbox.cut(why),
        None => outbox.cut(Close::Protocol),
    }
}

struct Watcher<'a> {
    app: &'a App,
    outbox: &'a Outbox,
    wish: Option<Wish>,
    /// A subscription came since the last look: deltas of before are nobody's business.
    fresh: bool,
    incoming: Bucket,
    heard_at: Instant,
}

/// A subscription in force.
struct Wish {
    events: bool,
    resources: bool,
    deltas: bool,
    presence: bool,
    session: Option<SessionId>,
    /// The client that this connection is: attached to the session, or without one to whichever sessions.
    client: Option<String>,
    /// Read up to here.
    cursor: Cursor,
    /// The client knows that it is here.
    told: Cursor,
    /// Read and not yet put into the outbox.
    page: VecDeque<EventEntry>,
    /// The journal may hold more.
    behind: bool,
}

impl<'a> Watcher<'a> {
    fn new(app: &'a App, outbox: &'a Outbox) -> Self {
        let now = app.options.clock.uptime();
        let incoming = Bucket::new(limits::WS_INCOMING_BURST, limits::WS_INCOMING_PER_SECOND, now);
        Self { app, outbox, wish: None, fresh: false, incoming, heard_at: Instant::now() }
    }

    /// Runs until the stream ends; none when the client is gone and hears no reason.
    async fn run(mut self, under: &Token, stream: &mut Stream) -> Option<Close> {
        let app = self.app;
        let bounds = &app.options.bounds;
        let mut token = app.token.changes();
        // It may have changed between the gate and here, before anybody listened for the change.
        if app.token.token().as_deref() != Some(under) {
            return Some(Close::Unauthorized);
        }
        let mut doorbell = app.engine.doorbell();
        let mut deltas = app.engine.deltas();
        let mut presence = app.engine.presence();
        let mut ping = tokio::time::interval(bounds.ws_ping_every);
        let subscribe_by = Instant::now() + bounds.ws_subscribe_timeout;
        let newest = app.engine.newest();
        let version = app.options.version.to_owned();
        self.say(&ServerMessage::Hello(Hello { version, api_revision: API_REVISION, newest }));
        loop {
            if std::mem::take(&mut self.fresh) {
                deltas = app.engine.deltas();
            }
            let waits = self.wish.as_ref().is_some_and(|wish| !wish.behind && wish.page.is_empty());
            let fills = self.wish.is_some() && !waits;
            let wants_deltas = self.wish.as_ref().is_some_and(|wish| wish.deltas);
            let wants_presence = self.wish.as_ref().is_some_and(|wish| wish.presence);
            let step = tokio::select! {
                frame = stream.next() => self.hear(heard(frame)),
                () = self.outbox.ended() => Err(None),
                () = app.draining.cancelled() => Err(Some(Close::Draining)),
                _ = token.changed() => Err(Some(Close::Unauthorized)),
                () = tokio::time::sleep_until(subscribe_by), if self.wish.is_none() => Err(Some(Close::NotSubscribed)),
                _ = ping.tick() => self.ping(bounds.ws_silence_max),
                rung = doorbell.changed(), if waits => self.ring(rung.is_ok()),
                delta = deltas.recv(), if wants_deltas => self.delta(delta),
                there = presence.recv(), if wants_presence => self.presence(there),
                () = self.outbox.room(), if fills => self.fill(),
            };
            if let Err(why) = step {
                return why;
            }
        }
    }

    fn hear(&mut self, heard: Heard) -> Result<(), Option<Close>> {
        self.heard_at = Instant::now();
        if matches!(heard, Heard::Subscribe(_) | Heard::Alive) {
            self.incoming.take(self.app.options.clock.uptime()).map_err(|_| Some(Close::TooMany))?;
        }
        match heard {
            Heard::Alive => Ok(()),
            Heard::Gone => Err(None),
            Heard::Wrong(why) => Err(Some(why)),
            Heard::Subscribe(subscription) => self.subscribe(&subscription),
        }
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<(), Option<Close>> {
        let session = match &subscription.session {
            None => None,
            Some(given) => Some(self.app.engine.resolve_session(given).map_err(|_| Some(Close::NotFound))?),
        };
        let cursor = subscription.after.unwrap_or_else(|| self.app.engine.newest());
        self.wish = Some(Wish {
            events: subscription.wants(Feed::Events),
            resources: subscription.wants(Feed::Resources),
            deltas: subscription.wants(Feed::Deltas),
            presence: subscription.wants(Feed::Presence),
            session,
            client: subscription.client.clone(),
            cursor,
            told: cursor,
            page: VecDeque::new(),
            behind: true,
        });
        self.fresh = true;
        Ok(())
    }

    fn ping(&mut self, silence_max: Duration) -> Result<(), Option<Close>> {
        if self.heard_at.elapsed() > silence_max {
            return Err(Some(Close::Silent));
        }
        self.outbox.ping();
        if let Some(Wish { session, client: Some(client), .. }) = &self.wish {
            self.app.engine.client_lives(*session, client);
        }
        self.tell_position(1);
        Ok(())
    }

    fn ring(&mut self, there: bool) -> Result<(), Option<Close>> {
        // The engine is gone: nothing will ever ring again.
        if !there {
            return Err(Some(Close::Draining));
        }
        if let Some(wish) = &mut self.wish {
            wish.behind = true;
        }
        Ok(())
    }

    /// Who is there now. What was missed does not matter: the next word is whole again.
    fn presence(&mut self, there: Result<PresenceView, RecvError>) -> Result<(), Option<Close>> {
        let there = match there {
            Ok(there) => there,
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(Some(Close::Draining)),
        };
        let Some(wish) = &self.wish else { return Ok(()) };
        if wish.session.is_some_and(|session| session != there.session) {
            return Ok(());
        }
        let message = text(&ServerMessage::Presence(show::presences(there)));
        self.outbox.push(message).map_err(|_| Some(Close::SlowReader))
    }

    fn delta(&mut self, delta: Result<Delta, RecvError>) -> Result<(), Option<Close>> {
        let delta = match delta {
            Ok(delta) => delta,
            // Text is missing between what the client has and what would come; it must not go on as if nothing were.
            Err(RecvError::Lagged(missed)) => {
                self.app.engine.count_dropped(missed);
                return Err(Some(Close::SlowReader));
            }
            Err(RecvError::Closed) => return Err(Some(Close::Draining)),
        };
        let Some(wish) = &self.wish else { return Ok(()) };
        if wish.session.is_some_and(|session| session != delta.session) {
            return Ok(());
        }
        let message = text(&ServerMessage::Delta(show::delta(delta)));
        self.outbox.push(message).map_err(|_| Some(Close::SlowReader))
    }

    /// One step of history: an event into the outbox, or the next page from the journal.
    fn fill(&mut self) -> Result<(), Option<Close>> {
        let Some(wish) = &mut self.wish else { return Ok(()) };
        if let Some(entry) = wish.page.pop_front() {
            if wish.resources {
                for resource in resources(entry.cursor, entry.ts, &entry.event) {
                    self.outbox.push_history(text(&ServerMessage::Resource(resource)));
                }
            }
            if wish.events {
                let record = show::event(&entry).map_err(|error| {
                    tracing::error!(%error, cursor = %entry.cursor, "an event could not be written");
                    Some(Close::Internal)
                })?;
                self.outbox.push_history(text(&ServerMessage::Event(record)));
                wish.told = entry.cursor;
            }
            return Ok(());
        }
        match self.app.engine.events_after(wish.cursor, wish.session, HISTORY_PAGE) {
            Ok(EventsPage::Events { events, next }) => {
                wish.behind = next < self.app.engine.newest() && next != wish.cursor;
                wish.page = events.into();
                wish.cursor = next;
                self.tell_position(POSITION_EVERY);
                Ok(())
            }
            Ok(EventsPage::Reset { newest }) => {
                wish.cursor = newest;
                wish.told = newest;
                wish.page.clear();
                self.say(&ServerMessage::Reset(Newest { newest }));
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the journal could not be read for a WebSocket client");
                Err(Some(Close::Internal))
            }
        }
    }

    /// Tells the client how far it is, when it is told by no event and at least so many have passed.
    fn tell_position(&mut self, passed: u64) {
        let Some(wish) = &mut self.wish else { return };
        if wish.page.is_empty() && wish.cursor.seq.saturating_sub(wish.told.seq) >= passed {
            wish.told = wish.cursor;
            let position = ServerMessage::Position(At { cursor: wish.cursor });
            self.outbox.push_history(text(&position));
        }
    }

    fn say(&self, message: &ServerMessage) {
        self.outbox.push_history(text(message));
    }
}

/// Wire types always serialise; should one ever not, the client is told rather than left waiting.
fn text(message: &ServerMessage) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| {
        let complaint = Complaint { code: "unwritable".to_owned(), message: error.to_string() };
        serde_json::to_string(&ServerMessage::Error(complaint)).unwrap_or_default()
    })
}
