//! Dumps are equal however the databases came to be.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{Actor, Event};
use std::sync::atomic::{AtomicBool, Ordering};
use store::Opening;

const BOTH: [&str; 2] = ["sessions.db", "messages.db"];

#[test]
pub(crate) fn replay_from_zero_gives_the_same_rows() {
    let workspace = Workspace::new();
    let history = World::new().history();
    let (store, report) = workspace.open();
    assert_eq!(report.sessions, Opening::Created { records: 0 });
    history.commit_all(&store);
    let dump = store.dump().unwrap();
    store.close();
    workspace.forget_databases();
    let (store, report) = workspace.open();
    let records = u64::try_from(history.events().len()).unwrap();
    assert_eq!(report.sessions, Opening::Created { records });
    assert_eq!(report.messages, Opening::Created { records });
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
pub(crate) fn reopening_changes_nothing() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let (dump, durable) = (store.dump().unwrap(), store.durable());
    drop(store);
    let (store, report) = workspace.open();
    assert_eq!((report.sessions, report.messages), (Opening::Current, Opening::Current));
    assert_eq!(report.position, durable);
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
pub(crate) fn rebuild_and_swap_gives_the_same_rows_while_the_store_is_in_use() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    let half = history.commits.len() / 2;
    history.commit(&store, 0..half);
    let before = store.dump().unwrap();
    let report = store.rebuild().unwrap();
    assert_eq!(report.changed, Vec::<String>::new());
    assert_eq!(report.position, store.durable());
    assert_eq!(report.records, store.durable().seq);
    assert_eq!(store.dump().unwrap(), before);
    // The new files take commits, survive a restart, and are the same as ever.
    history.commit(&store, half..history.commits.len());
    let dump = store.dump().unwrap();
    store.close();
    let (store, report) = workspace.open();
    assert_eq!(report.sessions, Opening::Current);
    assert_eq!(store.dump().unwrap(), dump);
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
}

#[test]
pub(crate) fn commits_and_reads_go_on_while_files_are_exchanged_and_never_see_half() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (writer, done) = (store.clone(), &done);
        scope.spawn(move || {
            let world = World::new();
            while !done.load(Ordering::Relaxed) {
                let session = world.session("Auth");
                let said = world.say(session.id, "hello");
                let events = vec![Event::SessionCreated(session), Event::MessageAppended(said)];
                commit(&writer, Actor::User, events);
            }
        });
        for _ in 0..2 {
            let reader = store.clone();
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // Sessions are in one file and messages in the other: a view of two positions would count differently.
                    let (counts, position) =
                        reader.read(|view| Ok((view.counts()?, view.position()?))).unwrap();
                    assert_eq!(counts.sessions, counts.messages);
                    assert_eq!(position.seq, counts.sessions + counts.messages);
                }
            });
        }
        let mut rebuilds = 0;
        while rebuilds < 5 || store.durable().seq < 500 {
            assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
            rebuilds += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
    let dump = store.dump().unwrap();
    store.close();
    assert_eq!(workspace.open().0.dump().unwrap(), dump);
}

#[test]
fn rebuild_says_which_tables_were_wrong_and_rights_them() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let dump = store.dump().unwrap();
    store.close();
    let tampered = rusqlite::Connection::open(workspace.database("sessions.db")).unwrap();
    tampered.execute("UPDATE tasks SET priority = 99", []).unwrap();
    drop(tampered);
    let (store, _) = workspace.open();
    assert_ne!(store.dump().unwrap(), dump);
    assert_eq!(store.rebuild().unwrap().changed, ["sessions.tasks"]);
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
fn each_file_catches_up_on_its_own_when_it_is_behind() {
    for name in BOTH {
        let workspace = Workspace::new();
        let history = World::new().history();
        let (store, _) = workspace.open();
        let half = history.commits.len() / 2;
        history.commit(&store, 0..half);
        let missing = store.durable().seq;
        store.close();
        let older = std::fs::read(workspace.database(name)).unwrap();
        let (store, _) = workspace.open();
        history.commit(&store, half..history.commits.len());
        let (dump, missing) = (store.dump().unwrap(), store.durable().seq - missing);
        store.close();
        workspace.replace_database(name, &older);
        let (store, report) = workspace.open();
        let openings = [report.sessions, report.messages];
        assert!(openings.contains(&Opening::Current), "{openings:?}");
        assert!(openings.contains(&Opening::Replayed { records: missing }), "{openings:?}");
        assert_eq!(store.dump().unwrap(), dump);
    }
}
