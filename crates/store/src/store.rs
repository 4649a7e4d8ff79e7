//! The store: journal, databases, committer and followers of one workspace.

mod opening;

use crate::commit::COMMIT_QUEUE;
use crate::committer::{Bell, Job, Pending, Shared};
use crate::ledger::{Fresh, Ledger};
use crate::postgresql::{self, Claim, Digests, Lease, Place, PostgresqlOptions};
use crate::readers::Readers;
use crate::rebuild::{Beside, suspect};
use crate::side::{self, AgentFigures};
use crate::sql::Connection;
use crate::statement::Database;
use crate::wal::Checkpointer;
use crate::{Commit, CommitError, Receipt, StoreError, View, dump, watermark};
use journal::Reader;
use model::{Clock, Cursor, Entropy, Refusal, RefusalKind, SessionId, Timestamp, WorkspaceDir};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    pub journal: journal::Options,
    /// In place of files.
    pub postgresql: Option<PostgresqlOptions>,
}

/// What opening found and did.
#[derive(Debug)]
pub struct OpenReport {
    /// The torn tail the journal cut off, or that it has lost records a database has; the `journal.repaired` event is
    /// already committed.
    pub repaired: Option<model::JournalRepair>,
    pub sessions: Opening,
    pub messages: Opening,
    /// Where the owner was that did not leave in order; only on a server.
    pub taken_over: Option<String>,
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
    /// Why the databases that follow behind are as they were; none when they were made anew, too.
    pub behind: Option<String>,
}

/// What `verify` found. All is well when `problems` is empty and the journal has none.
#[derive(Debug)]
pub struct StoreReport {
    pub journal: journal::VerifyReport,
    pub problems: Vec<String>,
}

/// How far something has followed the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerStatus {
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
    home: Home,
    /// Where the databases are that follow behind.
    sides: PathBuf,
    /// One rebuild at a time: they would write the same files.
    rebuilding: Mutex<()>,
    threads: Mutex<Option<Threads>>,
}

/// Where the databases are.
enum Home {
    Files(PathBuf),
    Server { place: Arc<Place>, claim: Claim },
}

struct Threads {
    committer: JoinHandle<Ledger>,
    checkpointer: Option<Checkpointer>,
    lease: Option<Lease>,
}

/// How long a read of a database that follows behind waits for it.
const SIDE_PATIENCE: Duration = Duration::from_secs(2);
/// Problems of one database that `verify` lists.
const PROBLEMS_MAX: u32 = 20;

impl Store {
    /// Opens the workspace's journal and brings its databases to its end, whatever state they are in: missing, behind, ahead,
    /// of another schema, or damaged. A file or a schema that is not ours is refused and left as it is. On a server, waits
    /// for the lease of an owner that is not heard of.
    pub fn open(
        workspace: &WorkspaceDir,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: StoreOptions,
    ) -> Result<(Self, OpenReport), StoreError> {
        match &options.postgresql {
            None => opening::files(workspace, clock, entropy, options.journal),
            Some(server) => opening::server(workspace, clock, entropy, server, &options.journal),
        }
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

    /// Runs queries on a reader of its own: both databases at one position. Never blocks the committer. On a server they may
    /// be run twice, when a commit comes between two of them; what they answered the first time is then forgotten.
    pub fn read<T>(&self, read: impl Fn(&View<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.inner.shared.readers.read(read)?
    }

    /// Like [`Store::read`], for reads that may refuse.
    pub fn read_or_refuse<T>(&self, read: impl Fn(&View<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
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

    pub fn archive_position(&self) -> FollowerStatus {
        self.inner.shared.archive.status()
    }

    /// How far the databases have followed that no commit waits for.
    pub fn side_position(&self) -> FollowerStatus {
        self.inner.shared.sides.status()
    }

    /// What agents' turns came to, by agent: of one session, or of all; since a time, or ever. Waits for a moment until all is
    /// counted that is durable now, and says how far it is.
    pub fn agent_figures(
        &self,
        session: Option<SessionId>,
        since: Option<Timestamp>,
    ) -> Result<(Vec<AgentFigures>, FollowerStatus), StoreError> {
        let status = self.inner.shared.sides.await_position(self.durable(), SIDE_PATIENCE);
        Ok((side::agent_figures(&self.inner.sides, session, since)?, status))
    }

    /// Told, once and on a thread of the store's, why it takes no more commits. It must not block.
    pub fn on_stop(&self, mourner: Box<dyn FnOnce(&str) + Send>) {
        let mut mourners = self.inner.shared.mourners.lock().unwrap_or_else(PoisonError::into_inner);
        mourners.push(mourner);
    }

    /// Checks the journal, the databases and that they agree. Reads everything; takes as long as that takes.
    pub fn verify(&self) -> Result<StoreReport, StoreError> {
        let mut problems = Vec::new();
        match (&self.inner.shared.readers, &self.inner.home) {
            (Readers::Files(files), Home::Files(databases)) => files.raw(|sessions, messages| {
                for (database, connection) in [(Database::Sessions, sessions), (Database::Messages, messages)]
                {
                    let name = database.file_name();
                    let found = integrity(connection).unwrap_or_else(|error| vec![error.to_string()]);
                    if !found.is_empty() {
                        // Unless a rebuild comes first, the next start makes it anew.
                        suspect(databases, database);
                    }
                    problems.extend(found.into_iter().map(|problem| format!("{name}: {problem}")));
                    let stray = self.stray(&connection.into(), database);
                    problems.extend(stray.map(|problem| format!("{name}: {problem}")));
                }
                Ok(())
            })?,
            (Readers::Server(server), _) => server.raw(|connection| {
                let stray = self.stray(&connection.into(), Database::Sessions);
                problems.extend(stray.map(|problem| format!("the rows: {problem}")));
                Ok(())
            })?,
            (Readers::Files(_), Home::Server { .. }) => {}
        }
        Ok(StoreReport { journal: self.inner.journal.verify()?, problems })
    }

    /// What is wrong with the place where a database stands, whichever of the two is to blame: damage is what is
    /// looked for, and no reason to stop looking.
    fn stray(&self, connection: &Connection<'_>, database: Database) -> Option<String> {
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

    /// Folds both databases again beside the present ones and swaps them in; then those that follow behind. Commits go on
    /// during the fold and wait during the swap, for its tail and for the comparison with what was there before. Not from
    /// inside a read.
    pub fn rebuild(&self) -> Result<RebuildReport, StoreError> {
        let _one = self.inner.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = match &self.inner.home {
            Home::Files(databases) => {
                let mut besides = Vec::new();
                for database in Database::ALL {
                    let mut beside = Beside::create(databases, database)?;
                    beside.follow(&self.inner.journal)?;
                    besides.push(beside);
                }
                Fresh::Files(besides)
            }
            Home::Server { place, claim } => {
                let mut beside = postgresql::Beside::create(place, claim)?;
                beside.follow(&self.inner.journal)?;
                Fresh::Server(Box::new(beside))
            }
        };
        let (reply, answer) = sync_channel(1);
        let closed = || StoreError::Stopped("it was closed".to_owned());
        self.inner.jobs.send(Job::Swap(fresh, reply)).map_err(|_| closed())?;
        let report = answer.recv().map_err(|_| closed())??;
        Ok(RebuildReport { behind: self.inner.shared.sides.make_anew().err(), ..report })
    }

    /// Writes every table of both databases as ordered text, at one position.
    pub fn dump_to(&self, out: &mut dyn Write) -> Result<(), StoreError> {
        match &self.inner.shared.readers {
            Readers::Files(files) => files.raw(|sessions, messages| {
                dump::dump(Database::Sessions, sessions, out)?;
                dump::dump(Database::Messages, messages, out)
            }),
            Readers::Server(server) => server.raw(|connection| {
                postgresql::dump(Database::Sessions, connection, out)?;
                postgresql::dump(Database::Messages, connection, out)
            }),
        }
    }

    /// What the tables hold, so that it can be compared with another engine's.
    pub(crate) fn digests(&self) -> Result<Digests, StoreError> {
        match &self.inner.shared.readers {
            Readers::Files(files) => files.raw(Digests::of_files),
            Readers::Server(server) => server.raw(Digests::in_transaction),
        }
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
            self.shared.sides.end();
            return self.shared.archive.end();
        }
        // Fails when the committer has stopped already.
        drop(self.jobs.send(Job::Close));
        // A panic in there has dropped the journal and the queue, which is all a stop does.
        let ledger = threads.committer.join();
        self.shared.readers.close();
        if let Some(checkpointer) = threads.checkpointer {
            checkpointer.join();
        }
        if let Some(lease) = threads.lease {
            lease.join();
        }
        if let Ok(Ledger::Server(writer)) = ledger {
            leave(writer);
        }
        self.shared.sides.end();
        self.shared.archive.join();
        self.shared.sides.join();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Tells the server, on a thread of its own: the last handle may go away in a task, where nothing can be waited for.
fn leave(mut writer: Box<postgresql::Writer>) {
    // Whoever unwinds goes without a word.
    if !std::thread::panicking() {
        let leaving = std::thread::Builder::new().name("store-leave".to_owned());
        drop(leaving.spawn(move || writer.release()).map(JoinHandle::join));
    }
}

fn is_this_thread(thread: ThreadId) -> bool {
    std::thread::current().id() == thread
}

fn integrity(connection: &rusqlite::Connection) -> Result<Vec<String>, StoreError> {
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
