//! What every backend of the bus does: SQLite on one machine, PostgreSQL and NATS JetStream between machines.
//!
//! Local sessions always use the file ([`Bus`]), which needs no server and no daemon. A backend between machines is
//! reached by daemons alone, which bring to it what is to be known elsewhere. One suite of tests
//! (`tests/it/conformance.rs`) says what the words below mean, and every backend passes it.

use crate::bus::Bus;
use crate::claim::Claim;
use crate::error::BusError;
use crate::inbox::{NoticePage, NoticeQuery, Position, Replay};
use crate::lock::{Acquired, LockRequest, Wait};
use crate::nats::Nats;
use crate::notice::{Durability, NewNotice};
use crate::postgresql::Postgres;
use crate::receipt::{DeadLetter, Receipt};
use crate::registration::NewRegistration;
use model::{Channel, Clock, Entropy, Lock, Notice, Registration, RegistrationId};
use std::sync::Arc;
use std::time::Duration;

/// What a backend is, and what it promises beyond what every one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// `sqlite`, `postgresql` or `nats`.
    pub backend: &'static str,
    /// Sessions of several machines meet on it. Then a registration lives by lease, since nobody sees the processes
    /// of another machine.
    pub spans_machines: bool,
    /// The most a published notice can be made to survive. Asked for more, the backend refuses.
    pub durability: Durability,
}

/// A bus. Every operation is as documented at the [`Bus`] method of the same name, unless said here.
///
/// Times to live and leases run on one clock for everybody: this machine's for the file, the server's for the others.
/// Positions are in commit order: who has read up to one has missed nothing before it, whoever was writing then.
pub trait Backend: Send + Sync {
    fn promises(&self) -> Promises;

    fn register(&self, new: NewRegistration) -> Result<Registration, BusError>;
    fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError>;
    fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError>;
    /// Who has neither ended nor died.
    fn registrations(&self) -> Result<Vec<Registration>, BusError>;
    fn listen_to(&self, registration: RegistrationId, channels: &[Channel]) -> Result<(), BusError>;

    /// All of them or none; in the order given.
    fn publish_all(&self, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError>;
    fn newest_position(&self) -> Result<Position, BusError>;
    fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError>;
    fn replay(&self, from: &Replay, query: &NoticeQuery) -> Result<NoticePage, BusError>;
    /// Blocks until the query has something, or the time is over: an empty page. With a recipient, what is handed out
    /// again for want of an answer comes too.
    fn wait(&self, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError>;
    fn cursor(&self, consumer: &str, name: &str) -> Result<Option<Position>, BusError>;
    fn move_cursor(&self, consumer: &str, name: &str, to: &Position) -> Result<(), BusError>;

    fn mark_seen(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError>;
    fn ack(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError>;
    fn receipts(&self, notice: i64) -> Result<Vec<Receipt>, BusError>;
    fn dead_letters(&self, sender: Option<RegistrationId>) -> Result<Vec<DeadLetter>, BusError>;

    fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError>;
    fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError>;
    fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError>;
    fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError>;
    fn break_lock(&self, token: u64) -> Result<Lock, BusError>;
    fn check(&self, token: u64, worktree: &str, path: &str, holder: RegistrationId) -> Result<(), BusError>;
    fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError>;
    fn waits(&self) -> Result<Vec<Wait>, BusError>;

    fn claim(&self, notice: i64, holder: RegistrationId, ttl: Duration) -> Result<Claim, BusError>;
    fn claim_next(&self, holder: RegistrationId, ttl: Duration) -> Result<Option<Claim>, BusError>;
    fn renew_claim(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<(), BusError>;
    fn finish_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError>;

    /// Clears away who is dead and what is over, and hands out again what nobody answered. Any process may, at any
    /// time; when there is nothing to do it only reads.
    fn clear(&self) -> Result<(), BusError>;
}

/// Opens the backend the URL names by its scheme, for one workspace. The file is no server: it is opened by
/// [`Bus::open`].
pub fn open_backend(
    url: &str,
    workspace: &str,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<dyn Backend>, BusError> {
    // What is not understood is not shown: it may hold a password.
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "postgresql" | "postgres" => Ok(Arc::new(Postgres::open(url, workspace, clock, entropy)?)),
        "nats" | "tls" => Ok(Arc::new(Nats::open(url, workspace, clock, entropy)?)),
        _ => Err(BusError::BadAddress(
            "it begins with postgresql://, postgres://, nats:// or tls://".to_owned(),
        )),
    }
}

impl Backend for Bus {
    fn promises(&self) -> Promises {
        Promises { backend: "sqlite", spans_machines: false, durability: Durability::Power }
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
        self.reap()?;
        self.redeliver()?;
        self.purge()?;
        Ok(())
    }
}
