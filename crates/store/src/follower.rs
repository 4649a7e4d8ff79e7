//! Threads that keep something following the journal: the per-session archive, and databases beside those of the committer.
//!
//! Invariant: they follow behind. No commit waits for one, and what it has not written when the process dies it writes
//! after the next start.

use crate::{FollowerStatus, StoreError};
use journal::Reader;
use model::Cursor;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two attempts on a full disk.
const FULL_PAUSE: Duration = Duration::from_secs(2);
/// How long closing waits for it to take in the rest. What is left is taken in after the next start.
const CLOSING_MAX: Duration = Duration::from_secs(2);

pub(crate) struct Follower {
    shared: Arc<Waiting>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a follower and those who ask about it share.
#[derive(Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    durable: Cursor,
    reached: Cursor,
    stopped: Option<String>,
    /// Orders to make all of it anew, and how many of them are done.
    ordered: u64,
    made: u64,
    /// Why the last of them was not carried out.
    refused: Option<String>,
    /// Set when the store closes: by when to be done.
    closing: Option<Instant>,
    finished: bool,
}

impl Follower {
    /// Does `work` on a thread of its own. It ends when [`Waiting::wait`] says so, or with the reason why it cannot go on.
    pub(crate) fn start(
        name: &str,
        directory: &Path,
        journal: Reader,
        work: impl FnOnce(&Waiting, &Path, &Reader) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Waiting::default());
        shared.lock().durable = journal.newest().cursor;
        let (followed, path) = (Arc::clone(&shared), directory.to_owned());
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let ended = work(&followed, &path, &journal);
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

    pub(crate) fn status(&self) -> FollowerStatus {
        let state = self.shared.lock();
        FollowerStatus { position: state.reached, stopped: state.stopped.clone() }
    }

    /// Waits until it has come so far, at most so long. Says how far it is.
    pub(crate) fn await_position(&self, wanted: Cursor, patience: Duration) -> FollowerStatus {
        let behind = |state: &mut State| state.reached < wanted && !state.finished && state.stopped.is_none();
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), patience, behind));
        self.status()
    }

    /// Has it made anew from the first record, and waits for that; one order at a time. The reason when it cannot be.
    pub(crate) fn make_anew(&self) -> Result<(), String> {
        let mut state = self.shared.lock();
        state.ordered += 1;
        state.refused = None;
        // Whatever kept it from going on may be gone by now.
        state.stopped = state.stopped.take().filter(|_| state.finished);
        self.shared.changed.notify_all();
        let under_way =
            |state: &mut State| state.made < state.ordered && !state.finished && state.closing.is_none();
        let state = self.shared.changed.wait_while(state, under_way).unwrap_or_else(PoisonError::into_inner);
        match state.refused.as_ref().or(state.stopped.as_ref()) {
            Some(reason) => Err(reason.clone()),
            None if state.made == state.ordered => Ok(()),
            None => Err("the store was closed".to_owned()),
        }
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

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is something to take in, at most until `until`. False when it is time to end.
    pub(crate) fn wait(&self, reached: Cursor, until: Option<Instant>) -> bool {
        let mut state = self.lock();
        state.reached = reached;
        loop {
            let behind = state.durable > reached || state.made < state.ordered;
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

    /// The newest order to make all of it anew that is not carried out.
    pub(crate) fn order(&self) -> Option<u64> {
        let state = self.lock();
        (state.made < state.ordered).then_some(state.ordered)
    }

    /// This order and those before it are carried out.
    pub(crate) fn carried_out(&self, order: u64) {
        self.lock().made = order;
        self.changed.notify_all();
    }

    /// What is ordered cannot be done. It is not tried again by itself.
    pub(crate) fn refuse_order(&self, reason: &StoreError) {
        let mut state = self.lock();
        if state.made < state.ordered {
            state.made = state.ordered;
            state.refused = Some(reason.to_string());
            self.changed.notify_all();
        }
    }

    /// Says why it cannot go on, and waits for an order to make it anew. False when the store closes.
    pub(crate) fn wait_for_order(&self, reason: &StoreError) -> bool {
        self.refuse_order(reason);
        let mut state = self.lock();
        // An order that has come meanwhile is to be carried out.
        if state.made == state.ordered {
            state.stopped = Some(reason.to_string());
            self.changed.notify_all();
        }
        let idle = |state: &mut State| state.made == state.ordered && state.closing.is_none();
        let state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        state.closing.is_none()
    }

    /// Waits for room on the disk. False when the store closes meanwhile.
    pub(crate) fn wait_for_room(&self) -> bool {
        let open = |state: &mut State| state.closing.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), FULL_PAUSE, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing.is_none()
    }

    /// Says how far it has come.
    pub(crate) fn reach(&self, reached: Cursor) {
        self.lock().reached = reached;
        self.changed.notify_all();
    }

    /// Lets more come together, unless the store closes.
    pub(crate) fn gather(&self, pause: Duration) {
        let open = |state: &mut State| state.closing.is_none();
        drop(self.changed.wait_timeout_while(self.lock(), pause, open));
    }
}
