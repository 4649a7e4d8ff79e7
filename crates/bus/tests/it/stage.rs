//! A bus in a temporary folder, under a clock set by hand.

use bus::{Bus, Liveness, LockRequest, NewRegistration, Options};
use model::{Event, Lock, LockChange, LockMode, LockPhase, RegistrationId};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ManualClock, SeededEntropy};

pub(crate) const TREE: &str = "/w";
pub(crate) const TTL: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    entropy: SeededEntropy,
    pub(crate) bus: Bus,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let entropy = SeededEntropy::new(11);
        let bus =
            Bus::open_with(dir.path(), Arc::new(clock.clone()), Arc::new(entropy.clone()), in_boot("one"))
                .unwrap();
        Self { dir, clock, entropy, bus }
    }

    /// Another handle, as another process would open it.
    pub(crate) fn open_in(&self, boot: &str) -> Bus {
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::new(self.entropy.clone()));
        Bus::open_with(self.dir.path(), clock, entropy, in_boot(boot)).unwrap()
    }

    /// Another handle whose receivers look only when they are rung.
    pub(crate) fn open_patient(&self, slots: bool) -> Bus {
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::new(self.entropy.clone()));
        let options = Options { safety_poll: Duration::from_secs(3600), slots, ..in_boot("one") };
        Bus::open_with(self.dir.path(), clock, entropy, options).unwrap()
    }

    /// Closed, and opened again and again as by processes that live for one question.
    pub(crate) fn into_brief(self) -> (tempfile::TempDir, impl Fn() -> Bus) {
        let Self { dir, clock, entropy, bus } = self;
        drop(bus);
        let path = dir.path().to_owned();
        let open = move || {
            let options = Options { brief: Some(bus::BRIEF_FRAMES), ..in_boot("one") };
            Bus::open_with(&path, Arc::new(clock.clone()), Arc::new(entropy.clone()), options).unwrap()
        };
        (dir, open)
    }

    /// A registration that lives by a lease of a day.
    pub(crate) fn agent(&self, name: &str) -> RegistrationId {
        self.bus.register(new(name, Liveness::Lease { ttl: Duration::from_secs(24 * 3600) })).unwrap().id
    }

    /// A registration that lives while the returned file is open.
    pub(crate) fn mortal(&self, name: &str) -> (RegistrationId, File) {
        let path = self.dir.path().join(format!("{name}.live"));
        let file = File::create(&path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        (self.bus.register(new(name, Liveness::LockFile(path))).unwrap().id, file)
    }

    /// What has come out since the beginning, as (phase, holder, path, token).
    pub(crate) fn lock_changes(&self) -> Vec<LockChange> {
        let mut changes = Vec::new();
        for event in self.events() {
            if let Event::LockChanged(change) = event {
                changes.push(change);
            }
        }
        changes
    }

    pub(crate) fn phases(&self) -> Vec<LockPhase> {
        self.lock_changes().into_iter().map(|change| change.phase).collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        events_of(&self.bus)
    }

    /// Opens the database beside the bus; nothing but SQLite may.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("messaging.db")
    }
}

pub(crate) fn events_of(bus: &Bus) -> Vec<Event> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let (_, rows) = bus.outbox(after, 1000).unwrap();
        let Some(last) = rows.last() else { return events };
        after = last.id;
        events.extend(rows.into_iter().map(|row| row.event));
    }
}

pub(crate) fn in_boot(boot: &str) -> Options {
    Options { boot: Some(boot.to_owned()), ..Options::default() }
}

pub(crate) fn new(name: &str, liveness: Liveness) -> NewRegistration {
    NewRegistration {
        id: None,
        agent: name.to_owned(),
        vendor: "test".to_owned(),
        model: None,
        session: None,
        worktree: Some(TREE.to_owned()),
        liveness,
    }
}

pub(crate) fn want(holder: RegistrationId, mode: LockMode, paths: &[&str]) -> LockRequest {
    LockRequest {
        worktree: TREE.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        mode,
        holder,
        ttl: TTL,
    }
}

pub(crate) fn exclusive(holder: RegistrationId, paths: &[&str]) -> LockRequest {
    want(holder, LockMode::Exclusive, paths)
}

pub(crate) fn tokens(locks: &[Lock]) -> Vec<u64> {
    locks.iter().map(|lock| lock.token).collect()
}
