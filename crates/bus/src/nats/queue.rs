//! Locks and their queue as one value under one key.
//!
//! All of a workspace is under one key, so that a change is one compare-and-swap and a ring of waiters that spans
//! worktrees is seen by whoever would close it. A token is not known before the change that grants it is stored: it is
//! written as its place in that change, and read as base + revision × 1024 + place. The base is the time the bucket was
//! made, so that tokens go on rising when it is made anew.

use crate::error::BusError;
use crate::lock::{LOCK_PATHS_MAX, Wait};
use crate::pattern::Pattern;
use crate::scene::{Grant, Held, Scene, Waiting};
use crate::write::Moment;
use model::{Lock, LockMode, RegistrationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A waiter says this often that it is still there …
pub(crate) const WAIT_BEAT: Duration = Duration::from_secs(5);
/// … and is forgotten when it has not for so long.
pub(crate) const WAIT_LEASE: Duration = Duration::from_secs(15);
/// Most paths all requests in the queue wait for, together.
pub const QUEUE_PATHS_MAX: usize = 768;
/// Tokens of one change: it may grant all that wait, and one request beside.
const PLACES: u64 = 1024;
const _: () = assert!((QUEUE_PATHS_MAX + LOCK_PATHS_MAX) as u64 <= PLACES);
/// A millisecond of the bucket's age is worth this much in tokens: 8 revisions, more than one after the other take.
const BASE_UNIT: u64 = 8 * PLACES;
/// Bases count from 2024 on, which keeps tokens below 2^53 for some 34 years.
const BASE_EPOCH_MS: i64 = 1_704_067_200_000;
/// Tokens in memory from here on are places of the change being made.
const FRESH: u64 = 1 << 62;

/// How tokens of one stored change are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) base: u64,
    pub(crate) revision: u64,
}

impl Tokens {
    /// For a bucket made at this time, in ns since 1970.
    pub(crate) fn base(made: i64) -> u64 {
        u64::try_from(made / 1_000_000 - BASE_EPOCH_MS).unwrap_or(0).saturating_mul(BASE_UNIT)
    }

    /// How a token of the change being made is written.
    pub(crate) const fn fresh(place: i64) -> i64 {
        -1 - place
    }

    /// A written token as it is from then on.
    pub(crate) fn fixed(self, written: i64) -> i64 {
        i64::try_from(self.unsigned(written)).unwrap_or(i64::MAX)
    }

    pub(crate) fn unsigned(self, written: i64) -> u64 {
        match u64::try_from(written) {
            Ok(token) => token,
            Err(_) => self.of_place(written.unsigned_abs() - 1),
        }
    }

    fn of_place(self, place: u64) -> u64 {
        self.base.saturating_add(self.revision.saturating_mul(PLACES)).saturating_add(place)
    }

    /// A token as it is written.
    fn write(token: u64) -> i64 {
        match token.checked_sub(FRESH) {
            Some(place) => Self::fresh(i64::try_from(place).unwrap_or(i64::MAX)),
            None => i64::try_from(token).unwrap_or(i64::MAX),
        }
    }

    /// A token in memory, after the change it was made in was stored.
    pub(crate) fn settled(self, token: u64) -> u64 {
        token.checked_sub(FRESH).map_or(token, |place| self.of_place(place))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct LockRow {
    t: i64,
    p: String,
    m: LockMode,
    h: RegistrationId,
    /// Milliseconds since 1970.
    a: i64,
    /// Nanoseconds since 1970.
    e: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct WaitRow {
    id: i64,
    worktree: String,
    paths: Vec<String>,
    mode: LockMode,
    holder: RegistrationId,
    since_ms: i64,
    ttl_ns: i64,
    /// Forgotten from then on, unless its waiter moves it.
    until_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fresh: Option<Vec<i64>>,
}

/// The value as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    base: u64,
    next_wait: i64,
    people: BTreeMap<RegistrationId, Person>,
    trees: BTreeMap<String, Vec<LockRow>>,
    waits: Vec<WaitRow>,
}

/// What a holder or waiter is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) agent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionId>,
}

/// Locks and queue while they are being changed.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) base: u64,
    pub(crate) scene: Scene,
    pub(crate) next_wait: i64,
    minted: u64,
}

impl Table {
    pub(crate) fn empty(base: u64) -> Self {
        Self { base, scene: Scene::default(), next_wait: 1, minted: 0 }
    }

    pub(crate) fn read(bytes: &[u8], revision: u64, now: Moment) -> Result<Self, BusError> {
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|error| BusError::Malformed { what: "the locks", detail: error.to_string() })?;
        let tokens = Tokens { base: stored.base, revision };
        let mut table = Self { next_wait: stored.next_wait, ..Self::empty(stored.base) };
        let person = |id: RegistrationId| {
            let known = stored.people.get(&id).cloned();
            known.unwrap_or_else(|| Person { agent: String::new(), session: None })
        };
        for (worktree, rows) in &stored.trees {
            for row in rows {
                let who = person(row.h);
                table.scene.locks.push(Held {
                    pattern: Pattern::from_normal(&row.p),
                    lock: Lock {
                        worktree: worktree.clone(),
                        path: row.p.clone(),
                        mode: row.m,
                        holder: row.h,
                        agent: who.agent,
                        session: who.session,
                        token: tokens.unsigned(row.t),
                        acquired_at: Timestamp::from_millis(row.a),
                        expires_at: now.wall_at(row.e),
                    },
                    expires_ns: row.e,
                });
            }
        }
        table.scene.locks.sort_by_key(|held| held.lock.token);
        for row in stored.waits {
            let who = person(row.holder);
            let all = |list: Vec<i64>| list.into_iter().map(|token| tokens.unsigned(token)).collect();
            table.scene.waits.push(Waiting {
                patterns: row.paths.iter().map(|path| Pattern::from_normal(path)).collect(),
                ttl_ns: row.ttl_ns,
                bell: String::new(),
                heard_until_ns: Some(row.until_ns),
                grant: row
                    .granted
                    .zip(row.fresh)
                    .map(|(granted, fresh)| Grant { tokens: all(granted), fresh: all(fresh) }),
                wait: Wait {
                    id: row.id,
                    worktree: row.worktree,
                    paths: row.paths,
                    mode: row.mode,
                    holder: row.holder,
                    agent: who.agent,
                    session: who.session,
                    since: Timestamp::from_millis(row.since_ms),
                    blocked_by: Vec::new(),
                },
            });
        }
        table.scene.waits.sort_by_key(|waiting| waiting.wait.id);
        Ok(table)
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, BusError> {
        let mut stored = Stored {
            base: self.base,
            next_wait: self.next_wait,
            people: BTreeMap::new(),
            trees: BTreeMap::new(),
            waits: Vec::new(),
        };
        for held in &self.scene.locks {
            let lock = &held.lock;
            let person = Person { agent: lock.agent.clone(), session: lock.session };
            stored.people.insert(lock.holder, person);
            stored.trees.entry(lock.worktree.clone()).or_default().push(LockRow {
                t: Tokens::write(lock.token),
                p: lock.path.clone(),
                m: lock.mode,
                h: lock.holder,
                a: lock.acquired_at.as_millis(),
                e: held.expires_ns,
            });
        }
        for waiting in &self.scene.waits {
            let wait = &waiting.wait;
            let person = Person { agent: wait.agent.clone(), session: wait.session };
            stored.people.insert(wait.holder, person);
            let all = |tokens: &[u64]| tokens.iter().map(|token| Tokens::write(*token)).collect();
            stored.waits.push(WaitRow {
                id: wait.id,
                worktree: wait.worktree.clone(),
                paths: wait.paths.clone(),
                mode: wait.mode,
                holder: wait.holder,
                since_ms: wait.since.as_millis(),
                ttl_ns: waiting.ttl_ns,
                until_ns: waiting.heard_until_ns.unwrap_or(0),
                granted: waiting.grant.as_ref().map(|grant| all(&grant.tokens)),
                fresh: waiting.grant.as_ref().map(|grant| all(&grant.fresh)),
            });
        }
        super::written(&stored, "the locks")
    }

    /// The next token of this change.
    pub(crate) fn mint(&mut self) -> Result<u64, BusError> {
        if self.minted == PLACES {
            return Err(BusError::Malformed {
                what: "the queue",
                detail: "it grants too much at once".to_owned(),
            });
        }
        self.minted += 1;
        Ok(FRESH + self.minted - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { wall: Timestamp::from_millis(1_000), ns: 1_000_000_000 };

    fn held(path: &str, token: u64, expires_ns: i64) -> Held {
        let holder: RegistrationId = format!("reg_{:032x}", 7).parse().unwrap();
        let lock = Lock {
            worktree: "/w".to_owned(),
            path: path.to_owned(),
            mode: LockMode::Exclusive,
            holder,
            agent: "a".to_owned(),
            session: None,
            token,
            acquired_at: NOW.wall,
            expires_at: NOW.wall_at(expires_ns),
        };
        Held { lock, pattern: Pattern::from_normal(path), expires_ns }
    }

    #[test]
    fn a_table_reads_back_and_its_tokens_are_those_of_its_revision() {
        let mut table = Table::empty(5_000_000);
        let fresh = [table.mint().unwrap(), table.mint().unwrap()];
        table.scene.locks.push(held("old", 42, 2_000_000_000));
        table.scene.locks.push(held("x", fresh[0], 3_000_000_000));
        table.scene.locks.push(held("y/**", fresh[1], 3_000_000_000));
        let read = Table::read(&table.write().unwrap(), 3, NOW).unwrap();
        let tokens: Vec<u64> = read.scene.locks.iter().map(|held| held.lock.token).collect();
        assert_eq!(tokens, [42, 5_000_000 + 3 * PLACES, 5_000_000 + 3 * PLACES + 1]);
        let settled = Tokens { base: 5_000_000, revision: 3 };
        assert_eq!(fresh.map(|token| settled.settled(token)), [tokens[1], tokens[2]]);
        assert_eq!(read.scene.locks[0].lock, table.scene.locks[0].lock);
        // Written again they stay what they are.
        let again = Table::read(&read.write().unwrap(), 9, NOW).unwrap();
        assert_eq!(again.scene.locks[2].lock.token, tokens[2]);
    }

    #[test]
    fn tokens_of_a_bucket_made_later_are_higher() {
        let made = (BASE_EPOCH_MS + 1_000_000) * 1_000_000;
        let (old, new) = (Tokens::base(made), Tokens::base(made + 1_000_000_000));
        // 4000 changes in that second.
        let last = Tokens { base: old, revision: 4000 }.settled(FRESH + PLACES - 1);
        assert!(Tokens { base: new, revision: 1 }.settled(FRESH) > last);
        let far = Tokens { base: Tokens::base(1_900_000_000_000_000_000), revision: 1 << 30 };
        assert!(far.settled(FRESH) < 1 << 53);
    }

    #[test]
    fn one_change_has_tokens_for_the_whole_queue_and_one_request() {
        let mut table = Table::empty(0);
        for _ in 0..QUEUE_PATHS_MAX + LOCK_PATHS_MAX {
            table.mint().unwrap();
        }
        assert!(table.mint().is_err());
    }
}
