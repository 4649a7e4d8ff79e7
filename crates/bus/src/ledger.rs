//! What deciding about locks needs of a backend: its tables, in one write transaction. `queue`, `lock` and `wait` are
//! written upon it, once for all backends whose truth is a database.

use crate::bus::Inner;
use crate::doorbell;
use crate::error::BusError;
use crate::lock::Wish;
use crate::lock_rows;
use crate::notice::{self, NewNotice};
use crate::registration;
use crate::registry;
use crate::scene::{Grant, Held, Scene, Scope, Waiting};
use crate::write::{Moment, Write, signed};
use model::{Event, Lock, LockPhase, RegistrationId, SessionId};
use rusqlite::params;

/// The tables of locks, requests and registrations as one write transaction sees and changes them.
pub(crate) trait Ledger {
    /// Read after everybody else was shut out, so that whoever commits later has a later time.
    fn now(&self) -> Moment;
    fn load(&mut self, scope: Scope<'_>) -> Result<Scene, BusError>;
    /// By token, also when its lease is over.
    fn held_under(&mut self, token: u64) -> Result<Option<Held>, BusError>;

    /// The next fencing token: higher than every one before, committed or not.
    fn mint(&mut self) -> Result<u64, BusError>;
    fn insert(&mut self, lock: &Lock, expires_ns: i64) -> Result<(), BusError>;
    fn extend(&mut self, token: u64, expires_ns: i64) -> Result<(), BusError>;
    /// Deletes the lock and says why.
    fn free(&mut self, held: &Held, phase: LockPhase) -> Result<(), BusError>;
    /// The locks of this registration changed.
    fn touch(&mut self, holder: RegistrationId);

    /// Puts a request at the end of the queue and returns its place.
    fn enqueue(&mut self, wish: &Wish, bell: &str) -> Result<i64, BusError>;
    /// Takes a request out of the queue.
    fn forget(&mut self, waiting: &Waiting) -> Result<(), BusError>;
    /// Writes down what a request was granted, and rings who made it.
    fn give(&mut self, waiting: &Waiting, grant: &Grant) -> Result<(), BusError>;
    /// False when nobody waits for what this request is granted any more.
    fn is_heard(&self, waiting: &Waiting) -> bool;

    /// Refused unless the registration may act: known, not ended, alive. Acting is a sign of life.
    fn living(&mut self, id: RegistrationId) -> Result<(), BusError>;
    /// Why a registration counts as dead: its sign of life is gone, or it has ended already.
    fn death(&mut self, id: RegistrationId) -> Result<Option<&'static str>, BusError>;
    /// Ends a registration that died and returns what it held. Settling comes after, by the caller.
    fn bury(&mut self, id: RegistrationId, reason: &str) -> Result<Vec<Held>, BusError>;
    /// What a registration is called, and our session behind it.
    fn label(&mut self, id: RegistrationId) -> Result<(String, Option<SessionId>), BusError>;
    /// How many locks and requests a registration has, for the limit on them.
    fn burden(&mut self, id: RegistrationId) -> Result<u64, BusError>;
    /// How many globs it holds.
    fn globs(&mut self, id: RegistrationId) -> Result<usize, BusError>;

    /// A notice about the change, whose limits the caller has checked.
    fn say(&mut self, new: &NewNotice, payload: &str, agent: &str) -> Result<(), BusError>;
    /// For whoever keeps history.
    fn tell(&mut self, event: &Event) -> Result<(), BusError>;
}

/// Who waits at a FIFO is there while somebody has it open.
pub(crate) fn is_heard(inner: &Inner, waiting: &Waiting) -> bool {
    doorbell::is_heard(&inner.bell(&waiting.bell))
}

pub(crate) fn json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, BusError> {
    serde_json::to_string(value).map_err(|error| BusError::Malformed { what, detail: error.to_string() })
}

impl Write<'_> {
    /// Deletes the lock and says why, and by whose order if somebody gave one.
    pub(crate) fn take_away(
        &mut self,
        held: &Held,
        phase: LockPhase,
        by: Option<RegistrationId>,
    ) -> Result<(), BusError> {
        self.conn.prepare_cached("DELETE FROM locks WHERE token = ?1")?.execute([signed(held.lock.token)])?;
        self.touch(held.lock.holder);
        if phase != LockPhase::Released {
            // The holder did not do this itself, so it has to be told.
            self.ring(held.lock.holder);
        }
        Self::tell(self, &crate::queue::change(&held.lock, phase, by))
    }
}

impl Ledger for Write<'_> {
    fn now(&self) -> Moment {
        self.now
    }

    fn load(&mut self, scope: Scope<'_>) -> Result<Scene, BusError> {
        lock_rows::scene(self.conn, scope, self.now)
    }

    fn held_under(&mut self, token: u64) -> Result<Option<Held>, BusError> {
        lock_rows::held_under(self.conn, token, self.now)
    }

    fn mint(&mut self) -> Result<u64, BusError> {
        self.next_token()
    }

    fn insert(&mut self, lock: &Lock, expires_ns: i64) -> Result<(), BusError> {
        self.conn
            .prepare_cached(
                "INSERT INTO locks (token, worktree, path, mode, holder, acquired_at, expires_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                signed(lock.token),
                lock.worktree,
                lock.path,
                lock.mode.as_str(),
                lock.holder.to_string(),
                lock.acquired_at.to_string(),
                expires_ns,
            ])?;
        Ok(())
    }

    fn extend(&mut self, token: u64, expires_ns: i64) -> Result<(), BusError> {
        self.conn
            .prepare_cached("UPDATE locks SET expires_ns = ?1 WHERE token = ?2")?
            .execute(params![expires_ns, signed(token)])?;
        Ok(())
    }

    fn free(&mut self, held: &Held, phase: LockPhase) -> Result<(), BusError> {
        self.take_away(held, phase, None)
    }

    fn touch(&mut self, holder: RegistrationId) {
        self.locks_changed(holder);
    }

    fn enqueue(&mut self, wish: &Wish, bell: &str) -> Result<i64, BusError> {
        let paths: Vec<&str> = wish.patterns.iter().map(|pattern| pattern.as_str()).collect();
        self.conn
            .prepare_cached(
                "INSERT INTO lock_waits (worktree, paths, mode, holder, ttl_ns, since, bell)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                wish.worktree,
                json("the paths of a wait", &paths)?,
                wish.mode.as_str(),
                wish.holder.to_string(),
                wish.ttl_ns,
                self.now.wall.to_string(),
                bell,
            ])?;
        Ok(self.conn.last_insert_rowid())
    }

    fn forget(&mut self, waiting: &Waiting) -> Result<(), BusError> {
        self.conn.prepare_cached("DELETE FROM lock_waits WHERE id = ?1")?.execute([waiting.wait.id])?;
        self.remove_bell(waiting.bell.clone());
        Ok(())
    }

    fn give(&mut self, waiting: &Waiting, grant: &Grant) -> Result<(), BusError> {
        self.conn.prepare_cached("UPDATE lock_waits SET granted = ?1, fresh = ?2 WHERE id = ?3")?.execute(
            params![json("a grant", &grant.tokens)?, json("a grant", &grant.fresh)?, waiting.wait.id],
        )?;
        self.ring_named(waiting.bell.clone());
        Ok(())
    }

    fn is_heard(&self, waiting: &Waiting) -> bool {
        is_heard(self.inner, waiting)
    }

    fn living(&mut self, id: RegistrationId) -> Result<(), BusError> {
        registration::living(self, id).map(drop)
    }

    fn death(&mut self, id: RegistrationId) -> Result<Option<&'static str>, BusError> {
        registration::death(self, id)
    }

    fn bury(&mut self, id: RegistrationId, reason: &str) -> Result<Vec<Held>, BusError> {
        match registry::entry(self.conn, id)? {
            Some(entry) => registration::bury(self, &entry, reason),
            None => Ok(Vec::new()),
        }
    }

    fn label(&mut self, id: RegistrationId) -> Result<(String, Option<SessionId>), BusError> {
        registry::label(self.conn, id)
    }

    fn burden(&mut self, id: RegistrationId) -> Result<u64, BusError> {
        registry::burden(self.conn, id)
    }

    fn globs(&mut self, id: RegistrationId) -> Result<usize, BusError> {
        registry::globs(self.conn, id)
    }

    fn say(&mut self, new: &NewNotice, payload: &str, agent: &str) -> Result<(), BusError> {
        notice::publish(self, new, payload, agent).map(drop)
    }

    fn tell(&mut self, event: &Event) -> Result<(), BusError> {
        Write::tell(self, event)
    }
}
