//! Who listens to what, and how far a reader has got, for longer than its process lives.
//!
//! A durable cursor belongs to a consumer by name, not to a registration: who comes back goes on where it was. It
//! moves when the reader comes for more, so what a killed process was given and did not finish comes again.

use crate::bus::Bus;
use crate::doorbell::{Bell, Doorbell};
use crate::error::BusError;
use crate::inbox::{Eye, NoticePage, NoticeQuery, Position, Replay};
use crate::registry;
use crate::slot::{self, Seat};
use crate::write::{Write, unsigned};
use model::{Channel, RegistrationId};
use rusqlite::{OptionalExtension, params};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Most channels one registration listens to by name.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// Longest name of a consumer or cursor, in bytes.
pub const CONSUMER_MAX: usize = 128;
/// A cursor is written to the table after so many notices …
const FLUSH_EVERY: u64 = 256;
/// … or when the last time is this long ago.
const FLUSH_AFTER: Duration = Duration::from_secs(5);

impl Bus {
    /// From now on the registration hears these channels, and what is addressed to it; with none, every channel. What it
    /// is rung for follows.
    pub fn listen_to(&self, registration: RegistrationId, channels: &[Channel]) -> Result<(), BusError> {
        check_channels(channels)?;
        self.inner.write(|w| {
            registry::present(w.conn, registration)?;
            let me = registration.to_string();
            w.conn.prepare_cached("DELETE FROM subscriptions WHERE session_id = ?1")?.execute([&me])?;
            for channel in channels {
                w.conn
                    .prepare_cached(
                        "INSERT OR IGNORE INTO subscriptions (session_id, channel) VALUES (?1, ?2)",
                    )?
                    .execute([me.as_str(), channel.as_str()])?;
            }
            Ok(())
        })?;
        let bits = channels.iter().fold(0, |bits, channel| bits | slot::channel_bit(channel.as_str()));
        if let Some(slot) = self.inner.known(registration)?.and_then(|known| known.seat.take()) {
            slot.channels.store(if bits == 0 { u64::MAX } else { bits }, SeqCst);
        }
        Ok(())
    }

    /// What the registration listens to by name; none means every channel.
    pub fn channels_of(&self, registration: RegistrationId) -> Result<Vec<Channel>, BusError> {
        self.inner.read(|conn| {
            let mut statement = conn
                .prepare_cached("SELECT channel FROM subscriptions WHERE session_id = ?1 ORDER BY channel")?;
            let mut rows = statement.query([registration.to_string()])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(crate::row::parsed(row, 0, "a subscription's channel")?);
            }
            Ok(all)
        })
    }

    /// Channels with living notices, and how many each has.
    pub fn channels(&self) -> Result<Vec<(Channel, u64)>, BusError> {
        self.inner.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT channel, count(*) FROM inter_session_messages GROUP BY channel ORDER BY channel",
            )?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push((crate::row::parsed(row, 0, "a notice's channel")?, unsigned(row.get(1)?)));
            }
            Ok(all)
        })
    }

    /// Where a consumer's cursor stands; none when it never moved.
    pub fn cursor(&self, consumer: &str, name: &str) -> Result<Option<Position>, BusError> {
        self.inner.read(|conn| {
            let found = conn
                .prepare_cached("SELECT generation, notice FROM cursors WHERE consumer = ?1 AND name = ?2")?
                .query_row([consumer, name], |row| Ok(Position { generation: row.get(0)?, id: row.get(1)? }))
                .optional()?;
            Ok(found)
        })
    }

    /// Moves a cursor forward; within one generation it never goes back.
    pub fn move_cursor(&self, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
        check_names(consumer, name)?;
        self.inner.write(|w| store(w, consumer, name, to))
    }

    /// Reads for a registration under a durable cursor: goes on where the consumer's cursor of this name stands, or
    /// begins at `from` when it has none. A cursor that cannot be continued is an error; [`Bus::forget_cursor`] and
    /// another `from` begin anew.
    pub fn subscribe(
        &self,
        registration: RegistrationId,
        consumer: &str,
        name: &str,
        from: &Replay,
    ) -> Result<Subscription, BusError> {
        let query = NoticeQuery { recipient: Some(registration), ..NoticeQuery::default() };
        let bell = self.doorbell(Bell::Registration(registration))?;
        let known = self.cursor(consumer, name)?;
        let query = match &known {
            Some(position) => self.from(&Replay::After(position.clone()), query)?,
            None => self.from(from, query)?,
        };
        // Says now what could not be continued, instead of at the first reading.
        let generation = self.notices(&NoticeQuery { limit: 1, ..query.clone() })?.generation;
        let position = Position { generation: generation.clone(), id: query.after };
        let query = NoticeQuery { generation: Some(generation), complete: false, ..query };
        Ok(Subscription {
            bus: self.clone(),
            registration,
            consumer: consumer.to_owned(),
            name: name.to_owned(),
            bell,
            seat: self.inner.known(registration)?.map(|known| known.seat),
            eye: Eye::default(),
            query,
            done: position.clone(),
            stored: position.id,
            stored_at: self.inner.clock.uptime(),
            unstored: 0,
        })
    }

    pub fn forget_cursor(&self, consumer: &str, name: &str) -> Result<(), BusError> {
        self.inner.write(|w| {
            w.conn
                .prepare_cached("DELETE FROM cursors WHERE consumer = ?1 AND name = ?2")?
                .execute([consumer, name])?;
            Ok(())
        })
    }
}

pub(crate) fn check_names(consumer: &str, name: &str) -> Result<(), BusError> {
    if [consumer, name].iter().any(|text| text.is_empty() || text.len() > CONSUMER_MAX) {
        return Err(BusError::Invalid(format!(
            "consumers and cursors have names of 1 to {CONSUMER_MAX} bytes"
        )));
    }
    Ok(())
}

pub(crate) fn check_channels(channels: &[Channel]) -> Result<(), BusError> {
    if channels.len() > SUBSCRIPTIONS_MAX {
        return Err(BusError::Invalid(format!("a session listens to at most {SUBSCRIPTIONS_MAX} channels")));
    }
    Ok(())
}

fn store(w: &mut Write<'_>, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
    w.conn
        .prepare_cached(
            "INSERT INTO cursors (consumer, name, generation, notice, moved_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET moved_at = excluded.moved_at, generation = excluded.generation,
                notice = CASE WHEN generation = excluded.generation THEN max(notice, excluded.notice)
                              ELSE excluded.notice END",
        )?
        .execute(params![consumer, name, to.generation, to.id, w.wall_text()])?;
    Ok(())
}

/// A reader with a durable cursor. One per registration at a time.
pub struct Subscription {
    bus: Bus,
    registration: RegistrationId,
    consumer: String,
    name: String,
    bell: Doorbell,
    seat: Option<Seat>,
    eye: Eye,
    query: NoticeQuery,
    /// Everything up to here has been dealt with.
    done: Position,
    stored: i64,
    stored_at: Duration,
    unstored: u64,
}

impl Subscription {
    /// The next page, waiting for it up to `timeout`; an empty one when there was none. To come for the next one says
    /// that the last has been dealt with: the cursor moves over it.
    pub fn next(&mut self, timeout: Duration) -> Result<NoticePage, BusError> {
        self.unstored += unsigned(self.query.after - self.done.id);
        self.done.id = self.query.after;
        let age = self.bus.inner.clock.uptime().saturating_sub(self.stored_at);
        if self.done.id > self.stored && (self.unstored >= FLUSH_EVERY || age >= FLUSH_AFTER) {
            self.flush()?;
        }
        let page = self.bus.wait_at(&self.bell, &self.query, self.registration, timeout, &mut self.eye)?;
        self.query.after = page.next;
        if let Some(slot) = self.seat.as_ref().and_then(Seat::occupied) {
            slot.delivered.fetch_max(unsigned(page.next), SeqCst);
        }
        Ok(page)
    }

    /// The last page has been dealt with too, and the cursor is in the table.
    pub fn commit(&mut self) -> Result<(), BusError> {
        self.done.id = self.query.after;
        if self.done.id > self.stored { self.flush() } else { Ok(()) }
    }

    /// Up to where everything has been dealt with.
    pub fn position(&self) -> &Position {
        &self.done
    }

    fn flush(&mut self) -> Result<(), BusError> {
        self.bus.inner.write(|w| store(w, &self.consumer, &self.name, &self.done))?;
        self.stored = self.done.id;
        self.stored_at = self.bus.inner.clock.uptime();
        self.unstored = 0;
        Ok(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.done.id > self.stored {
            // What is not stored comes again: at least once is what a subscription promises.
            let _ = self.flush();
        }
    }
}
