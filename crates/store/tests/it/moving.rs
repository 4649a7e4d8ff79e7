//! A workspace that moves: to a server, back into files, and killed on the way.

use crate::fixtures::World;
use crate::schema::Schema;
use crate::workspace::{Workspace, commit, keyed};
use model::{Actor, Clock, DataRoot, Entropy, Event};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use store::{Commit, Opening, Store, StoreError, StoreOptions, move_to_files, move_to_server};
use testkit::{ManualClock, SeededEntropy};

const ROOT: &str = "CODITECT_TEST_MOVING_ROOT";
const NAME: &str = "CODITECT_TEST_MOVING_NAME";

fn tools() -> (Arc<dyn Clock>, Arc<dyn Entropy>) {
    (Arc::new(ManualClock::default()), Arc::new(SeededEntropy::new(9)))
}

/// A closed workspace in files with some of everything, blobs too, and its dump.
fn filled() -> (Workspace, String) {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    world.history().commit_all(&store);
    let session = world.session("long");
    let said = world.say(session.id, &"long \0 ".repeat(2_000));
    commit(&store, Actor::User, vec![Event::SessionCreated(session), Event::MessageAppended(said)]);
    for n in 0..300 {
        let event = Event::SessionCreated(World::seeded(n).session("one of many"));
        store
            .commit(Commit::new(Actor::User, move |_| Ok(vec![event])).key(keyed(&n.to_string(), "h")))
            .unwrap();
    }
    let dump = store.dump().unwrap();
    store.close();
    (workspace, dump)
}

fn on_server(workspace: &Workspace, schema: &Schema) -> (Store, store::OpenReport) {
    let options = StoreOptions { postgresql: Some(schema.options("here")), ..StoreOptions::default() };
    let (clock, dice) = tools();
    Store::open(workspace.dir(), clock, dice, options).unwrap()
}

fn sessions(dump: &str) -> usize {
    dump.lines().filter(|line| line.contains("one of many")).count()
}

#[test]
fn there_and_back_again_everything_is_as_it_was() {
    let Some(schema) = Schema::new() else { return };
    let (workspace, dump) = filled();
    let (clock, dice) = tools();
    let moved = move_to_server(workspace.dir(), clock, dice, &schema.options("here")).unwrap();
    assert_eq!(moved.blobs, 1);
    let (store, report) = on_server(&workspace, &schema);
    assert_eq!((report.sessions, report.position.seq), (Opening::Current, moved.records));
    let problems = store.verify().unwrap();
    assert_eq!((problems.problems, problems.journal.problems), (Vec::new(), Vec::new()));
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    // Keys of before are known there.
    let again = Commit::new(Actor::User, |_| panic!("the key was lost")).key(keyed("7", "h"));
    assert!(store.commit(again).unwrap().replayed);
    let later = World::seeded(999).session("later");
    let receipt = commit(&store, Actor::User, vec![Event::SessionCreated(later)]);
    // The original could still write a record of this number, in the epoch it was in.
    assert_eq!(receipt.records[0].position.cursor.epoch, 2);
    store.close();
    // The original is what it was.
    let (original, report) = workspace.open();
    assert_eq!((report.sessions, original.dump().unwrap()), (Opening::Current, dump));
    original.close();

    let (clock, dice) = tools();
    let back = move_to_files(workspace.dir(), &clock, &dice, &schema.options("here")).unwrap();
    assert_eq!((back.records, back.blobs), (moved.records + 1, 1));
    let (store, report) = workspace.open();
    assert_eq!((report.sessions, report.position.seq), (Opening::Current, back.records));
    let dump = store.dump().unwrap();
    assert!(dump.contains("later") && sessions(&dump) == 300);
    assert_eq!(store.verify().unwrap().journal.problems, []);
    // What was in the way is kept.
    for name in ["journal.left-1", "blobs.left-1", "databases.left-1"] {
        assert!(workspace.dir().path().join(name).is_dir(), "{name}");
    }
}

#[test]
fn a_workspace_that_is_there_is_not_written_over() {
    let Some(schema) = Schema::new() else { return };
    let (workspace, _) = filled();
    let (other, _) = on_server(&Workspace::new(), &schema);
    other.close();
    let before = schema.sql().query_one("SELECT count(*) FROM sessions", &[]).unwrap().get::<_, i64>(0);
    let (clock, dice) = tools();
    let refused = move_to_server(workspace.dir(), clock, dice, &schema.options("here"));
    assert!(matches!(refused, Err(StoreError::Taken { .. })), "{refused:?}");
    let after = schema.sql().query_one("SELECT count(*) FROM sessions", &[]).unwrap().get::<_, i64>(0);
    assert_eq!(before, after);
}

fn spawn(root: &Path, schema: &Schema) -> Child {
    #[expect(clippy::disallowed_methods, reason = "what is killed on the way is another process")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "moving::child_moves", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .env(NAME, &schema.workspace)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "how the parent tells its child what to move")]
fn told(name: &str) -> String {
    std::env::var(name).unwrap()
}

#[test]
#[ignore = "only as a child of the test below"]
fn child_moves() {
    let workspace = DataRoot::new(PathBuf::from(told(ROOT))).workspace("default");
    let (clock, dice) = tools();
    move_to_server(&workspace, clock, dice, &Schema::borrowed(&told(NAME)).options("here")).unwrap();
}

#[test]
fn killed_on_the_way_the_original_is_valid_and_the_next_move_goes_through() {
    let Some(schema) = Schema::new() else { return };
    let (workspace, dump) = filled();
    let root = workspace.dir().path().parent().unwrap().parent().unwrap().to_owned();
    let name = &schema.workspace;
    // Each is true a little later than the one before: the copy has begun, lines are there, rows are made, it is whole.
    let stages = [
        format!("SELECT count(*) > 0 FROM pg_namespace WHERE nspname = 'studio_{name}'"),
        format!("SELECT count(*) > 0 FROM \"studio_{name}\".journal"),
        format!("SELECT count(*) > 0 FROM pg_namespace WHERE nspname = 'studio_{name}$fresh'"),
        format!("SELECT count(*) > 0 FROM pg_namespace WHERE nspname = 'studio_{name}$rows'"),
        format!("SELECT count(*) > 0 FROM \"studio_{name}\".owner WHERE state = 'arrived'"),
    ];
    let mut sql = schema.sql();
    for stage in &stages {
        // What the last attempt left looks like this one's, until this one has swept it away.
        let begun = format!("SELECT 1 FROM pg_stat_activity WHERE application_name = 'studio_{name}'");
        let mut child = spawn(&root, &schema);
        while sql.query(&*begun, &[]).unwrap().is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        }
        while child.try_wait().unwrap().is_none() {
            // A schema that is not there yet is an error, and so is one that is being dropped.
            if sql.query_one(&**stage, &[]).is_ok_and(|row| row.get(0)) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (original, report) = workspace.open();
        assert_eq!((report.sessions, original.dump().unwrap()), (Opening::Current, dump.clone()), "{stage}");
        original.close();
    }
    let (clock, dice) = tools();
    let moved = move_to_server(workspace.dir(), clock, dice, &schema.options("here")).unwrap();
    let (store, report) = on_server(&workspace, &schema);
    assert_eq!(report.position.seq, moved.records);
    assert_eq!(sessions(&store.dump().unwrap()), 300);
}

#[test]
fn what_did_not_arrive_whole_is_not_opened() {
    let Some(schema) = Schema::new() else { return };
    let (workspace, _) = filled();
    let (clock, dice) = tools();
    move_to_server(workspace.dir(), clock, dice, &schema.options("here")).unwrap();
    schema.sql().batch_execute("UPDATE owner SET state = 'arriving'").unwrap();
    let options = StoreOptions { postgresql: Some(schema.options("here")), ..StoreOptions::default() };
    let (clock, dice) = tools();
    let refused = Store::open(workspace.dir(), clock, dice, options).map(drop);
    assert!(matches!(refused, Err(StoreError::Arriving { .. })), "{refused:?}");
}
