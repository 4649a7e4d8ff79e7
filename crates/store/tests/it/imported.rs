//! What was led elsewhere and read in: it is there with its own times, and sets nothing going.

use crate::fixtures::World;
use crate::workspace::Workspace;
use journal::{ReadPage, Reader};
use model::{
    Actor, Callback, CallbackMode, Cursor, Event, Lineage, ParticipantStatus, Session, SessionImport,
    SessionSource, SessionState, StatusChange, TaskRef, TaskState, Timestamp,
};
use std::time::Duration;
use store::{Commit, Past, Receipt, Store};

fn long_ago(n: i64) -> Past {
    Past { ts: Timestamp::from_millis(1_000_000 + n), actor: "claude".parse().unwrap() }
}

/// Commits what happened elsewhere, a second apart.
fn import(store: &Store, events: Vec<Event>) -> Receipt {
    let past = (0..).zip(&events).map(|(n, _)| long_ago(1000 * n)).collect();
    store.commit(Commit::new(Actor::User, move |_| Ok(events)).past(past)).unwrap()
}

pub(crate) fn whole(session: &Session) -> Event {
    Event::SessionImported(SessionImport {
        session: session.id,
        sessions: vec![session.id],
        source: SessionSource {
            workspace: "elsewhere".to_owned(),
            archive: "ab".repeat(32),
            exported_at: Timestamp::from_millis(2_000_000),
            through: Cursor { epoch: 1, seq: 99 },
        },
        from: 0,
        lines: 40,
        whole: true,
    })
}

fn records(reader: &Reader) -> Vec<journal::Record> {
    match reader.read_after(Cursor::START, 100).unwrap() {
        ReadPage::Records(records) => records,
        ReadPage::Reset { .. } => panic!("a journal from its start was reset"),
    }
}

#[test]
pub(crate) fn a_record_knows_when_it_happened_and_when_it_was_read_in() {
    let workspace = Workspace::new();
    let world = World::new();
    let (store, _) = workspace.open();
    let session = world.session("old");
    workspace.clock.advance(Duration::from_secs(5));
    let receipt = import(&store, vec![Event::SessionCreated(session.clone())]);
    let record = &receipt.records[0];
    assert_eq!((record.ts, record.actor.to_string()), (long_ago(0).ts, "claude".to_owned()));
    assert!(record.imported.is_some_and(|at| at > record.ts));
    assert_eq!(records(&store.reader()), receipt.records, "it reads back from the journal as it was");
    let row = store.read(|view| view.session(session.id)).unwrap().unwrap();
    assert_eq!((row.updated_at, row.imported), (long_ago(0).ts, None));
    store
        .commit(Commit::new(Actor::User, {
            let whole = whole(&session);
            move |_| Ok(vec![whole])
        }))
        .unwrap();
    let row = store.read(|view| view.session(session.id)).unwrap().unwrap();
    assert_eq!(row.imported.unwrap().workspace, "elsewhere");
    let known = store.read(|view| view.session_import(session.id)).unwrap().unwrap();
    assert_eq!((known.lines, known.whole), (40, true));
    assert_eq!(store.verify().unwrap().problems, Vec::<String>::new());
    let dump = store.dump().unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), dump);
}

#[test]
pub(crate) fn nothing_of_it_is_open_running_live_or_due() {
    let workspace = Workspace::new();
    let world = World::new();
    let (store, _) = workspace.open();
    let waits = world.session("waits");
    store
        .commit(Commit::new(Actor::User, {
            let waits = waits.clone();
            move |_| Ok(vec![Event::SessionCreated(waits)])
        }))
        .unwrap();
    let callback = Callback { session: waits.id, mode: CallbackMode::Always, to: None };
    let lineage = Lineage { callback: Some(callback), ..Lineage::default() };
    let session = Session { lineage, ..world.session("old") };
    let claude = world.participant(session.id, "claude");
    let task = world.task(session.id, &[claude.id]);
    let turn = world.turn(&task, claude.id, 1);
    let thinking = StatusChange {
        session: session.id,
        participant: claude.id,
        status: ParticipantStatus::Thinking,
        detail: None,
    };
    import(
        &store,
        vec![
            Event::SessionCreated(session.clone()),
            Event::ParticipantJoined(claude.clone()),
            Event::TaskSubmitted(task.clone()),
            Event::TurnStarted(turn.clone()),
            Event::TaskStarted(TaskRef { session: session.id, task: task.id }),
            Event::ParticipantStatusChanged(thinking),
        ],
    );
    let idle = |when: &str| {
        store
            .read(|view| {
                assert_eq!(view.ready_tasks(session.id)?, [], "{when}");
                assert_eq!(view.running_turns()?, [], "{when}");
                assert_eq!(view.live_participants()?, [], "{when}");
                assert_eq!(view.waiting_for_callbacks()?, [], "{when}");
                assert_eq!(view.queue_depth(session.id)?, 0, "{when}");
                Ok(())
            })
            .unwrap();
    };
    idle("while it is read in");
    store
        .commit(Commit::new(Actor::User, {
            let whole = whole(&session);
            move |_| Ok(vec![whole])
        }))
        .unwrap();
    idle("afterwards");
    let (state, row, turn) = store
        .read(|view| {
            Ok((view.session_state(session.id)?, view.task(task.id)?.unwrap(), view.turn(turn.id)?.unwrap()))
        })
        .unwrap();
    assert_eq!((state, row.state), (SessionState::Completed, TaskState::Canceled));
    assert!(row.text.is_some_and(|text| text.contains("under way")) && turn.ended_at.is_some());
    let dump = store.dump().unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(store.dump().unwrap(), dump);
}
