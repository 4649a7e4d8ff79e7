//! What the committer writes to: a journal and two databases in files, or all of it on a server.

use crate::batch::{Files, Writer};
use crate::readers::{FileReaders, Readers};
use crate::rebuild::Beside;
use crate::verdict::Verdict;
use crate::{Commit, RebuildReport, StoreError, dump, postgresql, wal};
use model::Cursor;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

pub(crate) enum Ledger {
    Files(Box<FilesLedger>),
    Server(Box<postgresql::Writer>),
}

/// Databases that were made anew and wait to take the place of the present ones.
pub(crate) enum Fresh {
    Files(Vec<Beside>),
    Server(Box<postgresql::Beside>),
}

pub(crate) struct FilesLedger {
    pub(crate) writer: Writer,
    pub(crate) readers: Arc<FileReaders>,
    /// Wakes the thread that copies logs, which lives as long as somebody can.
    pub(crate) checkpoint: Option<SyncSender<()>>,
}

/// What came of a swap, and why the store must stop, if it must.
pub(crate) type Swapped = (Result<RebuildReport, StoreError>, Option<String>);

impl Ledger {
    pub(crate) fn batch(&mut self, commits: Vec<Commit>) -> (Vec<Verdict>, Option<String>) {
        match self {
            Self::Files(files) => files.writer.batch(commits),
            Self::Server(writer) => writer.batch(commits),
        }
    }

    /// The last durable event.
    pub(crate) fn durable(&self) -> Cursor {
        match self {
            Self::Files(files) => files.writer.journal.reader().newest().cursor,
            Self::Server(writer) => writer.scribe.reader().newest().cursor,
        }
    }

    /// After a batch was answered.
    pub(crate) fn look_after(&self) {
        if let Self::Files(files) = self {
            files.look_at_logs();
        }
    }

    /// No batch comes any more. What it writes to stays open.
    pub(crate) fn rest(mut self) -> Self {
        if let Self::Files(files) = &mut self {
            files.checkpoint = None;
        }
        self
    }

    /// When nothing has come for a while.
    pub(crate) fn tidy(&mut self) {
        if let Self::Files(files) = self {
            files.writer.restock();
            files.copy_logs();
        }
    }

    /// Puts what was made anew in the place of what there is. Commits wait; readers finish first.
    pub(crate) fn swap(&mut self, fresh: Fresh, readers: &Readers) -> Swapped {
        match (self, fresh, readers) {
            (Self::Files(files), Fresh::Files(besides), _) => files.swap(besides),
            (Self::Server(writer), Fresh::Server(beside), Readers::Server(readers)) => {
                (writer.swap(*beside, readers), None)
            }
            // A ledger makes its own kind alone.
            _ => (Err(StoreError::Stopped("it was made for another store".to_owned())), None),
        }
    }
}

impl FilesLedger {
    /// Wakes the checkpoint thread, or copies the rest of a log that has become long.
    fn look_at_logs(&self) {
        if !self.writer.has_room() {
            return;
        }
        for (_, file) in self.writer.files.each() {
            // A log that cannot be asked is no longer than before.
            match wal::backlog(file).unwrap_or_default().due() {
                wal::Due::Nobody => {}
                // A bell that is already rung is as good as two.
                wal::Due::Thread => drop(self.checkpoint.as_ref().map(|bell| bell.try_send(()))),
                // What fails here fails again at a commit, where it is answered for.
                wal::Due::Committer => drop(wal::checkpoint(file)),
            }
        }
    }

    /// Copies the rest of each log that has enough of it, so that the next commit starts it over.
    fn copy_logs(&self) {
        if !self.writer.has_room() {
            return;
        }
        for (_, file) in self.writer.files.each() {
            if wal::backlog(file).is_ok_and(|backlog| backlog.waiting() >= wal::IDLE_PAGES) {
                // As above.
                drop(wal::checkpoint(file));
            }
        }
    }

    fn swap(&mut self, mut besides: Vec<Beside>) -> Swapped {
        let mut report = match self.compare(&mut besides) {
            Ok(report) => report,
            Err(error) => return (Err(error), None),
        };
        match self.exchange(besides) {
            Ok(records) => {
                report.records = records;
                (Ok(report), None)
            }
            Err(error) => (Err(StoreError::Stopped(error.to_string())), Some(error.to_string())),
        }
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
        Ok(RebuildReport { records: 0, position: journal.newest().cursor, changed, behind: None })
    }

    fn exchange(&mut self, besides: Vec<Beside>) -> Result<u64, StoreError> {
        let databases = self.writer.databases.clone();
        let present = std::mem::replace(&mut self.writer.files, Files::nowhere()?);
        let mut present = Some(present);
        let (files, records) = self.readers.exchange(|| {
            drop(present.take());
            let mut records = 0;
            for beside in besides {
                records = beside.install(&databases)?;
            }
            Ok::<_, StoreError>((Files::open(&databases)?, records))
        })?;
        self.writer.files = files;
        Ok(records)
    }
}
