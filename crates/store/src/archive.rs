//! The thread that keeps the per-session archive following the journal.
//!
//! Invariant: it follows behind. No commit waits for it, and what it has not written when the process dies it writes
//! after the next start.

use crate::{ArchiveStatus, StoreError};
use journal::{JournalError, Reader, archive::Archive};
use model::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two attempts on a full disk.
const FULL_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Follower {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    durable: Cursor,
    reached: Cursor,
    stopped: Option<String>,
    closing: bool,
}

impl Follower {
    pub(crate) fn start(directory: &Path, journal: Reader) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        shared.lock().durable = journal.newest().cursor;
        let (followed, path) = (Arc::clone(&shared), directory.to_owned());
        let thread = std::thread::Builder::new()
            .name("store-archive".to_owned())
            .spawn(move || run(&followed, path, &journal))
            .map_err(|error| StoreError::io("start a thread for", directory, error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// More is durable.
    pub(crate) fn ring(&self, durable: Cursor) {
        self.shared.lock().durable = durable;
        self.shared.changed.notify_all();
    }

    pub(crate) fn status(&self) -> ArchiveStatus {
        let state = self.shared.lock();
        ArchiveStatus { position: state.reached, stopped: state.stopped.clone() }
    }

    /// Lets it take in what is durable and end.
    pub(crate) fn end(&self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
    }

    /// [`Follower::end`], and waits for it.
    pub(crate) fn join(&self) {
        self.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic in there is the archive's; it is made up after the next start.
        drop(thread.map(JoinHandle::join));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(shared: &Shared, directory: PathBuf, journal: &Reader) {
    if let Err(error) = follow(shared, directory, journal) {
        shared.lock().stopped = Some(error.to_string());
    }
}

fn follow(shared: &Shared, directory: PathBuf, journal: &Reader) -> Result<(), JournalError> {
    let mut archive = Archive::open(&directory)?;
    drop(directory);
    loop {
        let full = match archive.catch_up(journal) {
            Ok(()) => false,
            Err(JournalError::Full) => true,
            Err(error) => return Err(error),
        };
        let mut state = shared.lock();
        state.reached = archive.position().cursor;
        if full {
            if state.closing {
                return Err(JournalError::Full);
            }
            let waited = shared.changed.wait_timeout(state, FULL_PAUSE);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            continue;
        }
        while state.durable <= state.reached && !state.closing {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.durable <= state.reached {
            return Ok(());
        }
    }
}
