//! Files that are not what they should be: ahead, of another history or schema, damaged, somebody else's.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit, level};
use model::{Actor, Cursor, Event};
use rusqlite::Connection;
use std::path::PathBuf;
use store::{Opening, Store, StoreError};

/// A closed workspace with the whole history in it, and its dump.
fn filled() -> (Workspace, String) {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let dump = store.dump().unwrap();
    store.close();
    (workspace, dump)
}

fn reason(opening: &Opening) -> &str {
    match opening {
        Opening::Rebuilt { reason, .. } | Opening::Recovered { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Overwrites the first page of the table.
fn damage_table(workspace: &Workspace, name: &str, table: &str) {
    let path = workspace.database(name);
    let root: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4096;
    let root = usize::try_from(root).unwrap();
    bytes[(root - 1) * page..root * page].fill(0xff);
    workspace.replace_database(name, &bytes);
}

/// The journal's last segment.
fn active_segment(workspace: &Workspace) -> PathBuf {
    let segments = std::fs::read_dir(workspace.dir().journal()).unwrap().map(|entry| entry.unwrap().path());
    segments.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).max().unwrap()
}

#[test]
fn a_torn_tail_is_reported_and_becomes_an_event_of_a_new_epoch() {
    let (workspace, dump) = filled();
    let segment = active_segment(&workspace);
    let torn = br#"{"h":{"epoch":1,"seq""#;
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.extend_from_slice(torn);
    std::fs::write(&segment, bytes).unwrap();
    let (store, report) = workspace.open();
    let repair = report.repaired.unwrap();
    assert_eq!(usize::try_from(repair.torn_bytes), Ok(torn.len()));
    assert_eq!((report.sessions, report.messages), (Opening::Current, Opening::Current));
    assert_eq!(report.position.epoch, repair.previous_epoch + 1);
    let after = store.dump().unwrap();
    assert!(after.contains(&repair.side_file) && !dump.contains(&repair.side_file));
    store.close();
    let (store, report) = workspace.open();
    assert_eq!((report.repaired, store.dump().unwrap()), (None, after));
}

#[test]
fn records_the_journal_lost_are_lost_from_the_databases_too() {
    let (workspace, _) = filled();
    let lines = std::fs::read_to_string(active_segment(&workspace)).unwrap();
    let torn = &lines[..lines.len() - 40];
    std::fs::write(active_segment(&workspace), torn).unwrap();
    let (store, report) = workspace.open();
    assert!(report.repaired.is_some());
    assert!(reason(&report.sessions).contains("ahead"), "{report:?}");
    assert!(reason(&report.messages).contains("ahead"), "{report:?}");
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_database_ahead_of_the_journal_is_folded_again() {
    let workspace = Workspace::new();
    let history = World::new().history();
    let (store, _) = workspace.open();
    history.commit(&store, 0..3);
    let dump = store.dump().unwrap();
    store.close();
    let earlier = workspace.copy();
    let (store, _) = workspace.open();
    history.commit(&store, 3..history.commits.len());
    store.close();
    for name in ["sessions.db", "messages.db"] {
        earlier.replace_database(name, &std::fs::read(workspace.database(name)).unwrap());
    }
    let (store, report) = earlier.open();
    assert!(reason(&report.sessions).contains("ahead"), "{report:?}");
    assert!(reason(&report.messages).contains("ahead"), "{report:?}");
    // Somebody has seen more than the journal has: it goes on in an epoch of its own, and says so.
    assert_eq!(report.repaired.map(|repair| repair.previous_epoch), Some(1));
    assert_eq!(rows_of(&store.dump().unwrap(), "sessions.sessions"), rows_of(&dump, "sessions.sessions"));
    assert_eq!(
        rows_of(&store.dump().unwrap(), "messages.agent_messages"),
        rows_of(&dump, "messages.agent_messages")
    );
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
}

fn rows_of<'a>(dump: &'a str, table: &str) -> Vec<&'a str> {
    let head = format!("-- {table} ");
    dump.lines()
        .skip_while(|line| !line.starts_with(&head))
        .skip(1)
        .take_while(|row| !row.starts_with("-- "))
        .collect()
}

/// Cuts the journal's last `count` lines off, and the mark that tells of them.
fn lose_records(workspace: &Workspace, count: usize) {
    let segment = active_segment(workspace);
    let text = std::fs::read_to_string(&segment).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(&segment, lines[..lines.len() - count].concat()).unwrap();
    std::fs::remove_file(workspace.dir().journal().join("mark.json")).unwrap();
}

#[test]
fn numbers_of_records_the_journal_lost_whole_are_never_used_again() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    let kept = history.commits.len() - 1;
    history.commit(&store, 0..kept);
    let known = store.durable();
    let before = store.dump().unwrap();
    history.commit(&store, kept..kept + 1);
    let seen = store.durable();
    store.close();
    lose_records(&workspace, usize::try_from(seen.seq - known.seq).unwrap());

    let (store, report) = workspace.open();
    assert!(reason(&report.sessions).contains("ahead"), "{report:?}");
    assert!(reason(&report.messages).contains("ahead"), "{report:?}");
    let repaired = report.repaired.unwrap();
    assert_eq!((repaired.previous_epoch, repaired.torn_bytes, repaired.side_file.as_str()), (1, 0, ""));
    assert_eq!(report.position, Cursor { epoch: 2, seq: known.seq + 1 });
    let after = store.dump().unwrap();
    for table in ["sessions.tasks", "sessions.plans", "sessions.checkpoints", "messages.agent_messages"] {
        assert_eq!(rows_of(&after, table), rows_of(&before, table), "{table}");
    }
    // Whoever watches from a record that is gone starts over, also when its number was given again.
    let watch = |from| store.reader().read_after(from, 10).unwrap();
    assert!(matches!(watch(seen), journal::ReadPage::Reset { .. }));
    history.commit(&store, kept..kept + 1);
    let again = store.durable();
    assert!(again.seq > seen.seq && again.epoch == 2, "{again}");
    for seq in known.seq + 1..=seen.seq {
        assert!(matches!(watch(Cursor { epoch: 1, seq }), journal::ReadPage::Reset { .. }), "{seq}");
    }
    assert!(matches!(watch(known), journal::ReadPage::Records(_)));
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.journal.problems), (Vec::new(), Vec::new()));
    store.close();
    let (_, report) = workspace.open();
    assert_eq!((report.repaired, report.position), (None, again), "once is enough");
}

#[test]
fn one_database_is_witness_enough() {
    for (gone, kept) in [("sessions.db", "messages.db"), ("messages.db", "sessions.db")] {
        let workspace = Workspace::new();
        let (store, _) = workspace.open();
        let history = World::new().history();
        history.commit_all(&store);
        let seen = store.durable();
        store.close();
        // All that was written last, in one commit.
        let lost = history.commits.last().unwrap().1.len();
        lose_records(&workspace, lost);
        std::fs::remove_file(workspace.database(gone)).unwrap();
        let (store, report) = workspace.open();
        assert!(report.repaired.is_some(), "{kept} knew");
        assert_eq!(report.position, Cursor { epoch: 2, seq: seen.seq + 1 - lost as u64 });
        assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    }
}

#[test]
fn a_database_of_another_history_is_folded_again() {
    let (workspace, dump) = filled();
    let sessions = Connection::open(workspace.database("sessions.db")).unwrap();
    // The number is right, the record under it another; as after a restore of the journal.
    sessions.execute("UPDATE watermark SET seq = seq - 1, hash = zeroblob(32)", []).unwrap();
    drop(sessions);
    let (store, report) = workspace.open();
    assert!(reason(&report.sessions).contains("another record"), "{report:?}");
    assert_eq!(report.messages, Opening::Current);
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
fn a_database_of_another_schema_is_folded_again() {
    let (workspace, dump) = filled();
    let sessions = Connection::open(workspace.database("sessions.db")).unwrap();
    sessions.execute_batch("UPDATE migrations SET checksum = 'older'; DROP TABLE tasks;").unwrap();
    drop(sessions);
    let messages = Connection::open(workspace.database("messages.db")).unwrap();
    messages.execute_batch("INSERT INTO migrations VALUES (99, 'messages/0099_newer', 'x')").unwrap();
    drop(messages);
    let (store, report) = workspace.open();
    assert!(reason(&report.sessions).contains("schema"), "{report:?}");
    assert!(reason(&report.messages).contains("schema"), "{report:?}");
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
fn a_damaged_file_is_kept_and_its_rows_are_folded_again() {
    let (workspace, dump) = filled();
    for (name, table) in [("sessions.db", "watermark"), ("messages.db", "migrations")] {
        damage_table(&workspace, name, table);
    }
    let damaged = std::fs::read(workspace.database("sessions.db")).unwrap();
    let (store, report) = workspace.open();
    let Opening::Recovered { kept, .. } = &report.sessions else { panic!("{report:?}") };
    assert_eq!(std::fs::read(kept).unwrap(), damaged);
    assert!(matches!(report.messages, Opening::Recovered { .. }), "{report:?}");
    assert_eq!(store.dump().unwrap(), dump);
    store.close();
    // A second time, the first one's remains are not overwritten.
    workspace.replace_database("sessions.db", &damaged[..8192]);
    let (store, report) = workspace.open();
    let Opening::Recovered { kept: again, .. } = &report.sessions else { panic!("{report:?}") };
    assert_ne!(again, kept);
    assert_eq!(std::fs::read(kept).unwrap(), damaged);
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
fn damage_met_by_a_reader_is_repaired_at_the_next_start() {
    let (workspace, dump) = filled();
    damage_table(&workspace, "messages.db", "agent_messages");
    let session = World::new().history().session;
    let (store, report) = workspace.open();
    assert_eq!(report.messages, Opening::Current);
    let read = |store: &Store| store.read(|view| view.messages(session, None, 10));
    assert!(matches!(read(&store), Err(StoreError::Database(_))));
    assert!(store.read(|view| view.tasks(session)).is_ok());
    store.close();
    let (store, report) = workspace.open();
    assert!(matches!(report.messages, Opening::Recovered { .. }), "{report:?}");
    assert_eq!(report.sessions, Opening::Current);
    assert!(!read(&store).unwrap().is_empty());
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
fn verify_finds_damage_and_a_rebuild_rights_it_at_once() {
    let (workspace, dump) = filled();
    let (store, _) = workspace.open();
    let report = store.verify().unwrap();
    assert_eq!((report.problems.as_slice(), report.journal.problems.as_slice()), (&[][..], &[][..]));
    store.close();
    damage_table(&workspace, "sessions.db", "tasks");
    let (store, _) = workspace.open();
    let problems = store.verify().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.starts_with("sessions.db: ")), "{problems:?}");
    assert!(store.rebuild().unwrap().changed.contains(&"sessions.tasks".to_owned()));
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), dump);
    store.close();
    assert_eq!(workspace.open().1.sessions, Opening::Current);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let workspace = Workspace::new();
    std::fs::create_dir_all(workspace.dir().databases()).unwrap();
    let path = workspace.database("sessions.db");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE recipes (name); INSERT INTO recipes VALUES ('bread')").unwrap();
    drop(theirs);
    let notes = b"sessions to remember, in plain text".repeat(8);
    for content in [std::fs::read(&path).unwrap(), notes] {
        std::fs::write(&path, &content).unwrap();
        match workspace.try_open() {
            Err(StoreError::Foreign { path: named }) => assert_eq!(named, path),
            other => panic!("{:?}", other.map(|(_, report)| report)),
        }
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    let files = std::fs::read_dir(workspace.dir().databases()).unwrap().count();
    assert_eq!(files, 1, "nothing was made beside it");
}

#[test]
fn what_an_interrupted_rebuild_left_is_removed_by_the_next() {
    let (workspace, dump) = filled();
    std::fs::write(workspace.database("sessions.db.rebuild"), b"half").unwrap();
    std::fs::write(workspace.database("sessions.db.rebuild-journal"), b"half").unwrap();
    std::fs::remove_file(workspace.database("sessions.db")).unwrap();
    // A log whose file is gone must not be taken for the new file's.
    std::fs::write(workspace.database("sessions.db-wal"), b"stale").unwrap();
    let (store, report) = workspace.open();
    assert!(matches!(report.sessions, Opening::Created { .. }));
    assert_eq!(store.dump().unwrap(), dump);
    store.close();
    let mut names: Vec<String> = std::fs::read_dir(workspace.dir().databases())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["agent_metrics.db", "artifacts.db", "messages.db", "parsed_sessions.db", "sessions.db"];
    assert_eq!(names, expected);
}

#[test]
fn what_is_stored_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::new();
    drop(workspace.open());
    let mode = std::fs::metadata(workspace.dir().databases()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
pub(crate) fn the_archive_follows_to_the_end_before_the_store_is_closed() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let history = world.history();
    history.commit_all(&store);
    // Closing waits a moment for it: it has only the last one left to write then.
    level(&store, Store::archive_position);
    commit(&store, Actor::User, vec![Event::SessionCreated(world.session("the last"))]);
    let other = store.clone();
    store.close();
    let status = other.archive_position();
    assert_eq!((status.position, status.stopped), (other.durable(), None));
    let logs = workspace.dir().session_logs();
    let mut files = Vec::new();
    let mut folders = vec![logs];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let short = history.session.short();
    let name = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(&format!("_{short}.jsonl"));
    let log = files.iter().find(|path| name(path)).unwrap_or_else(|| panic!("{files:?}"));
    assert!(std::fs::read_to_string(log).unwrap().contains("session_start"));
}
