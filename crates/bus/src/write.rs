//! Transactions. A write is always `BEGIN IMMEDIATE`: a read that turns into a write after a foreign
//! commit fails at once, however long the busy timeout. Bells are rung after COMMIT, never before.

use crate::bus::Inner;
use crate::database::{CHECKPOINT_PAGES, Database};
use crate::doorbell::{self, Bell};
use crate::error::BusError;
use crate::fence::TOKEN_COUNTER_BITS;
use crate::inbox;
use crate::mapping::Mapping;
use crate::outbox;
use crate::pool::Checkout;
use crate::slot::{self, Plate};
use model::{Clock, Event, RegistrationId, Timestamp};
use rusqlite::{Connection, ErrorCode};
use rustix::fs::{FlockOperation, flock};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Both readings of the clock, taken inside a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    /// Since boot.
    pub(crate) ns: i64,
}

impl Moment {
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), ns: nanos(clock.uptime()) }
    }

    /// What the wall clock will show at a point of uptime, if nobody sets it.
    pub(crate) fn wall_at(self, ns: i64) -> Timestamp {
        Timestamp::from_millis(self.wall.as_millis().saturating_add(ns.saturating_sub(self.ns) / 1_000_000))
    }
}

pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A write transaction.
pub(crate) struct Write<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) inner: &'a Inner,
    /// Read after the write lock was ours, so that whoever commits later has a later time.
    pub(crate) now: Moment,
    pub(crate) epoch: u64,
    token: u64,
    minted: bool,
    told: bool,
    wall_text: OnceCell<String>,
    /// The highest id a notice was ever given, once somebody asked.
    newest_notice: Option<i64>,
    /// FIFOs of their own name.
    rings: BTreeSet<String>,
    /// Registrations, in their slots.
    called: BTreeSet<RegistrationId>,
    /// Everybody who listens to one of these channels (bits), except the only sender.
    cast: Option<(u64, Option<RegistrationId>)>,
    removed_bells: BTreeSet<String>,
    holders: BTreeSet<RegistrationId>,
    /// Came, and took these slots.
    came: Vec<(RegistrationId, u32, Plate)>,
    /// Went, and had these slots.
    went: Vec<(RegistrationId, u32)>,
}

impl Write<'_> {
    /// The next fencing token: higher than every one before, committed or not.
    pub(crate) fn next_token(&mut self) -> Result<u64, BusError> {
        if !self.minted {
            self.token = self.token.max(self.inner.high.read(self.epoch)?);
            self.minted = true;
        }
        self.token += 1;
        if self.token >> TOKEN_COUNTER_BITS != self.epoch {
            return Err(BusError::Malformed {
                what: "the token counter",
                detail: "it is used up".to_owned(),
            });
        }
        Ok(self.token)
    }

    /// Goes on in a higher epoch.
    pub(crate) fn enter_epoch(&mut self, epoch: u64) -> Result<(), BusError> {
        self.epoch = epoch;
        self.token = epoch << TOKEN_COUNTER_BITS;
        self.conn.execute(
            "UPDATE bus_state SET epoch = ?1, token = ?2 WHERE id = 1",
            [signed(epoch), signed(self.token)],
        )?;
        Ok(())
    }

    /// Writes an outbox row; the daemon's bell rings after COMMIT.
    pub(crate) fn tell(&mut self, event: &Event) -> Result<(), BusError> {
        self.told = true;
        outbox::append(self.conn, self.epoch, event)
    }

    /// An outbox row was written; the daemon's bell rings after COMMIT.
    pub(crate) fn told(&mut self) {
        self.told = true;
    }

    /// The wall clock as the tables write it.
    pub(crate) fn wall_text(&self) -> &str {
        self.wall_text.get_or_init(|| self.now.wall.to_string())
    }

    /// The id of the next notice: nobody else can take it before this transaction is over.
    pub(crate) fn next_notice(&mut self) -> Result<i64, BusError> {
        let newest = match self.newest_notice {
            Some(newest) => newest,
            None => inbox::newest(self.conn)?,
        };
        self.newest_notice = Some(newest + 1);
        Ok(newest + 1)
    }

    /// Rings after COMMIT.
    pub(crate) fn ring(&mut self, id: RegistrationId) {
        self.called.insert(id);
    }

    /// Rings everybody who listens to the channel, except `sender`, after COMMIT.
    pub(crate) fn cast(&mut self, channel: &str, sender: RegistrationId) {
        let bit = slot::channel_bit(channel);
        self.cast = Some(match self.cast {
            None => (bit, Some(sender)),
            Some((bits, only)) => (bits | bit, only.filter(|only| *only == sender)),
        });
    }

    /// The slot is taken after COMMIT.
    pub(crate) fn came(&mut self, id: RegistrationId, slot: u32, plate: Plate) {
        self.came.push((id, slot, plate));
    }

    /// The slot is given back after COMMIT, and whoever waits there is woken.
    pub(crate) fn went(&mut self, id: RegistrationId, slot: Option<u32>) {
        self.went.extend(slot.map(|slot| (id, slot)));
        self.rings.insert(Bell::Registration(id).file_name());
    }

    pub(crate) fn ring_named(&mut self, bell: String) {
        self.rings.insert(bell);
    }

    /// Removes the FIFO after COMMIT, for a listener that is gone.
    pub(crate) fn remove_bell(&mut self, bell: String) {
        self.removed_bells.insert(bell);
    }

    /// The locks of this registration changed: its `active_files` are written anew before COMMIT.
    pub(crate) fn locks_changed(&mut self, holder: RegistrationId) {
        self.holders.insert(holder);
    }

    fn finish(&mut self) -> Result<(), BusError> {
        for holder in std::mem::take(&mut self.holders) {
            self.conn
                .prepare_cached(
                    "UPDATE session_registry SET active_files =
                     (SELECT json_group_array(path) FROM (SELECT path FROM locks
                      WHERE holder = ?1 AND mode = 'exclusive' ORDER BY token))
                     WHERE session_id = ?1",
                )?
                .execute([holder.to_string()])?;
        }
        if self.minted {
            self.inner.high.write(self.token)?;
            self.conn
                .prepare_cached("UPDATE bus_state SET token = ?1 WHERE id = 1")?
                .execute([signed(self.token)])?;
        }
        Ok(())
    }

    fn wake(self) {
        let slots = &self.inner.slots;
        for (id, index, plate) in &self.came {
            if let Some(slot) = slots.seat_with(*index, slot::tag(*id), *plate).take() {
                slot.heartbeat_ns.store(unsigned(self.now.ns), Ordering::SeqCst);
            }
        }
        for (id, index) in &self.went {
            slots.seat(*index, slot::tag(*id)).leave();
        }
        if !self.came.is_empty() || !self.went.is_empty() {
            slots.registry_changed();
        }
        // Looked at once for all who are rung.
        let mapping = slots.mapping();
        if self.told {
            self.inner.call_daemon(mapping.as_deref());
        }
        self.call(mapping.as_deref());
        for bell in &self.rings {
            doorbell::ring(&self.inner.bell(bell));
        }
        for bell in &self.removed_bells {
            let _ = rustix::fs::unlink(self.inner.bell(bell));
        }
    }
}

impl Write<'_> {
    /// Rings registrations. The list of them is read after COMMIT: whoever is not on it yet looks after it came.
    fn call(&self, mapping: Option<&Mapping>) {
        if self.called.is_empty() && self.cast.is_none() {
            return;
        }
        let Ok(members) = self.inner.members(self.conn, mapping) else { return };
        for member in members.iter() {
            let slot = slot::find(mapping, member.slot, member.tag);
            let cast = self.cast.is_some_and(|(bits, only)| {
                let listens = slot.is_none_or(|slot| slot.channels.load(Ordering::SeqCst) & bits != 0);
                listens && only != Some(member.id)
            });
            if cast || self.called.contains(&member.id) {
                slot::ring(slot, || {
                    doorbell::ring(&self.inner.bell(&Bell::Registration(member.id).file_name()));
                });
            }
        }
    }
}

/// SQLite's integers are signed; tokens, epochs and counts stay below 2^63.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Inner {
    /// Runs a change in one write transaction. An error rolls everything back; what must be kept beside
    /// a refusal is returned as a value.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let checkout = self.writer()?;
        self.settle_checkpoints(&checkout)?;
        self.write_on(checkout.conn(), change)
    }

    /// The same, and on the disk when it returns.
    pub(crate) fn write_through<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let checkout = self.synced()?;
        self.settle_checkpoints(&checkout)?;
        self.write_on(checkout.conn(), change)
    }

    /// Writers checkpoint only when nobody else does.
    fn settle_checkpoints(&self, checkout: &Checkout<'_, Database>) -> Result<(), BusError> {
        let pages = if self.brief.is_some() || self.has_janitor() { 0 } else { CHECKPOINT_PAGES };
        if let Some(database) = &checkout.lent
            && database.checkpoint_pages.replace(pages) != pages
        {
            database.conn.pragma_update(None, "wal_autocheckpoint", pages)?;
        }
        Ok(())
    }

    pub(crate) fn write_on<T>(
        &self,
        conn: &Connection,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let turn = begin(self, conn)?;
        let run = || -> Result<(T, Write<'_>), BusError> {
            let (epoch, token) = conn
                .prepare_cached("SELECT epoch, token FROM bus_state WHERE id = 1")?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            let mut w = Write {
                conn,
                inner: self,
                now: Moment::read(&*self.clock),
                epoch: unsigned(epoch),
                token: unsigned(token),
                minted: false,
                told: false,
                wall_text: OnceCell::new(),
                newest_notice: None,
                rings: BTreeSet::new(),
                called: BTreeSet::new(),
                cast: None,
                removed_bells: BTreeSet::new(),
                holders: BTreeSet::new(),
                came: Vec::new(),
                went: Vec::new(),
            };
            let value = change(&mut w)?;
            w.finish()?;
            conn.prepare_cached("COMMIT")?.execute([])?;
            Ok((value, w))
        };
        let done = run();
        if done.is_err() {
            roll_back(conn);
        }
        drop(turn);
        let (value, w) = done?;
        w.wake();
        Ok(value)
    }

    /// Runs a look at one consistent state.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let checkout = self.reader()?;
        let conn = checkout.conn();
        let deadline = Instant::now() + self.write_wait;
        // Readers wait for nobody, except while somebody recovers the WAL after a crash.
        while !attempt(conn, "BEGIN")? || !attempt(conn, "SELECT 1 FROM bus_state")? {
            roll_back(conn);
            if Instant::now() >= deadline {
                return Err(BusError::Busy(self.write_wait));
            }
        }
        let seen = look(conn);
        roll_back(conn);
        seen
    }
}

/// Ends whatever transaction is open. When SQLite has already rolled back by itself there is none, and no harm.
pub(crate) fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
    }
}

/// The place at `wlock`, held until the transaction is over.
pub(crate) struct Turn {
    _file: Option<File>,
}

/// Starts a write transaction: hastily at first (the busy handler sleeps a random 2 ms), then in line.
pub(crate) fn begin(inner: &Inner, conn: &Connection) -> Result<Turn, BusError> {
    let deadline = Instant::now() + inner.write_wait;
    if attempt(conn, IMMEDIATE)? {
        return Ok(Turn { _file: None });
    }
    let file = line_up(inner, deadline)?;
    while !attempt(conn, IMMEDIATE)? {
        if Instant::now() >= deadline {
            return Err(BusError::Busy(inner.write_wait));
        }
    }
    Ok(Turn { _file: Some(file) })
}

const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// Runs a statement to its end; false when somebody else is in the way.
pub(crate) fn attempt(conn: &Connection, sql: &str) -> Result<bool, BusError> {
    let run = || -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    match run() {
        Ok(()) => Ok(true),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes `wlock`, where the kernel keeps writers that have waited long in line instead of letting them
/// race with newcomers. `flock` knows no time limit, so the blocking call runs on a thread of its own;
/// when the limit passes first, the thread drops the lock as soon as it gets it.
fn line_up(inner: &Inner, deadline: Instant) -> Result<File, BusError> {
    let busy = || BusError::Busy(inner.write_wait);
    let file = inner.runtime_file("wlock")?;
    if try_flock(&file)? {
        return Ok(file);
    }
    if !inner.lining_up.swap(true, Ordering::SeqCst) {
        let (hand, receive) = sync_channel(1);
        let lining_up = std::sync::Arc::clone(&inner.lining_up);
        std::thread::Builder::new()
            .name("bus-wlock".to_owned())
            .spawn(move || {
                let locked = flock(&file, FlockOperation::LockExclusive);
                lining_up.store(false, Ordering::SeqCst);
                let _ = hand.send(locked.map(|()| file));
            })
            .map_err(BusError::io("starting a thread to wait for the write lock"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        return match receive.recv_timeout(left) {
            Ok(locked) => locked.map_err(|error| BusError::io("locking wlock")(error.into())),
            Err(_) => Err(busy()),
        };
    }
    // A thread of an earlier, given-up wait still stands in line for this process.
    while !try_flock(&file)? {
        if Instant::now() >= deadline {
            return Err(busy());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(file)
}

pub(crate) fn try_flock(file: &File) -> Result<bool, BusError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(BusError::io("locking a runtime file of the bus")(error.into())),
    }
}
