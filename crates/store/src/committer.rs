//! The committer's thread: takes waiting commits in batches, answers them, rings the doorbells.
//!
//! Invariant: nobody is answered before the outcome is final. A receipt means durable; a refusal too is given only
//! once the commits it was decided upon are.

use crate::follower::Follower;
use crate::ledger::{Fresh, Ledger};
use crate::readers::Readers;
use crate::verdict::Verdict;
use crate::{Commit, CommitError, RebuildReport, StoreError};
use model::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// Commits in one batch, at most: what one sync makes durable together.
pub(crate) const BATCH_MAX: usize = 256;
/// Quiet for this long counts as idle.
const IDLE_AFTER: Duration = Duration::from_millis(200);

pub(crate) type Reply = Box<dyn FnOnce(Verdict) + Send>;
pub(crate) type Mourner = Box<dyn FnOnce(&str) + Send>;
pub(crate) type Bell = Box<dyn Fn(Cursor) + Send + Sync>;

pub(crate) enum Job {
    Commit(Pending),
    Swap(Fresh, SyncSender<Result<RebuildReport, StoreError>>),
    /// The lease was lost: look whether we are still the owner.
    Look,
    Close,
}

/// A commit whose caller waits. Dropped unanswered, by a committer that is gone, it answers `Stopped`.
pub(crate) struct Pending {
    work: Option<(Commit, Reply)>,
}

impl Pending {
    pub(crate) fn new(commit: Commit, reply: Reply) -> Self {
        Self { work: Some((commit, reply)) }
    }

    /// Takes the answer upon itself.
    pub(crate) fn take(mut self) -> Option<(Commit, Reply)> {
        self.work.take()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some((_, reply)) = self.work.take() {
            answer(reply, Err(CommitError::Stopped("it was closed".to_owned())));
        }
    }
}

/// What the committer shares with the store's handles.
pub(crate) struct Shared {
    pub(crate) readers: Readers,
    pub(crate) archive: Follower,
    /// Keeps the databases that no commit waits for.
    pub(crate) sides: Follower,
    pub(crate) stopped: OnceLock<String>,
    pub(crate) bells: RwLock<Vec<Bell>>,
    /// Told, once, why the store takes no more commits.
    pub(crate) mourners: Mutex<Vec<Mourner>>,
    durable: Mutex<Cursor>,
}

impl Shared {
    pub(crate) fn new(readers: Readers, archive: Follower, sides: Follower, durable: Cursor) -> Self {
        Self {
            readers,
            archive,
            sides,
            stopped: OnceLock::new(),
            bells: RwLock::default(),
            mourners: Mutex::default(),
            durable: Mutex::new(durable),
        }
    }

    pub(crate) fn durable(&self) -> Cursor {
        *self.lock()
    }

    /// Takes no more commits from now on; the first reason stays.
    pub(crate) fn stop(&self, reason: &str) -> String {
        self.readers.stop(reason);
        let reason = self.stopped.get_or_init(|| reason.to_owned()).clone();
        let mourners = std::mem::take(&mut *self.mourners.lock().unwrap_or_else(PoisonError::into_inner));
        for mourner in mourners {
            drop(catch_unwind(AssertUnwindSafe(|| mourner(&reason))));
        }
        reason
    }

    fn ring(&self, durable: Cursor) {
        self.archive.ring(durable);
        self.sides.ring(durable);
        for bell in self.bells.read().unwrap_or_else(PoisonError::into_inner).iter() {
            // A bell that panics is its owner's bug; commits go on.
            drop(catch_unwind(AssertUnwindSafe(|| bell(durable))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cursor> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Committer {
    pub(crate) ledger: Ledger,
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: Receiver<Job>,
}

impl Committer {
    /// Runs until it is told to close or cannot go on. Gives back what it wrote to, so that its connections can be the last to close:
    /// only they clear the logs away.
    pub(crate) fn run(mut self) -> Ledger {
        if let Err(reason) = self.serve() {
            let reason = self.shared.stop(&reason);
            while let Ok(job) = self.jobs.try_recv() {
                if let Job::Commit(pending) = job
                    && let Some((_, reply)) = pending.take()
                {
                    answer(reply, Err(CommitError::Stopped(reason.clone())));
                }
            }
        }
        self.ledger.rest()
    }

    fn serve(&mut self) -> Result<(), String> {
        let mut untidy = false;
        loop {
            let first = if untidy {
                match self.jobs.recv_timeout(IDLE_AFTER) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        self.ledger.tidy();
                        untidy = false;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            } else {
                match self.jobs.recv() {
                    Ok(job) => job,
                    Err(_) => return Ok(()),
                }
            };
            let (batch, then) = self.gather(first);
            if !batch.is_empty() {
                self.carry_out(batch)?;
                untidy = true;
            }
            match then {
                None | Some(Job::Commit(_)) => {}
                Some(Job::Swap(fresh, reply)) => self.swap(fresh, &reply)?,
                Some(Job::Look) => self.carry_out(Vec::new())?,
                Some(Job::Close) => return Ok(()),
            }
        }
    }

    /// Everything that waits, up to a batch or up to a job of another sort.
    fn gather(&self, first: Job) -> (Vec<(Commit, Reply)>, Option<Job>) {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Commit(pending) => batch.extend(pending.take()),
                other => return (batch, Some(other)),
            }
            next = if batch.len() < BATCH_MAX { self.jobs.try_recv().ok() } else { None };
        }
        (batch, None)
    }

    fn carry_out(&mut self, batch: Vec<(Commit, Reply)>) -> Result<(), String> {
        let (commits, replies): (Vec<Commit>, Vec<Reply>) = batch.into_iter().unzip();
        let (verdicts, stop) = self.ledger.batch(commits);
        if let Some(reason) = &stop {
            // Before anybody is answered, so that nobody who hears of it finds the store still taking commits.
            self.shared.stop(reason);
        }
        let durable = self.ledger.durable();
        let news = stop.is_none() && durable != self.shared.durable();
        if news {
            *self.shared.lock() = durable;
        }
        for (reply, verdict) in replies.into_iter().zip(verdicts) {
            answer(reply, verdict);
        }
        if let Some(reason) = stop {
            return Err(reason);
        }
        if news {
            self.shared.ring(durable);
        }
        self.ledger.look_after();
        Ok(())
    }

    fn swap(
        &mut self,
        fresh: Fresh,
        reply: &SyncSender<Result<RebuildReport, StoreError>>,
    ) -> Result<(), String> {
        let (report, stop) = self.ledger.swap(fresh, &self.shared.readers);
        // Whoever asked may have gone.
        drop(reply.send(report));
        stop.map_or(Ok(()), Err)
    }
}

fn answer(reply: Reply, verdict: Verdict) {
    // A reply that panics is its owner's bug; the others are answered all the same.
    drop(catch_unwind(AssertUnwindSafe(|| reply(verdict))));
}
