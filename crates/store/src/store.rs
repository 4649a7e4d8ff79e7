//! The store: journal, databases, committer and followers of one workspace.

use crate::{Commit, CommitError, Receipt, StoreError, View};
use model::{Clock, Cursor, Entropy, Refusal, WorkspaceDir};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    pub journal: journal::Options,
}

/// What opening found and did.
#[derive(Debug)]
pub struct OpenReport {
    /// The torn tail the journal cut off; its `journal.repaired` event is already committed.
    pub repaired: Option<model::JournalRepair>,
    pub sessions: Opening,
    pub messages: Opening,
    pub position: Cursor,
}

/// How one database came to be current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    Current,
    /// There was none.
    Created {
        records: u64,
    },
    /// It was behind the journal.
    Replayed {
        records: u64,
    },
    /// It was ahead, of another history or of another schema; it was folded again from the first record.
    Rebuilt {
        reason: String,
        records: u64,
    },
    /// It was damaged: moved to `kept` and folded again from the first record.
    Recovered {
        reason: String,
        kept: PathBuf,
        records: u64,
    },
}

/// What `rebuild` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildReport {
    pub records: u64,
    pub position: Cursor,
    /// Tables whose rows differ from before, as `database.table`; empty when all was well.
    pub changed: Vec<String>,
}

/// What `verify` found. All is well when `problems` is empty and the journal has none.
#[derive(Debug)]
pub struct StoreReport {
    pub journal: journal::VerifyReport,
    pub problems: Vec<String>,
}

/// How far the session archive has followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveStatus {
    pub position: Cursor,
    /// Why it follows no more until the next start.
    pub stopped: Option<String>,
}

/// Cheap to clone; the last clone to go, or [`Store::close`], stops the threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<()>,
}

impl Store {
    pub fn open(
        workspace: &WorkspaceDir,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: StoreOptions,
    ) -> Result<(Self, OpenReport), StoreError> {
        drop((clock, entropy, options));
        unfinished(workspace)
    }

    /// Hands a commit to the committer. The reply runs on the committer's thread once the commit is durable or
    /// refused, or at once on this thread when the queue is full; it must not block.
    pub fn submit(&self, commit: Commit, reply: impl FnOnce(Result<Receipt, CommitError>) + Send + 'static) {
        drop(commit);
        reply(Err(CommitError::Stopped(format!("{:?}", self.inner))));
    }

    /// Waits for the commit to be durable.
    pub fn commit(&self, commit: Commit) -> Result<Receipt, CommitError> {
        drop(commit);
        Err(CommitError::Stopped(String::new()))
    }

    /// Runs queries on a reader of its own: both databases at one position. Never blocks the committer.
    pub fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        unfinished(std::mem::size_of_val(&read))
    }

    /// Like [`Store::read`], for reads that may refuse.
    pub fn read_or_refuse<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        drop(read);
        Err(Refusal::internal(""))
    }

    /// The last event that is durable and visible to reads.
    pub fn durable(&self) -> Cursor {
        Cursor::START
    }

    /// Rings after every batch, on the committer's thread: the cursor says what is now durable and readable. It
    /// must not block. Bells are never taken down.
    pub fn on_commit(&self, bell: Box<dyn Fn(Cursor) + Send + Sync>) {
        drop(bell);
    }

    pub fn reader(&self) -> journal::Reader {
        unreachable!("{:?}", self.inner)
    }

    pub fn archive_position(&self) -> ArchiveStatus {
        ArchiveStatus { position: Cursor::START, stopped: None }
    }

    /// Checks the journal, the databases and that they agree. Reads everything; takes as long as that takes.
    pub fn verify(&self) -> Result<StoreReport, StoreError> {
        unfinished(())
    }

    /// Folds both databases again beside the present ones and swaps them in. Commits wait during the swap.
    pub fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        unfinished(())
    }

    /// Every table of both databases as ordered text, at one position.
    pub fn dump(&self) -> Result<String, StoreError> {
        unfinished(())
    }

    /// Finishes what is queued, lets the archive catch up, and ends the threads. Later commits are `Stopped`.
    pub fn close(&self) {}
}

pub(crate) fn unfinished<T>(_: impl Sized) -> Result<T, StoreError> {
    Err(StoreError::Stopped("unfinished".to_owned()))
}
