//! Databases that follow the journal from behind: what is in them, and that they can be thrown away.

use crate::fixtures::World;
use crate::workspace::{Workspace, level};
use rusqlite::Connection;
use std::time::Duration;
use store::{AgentFigures, Store};

const SIDES: [&str; 3] = ["artifacts.db", "agent_metrics.db", "parsed_sessions.db"];
fn settled(store: &Store) {
    level(store, Store::side_position);
}

/// Every row of every table, as text.
fn dump(workspace: &Workspace, name: &str) -> String {
    let file = Connection::open(workspace.database(name)).unwrap();
    let mut out = String::new();
    let mut tables =
        file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut prepared = file.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
        let columns = prepared.column_count();
        let mut rows = prepared.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<String> =
                (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            out.push_str(&format!("{table}: {}\n", cells.join(" | ")));
        }
    }
    out
}

fn columns(workspace: &Workspace, name: &str, table: &str) -> Vec<String> {
    let file = Connection::open(workspace.database(name)).unwrap();
    let mut prepared = file.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    prepared.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn figures(store: &Store) -> Vec<AgentFigures> {
    settled(store);
    let (figures, status) = store.agent_figures(None, None).unwrap();
    assert_eq!((status.position, status.stopped), (store.durable(), None));
    figures
}

#[test]
fn they_have_the_studios_oldest_columns_and_say_what_agents_did() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    // Turns are started by the history's clock, and end by the store's, which is an hour ahead.
    workspace.clock.advance(Duration::from_secs(3600));
    history.commit_all(&store);
    let all = figures(&store);
    let claude = all.iter().find(|one| one.agent == "claude").unwrap();
    assert_eq!(claude.turns, claude.completed + claude.failed + claude.canceled);
    assert!(claude.turns > 1 && claude.completed > 0 && claude.failed > 0, "{claude:?}");
    assert!(claude.tokens > 0 && claude.cost_micros > 0 && claude.model_calls > 0 && claude.latency_ms > 0);
    let (own, _) = store.agent_figures(Some(history.session), None).unwrap();
    assert!(
        !own.is_empty()
            && own.iter().map(|one| one.turns).sum::<u64>() <= all.iter().map(|one| one.turns).sum()
    );
    let never = model::Timestamp::from_millis(i64::MAX / 2);
    assert_eq!(store.agent_figures(None, Some(never)).unwrap().0, []);
    let first = |name: &str, table: &str, most: usize| columns(&workspace, name, table)[..most].join(" ");
    assert_eq!(
        first("agent_metrics.db", "agent_metrics", 9),
        "metric_id agent_id session_id task_type success latency_ms tokens_used cost timestamp"
    );
    assert_eq!(
        first("artifacts.db", "artifacts", 9),
        "artifact_id session_id agent_id artifact_type file_path content_hash vector_embedding created_at git_commit_ref"
    );
    assert_eq!(
        first("parsed_sessions.db", "parsed_sessions", 8),
        "session_id parsed_content entities sentiment_score topics code_changes decisions created_at"
    );
    let file = Connection::open(workspace.database("parsed_sessions.db")).unwrap();
    let (content, changes): (String, String) = file
        .query_row(
            "SELECT parsed_content, code_changes FROM parsed_sessions WHERE session_id = ?1",
            [history.session.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let (content, changes): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&content).unwrap(), serde_json::from_str(&changes).unwrap());
    assert!(
        content["tasks"].as_u64().unwrap() > 0 && content["turns"]["completed"].as_u64().unwrap() > 0,
        "{content}"
    );
    assert!(!changes["files"].as_object().unwrap().is_empty(), "{changes}");
}

#[test]
fn each_can_be_deleted_damaged_or_of_another_history_and_is_made_again() {
    let workspace = Workspace::new();
    let history = World::new().history();
    let (store, _) = workspace.open();
    history.commit_all(&store);
    settled(&store);
    store.close();
    let before = SIDES.map(|name| dump(&workspace, name));
    let again = |what: &str| {
        let (store, _) = workspace.open();
        settled(&store);
        store.close();
        for (name, before) in SIDES.iter().zip(&before) {
            assert_eq!(&dump(&workspace, name), before, "{name} {what}");
        }
    };
    again("was as it should be");
    for name in SIDES {
        std::fs::remove_file(workspace.database(name)).unwrap();
    }
    again("was deleted");
    for name in SIDES {
        let file = Connection::open(workspace.database(name)).unwrap();
        file.execute("UPDATE watermark SET hash = zeroblob(32), seq = seq - 1", []).unwrap();
    }
    again("was of another history");
    for name in SIDES {
        let file = Connection::open(workspace.database(name)).unwrap();
        file.execute("UPDATE watermark SET schema = 'another'", []).unwrap();
    }
    again("was of another schema");
    for name in SIDES {
        let path = workspace.database(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100..].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
    }
    again("was damaged");
}

#[test]
fn a_file_that_is_not_ours_is_left_alone_and_the_store_goes_on() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    store.close();
    workspace.replace_database(
        "agent_metrics.db",
        b"my own notes, longer than a header of a database would be, and then some more",
    );
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let (_, status) = match store.agent_figures(None, None) {
        Ok(found) => panic!("{found:?}"),
        Err(error) => (error.to_string(), store.side_position()),
    };
    assert!(status.stopped.is_some_and(|reason| reason.contains("agent_metrics.db")));
    let kept = std::fs::read(workspace.database("agent_metrics.db")).unwrap();
    assert!(kept.starts_with(b"my own notes"));
    assert_eq!(store.stopped(), None);
}
#[test]
pub(crate) fn an_order_makes_them_anew_while_the_store_works() {
    let workspace = Workspace::new();
    let history = World::new().history();
    let (store, _) = workspace.open();
    let half = history.commits.len() / 2;
    history.commit(&store, 0..half);
    settled(&store);
    let before = SIDES.map(|name| dump(&workspace, name));
    for name in SIDES {
        std::fs::remove_file(workspace.database(name)).unwrap();
    }
    assert_eq!(store.rebuild().unwrap().behind, None);
    assert_eq!(SIDES.map(|name| dump(&workspace, name)), before, "they were deleted under it");
    // They go on to follow.
    history.commit(&store, half..history.commits.len());
    settled(&store);
    let whole = SIDES.map(|name| dump(&workspace, name));
    assert_ne!(whole, before);
    for (name, table) in SIDES.iter().zip(["artifacts", "agent_metrics", "parsed_sessions"]) {
        let file = Connection::open(workspace.database(name)).unwrap();
        assert!(file.execute(&format!("DELETE FROM {table}"), []).unwrap() > 0, "{name} held something");
    }
    assert_eq!(store.rebuild().unwrap().behind, None);
    assert_eq!(SIDES.map(|name| dump(&workspace, name)), whole, "they had lost their rows");
}

#[test]
fn what_was_in_the_way_is_told_and_followed_again_once_it_is_gone() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    store.close();
    workspace
        .replace_database("artifacts.db", b"my own notes, longer than a header of a database".as_slice());
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let behind = store.rebuild().unwrap().behind.unwrap();
    assert!(behind.contains("artifacts.db"), "{behind}");
    assert!(std::fs::read(workspace.database("artifacts.db")).unwrap().starts_with(b"my own notes"));
    std::fs::rename(workspace.database("artifacts.db"), workspace.database("notes.txt")).unwrap();
    assert_eq!(store.rebuild().unwrap().behind, None);
    assert!(!figures(&store).is_empty());
}
