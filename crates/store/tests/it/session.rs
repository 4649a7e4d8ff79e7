//! Sessions: lists and their pages, families, callbacks, queues, and what a long conversation costs those who read its end.

use crate::fixtures::{World, agent};
use crate::workspace::{Workspace, commit};
use model::{
    Actor, Artifact, ArtifactKind, ArtifactRemoved, Callback, CallbackChange, CallbackDelivery, CallbackMode,
    Event, HistoryBy, Lineage, ModelAnswer, Namer, Participant, QueueOrder, QueuePlace, Replay, Session,
    SessionArchived, SessionId, SessionKind, SessionRemoved, SessionRenamed, SessionState, SessionTags, Task,
    TaskEnd, TurnId, Usage, Vendor,
};
use store::{Archived, LOOKED_MAX, SessionFilter, SessionPage, SessionSort, Store};

/// What the history tells of a session's life beside its work: tags, callbacks, the queue, an end.
pub(crate) fn lived(
    world: &World,
    session: SessionId,
    fork: &Session,
    claude: &Participant,
    turn: TurnId,
) -> Vec<Event> {
    let callback = Callback { session, mode: CallbackMode::Always, to: Some(claude.id) };
    let lineage = Lineage {
        kind: SessionKind::Aside,
        asker: Some(session),
        callback: Some(callback),
        ..Lineage::default()
    };
    let aside = Session { forked_from: Some(fork.id), lineage, ..world.session("What was it?") };
    let seat = Participant { history: Some(HistoryBy::Native), ..world.participant(aside.id, "claude") };
    let gone = world.session("gone");
    let (first, second) = (world.task(aside.id, &[seat.id]), world.task(aside.id, &[seat.id]));
    let end = |task: &Task| {
        Event::TaskFailed(TaskEnd { session: aside.id, task: task.id, text: "no".to_owned(), code: None })
    };
    let replay = Replay { session: aside.id, participant: seat.id, turn, reason: "it is gone".to_owned() };
    let artifact = artifact(world, session, claude);
    let places = vec![QueuePlace { task: second.id, priority: 2, rank: 1 }];
    vec![
        Event::SessionCreated(aside.clone()),
        Event::ParticipantJoined(seat),
        Event::ParticipantReplayed(replay),
        Event::TaskSubmitted(first.clone()),
        end(&first),
        Event::CallbackDelivered(CallbackDelivery {
            session,
            child: aside.id,
            ended: first.id,
            task: None,
            dropped: None,
        }),
        Event::TaskSubmitted(second.clone()),
        Event::QueueReordered(QueueOrder { session: aside.id, places }),
        end(&second),
        Event::SessionCallbackChanged(CallbackChange { session: aside.id, callback: None }),
        Event::SessionTagged(SessionTags { session, tags: vec!["release".to_owned(), "ui".to_owned()] }),
        Event::SessionUnarchived(SessionArchived { session: fork.id }),
        Event::SessionArchived(SessionArchived { session: fork.id }),
        Event::SessionCreated(gone.clone()),
        Event::SessionRemoved(SessionRemoved { session: gone.id }),
        crate::imported::whole(&gone),
        Event::ArtifactCreated(artifact.clone()),
        Event::ArtifactCreated(Artifact { id: world.id_artifact(), ..artifact.clone() }),
        Event::ArtifactRemoved(ArtifactRemoved { artifact: artifact.id, session: Some(session) }),
    ]
}

fn artifact(world: &World, session: SessionId, claude: &Participant) -> Artifact {
    Artifact {
        id: world.id_artifact(),
        name: "report.md".to_owned(),
        kind: ArtifactKind::Document,
        bytes: 12,
        hash: "ab".repeat(32),
        session: Some(session),
        participant: Some(claude.id),
        agent: Some(agent("claude")),
        path: Some("docs/report.md".parse().unwrap()),
        commit: Some("3f2a91c".to_owned()),
        created_at: world.now(),
    }
}

#[test]
pub(crate) fn artifacts_are_listed_until_they_are_removed_by_their_own_session() {
    let workspace = Workspace::new();
    let world = World::new();
    let (store, _) = workspace.open();
    let (session, other) = (made(&store, &world.session("one")), made(&store, &world.session("two")));
    let kept = artifact(&world, session, &world.participant(session, "claude"));
    let twin = Artifact { id: world.id_artifact(), session: Some(other), ..kept.clone() };
    let events = vec![Event::ArtifactCreated(kept.clone()), Event::ArtifactCreated(twin.clone())];
    commit(&store, Actor::User, events);
    let ids = |rows: Vec<store::ArtifactRow>| rows.into_iter().map(|row| row.artifact.id).collect::<Vec<_>>();
    let listed = |session| ids(store.read(|view| view.artifacts(session, None, 10)).unwrap());
    assert_eq!((listed(None), listed(Some(session))), (vec![twin.id, kept.id], vec![kept.id]));
    assert_eq!(ids(store.read(|view| view.artifacts_of_content(&kept.hash)).unwrap()), [twin.id, kept.id]);
    for (of, left) in [(Some(other), 2), (None, 2), (Some(session), 1)] {
        let removed = ArtifactRemoved { artifact: kept.id, session: of };
        commit(&store, Actor::User, vec![Event::ArtifactRemoved(removed)]);
        assert_eq!(listed(None).len(), left, "{of:?}");
    }
    assert_eq!(store.read(|view| view.artifact(kept.id)).unwrap(), None);
}

fn made(store: &Store, session: &Session) -> SessionId {
    commit(store, Actor::User, vec![Event::SessionCreated(session.clone())]);
    session.id
}

fn page(store: &Store, filter: &SessionFilter) -> SessionPage {
    store.read(|view| view.sessions(filter)).unwrap()
}

fn titles(page: &SessionPage) -> Vec<&str> {
    page.rows.iter().map(|row| row.session.title.as_str()).collect()
}

/// All pages of a list, so many at once.
fn whole(store: &Store, filter: &SessionFilter, limit: usize) -> Vec<String> {
    let mut filter = SessionFilter { limit, ..filter.clone() };
    let mut all = Vec::new();
    loop {
        let page = page(store, &filter);
        assert!(page.rows.len() <= limit);
        all.extend(titles(&page).into_iter().map(str::to_owned));
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return all,
        }
    }
}

fn spend(store: &Store, world: &World, session: SessionId, cost_micros: u64) {
    let answer = ModelAnswer {
        session,
        turn: world.id_turn(),
        run: world.id_run(),
        vendor: Vendor::Anthropic,
        model: "m".to_owned(),
        usage: Usage { cost_micros, ..Usage::default() },
        latency_ms: 1,
        retries: 0,
    };
    commit(store, Actor::System, vec![Event::ModelAnswered(answer)]);
}

#[test]
fn lists_are_sorted_by_what_is_wished_in_pages_of_any_size() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    // Made in this order; two have one title, and two one cost.
    for (title, cost) in [("beta", 3), ("Alpha", 9), ("gamma", 1), ("alpha", 3), ("Äther", 0)] {
        let id = made(&store, &world.session(title));
        spend(&store, &world, id, cost);
    }
    let by = |sort, ascending| SessionFilter { sort, ascending, ..SessionFilter::default() };
    for (filter, expected) in [
        (by(SessionSort::Created, false), ["Äther", "alpha", "gamma", "Alpha", "beta"]),
        (by(SessionSort::Created, true), ["beta", "Alpha", "gamma", "alpha", "Äther"]),
        (by(SessionSort::Updated, true), ["beta", "Alpha", "gamma", "alpha", "Äther"]),
        (by(SessionSort::Title, true), ["Alpha", "alpha", "beta", "gamma", "Äther"]),
        (by(SessionSort::Title, false), ["Äther", "gamma", "beta", "alpha", "Alpha"]),
        (by(SessionSort::Cost, false), ["Alpha", "alpha", "beta", "gamma", "Äther"]),
        (by(SessionSort::Cost, true), ["Äther", "gamma", "beta", "alpha", "Alpha"]),
    ] {
        for limit in 1..=6 {
            assert_eq!(whole(&store, &filter, limit), expected, "{filter:?} {limit}");
        }
    }
}

#[test]
fn filters_meet_in_every_order() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let root = made(&store, &world.session("root"));
    let mut wanted = Vec::new();
    for n in 0..24_u64 {
        let session =
            Session { parent: (n % 2 == 0).then_some(root), ..world.session(&format!("Part {n:02}")) };
        let id = made(&store, &session);
        let name = if n % 3 == 0 { "claude" } else { "kimi" };
        let seat = world.participant(id, name);
        let task = world.task(id, &[seat.id]);
        let mut events = vec![Event::ParticipantJoined(seat)];
        if n % 4 == 0 {
            events.push(Event::SessionTagged(SessionTags { session: id, tags: vec!["red".to_owned()] }));
        }
        if n % 2 == 0 {
            events.push(Event::TaskSubmitted(task));
        }
        commit(&store, Actor::User, events);
        if n % 12 == 0 {
            wanted.push(session.title);
        }
        if n == 12 {
            commit(&store, Actor::User, vec![Event::SessionArchived(SessionArchived { session: id })]);
        }
    }
    let strict = SessionFilter {
        archived: Archived::Too,
        state: Some(SessionState::Running),
        agent: Some(agent("claude")),
        tag: Some("red".to_owned()),
        source: Some(root),
        text: Some("PART".to_owned()),
        ascending: true,
        ..SessionFilter::default()
    };
    for sort in [SessionSort::Created, SessionSort::Updated, SessionSort::Title, SessionSort::Cost] {
        for limit in [1, 2, 50] {
            let filter = SessionFilter { sort, ..strict.clone() };
            assert_eq!(whole(&store, &filter, limit), wanted, "{sort:?} {limit}");
        }
    }
    let only = |filter: SessionFilter| whole(&store, &filter, 3).len();
    assert_eq!(only(SessionFilter { tag: Some("red".to_owned()), ..SessionFilter::default() }), 5);
    assert_eq!(only(SessionFilter { tag: Some("re".to_owned()), ..SessionFilter::default() }), 0);
    assert_eq!(only(SessionFilter { text: Some("2".to_owned()), ..SessionFilter::default() }), 5);
    assert_eq!(only(SessionFilter { agent: Some(agent("kimi")), ..SessionFilter::default() }), 16);
    let by_state = |state| only(SessionFilter { state: Some(state), ..SessionFilter::default() });
    assert_eq!((by_state(SessionState::Running), by_state(SessionState::Idle)), (11, 13));
    let mixed =
        SessionFilter { archived: Archived::Too, sort: SessionSort::Title, ..SessionFilter::default() };
    assert_eq!(whole(&store, &mixed, 4).len(), 25);
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_whatever_is_written_meanwhile() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let ids: Vec<SessionId> = (0..10).map(|n| made(&store, &world.session(&format!("s{n}")))).collect();
    for sort in [SessionSort::Created, SessionSort::Title, SessionSort::Updated] {
        let mut filter = SessionFilter { sort, limit: 4, ..SessionFilter::default() };
        let first = page(&store, &filter);
        let seen: Vec<String> = titles(&first).into_iter().map(str::to_owned).collect();
        filter.after = first.next;
        // A new one, one that was seen goes away, and one that was seen moves to the front.
        made(&store, &world.session("zz"));
        commit(&store, Actor::User, vec![Event::SessionArchived(SessionArchived { session: ids[9] })]);
        commit(&store, Actor::User, vec![Event::MessageAppended(world.say(ids[8], "again"))]);
        let rest = whole(&store, &filter, 3);
        let expected: Vec<String> =
            (0..10).rev().map(|n| format!("s{n}")).filter(|title| !seen.contains(title)).collect();
        assert_eq!(rest, expected, "{sort:?}: each of those that stayed comes once");
        commit(&store, Actor::User, vec![Event::SessionUnarchived(SessionArchived { session: ids[9] })]);
        for id in
            page(&store, &SessionFilter { text: Some("zz".to_owned()), ..SessionFilter::default() }).rows
        {
            commit(
                &store,
                Actor::User,
                vec![Event::SessionRemoved(SessionRemoved { session: id.session.id })],
            );
        }
        // As it was made: the order of the last activity is that of the making again.
        for id in &ids {
            workspace.clock.advance(std::time::Duration::from_millis(5));
            commit(&store, Actor::User, vec![Event::MessageAppended(world.say(*id, "hello"))]);
        }
    }
}

#[test]
fn a_page_looks_at_so_many_sessions_and_no_more() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let needle = made(&store, &world.session("needle"));
    for _ in 0..=LOOKED_MAX / 500 {
        let hay = (0..500).map(|_| Event::SessionCreated(world.session("hay"))).collect();
        commit(&store, Actor::User, hay);
    }
    let mut filter = SessionFilter { text: Some("needle".to_owned()), ..SessionFilter::default() };
    let first = page(&store, &filter);
    assert!(first.rows.is_empty() && first.next.is_some(), "nothing yet, and a place to go on from");
    filter.after = first.next;
    let second = page(&store, &filter);
    assert_eq!(second.rows[0].session.id, needle);
    assert_eq!(second.next, None);
}

#[test]
fn what_was_removed_is_seen_nowhere_and_its_family_stays() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let root = made(&store, &world.session("root"));
    let middle = made(&store, &Session { forked_from: Some(root), ..world.session("middle") });
    let leaf = made(&store, &Session { parent: Some(middle), ..world.session("leaf") });
    commit(
        &store,
        Actor::User,
        vec![Event::SessionTagged(SessionTags { session: middle, tags: vec!["x".to_owned()] })],
    );
    commit(&store, Actor::User, vec![Event::SessionRemoved(SessionRemoved { session: middle })]);
    assert_eq!(
        whole(&store, &SessionFilter { archived: Archived::Too, ..SessionFilter::default() }, 9),
        ["leaf", "root"]
    );
    assert!(
        page(&store, &SessionFilter { tag: Some("x".to_owned()), ..SessionFilter::default() })
            .rows
            .is_empty()
    );
    store
        .read(|view| {
            assert_eq!(view.session(middle)?, None);
            assert_eq!(view.session_ever(middle)?.unwrap().session.title, "middle");
            assert_eq!(view.resolve::<SessionId>(&middle.to_string())?, store::Resolved::None);
            assert_eq!(view.resolve::<SessionId>(&middle.short())?, store::Resolved::None);
            let ids = |kin: Vec<store::Kin>| {
                kin.into_iter().map(|kin| (kin.session, kin.depth)).collect::<Vec<_>>()
            };
            assert_eq!(ids(view.ancestors(leaf)?), [(root, 2)], "the way leads through it");
            assert_eq!(ids(view.descendants(root, 9, 9)?), [(leaf, 2)]);
            Ok(())
        })
        .unwrap();
    // What comes late changes nothing any more.
    commit(&store, Actor::User, vec![Event::SessionUnarchived(SessionArchived { session: middle })]);
    assert_eq!(whole(&store, &SessionFilter::default(), 9), ["leaf", "root"]);
}

#[test]
fn a_family_is_walked_as_far_and_as_wide_as_asked() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let root = made(&store, &world.session("root"));
    let mut row = vec![root];
    for _ in 0..5 {
        let mut below = Vec::new();
        for above in row {
            for _ in 0..2 {
                below.push(made(&store, &Session { parent: Some(above), ..world.session("node") }));
            }
        }
        row = below;
    }
    let depths = |depth, most| -> Vec<u32> {
        store.read(|view| view.descendants(root, depth, most)).unwrap().iter().map(|kin| kin.depth).collect()
    };
    assert_eq!(depths(64, 1000).len(), 62);
    assert_eq!(depths(2, 1000), [1, 1, 2, 2, 2, 2]);
    assert_eq!(depths(64, 3), [1, 1, 2], "the nearest ones");
    let up: Vec<u32> =
        store.read(|view| view.ancestors(row[0])).unwrap().iter().map(|kin| kin.depth).collect();
    assert_eq!(up, [1, 2, 3, 4, 5]);
}

#[test]
fn a_callback_is_due_when_the_last_task_has_ended_and_until_it_was_delivered() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let parent = made(&store, &world.session("parent"));
    let due = || store.read(|view| view.callbacks_due_to(parent, 10)).unwrap();
    for (mode, calls) in [(CallbackMode::Once, 1), (CallbackMode::Always, 2)] {
        let callback = Callback { session: parent, mode, to: None };
        let lineage = Lineage { callback: Some(callback), ..Lineage::default() };
        let child = made(&store, &Session { parent: Some(parent), lineage, ..world.session("child") });
        let seat = world.participant(child, "claude");
        let (one, two, later) =
            (world.task(child, &[seat.id]), world.task(child, &[seat.id]), world.task(child, &[seat.id]));
        let end =
            |task: &Task| TaskEnd { session: child, task: task.id, text: "done".to_owned(), code: None };
        commit(
            &store,
            Actor::User,
            vec![
                Event::ParticipantJoined(seat.clone()),
                Event::TaskSubmitted(one.clone()),
                Event::TaskSubmitted(two.clone()),
            ],
        );
        commit(&store, Actor::System, vec![Event::TaskFailed(end(&one))]);
        assert_eq!(due(), [], "one is still open");
        commit(&store, Actor::System, vec![Event::TaskCanceled(end(&two))]);
        assert_eq!(due().iter().map(|due| due.ended).collect::<Vec<_>>(), [two.id]);
        assert_eq!(store.read(|view| view.waiting_for_callbacks()).unwrap(), [parent]);
        commit(
            &store,
            Actor::User,
            vec![Event::TaskSubmitted(later.clone()), Event::TaskCanceled(end(&later))],
        );
        assert_eq!(due().len(), calls, "{mode:?}");
        for due in due() {
            let delivery = CallbackDelivery {
                session: parent,
                child: due.child,
                ended: due.ended,
                task: None,
                dropped: None,
            };
            commit(&store, Actor::System, vec![Event::CallbackDelivered(delivery)]);
            assert_eq!(store.read(|view| view.callback_due(due.child, due.ended)).unwrap(), None);
        }
        assert_eq!(due(), []);
        let left = store.read(|view| view.session(child)).unwrap().unwrap().session.lineage.callback;
        assert_eq!(left.is_some(), mode == CallbackMode::Always);
    }
}

#[test]
fn a_queue_is_in_the_order_it_was_given() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = made(&store, &world.session("queue"));
    let seat = world.participant(session, "claude");
    commit(&store, Actor::User, vec![Event::ParticipantJoined(seat.clone())]);
    let tasks: Vec<Task> = (0..4).map(|_| world.task(session, &[seat.id])).collect();
    for task in &tasks {
        commit(&store, Actor::User, vec![Event::TaskSubmitted(task.clone())]);
    }
    let order = || -> Vec<usize> {
        let waiting = store.read(|view| view.waiting_tasks(session)).unwrap();
        let ready = store.read(|view| view.ready_tasks(session)).unwrap();
        assert_eq!(waiting, ready);
        waiting.iter().map(|row| tasks.iter().position(|task| task.id == row.task.id).unwrap()).collect()
    };
    assert_eq!(order(), [0, 1, 2, 3]);
    let ranks: Vec<u64> =
        store.read(|view| view.waiting_tasks(session)).unwrap().iter().map(|row| row.rank).collect();
    let places = [3, 0, 1, 2].iter().zip(&ranks).map(|(n, rank)| QueuePlace {
        task: tasks[*n].id,
        priority: 0,
        rank: *rank,
    });
    commit(
        &store,
        Actor::User,
        vec![Event::QueueReordered(QueueOrder { session, places: places.collect() })],
    );
    assert_eq!(order(), [3, 0, 1, 2]);
    let urgent = QueuePlace { task: tasks[2].id, priority: 5, rank: ranks[0] };
    commit(&store, Actor::User, vec![Event::QueueReordered(QueueOrder { session, places: vec![urgent] })]);
    assert_eq!(order(), [2, 3, 0, 1]);
    let new = world.task(session, &[seat.id]);
    commit(&store, Actor::User, vec![Event::TaskSubmitted(new.clone())]);
    let last = store.read(|view| view.waiting_tasks(session)).unwrap().pop().unwrap();
    assert_eq!(last.task.id, new.id, "a new one comes last");
}

#[test]
fn a_title_says_who_thought_of_it() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = made(&store, &Session { named_by: Namer::Agents, ..world.session("claude") });
    let named = || store.read(|view| view.session(session)).unwrap().unwrap().session.named_by;
    assert_eq!(named(), Namer::Agents);
    for by in [Namer::Words, Namer::Model, Namer::User] {
        commit(
            &store,
            Actor::User,
            vec![Event::SessionRenamed(SessionRenamed { session, title: "t".to_owned(), by })],
        );
        assert_eq!(named(), by);
    }
}

#[test]
fn messages_are_read_up_to_one_and_tasks_in_pages() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = made(&store, &world.session("long"));
    let seat = world.participant(session, "claude");
    commit(&store, Actor::User, vec![Event::ParticipantJoined(seat.clone())]);
    let (mut said, mut tasks) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let (message, task) = (world.say(session, &n.to_string()), world.task(session, &[seat.id]));
        said.push(message.id);
        tasks.push(task.id);
        commit(&store, Actor::User, vec![Event::MessageAppended(message), Event::TaskSubmitted(task)]);
    }
    store
        .read(|view| {
            let upto: Vec<_> =
                view.messages_upto(session, said[3], 2)?.into_iter().map(|one| one.id).collect();
            assert_eq!(upto, said[2..=3]);
            assert!(view.message_number(said[0])? < view.message_number(said[1])?);
            assert_eq!(view.message_number(world.id_message())?, None);
            let page = |before, most| -> Result<Vec<_>, store::StoreError> {
                Ok(view.tasks_page(session, before, most)?.into_iter().map(|row| row.task.id).collect())
            };
            assert_eq!(page(None, 4)?, tasks[2..]);
            assert_eq!(page(Some(tasks[2]), 4)?, tasks[..2]);
            assert_eq!(view.last_task(session)?.unwrap().task.id, tasks[5]);
            Ok(())
        })
        .unwrap();
}
