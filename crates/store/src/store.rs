//! The store: journal, databases, committer and followers of one workspace.

use crate::archive::Follower;
use crate::batch::{Files, Writer};
use crate::commit::COMMIT_QUEUE;
use crate::committer::{Bell, Committer, Job, Pending, Shared};
use crate::readers::Readers;
use crate::rebuild::{Beside, bring_up, reached, suspect};
use crate::statement::Database;
use crate::wal::Checkpointer;
use crate::{Commit, CommitError, Receipt, StoreError, View, connection, dump, watermark};
use journal::{Journal, Reader};
use model::{Actor, Clock, Cursor, Entropy, Event, Refusal, RefusalKind, WorkspaceDir};
use rusqlite::Connection;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    pub journal: journal::Options,
}

/// What opening found and did.
#[derive(Debug)]
pub struct OpenReport {
    /// The torn tail the journal cut off, or that it has lost records a database has; the `journal.repaired` event is
    /// already committed.
    pub repaired: Option<model::JournalRepair>,
    pub sessions: Opening,
    pub messages: Opening,
    /// The last event, the one about a repair included.
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
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    journal: Reader,
    databases: PathBuf,
    /// One rebuild at a time: they would write the same files.
    rebuilding: Mutex<()>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    committer: JoinHandle<Writer>,
    checkpointer: Checkpointer,
}

/// Problems of one database that `verify` lists.
const PROBLEMS_MAX: u32 = 20;

impl Store {
    /// Opens the workspace's journal and brings both databases to its end, whatever state they are in: missing, behind, ahead,
    /// of another schema, or damaged. A file that is not ours is refused and left as it is.
    pub fn open(
        workspace: &WorkspaceDir,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: StoreOptions,
    ) -> Result<(Self, OpenReport), StoreError> {
        connection::require_sqlite()?;
        let databases = workspace.databases();
        // Conversations are nobody else's business.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&databases)
            .map_err(|error| StoreError::io("make", &databases, error))?;
        let opened =
            Journal::open(&workspace.journal(), &workspace.blobs(), clock, entropy, options.journal)?;
        let mut journal = opened.journal;
        // Before the databases are set right: they are the witnesses of what the journal has lost.
        let outlived = match seen(&databases) {
            Some(seen) => journal.outlive(seen)?,
            None => None,
        };
        let repaired = opened.repaired.or(outlived);
        let sessions = bring_up_with_reserve(&mut journal, &databases, Database::Sessions)?;
        let messages = bring_up_with_reserve(&mut journal, &databases, Database::Messages)?;
        let store = Self::start(journal, databases, &workspace.session_logs())?;
        if let Some(repair) = repaired.clone() {
            let event = Event::JournalRepaired(repair);
            store
                .commit(Commit::new(Actor::System, move |_| Ok(vec![event])))
                .map_err(|error| StoreError::Stopped(error.to_string()))?;
        }
        let position = store.durable();
        Ok((store, OpenReport { repaired, sessions, messages, position }))
    }

    fn start(journal: Journal, databases: PathBuf, session_logs: &Path) -> Result<Self, StoreError> {
        let reader = journal.reader();
        let files = Files::open(&databases)?;
        let readers = Arc::new(Readers::new(databases.clone()));
        let checkpointer = Checkpointer::start(Arc::clone(&readers), &databases)?;
        let archive = Follower::start(session_logs, reader.clone())?;
        let shared = Arc::new(Shared::new(readers, archive, reader.newest().cursor));
        let (jobs, queue) = sync_channel(COMMIT_QUEUE);
        let committer = Committer {
            writer: Writer::new(journal, files, databases.clone()),
            shared: Arc::clone(&shared),
            jobs: queue,
            checkpoint: checkpointer.bell(),
        };
        let committer = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| StoreError::io("start a thread for", &databases, error))?;
        let inner = Inner {
            shared,
            jobs,
            journal: reader,
            databases,
            rebuilding: Mutex::new(()),
            threads: Mutex::new(Some(Threads { committer, checkpointer })),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Hands a commit to the committer. The reply runs on the committer's thread once the commit is durable or
    /// refused, or at once on this thread when the queue is full; it must not block.
    pub fn submit(&self, commit: Commit, reply: impl FnOnce(Result<Receipt, CommitError>) + Send + 'static) {
        if let Some(reason) = self.inner.shared.stopped.get() {
            return reply(Err(CommitError::Stopped(reason.clone())));
        }
        match self.inner.jobs.try_send(Job::Commit(Pending::new(commit, Box::new(reply)))) {
            Ok(()) => {}
            Err(TrySendError::Full(Job::Commit(pending))) => {
                if let Some((_, reply)) = pending.take() {
                    reply(Err(CommitError::Refused(store_busy())));
                }
            }
            // The pending commit answers for itself when it is dropped.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Waits for the commit to be durable. Not for the committer's own thread, which would wait for itself.
    pub fn commit(&self, commit: Commit) -> Result<Receipt, CommitError> {
        let (reply, answer) = sync_channel(1);
        self.submit(commit, move |verdict| drop(reply.send(verdict)));
        answer.recv().unwrap_or_else(|_| Err(CommitError::Stopped("it was closed".to_owned())))
    }

    /// Runs queries on a reader of its own: both databases at one position. Never blocks the committer.
    pub fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.inner.shared.readers.read(read)?
    }

    /// Like [`Store::read`], for reads that may refuse.
    pub fn read_or_refuse<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.inner.shared.readers.read(read)?
    }

    /// The last event that is durable and visible to reads.
    pub fn durable(&self) -> Cursor {
        self.inner.shared.durable()
    }

    /// Why the store takes no more commits; none while it does.
    pub fn stopped(&self) -> Option<String> {
        self.inner.shared.stopped.get().cloned()
    }

    /// Rings after every batch, on the committer's thread: the cursor says what is now durable and readable. It
    /// must not block. Bells are never taken down.
    pub fn on_commit(&self, bell: Box<dyn Fn(Cursor) + Send + Sync>) {
        let bell: Bell = bell;
        self.inner.shared.bells.write().unwrap_or_else(PoisonError::into_inner).push(bell);
    }

    pub fn reader(&self) -> Reader {
        self.inner.journal.clone()
    }

    pub fn archive_position(&self) -> ArchiveStatus {
        self.inner.shared.archive.status()
    }

    /// Checks the journal, the databases and that they agree. Reads everything; takes as long as that takes.
    pub fn verify(&self) -> Result<StoreReport, StoreError> {
        let mut problems = Vec::new();
        self.inner.shared.readers.raw(|sessions, messages| {
            for (database, connection) in [(Database::Sessions, sessions), (Database::Messages, messages)] {
                let name = database.file_name();
                let found = integrity(connection).unwrap_or_else(|error| vec![error.to_string()]);
                if !found.is_empty() {
                    // Unless a rebuild comes first, the next start makes it anew.
                    suspect(&self.inner.databases, database);
                }
                problems.extend(found.into_iter().map(|problem| format!("{name}: {problem}")));
                problems.extend(self.stray(connection, database).map(|problem| format!("{name}: {problem}")));
            }
            Ok(())
        })?;
        Ok(StoreReport { journal: self.inner.journal.verify()?, problems })
    }

    /// What is wrong with the place where a database stands, whichever of the two is to blame: damage is what is
    /// looked for, and no reason to stop looking.
    fn stray(&self, connection: &Connection, database: Database) -> Option<String> {
        let reached = match watermark::read(connection, database) {
            Ok(reached) => reached,
            Err(error) => return Some(error.to_string()),
        };
        match self.inner.journal.position_at(reached.cursor.seq) {
            Ok(Some(known)) if known == reached => None,
            Ok(_) => Some(format!("it is at {}, which the journal does not know", reached.cursor)),
            Err(error) => Some(format!("it is at {}, which cannot be compared: {error}", reached.cursor)),
        }
    }

    /// Folds both databases again beside the present ones and swaps them in. Commits go on during the fold and wait
    /// during the swap, for its tail and for the comparison with what was there before. Not from inside a read.
    pub fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        let _one = self.inner.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut besides = Vec::new();
        for database in Database::ALL {
            let mut beside = Beside::create(&self.inner.databases, database)?;
            beside.follow(&self.inner.journal)?;
            besides.push(beside);
        }
        let (reply, answer) = sync_channel(1);
        let closed = || StoreError::Stopped("it was closed".to_owned());
        self.inner.jobs.send(Job::Swap(besides, reply)).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())?
    }

    /// Writes every table of both databases as ordered text, at one position.
    pub fn dump_to(&self, out: &mut dyn Write) -> Result<(), StoreError> {
        self.inner.shared.readers.raw(|sessions, messages| {
            dump::dump(Database::Sessions, sessions, out)?;
            dump::dump(Database::Messages, messages, out)
        })
    }

    /// [`Store::dump_to`] as a string.
    pub fn dump(&self) -> Result<String, StoreError> {
        let mut text = Vec::new();
        self.dump_to(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Finishes what is queued, lets the archive catch up, and ends the threads. Later commits and reads are refused.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        if is_this_thread(threads.committer.thread().id()) {
            // The last handle went away in a reply. Nobody can wait here for the committer, which ends with the queue.
            return self.shared.archive.end();
        }
        // Fails when the committer has stopped already.
        drop(self.jobs.send(Job::Close));
        // A panic in there has dropped the journal and the queue, which is all a stop does.
        let writer = threads.committer.join();
        self.shared.readers.close();
        threads.checkpointer.join();
        drop(writer);
        self.shared.archive.join();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_this_thread(thread: ThreadId) -> bool {
    std::thread::current().id() == thread
}

/// The newest record any database has taken in.
fn seen(databases: &Path) -> Option<Cursor> {
    Database::ALL
        .into_iter()
        .filter_map(|database| reached(databases, database))
        .max_by_key(|cursor| cursor.seq)
}

fn bring_up_with_reserve(
    journal: &mut Journal,
    databases: &Path,
    database: Database,
) -> Result<Opening, StoreError> {
    match bring_up(databases, database, &journal.reader()) {
        Err(error) if error.is_full() && (journal.spend_reserve() || journal.spend_margin()) => {
            bring_up(databases, database, &journal.reader())
        }
        result => result,
    }
}

fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut prepared = connection.prepare(&format!("PRAGMA integrity_check({PROBLEMS_MAX})"))?;
    let found: Vec<String> = prepared.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn store_busy() -> Refusal {
    Refusal::new(
        RefusalKind::Busy,
        "store_busy",
        format!("{COMMIT_QUEUE} changes wait to be written already"),
    )
    .hint("try again in a moment")
}
