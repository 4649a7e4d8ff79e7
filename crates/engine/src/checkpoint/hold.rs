//! The locks under which a restore writes.
//!
//! Invariant: without an order nothing is written that another session holds; with one, only what it holds is written without
//! a lock of ours.

use crate::engine::Shared;
use bus::{BusError, LockRequest, Pattern};
use model::{Lock, LockMode, Refusal, RegistrationId, RepoPath};
use std::time::Duration;

/// How long a restore may take with its locks.
const HOLD_TTL: Duration = Duration::from_secs(15 * 60);
/// More files than this are one lock on everything: each lock is a row, and asked for with so many others at most.
const SINGLE_LOCKS_MAX: usize = bus::LOCK_PATHS_MAX;
/// Everything there is.
const EVERYTHING: &str = "**";

pub(super) struct Hold {
    worktree: String,
    holder: RegistrationId,
    locks: Vec<(Pattern, Lock)>,
    /// Locks that were the holder's before, and stay.
    given: Vec<u64>,
    /// What others hold, and is written all the same.
    anothers: Vec<Pattern>,
}

impl Hold {
    pub(super) fn take(
        shared: &Shared,
        worktree: &str,
        paths: &[RepoPath],
        holder: RegistrationId,
        force: bool,
    ) -> Result<Self, Refusal> {
        let held = shared.bus.locks(Some(worktree)).map_err(|error| error.refusal())?;
        let given = held.iter().filter(|lock| lock.holder == holder).map(|lock| lock.token).collect();
        let others = held.into_iter().filter(|lock| lock.holder != holder && lock.mode != LockMode::Advisory);
        let touched = |pattern: &Pattern| paths.iter().any(|path| pattern.matches(path.as_str()));
        let others: Vec<(Pattern, Lock)> = others
            .filter_map(|lock| Some((Pattern::parse(&lock.path).ok()?, lock)))
            .filter(|(pattern, _)| touched(pattern))
            .collect();
        if let Some((_, lock)) = others.first().filter(|_| !force) {
            return Err(refused(lock, others.len()));
        }
        let anothers: Vec<Pattern> = others.into_iter().map(|(pattern, _)| pattern).collect();
        let mut hold = Self { worktree: worktree.to_owned(), holder, locks: Vec::new(), given, anothers };
        let free: Vec<String> =
            paths.iter().filter(|path| !hold.is_anothers(path)).map(ToString::to_string).collect();
        match hold.acquire(shared, free) {
            Ok(()) => Ok(hold),
            Err(error) => {
                hold.release(shared);
                Err(match &error {
                    BusError::Contended(contended) if !contended.holders.is_empty() => {
                        refused(&contended.holders[0], contended.holders.len())
                    }
                    _ => error.refusal(),
                })
            }
        }
    }

    fn acquire(&mut self, shared: &Shared, free: Vec<String>) -> Result<(), BusError> {
        let globs = free.iter().filter(|path| Pattern::parse(path).map_or(true, |one| one.is_glob())).count();
        if (free.len() > SINGLE_LOCKS_MAX || globs > 0) && self.anothers.is_empty() {
            match self.request(shared, &[EVERYTHING.to_owned()]) {
                // Somebody holds a file that is not touched: then each of them is locked by itself.
                Err(BusError::Contended(_)) if globs == 0 => {}
                taken => return taken,
            }
        }
        // A name with a star in it would lock others, too; the look at each file before it changes stays.
        let free = if globs > 0 { Vec::new() } else { free };
        free.chunks(bus::LOCK_PATHS_MAX).try_for_each(|some| self.request(shared, some))
    }

    fn request(&mut self, shared: &Shared, paths: &[String]) -> Result<(), BusError> {
        let acquired = shared.bus.acquire(&LockRequest {
            worktree: self.worktree.clone(),
            paths: paths.to_vec(),
            mode: LockMode::Exclusive,
            holder: self.holder,
            ttl: HOLD_TTL,
        })?;
        for lock in acquired.locks {
            self.locks.push((Pattern::parse(&lock.path)?, lock));
        }
        Ok(())
    }

    /// Whether another session holds it.
    pub(super) fn is_anothers(&self, path: &RepoPath) -> bool {
        self.anothers.iter().any(|pattern| pattern.matches(path.as_str()))
    }

    /// The fencing check, of what we hold.
    pub(super) fn check(&self, shared: &Shared, path: &RepoPath) -> Result<(), Refusal> {
        let Some((_, lock)) = self.locks.iter().find(|(pattern, _)| pattern.matches(path.as_str())) else {
            return Ok(());
        };
        let checked = shared.bus.check(lock.token, &self.worktree, path.as_str(), self.holder);
        checked.map_err(|error| error.refusal())
    }

    /// Gives back what was taken for this.
    pub(super) fn release(&self, shared: &Shared) {
        let taken = self.locks.iter().map(|(_, lock)| lock.token);
        let taken: Vec<u64> = taken.filter(|token| !self.given.contains(token)).collect();
        // One write of any length would keep everybody else from the bus; and a fault in one leaves the others.
        for some in taken.chunks(bus::LOCK_PATHS_MAX) {
            match shared.bus.release_each(some, self.holder) {
                Ok(lost) => lost.iter().for_each(|error| {
                    tracing::debug!(%error, "a lock of a restore was lost before its end");
                }),
                Err(error) => {
                    tracing::debug!(%error, "these locks of a restore go when their time is over");
                }
            }
        }
    }
}

fn refused(lock: &Lock, count: usize) -> Refusal {
    let more = if count > 1 { format!(", and {} more are held", count - 1) } else { String::new() };
    Refusal::conflict("lock_held", format!("{} holds {}{more}; nothing was restored", lock.agent, lock.path))
        .hint("wait for its turn to end, restore other paths, or give --force")
}
