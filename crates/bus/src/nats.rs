//! The bus on NATS JetStream: a stream of notices and a bucket of keys per workspace, for daemons of several machines.
//!
//! Every change of a key is a compare-and-swap on its revision, so the decisions of `scene` are made on what is there when
//! they take effect. Time is the server's (`hour`). A notice's position is its message's number and its place in it;
//! a token is the revision of the change that granted it, and the place in that. The server answers before it flushes
//! to disk, so a notice survives the death of any process and no more. See docs/decisions/0012-team-backends.md.

mod address;
mod bell;
mod claim;
mod cursor;
mod fault;
mod hour;
mod inbox;
mod janitor;
mod ledger;
mod letter;
mod link;
mod lock;
mod notice;
mod queue;
mod reading;
mod receipt;
mod registration;
mod streams;
mod tls;
mod wait;

pub use address::{LOGIN_FILE_MAX, SERVERS_MAX};
pub use link::CONNECT_WAIT_MAX;
pub use queue::QUEUE_PATHS_MAX;

use crate::backend::{Backend, Promises};
use crate::claim::Claim;
use crate::error::BusError;
use crate::folding;
use crate::inbox::{NoticePage, NoticeQuery, Position, Replay};
use crate::lock::{Acquired, LockRequest, Wait};
use crate::notice::{Durability, NewNotice};
use crate::receipt::{DeadLetter, Receipt};
use crate::registration::NewRegistration;
use crate::write::nanos;
use address::Address;
use fault::Fault;
use hour::{Reading, Span};
use letter::Letters;
use link::Link;
use model::{Channel, Clock, Entropy, Lock, Notice, Registration, RegistrationId};
use notice::Keys;
use reading::Doc;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a reader trusts its bell before it looks for itself, unless the opener says otherwise.
pub const NATS_SAFETY_POLL: Duration = Duration::from_secs(1);
/// What a message's headers may take of the server's `max_payload`.
const HEADERS_MAX: usize = 1024;
/// Readings of the server's clock of which the narrowest is kept.
const PROBES: usize = 3;
/// First and longest pause before a change that was overtaken is tried again; each is drawn from nothing to that.
const PAUSE: Duration = Duration::from_micros(500);
const PAUSE_MAX: Duration = Duration::from_millis(64);

/// The bus of one workspace on a NATS server. Any thread may use it.
pub struct Nats {
    link: Link,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    safety_poll: Duration,
    /// The narrowest of the last readings of the server's clock.
    reading: Mutex<Option<Reading>>,
    /// The latest stamp seen since then.
    seen_stamp: AtomicI64,
    dice: AtomicU64,
    /// Names the making of the bucket.
    birth: String,
    letters: Mutex<Letters>,
    keys: Mutex<HashMap<RegistrationId, Keys>>,
    foldings: Mutex<HashMap<String, bool>>,
}

impl Nats {
    /// Connects to the servers of the URL (see `address`) and makes what a workspace needs there, unless it is there.
    pub fn open(
        url: &str,
        workspace: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BusError> {
        Self::open_with(url, workspace, clock, entropy, NATS_SAFETY_POLL)
    }

    pub fn open_with(
        url: &str,
        workspace: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        safety_poll: Duration,
    ) -> Result<Self, BusError> {
        let link = Link::open(Address::parse(url)?, workspace)?;
        let mut seed = [0u8; 24];
        entropy.fill(&mut seed);
        let (own, dice) = seed.split_at(16);
        let mut nats = Self {
            link,
            clock,
            safety_poll,
            reading: Mutex::default(),
            seen_stamp: AtomicI64::new(0),
            dice: AtomicU64::new(dice.iter().fold(1, |all, byte| all << 8 | u64::from(*byte)) | 1),
            birth: String::new(),
            letters: Mutex::default(),
            keys: Mutex::default(),
            foldings: Mutex::default(),
            entropy,
        };
        let name = own.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (birth, _) = nats.change("generation", |known| {
            Ok(match known.and_then(|doc| String::from_utf8(doc.value.clone()).ok()) {
                Some(known) => (None, known),
                None => (Some(name.clone().into_bytes()), name.clone()),
            })
        })?;
        nats.birth = birth;
        Ok(nats)
    }

    /// The server's time now.
    fn now(&self) -> Result<Span, BusError> {
        let mut reading = locked(&self.reading);
        let uptime = nanos(self.clock.uptime());
        let fresh = match *reading {
            Some(known) if !known.is_stale(uptime) => known,
            _ => {
                let fresh = self.probe()?;
                // A clock of the server's that was set back is followed.
                self.seen_stamp.store(fresh.stamp, SeqCst);
                *reading.insert(fresh)
            }
        };
        Ok(fresh.at(nanos(self.clock.uptime())).not_before(self.seen_stamp.load(SeqCst)))
    }

    fn probe(&self) -> Result<Reading, BusError> {
        let mut best: Option<Reading> = None;
        for _ in 0..PROBES {
            let before = nanos(self.clock.uptime());
            self.link.set("clock", b"-".to_vec())?;
            let stored = self.link.get_one("clock")?;
            let after = nanos(self.clock.uptime());
            let Some(stored) = stored else { continue };
            let reading = Reading { before, after, stamp: stored.stamp };
            if best.is_none_or(|best| after - before < best.after - best.before) {
                best = Some(reading);
            }
        }
        best.ok_or_else(|| self.link.told(Fault::Missing))
    }

    fn saw(&self, stamp: i64) {
        self.seen_stamp.fetch_max(stamp, SeqCst);
    }

    /// Changes a key by compare-and-swap: `step` says what it becomes (none: it stays) and may be asked again when
    /// somebody else was faster. Returns the revision it has then.
    fn change<T>(
        &self,
        key: &str,
        mut step: impl FnMut(Option<&Doc>) -> Result<(Option<Vec<u8>>, T), BusError>,
    ) -> Result<(T, u64), BusError> {
        let mut pauses = Pauses::new();
        loop {
            let doc = self.link.get_one(key)?;
            let revision = doc.as_ref().map_or(0, |doc| doc.revision);
            let (value, out) = step(doc.as_ref().filter(|doc| !doc.value.is_empty()))?;
            let Some(value) = value else { return Ok((out, revision)) };
            self.fits(&value)?;
            match self.link.put(key, value, revision) {
                Ok(revision) => return Ok((out, revision)),
                Err(Fault::Overtaken) => pauses.next(self.random())?,
                Err(fault) => return Err(self.link.undone(fault)),
            }
        }
    }

    /// A value has to go into one message.
    fn fits(&self, value: &[u8]) -> Result<(), BusError> {
        let most = self.link.payload_max().saturating_sub(HEADERS_MAX);
        if value.len() > most {
            return Err(BusError::Invalid(format!(
                "the bus of this workspace would keep {} bytes under one key, and the NATS server takes {most}; \
                 release locks, or raise its max_payload",
                value.len()
            )));
        }
        Ok(())
    }

    /// The path as locks of this worktree name it.
    fn spelled(&self, worktree: &str, path: &str) -> String {
        let mut known = locked(&self.foldings);
        let folds = *known.entry(worktree.to_owned()).or_insert_with(|| folding::folds(Path::new(worktree)));
        if folds { path.to_lowercase() } else { path.to_owned() }
    }

    fn random(&self) -> u64 {
        // xorshift64*: only spreads retries.
        let mut x = self.dice.load(SeqCst);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.dice.store(x, SeqCst);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Pauses between tries, drawn from a range that doubles, until [`crate::WRITE_WAIT_MAX`] is over.
struct Pauses {
    began: Instant,
    most: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { began: Instant::now(), most: PAUSE }
    }

    fn next(&mut self, random: u64) -> Result<(), BusError> {
        if self.began.elapsed() >= crate::WRITE_WAIT_MAX {
            return Err(BusError::Busy(crate::WRITE_WAIT_MAX));
        }
        let most = u64::try_from(self.most.as_nanos()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_nanos(random % most.max(1)));
        self.most = (self.most * 2).min(PAUSE_MAX);
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a key holds; none when there is none, or it was emptied by another tool.
fn read<T: DeserializeOwned>(doc: Option<&Doc>, what: &'static str) -> Result<Option<T>, BusError> {
    let Some(doc) = doc.filter(|doc| !doc.value.is_empty()) else { return Ok(None) };
    serde_json::from_slice(&doc.value)
        .map(Some)
        .map_err(|error| BusError::Malformed { what, detail: error.to_string() })
}

/// The same, as bytes.
fn read_bytes(doc: Option<&Doc>) -> Option<&[u8]> {
    doc.map(|doc| doc.value.as_slice()).filter(|value| !value.is_empty())
}

fn written<T: serde::Serialize>(value: &T, what: &'static str) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(value).map_err(|error| BusError::Malformed { what, detail: error.to_string() })
}

impl Backend for Nats {
    fn promises(&self) -> Promises {
        Promises { backend: "nats", spans_machines: true, durability: Durability::Process }
    }

    fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        self.register(new)
    }

    fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        self.heartbeat(id)
    }

    fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError> {
        self.end(id, reason)
    }

    fn registrations(&self) -> Result<Vec<Registration>, BusError> {
        self.registrations()
    }

    fn listen_to(&self, registration: RegistrationId, channels: &[Channel]) -> Result<(), BusError> {
        self.listen_to(registration, channels)
    }

    fn publish_all(&self, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError> {
        self.publish_all(batch)
    }

    fn newest_position(&self) -> Result<Position, BusError> {
        self.newest_position()
    }

    fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        self.notices(query)
    }

    fn replay(&self, from: &Replay, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        self.replay(from, query)
    }

    fn wait(&self, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError> {
        self.wait(query, timeout)
    }

    fn cursor(&self, consumer: &str, name: &str) -> Result<Option<Position>, BusError> {
        self.cursor(consumer, name)
    }

    fn move_cursor(&self, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
        self.move_cursor(consumer, name, to)
    }

    fn mark_seen(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.mark_seen(notice, registration)
    }

    fn ack(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.ack(notice, registration)
    }

    fn receipts(&self, notice: i64) -> Result<Vec<Receipt>, BusError> {
        self.receipts(notice)
    }

    fn dead_letters(&self, sender: Option<RegistrationId>) -> Result<Vec<DeadLetter>, BusError> {
        self.dead_letters(sender)
    }

    fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        self.acquire(request)
    }

    fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError> {
        self.acquire_wait(request, timeout, on_wait)
    }

    fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        self.renew(token, holder, ttl)
    }

    fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.release(token, holder)
    }

    fn break_lock(&self, token: u64) -> Result<Lock, BusError> {
        self.break_lock(token)
    }

    fn check(&self, token: u64, worktree: &str, path: &str, holder: RegistrationId) -> Result<(), BusError> {
        self.check(token, worktree, path, holder)
    }

    fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        self.locks(worktree)
    }

    fn waits(&self) -> Result<Vec<Wait>, BusError> {
        self.waits()
    }

    fn claim(&self, notice: i64, holder: RegistrationId, ttl: Duration) -> Result<Claim, BusError> {
        self.claim(notice, holder, ttl)
    }

    fn claim_next(&self, holder: RegistrationId, ttl: Duration) -> Result<Option<Claim>, BusError> {
        self.claim_next(holder, ttl)
    }

    fn renew_claim(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<(), BusError> {
        self.renew_claim(token, holder, ttl)
    }

    fn finish_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.finish_claim(token, holder)
    }

    fn clear(&self) -> Result<(), BusError> {
        self.clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_overtaken_again_and_again_gives_up() {
        let mut pauses = Pauses::new();
        for _ in 0..20 {
            pauses.next(0).unwrap();
        }
        assert_eq!(pauses.most, PAUSE_MAX);
        pauses.began = Instant::now().checked_sub(crate::WRITE_WAIT_MAX).unwrap();
        assert!(matches!(pauses.next(0), Err(BusError::Busy(crate::WRITE_WAIT_MAX))));
    }
}
