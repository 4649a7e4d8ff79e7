//! Committing: batches, keys, refusals, the queue, doorbells, closing.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit, keyed};
use model::{Actor, Event, Refusal, RefusalKind};
use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use store::{COMMIT_QUEUE, Commit, CommitError, Receipt, SessionFilter, Store, StoreError, View};

type Answer = Result<Receipt, CommitError>;

/// Occupies the committer with a commit that waits inside its transaction.
struct Stall {
    release: Sender<()>,
    answer: Receiver<Answer>,
}

impl Stall {
    fn start(store: &Store, event: Event) -> Self {
        let (inside, entered) = channel();
        let (release, released) = channel();
        let (reply, answer) = channel();
        let stalled = Commit::new(Actor::User, move |_| {
            inside.send(()).unwrap();
            released.recv().unwrap();
            Ok(vec![event])
        });
        store.submit(stalled, move |verdict| reply.send(verdict).unwrap());
        entered.recv().unwrap();
        Self { release, answer }
    }

    fn end(self) -> Receipt {
        self.release.send(()).unwrap();
        self.answer.recv().unwrap().unwrap()
    }
}

fn titles(store: &Store) -> Vec<String> {
    let sessions = store.read(|view| view.sessions(&SessionFilter::default())).unwrap().rows;
    sessions.into_iter().map(|row| row.session.title).collect()
}

fn refused(answer: Answer) -> Refusal {
    match answer {
        Err(CommitError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
pub(crate) fn a_receipt_means_durable_and_readable() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let session = World::new().session("Auth");
    let receipt = commit(&store, Actor::User, vec![Event::SessionCreated(session.clone())]);
    assert!(!receipt.replayed);
    let record = &receipt.records[0];
    assert_eq!(record.event, Event::SessionCreated(session.clone()));
    assert_eq!((record.session, &record.actor), (Some(session.id), &Actor::User));
    assert_eq!(store.durable(), record.position.cursor);
    assert_eq!(store.read(|view| view.position()).unwrap(), record.position.cursor);
    assert_eq!(store.reader().newest(), record.position);
    let row = store.read(|view| view.session(session.id)).unwrap().unwrap();
    assert_eq!(row.session, session);
}

#[test]
pub(crate) fn a_key_seen_before_is_answered_with_the_records_of_then() {
    let workspace = Workspace::new();
    let world = World::new();
    let (store, _) = workspace.open();
    let (first, second) = (world.session("one"), world.session("two"));
    let events = vec![Event::SessionCreated(first), Event::SessionCreated(second)];
    let ask = |store: &Store, actor: Actor, hash: &str| {
        let events = events.clone();
        store.commit(Commit::new(actor, move |_| Ok(events)).key(keyed("k", hash)))
    };
    let original = ask(&store, Actor::User, "h").unwrap();
    let end = store.durable();
    let again = ask(&store, Actor::User, "h").unwrap();
    assert!(again.replayed && !original.replayed);
    assert_eq!(again.records, original.records);
    let conflict = refused(ask(&store, Actor::User, "other"));
    assert_eq!((conflict.kind, &*conflict.code), (RefusalKind::Conflict, "idempotency_conflict"));
    assert_eq!(store.durable(), end, "neither wrote anything");
    // Still after a restart, and after the databases were made anew.
    store.close();
    workspace.forget_databases();
    let (store, _) = workspace.open();
    commit(&store, Actor::User, vec![Event::SessionCreated(world.session("three"))]);
    let later = ask(&store, Actor::User, "h").unwrap();
    assert!(later.replayed);
    assert_eq!(later.records, original.records);
    // Somebody else's key of the same name is another key.
    assert!(!ask(&store, Actor::System, "other").unwrap().replayed);
}

#[test]
pub(crate) fn keys_of_the_outbox_are_forgotten_a_window_behind_the_newest_and_others_never() {
    let workspace = Workspace::new();
    let world = World::new();
    let (store, _) = workspace.open();
    let ask = |store: &Store, actor: Actor, key: &str| {
        let event = Event::SessionCreated(world.session("one"));
        store.commit(Commit::new(actor, move |_| Ok(vec![event])).key(keyed(key, "h"))).unwrap().replayed
    };
    let row = |generation: &str, row: u64| format!("outbox:{generation}:{row}");
    let claude: Actor = "claude".parse().unwrap();
    assert!(!ask(&store, Actor::User, "kept:g:1"));
    for n in [1, 2] {
        assert!(!ask(&store, claude.clone(), &row("g", n)));
        assert!(!ask(&store, Actor::System, &row("other", n)));
    }
    assert!(!ask(&store, Actor::System, &row("g", 1 + store::OUTBOX_WINDOW)));
    assert!(ask(&store, claude.clone(), &row("g", 2)), "within the window");
    assert!(ask(&store, Actor::System, &row("other", 1)), "of another generation");
    assert!(ask(&store, Actor::User, "kept:g:1"), "nobody else's");
    assert!(!ask(&store, claude, &row("g", 1)), "forgotten");
    // What is forgotten follows from the journal alone.
    let before = store.dump().unwrap();
    store.rebuild().unwrap();
    assert_eq!(store.dump().unwrap(), before);
}

#[test]
pub(crate) fn a_refused_or_empty_commit_leaves_its_key_free() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let refusing = Commit::new(Actor::User, |_| Err(Refusal::conflict("no", "not now"))).key(keyed("k", "h"));
    assert_eq!(&*refused(store.commit(refusing)).code, "no");
    let empty = store.commit(Commit::new(Actor::User, |_| Ok(Vec::new())).key(keyed("k", "h"))).unwrap();
    assert!(empty.records.is_empty() && !empty.replayed);
    let event = Event::SessionCreated(World::new().session("Auth"));
    let taken =
        store.commit(Commit::new(Actor::User, move |_| Ok(vec![event])).key(keyed("k", "h"))).unwrap();
    assert_eq!((taken.records.len(), taken.replayed), (1, false));
}

#[test]
pub(crate) fn keys_and_payloads_over_their_limits_are_refused_and_nothing_is_written() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let session = world.session("Auth");
    let long = "k".repeat(journal::KEY_MAX + 1);
    let event = Event::SessionCreated(session.clone());
    let unkeyed = Commit::new(Actor::User, move |_| Ok(vec![event]));
    assert_eq!(refused(store.commit(unkeyed.key(keyed(&long, "h")))).kind, RefusalKind::Invalid);
    let huge = Event::MessageAppended(world.say(session.id, &"x".repeat(journal::PAYLOAD_MAX + 1)));
    let refusal = refused(store.commit(Commit::new(Actor::User, move |_| Ok(vec![huge]))));
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Invalid, "payload_too_large"));
    assert_eq!(store.durable().seq, 0);
    commit(&store, Actor::User, vec![Event::SessionCreated(session)]);
    assert_eq!(store.durable().seq, 1);
}

#[test]
pub(crate) fn readers_are_not_blocked_by_a_long_batch_and_see_nothing_of_it() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    commit(&store, Actor::User, vec![Event::SessionCreated(world.session("before"))]);
    let stall = Stall::start(&store, Event::SessionCreated(world.session("during")));
    assert_eq!(titles(&store), ["before"]);
    assert!(store.dump().unwrap().contains("before"));
    stall.end();
    assert_eq!(titles(&store), ["during", "before"]);
}

#[test]
pub(crate) fn a_reader_never_blocks_a_commit_and_keeps_its_view() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let (other, runs) = (store.clone(), Cell::new(0));
    store
        .read(|view| {
            runs.set(runs.get() + 1);
            // On a server a view is of the moment of its first question, and this is run twice.
            let before = view.sessions(&SessionFilter::default())?.rows.len();
            commit(&other, Actor::User, vec![Event::SessionCreated(world.session("during"))]);
            // A reader inside a reader is one of its own, and sees what is new.
            assert_eq!(titles(&other), vec!["during"; before + 1]);
            assert_eq!(view.sessions(&SessionFilter::default())?.rows.len(), before);
            Ok(())
        })
        .unwrap();
    assert_eq!(titles(&store).len(), runs.get());
}

#[test]
pub(crate) fn a_read_that_a_commit_overtakes_sees_one_state() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let (other, world, runs) = (store.clone(), World::new(), Cell::new(0));
    let count = |view: &View<'_>| Ok::<_, StoreError>(view.sessions(&SessionFilter::default())?.rows.len());
    let (before, after) = store
        .read(|view| {
            runs.set(runs.get() + 1);
            let before = count(view)?;
            if runs.get() == 1 {
                commit(&other, Actor::User, vec![Event::SessionCreated(world.session("during"))]);
            }
            Ok((before, count(view)?))
        })
        .unwrap();
    assert_eq!(before, after);
    // In files a view is a snapshot from the start; on a server this one was looked at twice.
    assert_eq!(runs.get(), before + 1);
    // One that nothing overtakes is looked at once, however much it asks.
    runs.set(0);
    let seen = store.read(|view| {
        runs.set(runs.get() + 1);
        Ok([count(view)?, count(view)?, count(view)?])
    });
    assert_eq!((seen.unwrap(), runs.get()), ([1, 1, 1], 1));
}

#[test]
pub(crate) fn a_full_queue_is_busy_and_the_waiting_are_all_answered() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let stall = Stall::start(&store, Event::SessionCreated(world.session("first")));
    let (reply, answers) = channel();
    let submit = |event: Event| {
        let reply = reply.clone();
        store.submit(Commit::new(Actor::User, move |_| Ok(vec![event])), move |verdict| {
            reply.send(verdict).unwrap();
        });
    };
    for _ in 0..COMMIT_QUEUE {
        submit(Event::SessionCreated(world.session("waiting")));
    }
    assert!(answers.try_recv().is_err());
    submit(Event::SessionCreated(world.session("one too many")));
    let refusal = refused(answers.recv().unwrap());
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Busy, "store_busy"));
    stall.end();
    for _ in 0..COMMIT_QUEUE {
        answers.recv().unwrap().unwrap();
    }
    assert_eq!(store.durable().seq, 1 + u64::try_from(COMMIT_QUEUE).unwrap());
}

#[test]
pub(crate) fn a_command_sees_the_commits_before_it() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let stall = Stall::start(&store, Event::SessionCreated(world.session("first")));
    let (reply, answers) = channel();
    for _ in 0..3 {
        let (reply, session) = (reply.clone(), world.session("counted"));
        let counting = Commit::new(Actor::User, move |view| {
            let seen = view.sessions(&SessionFilter::default())?.rows.len();
            if seen >= 3 {
                return Err(Refusal::conflict("enough", seen.to_string()));
            }
            Ok(vec![Event::SessionCreated(session)])
        });
        store.submit(counting, move |verdict| reply.send(verdict).unwrap());
    }
    stall.end();
    let verdicts: Vec<Answer> = answers.iter().take(3).collect();
    assert!(verdicts[0].is_ok() && verdicts[1].is_ok());
    assert_eq!(&*refused(verdicts[2].clone()).code, "enough");
    assert_eq!(titles(&store), ["counted", "counted", "first"]);
}

#[test]
pub(crate) fn a_command_that_panics_is_refused_and_the_next_goes_on() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let refusal = refused(store.commit(Commit::new(Actor::User, |_| panic!("on purpose"))));
    assert_eq!(refusal.kind, RefusalKind::Internal);
    commit(&store, Actor::User, vec![Event::SessionCreated(World::new().session("next"))]);
    assert_eq!(titles(&store), ["next"]);
}

#[test]
pub(crate) fn the_doorbell_rings_after_the_commit_is_readable() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let rung = Arc::new(Mutex::new(Vec::new()));
    let (bell, reader) = (Arc::clone(&rung), store.clone());
    let (ring, heard) = channel();
    store.on_commit(Box::new(move |durable| {
        let visible = reader.read(|view| view.position()).unwrap();
        bell.lock().unwrap().push((durable, visible));
        ring.send(()).unwrap();
    }));
    store.on_commit(Box::new(|_| panic!("on purpose")));
    let world = World::new();
    for title in ["one", "two"] {
        commit(&store, Actor::User, vec![Event::SessionCreated(world.session(title))]);
        heard.recv().unwrap();
    }
    let refusing = Commit::new(Actor::User, |_| Err(Refusal::conflict("no", "no")));
    refused(store.commit(refusing));
    let rung = rung.lock().unwrap().clone();
    assert_eq!(rung.len(), 2, "a refusal is no news");
    assert!(rung.iter().all(|(durable, visible)| durable == visible));
    assert_eq!(rung[1].0, store.durable());
}

#[test]
pub(crate) fn after_closing_everything_is_refused_and_what_was_queued_is_done() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let stall = Stall::start(&store, Event::SessionCreated(world.session("first")));
    let (reply, answers) = channel();
    let event = Event::SessionCreated(world.session("queued"));
    store.submit(Commit::new(Actor::User, move |_| Ok(vec![event])), move |verdict| {
        reply.send(verdict).unwrap();
    });
    let closing = std::thread::spawn({
        let store = store.clone();
        move || store.close()
    });
    stall.end();
    answers.recv().unwrap().unwrap();
    closing.join().unwrap();
    let late = store.commit(Commit::new(Actor::User, |_| Ok(Vec::new())));
    assert!(matches!(late, Err(CommitError::Stopped(_))), "{late:?}");
    assert!(matches!(store.read(|view| view.position()), Err(StoreError::Stopped(_))));
    store.close();
    // The journal's lock is free again, and both are there.
    let (store, _) = workspace.open();
    assert_eq!(titles(&store), ["queued", "first"]);
}

#[test]
pub(crate) fn the_last_handle_may_go_away_in_a_reply() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let (done, finished) = channel();
    let held = store.clone();
    let stall = Stall::start(&store, Event::SessionCreated(World::new().session("first")));
    store.submit(Commit::new(Actor::User, |_| Ok(Vec::new())), move |_| {
        drop(held);
        done.send(()).unwrap();
    });
    drop(store);
    stall.end();
    finished.recv().unwrap();
    // Its threads end by themselves and let go of the journal.
    while matches!(workspace.try_open(), Err(StoreError::Journal(journal::JournalError::Locked(_)))) {
        std::thread::yield_now();
    }
    assert_eq!(titles(&workspace.open().0), ["first"]);
}
