//! The bus in PostgreSQL: daemons of several machines meet in one schema of one database.
//!
//! One row, `bus_state`, is locked by whoever writes, so commits are in order, positions too, and decisions about
//! locks are made alone. A notification is only a doorbell: who hears it looks, and who hears nothing looks at the
//! safety poll. Every time is the server's.

mod address;
mod claims;
mod connection;
mod cursors;
mod fault;
mod inbox;
mod listener;
mod locks;
mod notices;
mod purge;
mod receipts;
mod registry;
mod rows;
mod schema;
mod transaction;
mod wait;

use crate::backend::{Backend, Promises};
use crate::bus::WRITE_WAIT_MAX;
use crate::claim::Claim;
use crate::doorbell::SAFETY_POLL;
use crate::error::BusError;
use crate::inbox::{NoticePage, NoticeQuery, Position, Replay};
use crate::lock::{Acquired, LockRequest, Wait};
use crate::notice::{Durability, NewNotice};
use crate::pool::Pool;
use crate::receipt::{DeadLetter, Receipt};
use crate::registration::NewRegistration;
use address::Address;
pub use address::WORKSPACE_MAX;
use connection::Connection;
use listener::Listener;
use model::{Channel, Clock, Entropy, Lock, Notice, Registration, RegistrationId};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What its errors and promises call it.
pub(crate) const BACKEND: &str = "postgresql";
/// Connections of one process beside the one that listens.
const CONNECTIONS_MAX: usize = 8;

pub use postgresql::ANSWER_WAIT_MAX;

/// What a deployment or a test sets and everybody else leaves alone.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// How long a receiver trusts its bell; see [`SAFETY_POLL`].
    pub safety_poll: Duration,
    /// How long an operation tries to be carried out; see [`WRITE_WAIT_MAX`].
    pub write_wait: Duration,
    /// How long a server may leave one question without an answer; see [`ANSWER_WAIT_MAX`].
    pub answer_wait: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { safety_poll: SAFETY_POLL, write_wait: WRITE_WAIT_MAX, answer_wait: ANSWER_WAIT_MAX }
    }
}

/// A handle on the bus of one workspace in a database. Any thread may use it, except one that drives tasks of an
/// asynchronous runtime: its calls block.
pub struct Postgres {
    address: Address,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: PostgresOptions,
    connections: Pool<Connection>,
    listener: Listener,
    durability: Durability,
    /// For the jitter between attempts.
    dice: AtomicU64,
}

impl Postgres {
    /// Opens (or creates) the schema of the workspace in the database the URL names.
    pub fn open(
        url: &str,
        workspace: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BusError> {
        Self::open_with(url, workspace, clock, entropy, PostgresOptions::default())
    }

    pub fn open_with(
        url: &str,
        workspace: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: PostgresOptions,
    ) -> Result<Self, BusError> {
        let mut address = Address::read(url, workspace)?;
        address.server.patience = options.answer_wait;
        let mut first = Connection::open(&address)?;
        schema::prepare(&mut first, &address, &*entropy)?;
        let durability = first.durability()?;
        let connections = Pool::new(CONNECTIONS_MAX);
        connections.give(first);
        let mut seed = [0u8; 8];
        entropy.fill(&mut seed);
        let dice = AtomicU64::new(u64::from_le_bytes(seed));
        let listener = Listener::new(address.clone());
        Ok(Self { address, clock, entropy, options, connections, listener, durability, dice })
    }
}

impl Backend for Postgres {
    fn promises(&self) -> Promises {
        Promises { backend: BACKEND, spans_machines: true, durability: self.durability }
    }

    fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        registry::register(self, &new)
    }

    fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        registry::heartbeat(self, id)
    }

    fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError> {
        registry::end(self, id, reason)
    }

    fn registrations(&self) -> Result<Vec<Registration>, BusError> {
        self.read(registry::living_all)
    }

    fn listen_to(&self, registration: RegistrationId, channels: &[Channel]) -> Result<(), BusError> {
        cursors::listen_to(self, registration, channels)
    }

    fn publish_all(&self, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError> {
        notices::publish_all(self, batch)
    }

    fn newest_position(&self) -> Result<Position, BusError> {
        self.read(inbox::newest)
    }

    fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        self.read(|tx| inbox::page(tx, query))
    }

    fn replay(&self, from: &Replay, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        self.read(|tx| {
            let query = inbox::begin_at(tx, from, query.clone())?;
            inbox::page(tx, &query)
        })
    }

    fn wait(&self, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError> {
        inbox::wait(self, query, timeout)
    }

    fn cursor(&self, consumer: &str, name: &str) -> Result<Option<Position>, BusError> {
        self.read(|tx| cursors::cursor(tx, consumer, name))
    }

    fn move_cursor(&self, consumer: &str, name: &str, to: &Position) -> Result<(), BusError> {
        cursors::move_cursor(self, consumer, name, to)
    }

    fn mark_seen(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.write(|tx| receipts::mark(tx, notice, registration, false))
    }

    fn ack(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.write(|tx| receipts::mark(tx, notice, registration, true))
    }

    fn receipts(&self, notice: i64) -> Result<Vec<Receipt>, BusError> {
        self.read(|tx| receipts::of(tx, notice))
    }

    fn dead_letters(&self, sender: Option<RegistrationId>) -> Result<Vec<DeadLetter>, BusError> {
        self.read(|tx| receipts::dead_letters(tx, sender))
    }

    fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        locks::acquire(self, request)
    }

    fn acquire_wait(
        &self,
        request: &LockRequest,
        timeout: Duration,
        on_wait: &mut dyn FnMut(&[Lock]),
    ) -> Result<Acquired, BusError> {
        wait::acquire_wait(self, request, timeout, on_wait)
    }

    fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        let ttl_ns = crate::lock::lease(ttl)?;
        self.write(|tx| crate::lock::renew(tx, token, holder, ttl_ns))
    }

    fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        locks::release(self, token, holder)
    }

    fn break_lock(&self, token: u64) -> Result<Lock, BusError> {
        self.write(|tx| crate::lock::break_lock(tx, token))
    }

    fn check(&self, token: u64, worktree: &str, path: &str, holder: RegistrationId) -> Result<(), BusError> {
        locks::check(self, token, worktree, path, holder)
    }

    fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        self.read(|tx| locks::in_force(tx, worktree))
    }

    fn waits(&self) -> Result<Vec<Wait>, BusError> {
        self.read(locks::waits)
    }

    fn claim(&self, notice: i64, holder: RegistrationId, ttl: Duration) -> Result<Claim, BusError> {
        let ttl_ns = crate::lock::lease(ttl)?;
        self.write(|tx| claims::claim(tx, notice, holder, ttl_ns))
    }

    fn claim_next(&self, holder: RegistrationId, ttl: Duration) -> Result<Option<Claim>, BusError> {
        let ttl_ns = crate::lock::lease(ttl)?;
        self.write(|tx| claims::claim_next(tx, holder, ttl_ns))
    }

    fn renew_claim(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<(), BusError> {
        let ttl_ns = crate::lock::lease(ttl)?;
        self.write(|tx| claims::renew(tx, token, holder, ttl_ns))
    }

    fn finish_claim(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        self.write(|tx| claims::finish(tx, token, holder))
    }

    fn clear(&self) -> Result<(), BusError> {
        purge::clear(self)
    }
}
