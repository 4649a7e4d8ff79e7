//! Taking, keeping and losing locks: each a change by compare-and-swap, decided upon by the code all backends share.

use super::Nats;
use super::queue::Tokens;
use crate::error::{BusError, Contended, LockLost};
use crate::ledger::Ledger;
use crate::lock::{self, Acquired, Attempt, LockRequest, Wait, Wish};
use crate::queue;
use crate::scene::Scope;
use model::{Lock, RegistrationId};
use std::time::Duration;

/// Makes the tokens of the change that was just stored final.
pub(super) fn settle(locks: &mut [Lock], tokens: Tokens) {
    for lock in locks {
        lock.token = tokens.settled(lock.token);
    }
}

pub(super) fn settle_contended(contended: &mut Contended, tokens: Tokens) {
    settle(&mut contended.holders, tokens);
}

impl Nats {
    pub(super) fn wish(&self, request: &LockRequest) -> Result<Wish, BusError> {
        Wish::read(request, |tree, path| self.spelled(tree, path))
    }

    pub(super) fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        let wish = self.wish(request)?;
        let (mut attempt, tokens) = self.locking(|w| lock::acquire(w, &wish))?;
        match &mut attempt {
            Attempt::Granted(locks) | Attempt::Upgrade(_, locks) => settle(locks, tokens),
            Attempt::Blocked(contended, _) => settle_contended(contended, tokens),
        }
        attempt.into_result()
    }

    pub(super) fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        let ttl_ns = lock::lease(ttl)?;
        Ok(self.locking(|w| lock::renew(w, token, holder, ttl_ns))?.0)
    }

    pub(super) fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        let (kept, _) = self.locking(|w| lock::release(w, token, holder))?;
        if kept { Ok(()) } else { Err(LockLost::Expired { token }.into()) }
    }

    pub(super) fn break_lock(&self, token: u64) -> Result<Lock, BusError> {
        Ok(self.locking(|w| lock::break_lock(w, token))?.0)
    }

    /// Frees what these held, takes them out of the queue, and hands on.
    pub(super) fn free_all_of(&self, ended: &[RegistrationId]) -> Result<(), BusError> {
        self.locking(|w| {
            let freed = w.free_all_of(ended);
            queue::settle(w, Scope::All, freed).map(drop)
        })?;
        Ok(())
    }

    pub(super) fn check(
        &self,
        token: u64,
        worktree: &str,
        path: &str,
        holder: RegistrationId,
    ) -> Result<(), BusError> {
        let path = self.spelled(worktree, path);
        let (table, now) = self.table()?;
        let found = table.scene.locks.iter().find(|held| held.lock.token == token).cloned();
        // Late: whoever relies on a lease of its own must be sure that it is not over.
        match lock::covers(found, (token, holder), (worktree, &path), now.late().ns) {
            Ok(()) => Ok(()),
            Err(lost @ (LockLost::Gone { .. } | LockLost::Expired { .. })) => {
                Err(lock::explain(lost, self.locks(Some(worktree))?, &path, holder).into())
            }
            Err(lost) => Err(lost.into()),
        }
    }

    pub(super) fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        let (table, now) = self.table()?;
        let locks = table.scene.locks.into_iter().filter(|held| held.expires_ns > now.middle().ns);
        Ok(locks
            .map(|held| held.lock)
            .filter(|lock| worktree.is_none_or(|worktree| lock.worktree == worktree))
            .collect())
    }

    pub(super) fn waits(&self) -> Result<Vec<Wait>, BusError> {
        let (mut table, now) = self.table()?;
        table.scene.locks.retain(|held| held.expires_ns > now.middle().ns);
        let scene = &table.scene;
        let waiting = scene.waits.iter().filter(|waiting| waiting.grant.is_none());
        Ok(waiting.map(|waiting| scene.describe(waiting)).collect())
    }

    /// Whether clearing away would change locks or queue.
    pub(super) fn needs_settling(&self, dead: &[RegistrationId]) -> Result<bool, BusError> {
        let (table, now) = self.table()?;
        let now = now.early();
        let scene = &table.scene;
        let silent = |until: Option<i64>| until.is_some_and(|until| until <= now.ns);
        Ok(scene.needs_settling(now, |waiting| !silent(waiting.heard_until_ns))
            || scene.locks.iter().any(|held| dead.contains(&held.lock.holder))
            || scene.waits.iter().any(|waiting| dead.contains(&waiting.wait.holder)))
    }

    /// Brings locks and queue up to date.
    pub(super) fn settle_all(&self) -> Result<(), BusError> {
        self.locking(|w| {
            // Of registrations that are known no more nobody frees the locks but whoever goes round.
            let scene = w.load(Scope::All)?;
            let mut holders: Vec<RegistrationId> = scene.locks.iter().map(|held| held.lock.holder).collect();
            holders.sort_unstable();
            holders.dedup();
            let mut freed = Vec::new();
            for (holder, reason) in lock::dead_among(w, holders.into_iter())? {
                freed.extend(w.bury(holder, reason)?);
            }
            queue::settle(w, Scope::All, freed).map(drop)
        })?;
        Ok(())
    }
}
