//! kill -9 of a process that commits as fast as it can: what was acknowledged is there, and the databases are
//! what the journal says.

use crate::acknowledged::{Acknowledged, Log};
use crate::fixtures::World;
use crate::workspace::{Workspace, keyed, open_with};
use model::{Actor, Cursor, DataRoot, Event};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use store::{Commit, Opening, Store};
use testkit::{ManualClock, SeededEntropy};

const KILLS: u64 = 24;
/// Where the child finds its workspace.
const ROOT: &str = "CODITECT_TEST_STORE_ROOT";
const SEED: &str = "CODITECT_TEST_STORE_SEED";

#[expect(clippy::disallowed_methods, reason = "the child of this test is this test's own binary")]
fn spawn_child(root: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_commits_until_it_is_killed", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .env(SEED, seed.to_string())
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
#[ignore = "only as a child of the test below"]
fn child_commits_until_it_is_killed() {
    let root = PathBuf::from(told(ROOT));
    let seed: u64 = told(SEED).parse().unwrap();
    let dir = DataRoot::new(&root).workspace("default");
    let dice = SeededEntropy::new(seed);
    let (store, _) = open_with(&dir, &ManualClock::default(), &dice).unwrap();
    let log = Acknowledged::of(&root).open();
    std::thread::scope(|scope| {
        for client in 0..3 {
            let (store, log) = (store.clone(), &log);
            scope.spawn(move || commit_forever(&store, log, seed, client));
        }
    });
}

fn commit_forever(store: &Store, log: &Log, seed: u64, client: u64) {
    let world = World::seeded(1000 + seed * 10 + client);
    for n in 0_u64.. {
        let session = world.session("Auth");
        let mut events = vec![Event::SessionCreated(session.clone())];
        // Some payloads are large enough to become blobs, some commits have several events.
        events.push(Event::MessageAppended(world.say(session.id, &"x".repeat((n % 7 * 1000) as usize))));
        if n % 5 == 0 {
            events.extend(world.history().events());
        }
        let key = format!("{seed}-{client}-{n}");
        let request = Commit::new(Actor::User, move |_| Ok(events)).key(keyed(&key, "h"));
        store.commit(request).unwrap();
        log.add(&key);
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let workspace = Workspace::new();
    let root = workspace.dir().path().parent().unwrap().parent().unwrap().to_owned();
    let acknowledged = Acknowledged::of(&root);
    let dice = SeededEntropy::new(7);
    for kill in 0..KILLS {
        let before = acknowledged.keys().len();
        // How far it may get is diced, so that the kill comes at another point of its work each time.
        let wanted = before + usize::try_from(dice.below(40)).unwrap();
        let mut child = spawn_child(&root, kill);
        while acknowledged.keys().len() <= wanted {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let keys = acknowledged.keys();
        let (store, report) = workspace.open();
        for opening in [&report.sessions, &report.messages] {
            match opening {
                Opening::Current | Opening::Created { .. } | Opening::Replayed { .. } => {}
                other => panic!("after kill {kill}: {other:?}"),
            }
        }
        for key in &keys[before..] {
            let again = Commit::new(Actor::User, |_| panic!("an acknowledged key was lost"));
            let receipt = store.commit(again.key(keyed(key, "h"))).unwrap();
            assert!(receipt.replayed && receipt.records.len() >= 2, "{key}");
        }
        store.close();
    }
    let (store, _) = workspace.open();
    let problems = store.verify().unwrap();
    assert_eq!((problems.problems, problems.journal.problems), (Vec::new(), Vec::new()));
    for key in acknowledged.keys() {
        let again = Commit::new(Actor::User, |_| panic!("an acknowledged key was lost"));
        assert!(store.commit(again.key(keyed(&key, "h"))).unwrap().replayed);
    }
    let kinds: BTreeSet<&str> =
        store.reader().replay(Cursor::START).unwrap().map(|record| record.unwrap().event.kind()).collect();
    assert_eq!(
        kinds,
        Event::KINDS.iter().copied().collect(),
        "the kills hit a journal with every kind in it"
    );
    let acknowledged: BTreeSet<String> = acknowledged.keys().into_iter().collect();
    let journaled = store.reader().replay(Cursor::START).unwrap().filter_map(|record| record.unwrap().key);
    let unanswered = journaled.filter(|key| !acknowledged.contains(&key.key)).count();
    assert!(unanswered > 0, "some kills came between the journal's sync and the answer");
    // What the killed processes left, what a rebuild makes and what a replay makes are the same rows.
    let dump = store.dump().unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), dump);
    store.close();
    workspace.forget_databases();
    assert_eq!(workspace.open().0.dump().unwrap(), dump);
}
