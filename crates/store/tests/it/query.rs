//! What the views answer.

use crate::fixtures::{World, agent};
use crate::workspace::{Workspace, commit};
use model::{
    Actor, BoardId, Event, MessageId, PlanState, Role, Session, SessionId, SessionState, TaskId, TurnOutcome,
    Usage,
};
use store::{Archived, Candidate, GENEALOGY_DEPTH, Kin, RESOLVE_MAX, Resolved, SessionFilter, Store};

fn session_with_tail(tail: u128, world: &World) -> Session {
    let base = 0x018f_0000_0000_7000_8000_0000_0000_0000_u128;
    let hex = format!("ses_{:032x}", base | tail);
    Session { id: hex.parse().unwrap(), ..world.session("Auth") }
}

fn resolve(store: &Store, given: &str) -> Resolved<SessionId> {
    store.read(|view| view.resolve::<SessionId>(given)).unwrap()
}

#[test]
pub(crate) fn short_ids_resolve_to_one_none_or_many() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    // The short id is the last 50 bits, five to a character: these share the first six characters.
    let ids: Vec<Session> =
        [0b1, 0b10, 0b11].map(|tail| session_with_tail((31 << 45) | tail, &world)).to_vec();
    let other = session_with_tail(30 << 45, &world);
    for session in ids.iter().chain([&other]) {
        commit(&store, Actor::User, vec![Event::SessionCreated(session.clone())]);
    }
    let id = |n: usize| ids[n].id;
    assert_eq!(resolve(&store, &id(0).to_string()), Resolved::One(id(0)));
    assert_eq!(resolve(&store, &id(1).short()), Resolved::One(id(1)));
    assert_eq!(resolve(&store, &id(1).short().to_uppercase()), Resolved::One(id(1)));
    let candidates = [2, 1, 0].map(|n| Candidate { id: id(n), title: "Auth".to_owned() });
    assert_eq!(resolve(&store, "z000"), Resolved::Many(candidates.to_vec()));
    assert_eq!(resolve(&store, "zooo"), Resolved::Many(candidates.to_vec()));
    assert_eq!(resolve(&store, "y000"), Resolved::One(other.id));
    let unknown = world.session("never committed").id;
    for nothing in ["x000", "z00", "", "zzzzzzzzzzzzz", "ses_zz", "z0%0", &unknown.to_string()] {
        assert_eq!(resolve(&store, nothing), Resolved::None, "{nothing}");
    }
    assert_eq!(store.read(|view| view.resolve::<TaskId>("z000")).unwrap(), Resolved::None);
    for n in 0..20 {
        let more = session_with_tail((31 << 45) | (n + 100), &world);
        commit(&store, Actor::User, vec![Event::SessionCreated(more)]);
    }
    match resolve(&store, "z000") {
        Resolved::Many(candidates) => assert_eq!(candidates.len(), RESOLVE_MAX),
        other => panic!("{other:?}"),
    }
}

#[test]
pub(crate) fn every_noun_with_a_short_id_resolves() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    store
        .read(|view| {
            assert_eq!(view.resolve(&history.work.short())?, Resolved::One(history.work));
            assert_eq!(view.resolve(&history.plan.short())?, Resolved::One(history.plan));
            assert_eq!(view.resolve(&history.repo.short())?, Resolved::One(history.repo));
            assert_eq!(view.resolve(&history.claude.short())?, Resolved::One(history.claude));
            assert_eq!(view.resolve(&history.crashed_turn.short())?, Resolved::One(history.crashed_turn));
            let board = view.boards()?.remove(0);
            assert_eq!(view.resolve::<BoardId>(&board.id.to_string())?, Resolved::One(board.id));
            let checkpoint = view.checkpoints(history.session)?.remove(0);
            assert_eq!(view.resolve(&checkpoint.id.short())?, Resolved::One(checkpoint.id));
            let message = view.messages(history.session, None, 1)?.remove(0);
            assert_eq!(view.resolve::<MessageId>(&message.id.short())?, Resolved::One(message.id));
            Ok(())
        })
        .unwrap();
}

#[test]
pub(crate) fn genealogy_goes_up_and_down_over_spawns_and_forks() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let root = world.session("root");
    let spawned = Session { parent: Some(root.id), ..world.session("spawned") };
    let forked = Session { forked_from: Some(spawned.id), ..world.session("forked") };
    let both = Session { parent: Some(forked.id), forked_from: Some(root.id), ..world.session("both") };
    let stranger = world.session("stranger");
    for session in [&root, &spawned, &forked, &both, &stranger] {
        commit(&store, Actor::User, vec![Event::SessionCreated(session.clone())]);
    }
    let names =
        |kin: Vec<Kin>| -> Vec<(String, u32)> { kin.into_iter().map(|kin| (kin.title, kin.depth)).collect() };
    let (up, down) = store
        .read(|view| {
            Ok((names(view.ancestors(forked.id)?), names(view.descendants(root.id, GENEALOGY_DEPTH, 100)?)))
        })
        .unwrap();
    assert_eq!(up, [("spawned".to_owned(), 1), ("root".to_owned(), 2)]);
    let expected =
        [("spawned", 1), ("both", 1), ("forked", 2)].map(|(title, depth)| (title.to_owned(), depth));
    assert_eq!(down, expected, "nearest first; what was forked comes out of what it was forked from");
    assert_eq!(store.read(|view| view.ancestors(stranger.id)).unwrap(), []);
}

#[test]
pub(crate) fn genealogy_ends_even_where_the_family_does_not() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let (mut one, mut other) = (world.session("one"), world.session("other"));
    (one.parent, other.parent) = (Some(other.id), Some(one.id));
    let id = one.id;
    commit(&store, Actor::User, vec![Event::SessionCreated(one), Event::SessionCreated(other)]);
    let up = store.read(|view| view.ancestors(id)).unwrap();
    assert_eq!(up.last().unwrap().depth, GENEALOGY_DEPTH);
}

#[test]
pub(crate) fn sessions_are_listed_newest_first_in_pages_without_the_archived() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    let list = |archived, limit| {
        let filter = SessionFilter { archived, limit, ..SessionFilter::default() };
        let page = store.read(|view| view.sessions(&filter)).unwrap();
        page.rows.into_iter().map(|row| row.session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Archived::No, 10), [history.child, history.session]);
    assert_eq!(list(Archived::Only, 10), [history.fork]);
    assert_eq!(list(Archived::Too, 10), [history.fork, history.child, history.session]);
    assert_eq!(list(Archived::Too, 2), [history.fork, history.child]);
    let row = store.read(|view| view.session(history.child)).unwrap().unwrap();
    assert_eq!((row.session.title.as_str(), row.state), ("Tests first", SessionState::Idle));
    let archived = store.read(|view| view.session(history.fork)).unwrap().unwrap();
    assert!(archived.archived_at.is_some());
}

#[test]
pub(crate) fn messages_come_in_pages_from_the_newest() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = world.session("Auth");
    let said: Vec<_> = (0..5).map(|n| world.say(session.id, &format!("line {n}"))).collect();
    commit(&store, Actor::User, said.iter().cloned().map(Event::MessageAppended).collect());
    let page = |before, limit| store.read(|view| view.messages(session.id, before, limit)).unwrap();
    assert_eq!(page(None, 2), said[3..]);
    assert_eq!(page(Some(said[3].id), 2), said[1..3]);
    assert_eq!(page(Some(said[0].id), 2), []);
    assert_eq!(page(Some(world.say(session.id, "").id), 2), []);
    assert_eq!(store.read(|view| view.message(said[1].id)).unwrap().as_ref(), Some(&said[1]));
}

#[test]
pub(crate) fn a_draft_lives_until_its_message_or_its_turn_is_complete() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = world.session("Auth");
    let claude = world.participant(session.id, "claude");
    let task = world.task(session.id, &[claude.id]);
    let turn = world.turn(&task, claude.id, 1);
    let draft = |text| Event::MessageDrafted(world.draft(&turn, text));
    let text = || store.read(|view| view.draft(turn.id)).unwrap().map(|draft| draft.text);
    let more = |from, text: &str| {
        let draft = model::MessageDraft { text_from: from, ..world.draft(&turn, text) };
        Event::MessageDrafted(draft)
    };
    commit(&store, Actor::System, vec![draft("a"), more(1, " b")]);
    assert_eq!(text().as_deref(), Some("a b"), "a draft is what was added");
    commit(&store, Actor::System, vec![draft("ä b"), more(1, "-"), more(99, "c")]);
    assert_eq!(text().as_deref(), Some("-c"), "what follows on nothing known applies all the same");
    commit(&store, Actor::System, vec![draft("a b")]);
    assert_eq!(text().as_deref(), Some("a b"));
    let mut message = world.say(session.id, "a b c");
    (message.turn, message.participant, message.role) = (Some(turn.id), Some(claude.id), Role::Assistant);
    commit(&store, Actor::System, vec![Event::MessageAppended(message)]);
    assert_eq!(text(), None);
    let failed = TurnOutcome::Failed { code: "crashed".to_owned(), message: String::new() };
    commit(&store, Actor::System, vec![draft("d"), world.end(&turn, failed)]);
    assert_eq!(text().as_deref(), Some("d"), "what was half done is shown");
    assert_eq!(store.read(|view| view.drafts(session.id)).unwrap().len(), 1);
    let done = TurnOutcome::Completed { summary: String::new() };
    commit(&store, Actor::System, vec![world.end(&turn, done)]);
    assert_eq!(text(), None);
}

#[test]
pub(crate) fn the_history_reads_back_noun_by_noun() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    store
        .read(|view| {
            assert_eq!(view.users()?[0].name, "Ada");
            assert_eq!(view.boards()?.len(), 1);
            assert_eq!(view.board_by_slug("main")?, view.boards()?.pop());
            let repo = view.repo(history.repo)?.unwrap();
            assert_eq!(view.repos()?, std::slice::from_ref(&repo));
            assert_eq!(view.repo_by_slug("library")?.as_ref(), Some(&repo));
            assert_eq!(view.repo_by_path("/repos/library")?.as_ref(), Some(&repo));
            assert!(repo.test_command.is_some() && view.repo_by_slug("gone")?.is_none());

            let plan = view.plan(history.plan)?.unwrap();
            assert_eq!((plan.state, plan.text.as_deref()), (PlanState::Completed, Some("12 tests pass")));
            assert_eq!((plan.proposals.len(), plan.tasks.len()), (1, 3));
            assert_eq!(plan.tests.as_ref().map(|tests| tests.passed), Some(12));
            assert_eq!(plan.merged.as_ref().map(|merged| merged.tasks.len()), Some(1));
            assert_eq!(view.plans(history.session)?.len(), 2);
            assert_eq!((view.open_plans()?, view.uncleared_plans()?), (Vec::new(), Vec::new()));
            assert_eq!(view.plan_tasks(history.plan)?.len(), 3);

            let changes = view.file_changes(history.work)?;
            assert_eq!(changes.len(), 1);
            assert_eq!(changes[0].change.token, (3 << 40) | 8);
            assert_eq!(view.file_changes_of_plan(history.plan)?, changes);
            assert_eq!(view.refused_edits(history.work)?[0].code, "lock_lost");
            assert_eq!(view.checkpoints(history.session)?[0].plan, Some(history.plan));

            assert_eq!(view.draft(history.crashed_turn)?.unwrap().text, "I was just about to");
            assert_eq!(view.task_messages(history.work)?.len(), 1);
            assert!(view.running_turns()?.is_empty() && view.running_runs()?.is_empty());
            assert_eq!(view.lock_changes(history.session, 3)?.len(), 3);
            assert_eq!(view.notices(None, 5)?, view.notices(Some("file_conflict"), 5)?);
            assert_eq!(view.open_registrations()?.len(), 1);

            let counts = view.counts()?;
            assert_eq!((counts.sessions, counts.participants, counts.tasks), (5, 3, 11));
            assert_eq!((counts.open_tasks, counts.turns, counts.running_turns), (5, 2, 0));
            assert_eq!((counts.messages, counts.plans, counts.checkpoints, counts.repos), (3, 2, 3, 1));
            Ok(())
        })
        .unwrap();
}

#[test]
pub(crate) fn participants_and_usage_follow_the_model_calls() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    store
        .read(|view| {
            // With the seven tokens of a transcript, of which nobody says what they cost.
            let usage = Usage {
                input_tokens: 3007,
                output_tokens: 1600,
                cache_read_tokens: 200,
                cache_write_tokens: 100,
                cost_micros: 48_000,
                cost_source: model::CostSource::Mixed,
            };
            assert_eq!(view.session_usage(history.session)?, usage);
            assert_eq!(view.session_usage(history.child)?, Usage::default());
            let claude = view.participant(history.claude)?.unwrap();
            assert_eq!(claude.context_used, 2450);
            let by_name = view.participant_by_agent(history.session, &agent("claude"))?;
            assert_eq!(by_name.as_ref(), Some(&claude));
            let status = view.participant_status(history.claude)?.unwrap();
            assert_eq!((status.status, status.detail), (claude.status, claude.detail));
            let agents: Vec<String> = view
                .participants(history.session)?
                .into_iter()
                .map(|row| row.participant.agent.to_string())
                .collect();
            assert_eq!(agents, ["claude", "kimi"]);
            assert_eq!(view.live_participants()?.len(), 1);
            Ok(())
        })
        .unwrap();
}

#[test]
pub(crate) fn the_seeds_view_of_a_session_is_still_there() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    let active = store.read(|view| view.active_session(history.session)).unwrap().unwrap();
    assert_eq!(active.agent_states, serde_json::json!({"claude": "thinking", "kimi": "idle"}));
    assert_eq!(active.file_locks, serde_json::json!(["src/auth.rs"]));
    assert_eq!(active.context_snapshot, serde_json::json!({"claude": 2450, "kimi": 0}));
    assert_eq!(active.current_task["task_id"], history.work.to_string());
    assert_eq!(active.checkpoint_ref.as_deref(), Some("refs/coditect/checkpoints/1"));
    assert_eq!(store.read(|view| view.active_session(history.fork)).unwrap(), None);
}

#[test]
fn the_seeds_columns_are_all_there() {
    let workspace = Workspace::new();
    drop(workspace.open());
    let columns = |file: &str, table: &str| -> Vec<String> {
        let connection = rusqlite::Connection::open(workspace.database(file)).unwrap();
        let prepared = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        prepared.column_names().map(str::to_owned).collect()
    };
    assert_eq!(
        columns("sessions.db", "active_sessions"),
        [
            "session_id",
            "workspace_id",
            "agent_states",
            "current_task",
            "file_locks",
            "context_snapshot",
            "last_activity",
            "checkpoint_ref"
        ]
    );
    let seed = [
        "message_id",
        "session_id",
        "agent_id",
        "message_type",
        "content",
        "tokens_input",
        "tokens_output",
        "latency_ms",
        "cost",
        "timestamp",
        "parent_message_id",
    ];
    assert_eq!(columns("messages.db", "agent_messages")[..seed.len()], seed);
    let sessions = columns("sessions.db", "sessions");
    for column in [
        "session_id",
        "status",
        "agent",
        "board_id",
        "parent_session_id",
        "forked_from_session_id",
        "created_at",
        "updated_at",
        "data",
    ] {
        assert!(sessions.iter().any(|present| present == column), "{column}");
    }
}
