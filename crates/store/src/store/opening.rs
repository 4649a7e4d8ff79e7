//! Opening a store, on files or on a server, and starting its threads.

use super::{Home, Inner, OpenReport, Store, Threads};
use crate::batch::{Files, Writer};
use crate::commit::COMMIT_QUEUE;
use crate::committer::{Committer, Job, Shared};
use crate::follower::Follower;
use crate::ledger::{FilesLedger, Ledger};
use crate::postgresql::{self, Lease, Place, PostgresqlOptions, Table};
use crate::readers::{FileReaders, Readers};
use crate::rebuild::{bring_up, reached};
use crate::statement::Database;
use crate::wal::Checkpointer;
use crate::{Commit, Opening, StoreError, archive, connection, side};
use journal::{Journal, Options, Reader, Scribe};
use model::{Actor, Clock, Cursor, Entropy, Event, WorkspaceDir};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

pub(super) fn files(
    workspace: &WorkspaceDir,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: Options,
) -> Result<(Store, OpenReport), StoreError> {
    connection::require_sqlite()?;
    let databases = workspace.databases();
    private_folder(&databases)?;
    let opened = Journal::open(&workspace.journal(), &workspace.blobs(), clock, entropy, options)?;
    let mut journal = opened.journal;
    // Before the databases are set right: they are the witnesses of what the journal has lost.
    let outlived = match seen(&databases) {
        Some(seen) => journal.outlive(seen)?,
        None => None,
    };
    let repaired = opened.repaired.or(outlived);
    let sessions = bring_up_with_reserve(&mut journal, &databases, Database::Sessions)?;
    let messages = bring_up_with_reserve(&mut journal, &databases, Database::Messages)?;
    let store = start_on_files(journal, databases, &workspace.session_logs())?;
    if let Some(repair) = repaired.clone() {
        let event = Event::JournalRepaired(repair);
        store
            .commit(Commit::new(Actor::System, move |_| Ok(vec![event])))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
    }
    let position = store.durable();
    Ok((store, OpenReport { repaired, sessions, messages, taken_over: None, position }))
}

/// Conversations are nobody else's business.
fn private_folder(folder: &Path) -> Result<(), StoreError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| StoreError::io("make", folder, error))
}

fn start_on_files(journal: Journal, databases: PathBuf, session_logs: &Path) -> Result<Store, StoreError> {
    let reader = journal.reader();
    let files = Files::open(&databases)?;
    let readers = Arc::new(FileReaders::new(databases.clone()));
    let checkpointer = Checkpointer::start(Arc::clone(&readers), &databases)?;
    let ledger = Ledger::Files(Box::new(FilesLedger {
        writer: Writer::new(journal, files, databases.clone()),
        readers: Arc::clone(&readers),
        checkpoint: Some(checkpointer.bell()),
    }));
    let (jobs, committing) =
        commit_on(ledger, Readers::Files(readers), reader.clone(), (session_logs, &databases))?;
    let Committing { shared, thread } = committing;
    let threads = Threads { committer: thread, checkpointer: Some(checkpointer), lease: None };
    let sides = databases.clone();
    Ok(assemble(shared, jobs, reader, (Home::Files(databases), sides), threads))
}

/// The committer at work.
struct Committing {
    shared: Arc<Shared>,
    thread: std::thread::JoinHandle<Ledger>,
}

fn commit_on(
    ledger: Ledger,
    readers: Readers,
    journal: Reader,
    (session_logs, sides): (&Path, &Path),
) -> Result<(SyncSender<Job>, Committing), StoreError> {
    let durable = journal.newest().cursor;
    let archive = Follower::start("store-archive", session_logs, journal.clone(), archive::follow)?;
    let sides = Follower::start("store-sides", sides, journal, side::follow)?;
    let shared = Arc::new(Shared::new(readers, archive, sides, durable));
    let (jobs, queue) = sync_channel(COMMIT_QUEUE);
    let committer = Committer { ledger, shared: Arc::clone(&shared), jobs: queue };
    let thread = std::thread::Builder::new()
        .name("store-commit".to_owned())
        .spawn(move || committer.run())
        .map_err(|error| StoreError::io("start a thread for", session_logs, error))?;
    Ok((jobs, Committing { shared, thread }))
}

fn assemble(
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    journal: Reader,
    (home, sides): (Home, PathBuf),
    threads: Threads,
) -> Store {
    let rebuilding = Mutex::new(());
    let inner = Inner { shared, jobs, journal, home, sides, rebuilding, threads: Mutex::new(Some(threads)) };
    Store { inner: Arc::new(inner) }
}

pub(super) fn server(
    workspace: &WorkspaceDir,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    server: &PostgresqlOptions,
    options: &Options,
) -> Result<(Store, OpenReport), StoreError> {
    let place = Arc::new(Place::read(server)?);
    let sides = workspace.databases();
    private_folder(&sides)?;
    let door = postgresql::open_door(&place)?;
    refuse_what_did_not_move(workspace, &place, &door)?;
    let acquired = postgresql::acquire(&door, &place, &*entropy)?;
    let claim = acquired.claim.clone();
    let opened = (|| {
        let shelf = Arc::new(Table::new(Arc::clone(&place)));
        let scribe = Scribe::new(shelf, &acquired.shelved, clock, entropy, options);
        let reader = scribe.reader();
        // Before the rows are made, which may take longer than the lease.
        let bell: Arc<OnceLock<SyncSender<Job>>> = Arc::default();
        let rung = Arc::clone(&bell);
        let lease = Lease::keep(Arc::clone(&place), claim.clone(), move |_| {
            // With a full queue the next batch finds out by itself.
            if let Some(jobs) = rung.get() {
                drop(jobs.try_send(Job::Look));
            }
        })?;
        let opening = postgresql::bring_up(&place, &claim, &reader)?;
        let readers = Readers::Server(Arc::new(postgresql::Readers::new(Arc::clone(&place), reader.clone())));
        let writer = postgresql::Writer::new(Arc::clone(&place), claim.clone(), scribe);
        let ledger = Ledger::Server(Box::new(writer));
        let (jobs, committing) =
            commit_on(ledger, readers, reader.clone(), (&workspace.session_logs(), &sides))?;
        drop(bell.set(jobs.clone()));
        let Committing { shared, thread } = committing;
        let threads = Threads { committer: thread, checkpointer: None, lease: Some(lease) };
        let home = Home::Server { place: Arc::clone(&place), claim: claim.clone() };
        Ok((assemble(shared, jobs, reader, (home, sides), threads), opening))
    })();
    let (store, opening): (Store, Opening) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // The next one need not wait for a lease nobody keeps.
            drop(postgresql::release(&door, &claim));
            return Err(error);
        }
    };
    let position = store.durable();
    let (sessions, messages) = (opening.clone(), opening);
    let taken_over = acquired.taken_over;
    Ok((store, OpenReport { repaired: None, sessions, messages, taken_over, position }))
}

/// A workspace that has a history in files does not begin another one on a server by itself.
fn refuse_what_did_not_move(
    workspace: &WorkspaceDir,
    place: &Place,
    door: &postgresql::Connection,
) -> Result<(), StoreError> {
    if !workspace.journal().exists() || postgresql::is_there(door, place)? {
        return Ok(());
    }
    let records = Reader::open(&workspace.journal(), &workspace.blobs())?.newest().cursor.seq;
    if records == 0 {
        return Ok(());
    }
    Err(StoreError::NotMoved { place: place.to_string(), records })
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
