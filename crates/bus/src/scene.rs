//! Who holds what and who waits for whom, as one transaction sees it. Decisions are made here, in
//! memory; `queue` carries them out.
//!
//! Fairness is by place in the queue: a request waits behind every earlier one it conflicts with. One
//! exception keeps that from making rings out of nothing: nobody waits behind somebody who, perhaps through
//! others, waits for a lock he holds. With it a ring of waits is always a ring of held locks: were there a place in the
//! queue in it, take one whose owner somebody in the ring waits for because of a lock; the exception removes it.

use crate::bus::Inner;
use crate::doorbell;
use crate::error::{BusError, Contended};
use crate::lock::Wait;
use crate::pattern::Pattern;
use crate::row;
use crate::write::{Moment, unsigned};
use model::{Lock, LockMode, RegistrationId};
use rusqlite::{Connection, Row};

/// A lock in the table, in force or expired.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) lock: Lock,
    pub(crate) pattern: Pattern,
    pub(crate) expires_ns: i64,
}

/// A request in the table.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) wait: Wait,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) ttl_ns: i64,
    pub(crate) bell: String,
    pub(crate) grant: Option<Grant>,
}

/// Tokens a waiting request was given and has not collected yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// In the order of its paths.
    pub(crate) tokens: Vec<u64>,
    /// Those among them that it did not hold before.
    pub(crate) fresh: Vec<u64>,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) worktree: &'a str,
    pub(crate) patterns: &'a [Pattern],
    pub(crate) mode: LockMode,
    pub(crate) holder: RegistrationId,
    /// Its place when it already waits.
    pub(crate) place: Option<i64>,
}

impl Waiting {
    pub(crate) fn claim(&self) -> Claim<'_> {
        Claim {
            worktree: &self.wait.worktree,
            patterns: &self.patterns,
            mode: self.wait.mode,
            holder: self.wait.holder,
            place: Some(self.wait.id),
        }
    }

    fn is_waiting(&self) -> bool {
        self.grant.is_none()
    }
}

impl Claim<'_> {
    fn conflicts(&self, other: &Claim<'_>) -> bool {
        self.holder != other.holder
            && self.worktree == other.worktree
            && !self.mode.admits(other.mode)
            && self.patterns.iter().any(|ours| other.patterns.iter().any(|theirs| ours.overlaps(theirs)))
    }

    fn conflicts_with_lock(&self, held: &Held) -> bool {
        self.holder != held.lock.holder
            && self.worktree == held.lock.worktree
            && !self.mode.admits(held.lock.mode)
            && self.patterns.iter().any(|ours| ours.overlaps(&held.pattern))
    }
}

/// What stands in the way of a claim.
#[derive(Debug)]
pub(crate) struct Blockers<'a> {
    pub(crate) locks: Vec<&'a Held>,
    pub(crate) waits: Vec<&'a Waiting>,
}

impl Blockers<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.locks.is_empty() && self.waits.is_empty()
    }

    pub(crate) fn holders(&self) -> impl Iterator<Item = RegistrationId> {
        let locks = self.locks.iter().map(|held| held.lock.holder);
        locks.chain(self.waits.iter().map(|waiting| waiting.wait.holder))
    }

    pub(crate) fn contended(&self, scene: &Scene) -> Contended {
        Contended {
            holders: self.locks.iter().map(|held| held.lock.clone()).collect(),
            waiting: self.waits.iter().map(|waiting| scene.describe(waiting)).collect(),
        }
    }
}

/// Which locks to look at. The queue is always looked at whole, with the locks of every worktree somebody
/// waits in, since a ring of waiters may span several.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    All,
    Worktree(&'a str),
    /// Only where somebody waits.
    Waited,
}

/// Locks of the worktrees that matter, and the whole queue.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// By token.
    pub(crate) locks: Vec<Held>,
    /// By place.
    pub(crate) waits: Vec<Waiting>,
}

impl Scene {
    pub(crate) fn load(conn: &Connection, scope: Scope<'_>, now: Moment) -> Result<Self, BusError> {
        Ok(Self { locks: held(conn, scope, now)?, waits: waiting(conn)? })
    }

    /// What stands in the way: conflicting locks of others, and earlier conflicting requests of others
    /// except those that wait for a lock of the claimant.
    pub(crate) fn in_the_way(&self, claim: &Claim<'_>) -> Blockers<'_> {
        let waits = self.earlier(claim).into_iter();
        let waits = waits.filter(|earlier| !self.needs_lock_of(earlier.wait.holder, claim.holder));
        Blockers { locks: self.conflicting(claim), waits: waits.collect() }
    }

    fn conflicting(&self, claim: &Claim<'_>) -> Vec<&Held> {
        self.locks.iter().filter(|held| claim.conflicts_with_lock(held)).collect()
    }

    fn earlier(&self, claim: &Claim<'_>) -> Vec<&Waiting> {
        let before = |other: &&Waiting| claim.place.is_none_or(|place| other.wait.id < place);
        let waiting = self.waits.iter().filter(|other| other.is_waiting()).filter(before);
        waiting.filter(|other| claim.conflicts(&other.claim())).collect()
    }

    fn waits_of(&self, holder: RegistrationId) -> impl Iterator<Item = &Waiting> {
        self.waits.iter().filter(move |waiting| waiting.is_waiting() && waiting.wait.holder == holder)
    }

    /// True when `from` waits for a lock that `owner` holds, itself or behind others who do.
    fn needs_lock_of(&self, from: RegistrationId, owner: RegistrationId) -> bool {
        let mut seen = vec![from];
        let mut todo = vec![from];
        while let Some(holder) = todo.pop() {
            for waiting in self.waits_of(holder) {
                let claim = waiting.claim();
                let locks = self.conflicting(&claim);
                if locks.iter().any(|held| held.lock.holder == owner) {
                    return true;
                }
                let before = self.earlier(&claim);
                let next = locks.iter().map(|held| held.lock.holder);
                for next in next.chain(before.iter().map(|earlier| earlier.wait.holder)) {
                    if !seen.contains(&next) {
                        seen.push(next);
                        todo.push(next);
                    }
                }
            }
        }
        false
    }

    /// The ring that would close if the claimant waited for these: starts and ends with it.
    pub(crate) fn ring(
        &self,
        claimant: RegistrationId,
        blockers: &Blockers<'_>,
    ) -> Option<Vec<RegistrationId>> {
        let mut seen = Vec::new();
        let mut chains = vec![vec![claimant]];
        let mut next: Vec<RegistrationId> = blockers.holders().collect();
        while let Some(chain) = chains.pop() {
            if chain.len() > 1 {
                let last = *chain.last()?;
                next = self
                    .waits_of(last)
                    .flat_map(|w| self.in_the_way(&w.claim()).holders().collect::<Vec<_>>())
                    .collect();
            }
            for holder in next.drain(..) {
                let longer: Vec<RegistrationId> = chain.iter().copied().chain([holder]).collect();
                if holder == claimant {
                    return Some(longer);
                }
                if !seen.contains(&holder) {
                    seen.push(holder);
                    chains.push(longer);
                }
            }
        }
        None
    }

    /// True when a write would change something here: a lease ran out, or nobody listens for a request any more.
    pub(crate) fn needs_settling(&self, inner: &Inner, now: Moment) -> bool {
        self.locks.iter().any(|held| held.expires_ns <= now.ns)
            || self.waits.iter().any(|waiting| !doorbell::is_heard(&inner.bell(&waiting.bell)))
    }

    /// A request as others see it.
    pub(crate) fn describe(&self, waiting: &Waiting) -> Wait {
        let mut blocked_by: Vec<RegistrationId> = Vec::new();
        for holder in self.in_the_way(&waiting.claim()).holders() {
            if !blocked_by.contains(&holder) {
                blocked_by.push(holder);
            }
        }
        Wait { blocked_by, ..waiting.wait.clone() }
    }
}

const HELD_COLUMNS: &str =
    "SELECT l.token, l.worktree, l.path, l.mode, l.holder, l.acquired_at, l.expires_ns,
            r.agent, r.owner_session
     FROM locks l JOIN session_registry r ON r.session_id = l.holder";

fn read_held(row: &Row<'_>, now: Moment) -> Result<Held, BusError> {
    let path: String = row.get(2)?;
    let expires_ns: i64 = row.get(6)?;
    Ok(Held {
        pattern: Pattern::from_normal(&path),
        lock: Lock {
            worktree: row.get(1)?,
            path,
            mode: row::mode(row, 3)?,
            holder: row::parsed(row, 4, "a lock's holder")?,
            agent: row.get(7)?,
            session: row::parsed_or_none(row, 8, "a lock's session")?,
            token: unsigned(row.get(0)?),
            acquired_at: row::time(row, 5)?,
            expires_at: now.wall_at(expires_ns),
        },
        expires_ns,
    })
}

fn collect_held(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    now: Moment,
) -> Result<Vec<Held>, BusError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read_held(row, now)?);
    }
    Ok(all)
}

/// Locks by token, expired ones too.
pub(crate) fn held(conn: &Connection, scope: Scope<'_>, now: Moment) -> Result<Vec<Held>, BusError> {
    let worktree = match scope {
        Scope::All => return collect_held(conn, &format!("{HELD_COLUMNS} ORDER BY l.token"), [], now),
        Scope::Worktree(worktree) => worktree,
        Scope::Waited => "",
    };
    let sql = format!(
        "{HELD_COLUMNS} WHERE l.worktree = ?1 OR l.worktree IN (SELECT worktree FROM lock_waits) ORDER BY l.token"
    );
    collect_held(conn, &sql, [worktree], now)
}

pub(crate) fn held_by(conn: &Connection, holder: RegistrationId, now: Moment) -> Result<Vec<Held>, BusError> {
    let sql = format!("{HELD_COLUMNS} WHERE l.holder = ?1 ORDER BY l.token");
    collect_held(conn, &sql, [holder.to_string()], now)
}

/// Locks of the worktree that may cover the path: by its name, and all globs.
pub(crate) fn held_over(
    conn: &Connection,
    worktree: &str,
    path: &str,
    now: Moment,
) -> Result<Vec<Held>, BusError> {
    let sql = format!(
        "{HELD_COLUMNS} WHERE l.worktree = ?1 AND (l.path = ?2 OR l.path GLOB '*[*?[{{]*') ORDER BY l.token"
    );
    collect_held(conn, &sql, [worktree, path], now)
}

pub(crate) fn held_under(conn: &Connection, token: u64, now: Moment) -> Result<Option<Held>, BusError> {
    // A token beyond SQLite's integers was never ours.
    let Ok(token) = i64::try_from(token) else { return Ok(None) };
    let sql = format!("{HELD_COLUMNS} WHERE l.token = ?1");
    Ok(collect_held(conn, &sql, [token], now)?.pop())
}

fn waiting(conn: &Connection) -> Result<Vec<Waiting>, BusError> {
    let mut statement = conn.prepare_cached(
        "SELECT w.id, w.worktree, w.paths, w.mode, w.holder, w.ttl_ns, w.since, w.bell, w.granted, w.fresh,
                r.agent, r.owner_session
         FROM lock_waits w JOIN session_registry r ON r.session_id = w.holder ORDER BY w.id",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let paths: Vec<String> = row::json(&row.get::<_, String>(2)?, "the paths of a wait")?;
        let grant = match (row.get::<_, Option<String>>(8)?, row.get::<_, Option<String>>(9)?) {
            (Some(tokens), Some(fresh)) => {
                Some(Grant { tokens: row::json(&tokens, "a grant")?, fresh: row::json(&fresh, "a grant")? })
            }
            _ => None,
        };
        all.push(Waiting {
            patterns: paths.iter().map(|path| Pattern::from_normal(path)).collect(),
            wait: Wait {
                id: row.get(0)?,
                worktree: row.get(1)?,
                paths,
                mode: row::mode(row, 3)?,
                holder: row::parsed(row, 4, "a wait's holder")?,
                agent: row.get(10)?,
                session: row::parsed_or_none(row, 11, "a wait's session")?,
                since: row::time(row, 6)?,
                blocked_by: Vec::new(),
            },
            ttl_ns: row.get(5)?,
            bell: row.get(7)?,
            grant,
        });
    }
    Ok(all)
}
