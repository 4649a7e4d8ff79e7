//! Who holds what and who waits for whom, as one transaction sees it. Decisions are made here, in
//! memory, for every backend alike; `queue` carries them out.
//!
//! Fairness is by place in the queue: a request waits behind every earlier one it conflicts with. One
//! exception keeps that from making rings out of nothing: nobody waits behind somebody who, perhaps through
//! others, waits for a lock he holds. With it a ring of waits is always a ring of held locks: were there a place in the
//! queue in it, take one whose owner somebody in the ring waits for because of a lock; the exception removes it.

use crate::error::Contended;
use crate::lock::Wait;
use crate::pattern::Pattern;
use crate::write::Moment;
use model::{Lock, LockMode, RegistrationId};

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
    /// The FIFO it listens at, where every process sees it.
    pub(crate) bell: String,
    /// Until when it counts as listening, where nobody sees its process.
    pub(crate) heard_until_ns: Option<i64>,
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
    pub(crate) fn needs_settling(&self, now: Moment, is_heard: impl Fn(&Waiting) -> bool) -> bool {
        self.locks.iter().any(|held| held.expires_ns <= now.ns)
            || self.waits.iter().any(|waiting| !is_heard(waiting))
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
