//! A workspace in a temporary directory, or on a server, opened and closed as often as a test needs.

use crate::schema::Schema;
use journal::IdempotencyKey;
use model::{Actor, DataRoot, Event, WorkspaceDir};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Commit, FollowerStatus, OpenReport, Receipt, Store, StoreError, StoreOptions};
use testkit::{ManualClock, SeededEntropy};

/// Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    static ON_SERVER: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test with its workspaces on a server, when there is one.
pub(crate) fn on_server(test: impl FnOnce()) {
    if Schema::new().is_some() {
        ON_SERVER.set(true);
        test();
    }
}

pub(crate) struct Workspace {
    _root: tempfile::TempDir,
    dir: WorkspaceDir,
    pub(crate) schema: Option<Schema>,
    pub(crate) clock: ManualClock,
    pub(crate) dice: SeededEntropy,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = DataRoot::new(root.path()).workspace("default");
        let schema = if ON_SERVER.get() { Schema::new() } else { None };
        Self { _root: root, dir, schema, clock: ManualClock::default(), dice: SeededEntropy::default() }
    }

    /// Leaves the journal alone.
    pub(crate) fn forget_databases(&self) {
        match &self.schema {
            Some(schema) => schema.forget_rows(),
            None => {
                for name in ["sessions.db", "messages.db"] {
                    std::fs::remove_file(self.database(name)).unwrap();
                }
            }
        }
    }

    /// The same files in another place. Everything here must be closed.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_tree(self.dir.path(), copy.dir.path());
        copy
    }

    pub(crate) fn dir(&self) -> &WorkspaceDir {
        &self.dir
    }

    pub(crate) fn database(&self, name: &str) -> PathBuf {
        self.dir.databases().join(name)
    }

    /// Puts another file where the database is, its log gone.
    pub(crate) fn replace_database(&self, name: &str, content: &[u8]) {
        for ending in ["-wal", "-shm"] {
            drop(std::fs::remove_file(self.database(&format!("{name}{ending}"))));
        }
        std::fs::write(self.database(name), content).unwrap();
    }

    pub(crate) fn try_open(&self) -> Result<(Store, OpenReport), StoreError> {
        let postgresql = self.schema.as_ref().map(|schema| schema.options("here"));
        let options = StoreOptions { postgresql, ..StoreOptions::default() };
        open_in(&self.dir, &self.clock, &self.dice, options)
    }

    pub(crate) fn open(&self) -> (Store, OpenReport) {
        self.try_open().unwrap()
    }
}

pub(crate) fn open_with(
    dir: &WorkspaceDir,
    clock: &ManualClock,
    dice: &SeededEntropy,
) -> Result<(Store, OpenReport), StoreError> {
    open_in(dir, clock, dice, StoreOptions::default())
}

pub(crate) fn open_in(
    dir: &WorkspaceDir,
    clock: &ManualClock,
    dice: &SeededEntropy,
    options: StoreOptions,
) -> Result<(Store, OpenReport), StoreError> {
    Store::open(dir, Arc::new(clock.clone()), Arc::new(dice.clone()), options)
}

/// Until what follows the journal from behind has all of it.
pub(crate) fn level(store: &Store, status: impl Fn(&Store) -> FollowerStatus) {
    let since = Instant::now();
    while status(store).position != store.durable() {
        let status = status(store);
        assert!(status.stopped.is_none() && since.elapsed() < PATIENCE, "{status:?}");
        std::thread::yield_now();
    }
}

/// Commits the events as one change.
pub(crate) fn commit(store: &Store, actor: Actor, events: Vec<Event>) -> Receipt {
    store.commit(Commit::new(actor, move |_| Ok(events))).unwrap()
}

pub(crate) fn keyed(name: &str, hash: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: name.to_owned(), request_hash: hash.to_owned() })
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
