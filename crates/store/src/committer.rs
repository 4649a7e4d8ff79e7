//! The committer's thread: takes waiting commits in batches, answers them, rings the doorbells.
//!
//! Invariant: nobody is answered before the outcome is final. A receipt means durable; a refusal too is given only
//! once the commits it was decided upon are.

use crate::archive::Follower;
use crate::batch::{Verdict, Writer};
use crate::readers::Readers;
use crate::rebuild::Beside;
use crate::{Commit, CommitError, RebuildReport, StoreError, dump, wal};
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
pub(crate) type Bell = Box<dyn Fn(Cursor) + Send + Sync>;

pub(crate) enum Job {
    Commit(Pending),
    Swap(Vec<Beside>, SyncSender<Result<RebuildReport, StoreError>>),
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
    pub(crate) readers: Arc<Readers>,
    pub(crate) archive: Follower,
    pub(crate) stopped: OnceLock<String>,
    pub(crate) bells: RwLock<Vec<Bell>>,
    durable: Mutex<Cursor>,
}

impl Shared {
    pub(crate) fn new(readers: Arc<Readers>, archive: Follower, durable: Cursor) -> Self {
        Self {
            readers,
            archive,
            stopped: OnceLock::new(),
            bells: RwLock::default(),
            durable: Mutex::new(durable),
        }
    }

    pub(crate) fn durable(&self) -> Cursor {
        *self.lock()
    }

    fn ring(&self, durable: Cursor) {
        self.archive.ring(durable);
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
    pub(crate) writer: Writer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) checkpoint: SyncSender<()>,
}

impl Committer {
    /// Runs until it is told to close or cannot go on. Gives back what it wrote to, so that its connections can be the last to close:
    /// only they clear the logs away.
    pub(crate) fn run(mut self) -> Writer {
        if let Err(reason) = self.serve() {
            self.shared.readers.stop(&reason);
            let reason = self.shared.stopped.get_or_init(|| reason).clone();
            while let Ok(job) = self.jobs.try_recv() {
                if let Job::Commit(pending) = job
                    && let Some((_, reply)) = pending.take()
                {
                    answer(reply, Err(CommitError::Stopped(reason.clone())));
                }
            }
        }
        self.writer
    }

    fn serve(&mut self) -> Result<(), String> {
        let mut untidy = false;
        loop {
            let first = if untidy {
                match self.jobs.recv_timeout(IDLE_AFTER) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        self.writer.restock();
                        self.copy_logs(wal::IDLE_PAGES);
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
                Some(Job::Swap(besides, reply)) => self.swap(besides, &reply)?,
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
        let (verdicts, stop) = self.writer.batch(commits);
        if let Some(reason) = &stop {
            // Before anybody is answered, so that nobody who hears of it finds the store still taking commits.
            self.shared.readers.stop(reason);
            drop(self.shared.stopped.set(reason.clone()));
        }
        let durable = self.writer.journal.reader().newest().cursor;
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
        self.look_at_logs();
        Ok(())
    }

    /// Wakes the checkpoint thread, or does its work when a log has become too long.
    fn look_at_logs(&self) {
        if !self.writer.has_room() {
            return;
        }
        // A log that cannot be asked is no longer than before.
        let backlogs = self.writer.files.each().map(|(_, file)| wal::backlog(file).unwrap_or_default());
        if backlogs.iter().any(|backlog| backlog.log >= wal::LOG_PAGES_MAX) {
            self.copy_logs(0);
        } else if backlogs.iter().any(|backlog| backlog.waiting() >= wal::BACKGROUND_PAGES) {
            // A bell that is already rung is as good as two.
            let _rung = self.checkpoint.try_send(());
        }
    }

    /// Copies the rest of each log that has at least this many pages to copy, so that the next commit starts it over.
    fn copy_logs(&self, at_least: i64) {
        if !self.writer.has_room() {
            return;
        }
        for (_, file) in self.writer.files.each() {
            if wal::backlog(file).is_ok_and(|backlog| backlog.waiting() >= at_least) {
                // What fails here fails again at a commit, where it is answered for.
                drop(wal::checkpoint(file));
            }
        }
    }

    /// Puts rebuilt files in the place of ours. Commits wait; readers finish first.
    fn swap(
        &mut self,
        mut besides: Vec<Beside>,
        reply: &SyncSender<Result<RebuildReport, StoreError>>,
    ) -> Result<(), String> {
        let compared = self.compare(&mut besides);
        let (report, stop) = match compared {
            Err(error) => (Err(error), None),
            Ok(mut report) => match self.exchange(besides) {
                Ok(records) => {
                    report.records = records;
                    (Ok(report), None)
                }
                Err(error) => (Err(StoreError::Stopped(error.to_string())), Some(error.to_string())),
            },
        };
        // Whoever asked may have gone.
        drop(reply.send(report));
        stop.map_or(Ok(()), Err)
    }

    fn compare(&self, besides: &mut [Beside]) -> Result<RebuildReport, StoreError> {
        let journal = self.writer.journal.reader();
        let mut changed = Vec::new();
        for beside in besides {
            beside.follow(&journal)?;
            for (database, present) in self.writer.files.each() {
                if database == beside.database() {
                    changed.extend(dump::differences(database, present, beside.connection()));
                }
            }
        }
        Ok(RebuildReport { records: 0, position: journal.newest().cursor, changed })
    }

    fn exchange(&mut self, besides: Vec<Beside>) -> Result<u64, StoreError> {
        let databases = self.writer.databases.clone();
        let placeholder = crate::batch::Files::nowhere()?;
        let present = std::mem::replace(&mut self.writer.files, placeholder);
        let readers = Arc::clone(&self.shared.readers);
        let mut present = Some(present);
        let (files, records) = readers.exchange(|| {
            drop(present.take());
            let mut records = 0;
            for beside in besides {
                records = beside.install(&databases)?;
            }
            Ok::<_, StoreError>((crate::batch::Files::open(&databases)?, records))
        })?;
        self.writer.files = files;
        Ok(records)
    }
}

fn answer(reply: Reply, verdict: Verdict) {
    // A reply that panics is its owner's bug; the others are answered all the same.
    drop(catch_unwind(AssertUnwindSafe(|| reply(verdict))));
}
