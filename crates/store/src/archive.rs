//! The thread that keeps the per-session archive following the journal.
//!
//! Invariant: it follows behind. No commit waits for it, and what it has not written when the process dies it writes
//! after the next start.

use crate::{ArchiveStatus, StoreError};
use journal::{JournalError, ReadPage, Reader, archive::Archive};
use model::Cursor;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Records taken in between two looks at whether to stop.
const PAGE: usize = 512;
/// How long lines may wait for the disk. Syncing each would fight with the journal's own sync.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// Between two attempts on a full disk.
const FULL_PAUSE: Duration = Duration::from_secs(2);
/// How long closing waits for it to take in the rest. What is left is taken in after the next start.
const CLOSING_MAX: Duration = Duration::from_secs(2);

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
    /// Set when the store closes: by when to be done.
    closing: Option<Instant>,
    finished: bool,
}

impl Follower {
    pub(crate) fn start(directory: &Path, journal: Reader) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        shared.lock().durable = journal.newest().cursor;
        let (followed, path) = (Arc::clone(&shared), directory.to_owned());
        let thread = std::thread::Builder::new()
            .name("store-archive".to_owned())
            .spawn(move || {
                let ended = follow(&followed, &path, &journal);
                let mut state = followed.lock();
                state.stopped = ended.err().map(|error| error.to_string());
                state.finished = true;
                followed.changed.notify_all();
            })
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

    /// Tells it to take in what is durable, if that is soon done, and to end.
    pub(crate) fn end(&self) {
        self.shared.lock().closing.get_or_insert_with(|| Instant::now() + CLOSING_MAX);
        self.shared.changed.notify_all();
    }

    /// [`Follower::end`], and waits for it.
    pub(crate) fn join(&self) {
        self.end();
        let still_busy = |state: &mut State| !state.finished;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), 2 * CLOSING_MAX, still_busy);
        let finished = waited.unwrap_or_else(PoisonError::into_inner).0.finished;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that makes a large archive anew is left to end with the process, which it survives as it would a kill.
        if finished {
            drop(thread.map(JoinHandle::join));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is something to take in, at most until `until`. False when it is time to end.
    fn wait(&self, reached: Cursor, until: Option<Instant>) -> bool {
        let mut state = self.lock();
        state.reached = reached;
        loop {
            let behind = state.durable > reached;
            if let Some(deadline) = state.closing {
                return behind && Instant::now() < deadline;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                _ if behind => return true,
                Some(Duration::ZERO) => return true,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits for room on the disk. False when the store closes meanwhile.
    fn wait_for_room(&self) -> bool {
        let open = |state: &mut State| state.closing.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), FULL_PAUSE, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing.is_none()
    }
}

fn follow(shared: &Shared, directory: &Path, journal: &Reader) -> Result<(), JournalError> {
    let mut archive = Archive::open(directory)?;
    loop {
        let ended = catch_up(shared, &mut archive, journal);
        shared.lock().reached = archive.position().cursor;
        match ended {
            // What a full disk kept out is taken in when there is room again.
            Err(JournalError::Full) if shared.wait_for_room() => {}
            ended => return ended,
        }
    }
}

/// Takes in all there is, then what comes, until the store closes.
fn catch_up(shared: &Shared, archive: &mut Archive, journal: &Reader) -> Result<(), JournalError> {
    archive.catch_up(journal)?;
    let mut seen = archive.position().cursor;
    let mut sync_at = None;
    while shared.wait(seen, sync_at) {
        match journal.read_after(seen, PAGE)? {
            ReadPage::Records(page) => {
                for record in &page {
                    archive.apply(record)?;
                    seen = record.position.cursor;
                    sync_at.get_or_insert_with(|| Instant::now() + SYNC_AFTER);
                }
            }
            ReadPage::Reset { .. } => {
                archive.catch_up(journal)?;
                seen = archive.position().cursor;
            }
        }
        if sync_at.is_some_and(|at| at <= Instant::now()) {
            archive.sync()?;
            sync_at = None;
        }
    }
    archive.sync()
}
