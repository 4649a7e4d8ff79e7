//! What only a server makes possible: two daemons that want one workspace, connections that break, text it cannot hold.

use crate::acknowledged::Acknowledged;
use crate::fixtures::World;
use crate::schema::Schema;
use crate::workspace::{commit, keyed};
use model::{Actor, DataRoot, Event};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use store::{Commit, CommitError, OpenReport, Opening, SessionFilter, Store, StoreError, StoreOptions};
use testkit::{ManualClock, SeededEntropy};

const ROOT: &str = "CODITECT_TEST_SERVER_ROOT";
const NAME: &str = "CODITECT_TEST_SERVER_NAME";
/// Short, so that a dead owner is soon known to be; long enough for a thread that is scheduled at all.
const LEASE: Duration = Duration::from_secs(2);

/// A machine: a data root of its own.
pub(crate) struct Machine {
    dir: tempfile::TempDir,
    name: &'static str,
    dice: SeededEntropy,
    lease: Option<Duration>,
}

impl Machine {
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, name, dice: SeededEntropy::new(seed), lease: Some(LEASE) }
    }

    /// With the lease everybody has: nobody takes it for dead because its machine is busy.
    fn patient(self) -> Self {
        Self { lease: None, ..self }
    }

    pub(crate) fn open(&self, schema: &Schema) -> Result<(Store, OpenReport), StoreError> {
        open(self.dir.path(), schema, self.name, &self.dice, self.lease)
    }
}

fn open(
    root: &Path,
    schema: &Schema,
    machine: &str,
    dice: &SeededEntropy,
    lease: Option<Duration>,
) -> Result<(Store, OpenReport), StoreError> {
    let mut server = schema.options(machine);
    server.lease = lease.unwrap_or(server.lease);
    let options = StoreOptions { postgresql: Some(server), ..StoreOptions::default() };
    let workspace = DataRoot::new(root).workspace("default");
    Store::open(&workspace, Arc::new(ManualClock::default()), Arc::new(dice.clone()), options)
}

pub(crate) fn titles(store: &Store) -> BTreeSet<String> {
    let filter = SessionFilter { limit: 10_000, ..SessionFilter::default() };
    let sessions = store.read(|view| view.sessions(&filter)).unwrap().rows;
    sessions.into_iter().map(|row| row.session.title).collect()
}

fn create(store: &Store, world: &World, title: &str) -> Result<store::Receipt, CommitError> {
    let event = Event::SessionCreated(world.session(title));
    store.commit(Commit::new(Actor::User, move |_| Ok(vec![event])).key(keyed(title, "h")))
}

#[test]
fn who_leaves_in_order_is_followed_at_once_and_who_lives_is_not_pushed_aside() {
    let Some(schema) = Schema::new() else { return };
    let (alpha, beta) = (Machine::new("alpha", 1).patient(), Machine::new("beta", 2).patient());
    let (first, report) = alpha.open(&schema).unwrap();
    assert_eq!((report.taken_over, report.sessions), (None, Opening::Created { records: 0 }));
    create(&first, &World::seeded(1), "one").unwrap();
    match beta.open(&schema) {
        Err(StoreError::Owned { place }) => assert_eq!(place, "alpha"),
        other => panic!("{:?}", other.map(|(_, report)| report)),
    }
    create(&first, &World::seeded(2), "two").unwrap();
    first.close();
    let (second, report) = beta.open(&schema).unwrap();
    assert_eq!((report.taken_over, report.sessions), (None, Opening::Current));
    assert_eq!(report.position.epoch, 1, "no new epoch for who follows in order");
    assert_eq!(titles(&second), ["one", "two"].map(str::to_owned).into());
    create(&second, &World::seeded(3), "three").unwrap();
    assert_eq!(second.verify().unwrap().journal.problems, []);
}

fn spawn(schema: &Schema, root: &Path) -> Child {
    #[expect(clippy::disallowed_methods, reason = "a daemon that is stopped and killed is another process")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "server::child_commits_until_it_is_refused", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .env(NAME, &schema.workspace)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "how the parent tells its child which workspace to use")]
fn told(name: &str) -> String {
    std::env::var(name).unwrap()
}

#[test]
#[ignore = "only as a child of the tests below"]
fn child_commits_until_it_is_refused() {
    let root = PathBuf::from(told(ROOT));
    let schema = Schema::borrowed(&told(NAME));
    let (store, _) = open(&root, &schema, "alpha", &SeededEntropy::new(7), Some(LEASE)).unwrap();
    let log = Acknowledged::of(&root).open();
    for n in 0.. {
        let title = format!("{}-{n}", std::process::id());
        let seed = u64::from(std::process::id()) * 100_000 + n;
        match create(&store, &World::seeded(seed), &title) {
            Ok(_) => log.add(&title),
            Err(CommitError::Stopped(why)) => {
                std::fs::write(root.join("stopped"), why).unwrap();
                return;
            }
            // A transaction the server ended while we were stopped: nothing was changed, the next one tells.
            Err(CommitError::Refused(refusal)) => assert_eq!(&*refusal.code, "database_unreachable"),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// What was acknowledged and is not there.
fn lost(root: &Path, store: &Store) -> Vec<String> {
    let kept = titles(store);
    Acknowledged::of(root).keys().into_iter().filter(|title| !kept.contains(title)).collect()
}

/// Until the child has been answered some times more.
fn let_work(child: &mut Child, root: &Path) {
    let acknowledged = Acknowledged::of(root);
    let before = acknowledged.keys().len();
    while acknowledged.keys().len() < before + 5 {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        std::thread::yield_now();
    }
}

#[test]
fn a_stopped_owner_is_succeeded_and_refused_when_it_goes_on() {
    let Some(schema) = Schema::new() else { return };
    let (alpha, beta) = (Machine::new("alpha", 1), Machine::new("beta", 2));
    let root = alpha.dir.path();
    let mut child = spawn(&schema, root);
    let_work(&mut child, root);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    let (store, report) = beta.open(&schema).unwrap();
    assert_eq!(report.taken_over.as_deref(), Some("alpha"));
    create(&store, &World::seeded(5), "after").unwrap();
    assert_eq!(store.durable().epoch, 2);
    kill_process(pid, Signal::CONT).unwrap();
    assert!(child.wait().unwrap().success(), "it stops by itself");
    let why = std::fs::read_to_string(root.join("stopped")).unwrap();
    assert!(why.contains("taken over by beta"), "{why}");
    assert_eq!(lost(root, &store), [""; 0]);
    create(&store, &World::seeded(6), "later").unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.journal.problems), (Vec::new(), Vec::new()));
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
}

#[test]
fn a_killed_owner_loses_nothing_and_its_own_machine_does_not_wait() {
    let Some(schema) = Schema::new() else { return };
    let (alpha, beta) = (Machine::new("alpha", 1), Machine::new("beta", 2));
    let root = alpha.dir.path();
    for life in 1..=3 {
        let mut child = spawn(&schema, root);
        let_work(&mut child, root);
        child.kill().unwrap();
        child.wait().unwrap();
        // As the same data root: the lock on it proves that the owner is dead.
        let (store, report) = alpha.open(&schema).unwrap();
        assert_eq!(report.taken_over.as_deref(), Some("alpha"));
        assert_eq!((report.sessions, report.position.seq), (Opening::Current, store.durable().seq));
        assert_eq!(lost(root, &store), [""; 0], "life {life}");
        store.close();
    }
    let mut child = spawn(&schema, root);
    let_work(&mut child, root);
    child.kill().unwrap();
    child.wait().unwrap();
    // Another machine waits for the lease.
    let (store, report) = beta.open(&schema).unwrap();
    assert_eq!(report.taken_over.as_deref(), Some("alpha"));
    assert_eq!(lost(root, &store), [""; 0]);
    assert_eq!(store.verify().unwrap().journal.problems, []);
}

#[test]
fn lost_connections_cost_refusals_and_nothing_else() {
    let Some(schema) = Schema::new() else { return };
    let alpha = Machine::new("alpha", 1);
    let (store, _) = alpha.open(&schema).unwrap();
    let mut answered = BTreeSet::new();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'studio_{}'",
        schema.workspace
    );
    std::thread::scope(|scope| {
        let schema = &schema;
        let killer = scope.spawn(move || {
            let mut sql = schema.sql();
            for _ in 0..20 {
                sql.query(&*kill, &[]).unwrap();
                std::thread::yield_now();
            }
        });
        let mut n = 0;
        while !killer.is_finished() || answered.len() < 10 {
            n += 1;
            let title = format!("title {n}");
            match create(&store, &World::seeded(n), &title) {
                Ok(_) => drop(answered.insert(title)),
                Err(CommitError::Refused(refusal)) => assert_eq!(&*refusal.code, "database_unreachable"),
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    store.close();
    let (store, _) = alpha.open(&schema).unwrap();
    assert_eq!(titles(&store), answered, "what was refused is not there, what was answered is");
    assert_eq!(store.verify().unwrap().journal.problems, []);
}

#[test]
fn what_a_server_cannot_hold_comes_back_as_it_was() {
    let Some(schema) = Schema::new() else { return };
    let (store, _) = Machine::new("alpha", 1).open(&schema).unwrap();
    let world = World::new();
    let session = world.session("a\0b \u{10FFFE}0 \\u0000");
    let said = world.say(session.id, "nul \0, its word \\u0000, a mark \u{10FFFE}1 and \u{10FFFF}");
    // Over the threshold, so that a blob holds it.
    let long = world.say(session.id, &"\0long ".repeat(2_000));
    let events = vec![
        Event::SessionCreated(session.clone()),
        Event::MessageAppended(said.clone()),
        Event::MessageAppended(long.clone()),
    ];
    commit(&store, Actor::User, events);
    let (row, messages) = store
        .read(|view| Ok((view.session(session.id)?.unwrap().session, view.messages(session.id, None, 10)?)))
        .unwrap();
    assert_eq!((row, messages), (session, vec![said, long]));
    let before = store.dump().unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), before);
    let report = store.verify().unwrap();
    assert_eq!((report.journal.problems, report.journal.blobs), (Vec::new(), 1));
}

#[test]
fn what_was_changed_behind_the_store_shows() {
    let Some(schema) = Schema::new() else { return };
    let alpha = Machine::new("alpha", 1);
    let (store, _) = alpha.open(&schema).unwrap();
    World::new().history().commit_all(&store);
    let mut sql = schema.sql();
    sql.batch_execute("UPDATE tasks SET priority = 99").unwrap();
    assert_eq!(store.rebuild().unwrap().changed, ["sessions.tasks"]);
    let tampered = "UPDATE journal SET line = replace(line, '\"p\":', '\"p\": ') WHERE seq = 3";
    sql.batch_execute(tampered).unwrap();
    let problems = store.verify().unwrap().journal.problems;
    assert!(problems.iter().any(|problem| problem.seq == Some(3)), "{problems:?}");
    store.close();
    // Rows of another program are made anew, and a schema of nobody's is left alone.
    sql.batch_execute("UPDATE journal SET line = replace(line, '\"p\": ', '\"p\":') WHERE seq = 3").unwrap();
    let rows = format!("UPDATE \"studio_{}$rows\".migrations SET checksum = 'x'", schema.workspace);
    sql.batch_execute(&rows).unwrap();
    let (store, report) = alpha.open(&schema).unwrap();
    assert!(matches!(report.sessions, Opening::Rebuilt { .. }), "{report:?}");
    store.close();
    let truth = format!("UPDATE \"studio_{}\".migrations SET checksum = 'x'", schema.workspace);
    sql.batch_execute(&truth).unwrap();
    assert!(matches!(alpha.open(&schema), Err(StoreError::ForeignSchema { .. })));
}

#[test]
fn a_history_in_files_is_not_left_behind_unsaid() {
    let Some(schema) = Schema::new() else { return };
    let alpha = Machine::new("alpha", 1);
    let workspace = DataRoot::new(alpha.dir.path()).workspace("default");
    let (clock, dice) = (Arc::new(ManualClock::default()), Arc::new(alpha.dice.clone()));
    let (files, _) = Store::open(&workspace, clock, dice, StoreOptions::default()).unwrap();
    create(&files, &World::new(), "one").unwrap();
    files.close();
    match alpha.open(&schema) {
        Err(StoreError::NotMoved { records, .. }) => assert_eq!(records, 1),
        other => panic!("{:?}", other.map(|(_, report)| report)),
    }
}
