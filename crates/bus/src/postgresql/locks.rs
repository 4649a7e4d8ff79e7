//! Rows of `locks` and `lock_waits`. What is decided about them is decided where it is for every backend: in `scene`.

use super::connection::Connection;
use super::transaction::{Tx, id};
use super::{Postgres, notices, registry, rows};
use crate::error::{BusError, LockLost};
use crate::ledger::Ledger;
use crate::lock::{self, Acquired, LockRequest, Wait, Wish};
use crate::notice::NewNotice;
use crate::pattern::Pattern;
use crate::scene::{Grant, Held, Scene, Scope, Waiting};
use crate::write::{Moment, nanos, signed, unsigned};
use model::{Event, Lock, LockPhase, RegistrationId, SessionId, Timestamp};
use std::time::Duration;
use tokio_postgres::Row;

/// A waiter that has not said for so long that it still waits is gone; what it was granted goes back.
pub(crate) const WAITER_LEASE: Duration = Duration::from_secs(15);

const HELD: &str =
    "SELECT l.token, l.worktree, l.path, l.mode, l.holder, l.acquired_ms, l.expires_ns, r.agent,
        r.owner_session
     FROM locks l JOIN session_registry r ON r.session_id = l.holder";

fn read_held(row: &Row, now: Moment) -> Result<Held, BusError> {
    let path: String = row.try_get(2)?;
    let expires_ns: i64 = row.try_get(6)?;
    Ok(Held {
        pattern: Pattern::from_normal(&path),
        lock: Lock {
            worktree: row.try_get(1)?,
            path,
            mode: rows::mode(row, 3)?,
            holder: rows::parsed(row, 4, "a lock's holder")?,
            agent: row.try_get(7)?,
            session: rows::parsed_or_none(row, 8, "a lock's session")?,
            token: unsigned(row.try_get(0)?),
            acquired_at: rows::millis(row, 5)?,
            expires_at: now.wall_at(expires_ns),
        },
        expires_ns,
    })
}

fn collect(found: &[Row], now: Moment) -> Result<Vec<Held>, BusError> {
    found.iter().map(|row| read_held(row, now)).collect()
}

fn held(tx: &mut Tx<'_>, scope: Scope<'_>) -> Result<Vec<Held>, BusError> {
    let now = tx.now;
    let found = match scope {
        Scope::All => tx.rows(&format!("{HELD} ORDER BY l.token"), &[])?,
        Scope::Worktree(_) | Scope::Waited => {
            let worktree = if let Scope::Worktree(worktree) = scope { worktree } else { "" };
            let sql = format!(
                "{HELD} WHERE l.worktree = $1 OR l.worktree IN (SELECT worktree FROM lock_waits) ORDER BY l.token"
            );
            tx.rows(&sql, &[&worktree])?
        }
    };
    collect(&found, now)
}

pub(crate) fn held_by(tx: &mut Tx<'_>, holder: RegistrationId) -> Result<Vec<Held>, BusError> {
    let (sql, now) = (format!("{HELD} WHERE l.holder = $1 ORDER BY l.token"), tx.now);
    collect(&tx.rows(&sql, &[&id(holder)])?, now)
}

fn tokens(row: &Row, at: usize) -> Result<Option<Vec<u64>>, BusError> {
    let numbers: Option<Vec<i64>> = row.try_get(at)?;
    Ok(numbers.map(|numbers| numbers.into_iter().map(unsigned).collect()))
}

fn waiting(tx: &mut Tx<'_>) -> Result<Vec<Waiting>, BusError> {
    let found = tx.rows(
        "SELECT w.id, w.worktree, w.paths, w.mode, w.holder, w.ttl_ns, w.since_ms, w.heard_until_ns, w.granted,
                w.fresh, r.agent, r.owner_session
         FROM lock_waits w JOIN session_registry r ON r.session_id = w.holder ORDER BY w.id",
        &[],
    )?;
    let read = |row: &Row| -> Result<Waiting, BusError> {
        let paths: Vec<String> = row.try_get(2)?;
        Ok(Waiting {
            patterns: paths.iter().map(|path| Pattern::from_normal(path)).collect(),
            wait: Wait {
                id: row.try_get(0)?,
                worktree: row.try_get(1)?,
                paths,
                mode: rows::mode(row, 3)?,
                holder: rows::parsed(row, 4, "a wait's holder")?,
                agent: row.try_get(10)?,
                session: rows::parsed_or_none(row, 11, "a wait's session")?,
                since: rows::millis(row, 6)?,
                blocked_by: Vec::new(),
            },
            ttl_ns: row.try_get(5)?,
            bell: String::new(),
            heard_until_ns: row.try_get(7)?,
            grant: match (tokens(row, 8)?, tokens(row, 9)?) {
                (Some(tokens), Some(fresh)) => Some(Grant { tokens, fresh }),
                _ => None,
            },
        })
    };
    found.iter().map(read).collect()
}

/// Until when a waiter that says now that it waits is believed.
pub(crate) fn heard_until(now: Moment) -> i64 {
    now.ns.saturating_add(nanos(WAITER_LEASE))
}

impl Ledger for Tx<'_> {
    fn now(&self) -> Moment {
        self.now
    }

    fn load(&mut self, scope: Scope<'_>) -> Result<Scene, BusError> {
        Ok(Scene { locks: held(self, scope)?, waits: waiting(self)? })
    }

    fn held_under(&mut self, token: u64) -> Result<Option<Held>, BusError> {
        // A token beyond the server's integers was never ours.
        let Ok(token) = i64::try_from(token) else { return Ok(None) };
        let now = self.now;
        let row = self.row(&format!("{HELD} WHERE l.token = $1"), &[&token])?;
        row.map(|row| read_held(&row, now)).transpose()
    }

    fn mint(&mut self) -> Result<u64, BusError> {
        Ok(self.next_token())
    }

    fn insert(&mut self, lock: &Lock, expires_ns: i64) -> Result<(), BusError> {
        self.grant(lock, expires_ns);
        Ok(())
    }

    fn extend(&mut self, token: u64, expires_ns: i64) -> Result<(), BusError> {
        self.run("UPDATE locks SET expires_ns = $1 WHERE token = $2", &[&expires_ns, &signed(token)])?;
        Ok(())
    }

    fn free(&mut self, held: &Held, _: LockPhase) -> Result<(), BusError> {
        self.run("DELETE FROM locks WHERE token = $1", &[&signed(held.lock.token)])?;
        Ok(())
    }

    /// The registry of this backend names no files.
    fn touch(&mut self, _: RegistrationId) {}

    fn enqueue(&mut self, wish: &Wish, _: &str) -> Result<i64, BusError> {
        let paths: Vec<&str> = wish.patterns.iter().map(Pattern::as_str).collect();
        let (now, until) = (self.now.wall.as_millis(), heard_until(self.now));
        let row = self.row(
            "INSERT INTO lock_waits (worktree, paths, mode, holder, ttl_ns, since_ms, heard_until_ns)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            &[&wish.worktree, &paths, &wish.mode.as_str(), &id(wish.holder), &wish.ttl_ns, &now, &until],
        )?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    fn forget(&mut self, waiting: &Waiting) -> Result<(), BusError> {
        self.run("DELETE FROM lock_waits WHERE id = $1", &[&waiting.wait.id])?;
        Ok(())
    }

    fn give(&mut self, waiting: &Waiting, grant: &Grant) -> Result<(), BusError> {
        let numbers = |tokens: &[u64]| tokens.iter().map(|token| signed(*token)).collect::<Vec<i64>>();
        self.run(
            "UPDATE lock_waits SET granted = $1, fresh = $2 WHERE id = $3",
            &[&numbers(&grant.tokens), &numbers(&grant.fresh), &waiting.wait.id],
        )?;
        Ok(())
    }

    fn is_heard(&self, waiting: &Waiting) -> bool {
        is_heard(waiting, self.now)
    }

    fn living(&mut self, id: RegistrationId) -> Result<(), BusError> {
        registry::living(self, id).map(drop)
    }

    fn death(&mut self, id: RegistrationId) -> Result<Option<&'static str>, BusError> {
        registry::death(self, id)
    }

    fn bury(&mut self, id: RegistrationId, reason: &str) -> Result<Vec<Held>, BusError> {
        registry::bury(self, id, reason)
    }

    fn label(&mut self, id: RegistrationId) -> Result<(String, Option<SessionId>), BusError> {
        registry::label(self, id)
    }

    fn burden(&mut self, holder: RegistrationId) -> Result<u64, BusError> {
        let row = self.row(
            "SELECT (SELECT count(*) FROM locks WHERE holder = $1)
                + (SELECT count(*) FROM lock_waits WHERE holder = $1)",
            &[&id(holder)],
        )?;
        row.map_or(Ok(0), |row| Ok(unsigned(row.try_get(0)?)))
    }

    fn globs(&mut self, holder: RegistrationId) -> Result<usize, BusError> {
        let row = self.row("SELECT count(*) FROM locks WHERE holder = $1 AND is_glob", &[&id(holder)])?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    fn say(&mut self, new: &NewNotice, payload: &str, agent: &str) -> Result<(), BusError> {
        notices::say(self, new, payload, agent)
    }

    /// History is kept by the daemons, each of its own sessions.
    fn tell(&mut self, _: &Event) -> Result<(), BusError> {
        Ok(())
    }
}

pub(crate) fn is_heard(waiting: &Waiting, now: Moment) -> bool {
    waiting.heard_until_ns.is_none_or(|until| until > now.ns)
}

/// Between machines names are compared as they are written: there is no one file system to ask.
pub(crate) fn wish(request: &LockRequest) -> Result<Wish, BusError> {
    Wish::read(request, |_, path| path.to_owned())
}

pub(crate) fn acquire(bus: &Postgres, request: &LockRequest) -> Result<Acquired, BusError> {
    let wish = wish(request)?;
    bus.write(|tx| lock::acquire(tx, &wish))?.into_result()
}

pub(crate) fn release(bus: &Postgres, token: u64, holder: RegistrationId) -> Result<(), BusError> {
    let kept = bus.write(|tx| lock::release(tx, token, holder))?;
    if kept { Ok(()) } else { Err(LockLost::Expired { token }.into()) }
}

/// The row first, then the clock: whoever took the lock since then did so after the lease ran out.
pub(crate) fn check(
    bus: &Postgres,
    token: u64,
    worktree: &str,
    path: &str,
    holder: RegistrationId,
) -> Result<(), BusError> {
    let checked = bus.glance(|connection: &mut Connection| {
        let found = match i64::try_from(token) {
            Ok(token) => connection.row(&format!("{HELD} WHERE l.token = $1"), &[&token])?,
            Err(_) => None,
        };
        let clock = connection.row("SELECT bus_now()", &[])?;
        let ns: i64 = clock.map_or(Ok(i64::MAX), |row| row.try_get(0))?;
        let now = Moment { wall: Timestamp::from_millis(ns / 1_000_000), ns };
        let found = found.map(|row| read_held(&row, now)).transpose()?;
        Ok(lock::covers(found, (token, holder), (worktree, path), ns))
    })?;
    match checked {
        Ok(()) => Ok(()),
        Err(lost @ (LockLost::Gone { .. } | LockLost::Expired { .. })) => {
            let present = bus.read(|tx| in_force(tx, Some(worktree)))?;
            Err(lock::explain(lost, present, path, holder).into())
        }
        Err(lost) => Err(lost.into()),
    }
}

/// Locks in force, oldest token first.
pub(crate) fn in_force(tx: &mut Tx<'_>, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
    let (sql, now) = (
        format!("{HELD} WHERE l.expires_ns > $1 AND ($2::text IS NULL OR l.worktree = $2) ORDER BY l.token"),
        tx.now,
    );
    let found = tx.rows(&sql, &[&now.ns, &worktree])?;
    Ok(collect(&found, now)?.into_iter().map(|held| held.lock).collect())
}

/// The queue, earliest first.
pub(crate) fn waits(tx: &mut Tx<'_>) -> Result<Vec<Wait>, BusError> {
    let now = tx.now;
    let mut scene = tx.load(Scope::All)?;
    scene.locks.retain(|held| held.expires_ns > now.ns);
    let waiting = scene.waits.iter().filter(|waiting| waiting.grant.is_none() && is_heard(waiting, now));
    Ok(waiting.map(|waiting| scene.describe(waiting)).collect())
}
