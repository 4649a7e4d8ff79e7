//! Boards on a real store: what is decided, what is refused, and that a trigger is set off once.

use super::*;
use crate::stage::Stage;
use crate::{Key, NewPrompt};
use model::{
    Actor, BOARD_EDGE, CARDS_MAX, COMMENT_MAX, COMMENTS_MAX, ConflictChange, ConflictKind, ConflictPhase,
    Firing, FiringState, NOTE_MAX, SIZE_MAX, SessionId, SessionRemoved, Trigger, TriggerAction, ZONES_MAX,
    ZoneColour,
};
use std::sync::Arc;

struct Scene {
    stage: Stage,
    engine: Engine,
    board: BoardId,
}

fn user() -> Call {
    Call::user("test")
}

fn keyed(key: &str) -> Call {
    Call { key: Some(Key { key: key.to_owned(), request_hash: "h".to_owned() }), ..user() }
}

fn at(x: i32, y: i32) -> Place {
    Place { x, y, width: 100, height: 60 }
}

fn trigger(action: TriggerAction, template: &str, confirm: bool) -> Trigger {
    Trigger { action, template: template.to_owned(), agents: Vec::new(), confirm }
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::with_environment(|name| name.ends_with("_KEY").then(|| "k".to_owned()));
        // What is prompted waits: nothing runs here.
        stage.shared.stopping.cancel();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let board = engine.create_board(&user(), "Release 1").await.unwrap().id;
        Self { stage, engine, board }
    }

    async fn card(&self, subject: CardSubject, place: Place) -> CardId {
        let new = NewCard { subject, note: "Mind the leases".to_owned(), place: Some(place) };
        self.engine.place_card(&user(), self.board, new).await.unwrap().card.id
    }

    /// A session's card outside of every zone.
    async fn session_card(&self) -> (SessionId, CardId) {
        let (session, _) = self.stage.session(&["claude"]);
        let subject = CardSubject::Session { session: session.id };
        (session.id, self.card(subject, at(-500, 0)).await)
    }

    /// A zone from 0,0 to 400,400.
    async fn zone(&self, trigger: Option<Trigger>) -> ZoneId {
        let place = Place { x: 0, y: 0, width: 400, height: 400 };
        let new = NewZone { name: "Review".to_owned(), colour: ZoneColour::Blue, place, trigger };
        self.engine.place_zone(&user(), self.board, new).await.unwrap().id
    }

    async fn drag(&self, call: &Call, card: CardId, x: i32) -> CardView {
        let change = CardChange { x: Some(x), ..CardChange::default() };
        self.engine.change_card(call, card, change).await.unwrap()
    }

    fn tasks(&self, session: SessionId) -> Vec<String> {
        let rows = self.stage.shared.store.read(|view| view.tasks_page(session, None, 50)).unwrap();
        rows.into_iter().map(|row| row.task.prompt).collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.stage.events().iter().filter(|event| event.kind() == kind).count()
    }
}

fn state(view: &CardView) -> Option<FiringState> {
    view.firing.as_ref().map(|row| row.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_dropped_in_a_zone_prompts_its_session_once_for_each_time() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    let words = "Review {{session.title}} in {{zone.name}} of {{board.name}}: {{card.note}}";
    scene.zone(Some(trigger(TriggerAction::Prompt, words, false))).await;
    let dropped = scene.drag(&keyed("drag-1"), card, 150).await;
    assert_eq!(state(&dropped), Some(FiringState::Done), "{dropped:?}");
    assert_eq!((dropped.zone.is_some(), dropped.card.revision), (true, 2));
    let title = &dropped.title;
    let expected = format!("Review {title} in Review of Release 1: Mind the leases");
    assert_eq!(scene.tasks(session), [expected.as_str()]);
    let firing = dropped.firing.clone().unwrap();
    assert_eq!((firing.session, firing.firing.prompt.as_str()), (Some(session), expected.as_str()));
    // The same request once more is the same drop, moving inside enters nothing, and looking sets nothing off.
    assert_eq!(scene.drag(&keyed("drag-1"), card, 150).await, dropped);
    scene.drag(&user(), card, 200).await;
    scene.engine.board(scene.board).unwrap();
    scene.engine.resume_firings().await.unwrap();
    assert_eq!(scene.tasks(session).len(), 1);
    // Out and in again is another time.
    scene.drag(&user(), card, -500).await;
    scene.drag(&user(), card, 150).await;
    assert_eq!((scene.tasks(session).len(), scene.count("trigger.fired")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_made_or_moved_under_a_card_sets_nothing_off_and_a_card_put_in_one_does() {
    let scene = Scene::new().await;
    let (session, _) = scene.stage.session(&["claude"]);
    let subject = CardSubject::Session { session: session.id };
    let card = scene.card(subject, at(100, 100)).await;
    let zone = scene.zone(Some(trigger(TriggerAction::Prompt, "Go", false))).await;
    let moved = ZoneChange {
        place: Some(Place { x: 50, y: 50, width: 300, height: 300 }),
        revision: Some(1),
        ..ZoneChange::default()
    };
    assert_eq!(scene.engine.change_zone(&user(), zone, moved.clone()).await.unwrap().revision, 2);
    let stale = scene.engine.change_zone(&user(), zone, moved).await.unwrap_err();
    assert_eq!(stale.code, "zone_changed");
    assert!(scene.tasks(session.id).is_empty());
    scene.engine.remove_card(&user(), card).await.unwrap();
    scene.card(subject, at(100, 100)).await;
    assert_eq!(scene.tasks(session.id), ["Go"]);
    // Where nobody says where, no trigger is set off.
    let (other, _) = scene.stage.session(&["claude"]);
    let subject = CardSubject::Session { session: other.id };
    let new = NewCard { subject, note: String::new(), place: None };
    let placed = scene.engine.place_card(&user(), scene.board, new.clone()).await.unwrap();
    assert_eq!((placed.firing, scene.tasks(other.id).len()), (None, 0));
    let again = scene.engine.place_card(&user(), scene.board, new).await.unwrap_err();
    assert_eq!(again.code, "card_exists");
}

/// Triggers cover every place a card is put by itself, and what is below them.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_nobody_gave_a_place_sets_nothing_off_and_is_set_off_once_when_it_gets_one() {
    let scene = Scene::new().await;
    for (number, y) in [0, SIZE_MAX, 2 * SIZE_MAX, 3 * SIZE_MAX, BOARD_EDGE].into_iter().enumerate() {
        let new = NewZone {
            name: format!("Zone {number}"),
            colour: ZoneColour::Blue,
            place: Place { x: -500, y, width: SIZE_MAX, height: SIZE_MAX },
            trigger: Some(trigger(TriggerAction::Prompt, "Go", false)),
        };
        scene.engine.place_zone(&user(), scene.board, new).await.unwrap();
    }
    let (session, _) = scene.stage.session(&["claude"]);
    let subject = CardSubject::Session { session: session.id };
    let new = NewCard { subject, note: String::new(), place: None };
    let placed = scene.engine.place_card(&user(), scene.board, new).await.unwrap();
    assert!(placed.zone.is_none() && placed.card.place.fits(), "{placed:?}");
    assert_eq!((placed.firing, scene.count("trigger.fired")), (None, 0));
    let into = CardChange { x: Some(0), y: Some(0), ..CardChange::default() };
    scene.engine.change_card(&user(), placed.card.id, into).await.unwrap();
    let inside = CardChange { x: Some(300), y: Some(300), ..CardChange::default() };
    scene.engine.change_card(&user(), placed.card.id, inside).await.unwrap();
    assert_eq!((scene.tasks(session.id), scene.count("trigger.fired")), (vec!["Go".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_first_waits_for_a_word_and_is_wanted_no_more_when_the_card_leaves() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    scene.zone(Some(trigger(TriggerAction::Prompt, "Ship {{session.id}}", true))).await;
    let nothing = scene.engine.answer_card(&user(), card, true).await.unwrap_err();
    assert_eq!(nothing.code, "nothing_asked");
    assert_eq!(state(&scene.drag(&user(), card, 100).await), Some(FiringState::Asked));
    assert!(scene.tasks(session).is_empty());
    let done = scene.engine.answer_card(&user(), card, true).await.unwrap();
    assert_eq!(state(&done), Some(FiringState::Done));
    assert_eq!(scene.tasks(session), [format!("Ship {}", session.short())]);
    assert_eq!(scene.engine.answer_card(&user(), card, true).await.unwrap_err().code, "nothing_asked");
    scene.drag(&user(), card, -500).await;
    scene.drag(&user(), card, 100).await;
    let refused = scene.engine.answer_card(&user(), card, false).await.unwrap();
    assert_eq!(state(&refused), Some(FiringState::Dismissed));
    scene.drag(&user(), card, -500).await;
    scene.drag(&user(), card, 100).await;
    assert_eq!(state(&scene.drag(&user(), card, -500).await), Some(FiringState::Dismissed));
    assert_eq!(scene.tasks(session).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_on_the_card_which_stays() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    scene.zone(Some(trigger(TriggerAction::Prompt, "Go", false))).await;
    let limit = scene.stage.shared.config.snapshot().config.limits.queue_depth;
    for n in 0..limit {
        let prompt = NewPrompt { text: format!("{n}"), ..NewPrompt::default() };
        scene.engine.prompt(&user(), session, prompt).await.unwrap();
    }
    let full = scene.drag(&user(), card, 100).await;
    assert_eq!((state(&full), full.card.place.x), (Some(FiringState::Refused), 100));
    assert!(full.firing.unwrap().text.unwrap().contains("queue_full"));
    let note = scene.card(CardSubject::Note, at(-500, 200)).await;
    let alone = scene.drag(&user(), note, 100).await;
    assert!(alone.firing.unwrap().text.unwrap().contains("card_without_session"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_the_card_does_not_have_is_named() {
    let scene = Scene::new().await;
    let note = scene.card(CardSubject::Note, at(-500, 0)).await;
    scene.zone(Some(trigger(TriggerAction::Spawn, "Work on {{branch}}", false))).await;
    let dropped = scene.drag(&user(), note, 100).await;
    assert_eq!(state(&dropped), Some(FiringState::Refused));
    assert!(dropped.firing.unwrap().text.unwrap().contains("template_value_missing"));
    assert_eq!(scene.stage.shared.store.read(|view| view.due_firings()).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn spawned_and_forked_sessions_get_the_prompt_and_a_card_of_their_own() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    let zone = scene.zone(Some(trigger(TriggerAction::Spawn, "Test {{session.title}}", false))).await;
    let spawned = scene.drag(&user(), card, 100).await.firing.unwrap();
    let child = spawned.session.unwrap();
    assert_eq!((spawned.state, scene.tasks(session).len()), (FiringState::Done, 0));
    assert!(scene.tasks(child)[0].starts_with("Test "));
    let row = scene.stage.shared.store.read(|view| view.session(child)).unwrap().unwrap();
    assert_eq!(row.session.parent, Some(session));
    let fork = Some(Some(trigger(TriggerAction::Fork, "Another way", false)));
    let change = ZoneChange { trigger: fork, ..ZoneChange::default() };
    scene.engine.change_zone(&user(), zone, change).await.unwrap();
    scene.drag(&user(), card, -500).await;
    let forked = scene.drag(&user(), card, 100).await.firing.unwrap();
    assert_eq!(scene.tasks(forked.session.unwrap()), ["Another way"]);
    let board = scene.engine.board(scene.board).unwrap();
    let subjects: Vec<CardSubject> = board.cards.iter().map(|view| view.card.subject).collect();
    for session in [child, forked.session.unwrap()] {
        assert!(subjects.contains(&CardSubject::Session { session }), "{subjects:?}");
    }
    assert!(board.cards.iter().skip(1).all(|view| view.firing.is_none()), "their cards set nothing off");
    // A note can spawn one, when somebody is named.
    let agents = vec!["claude".parse().unwrap()];
    let named = Trigger { agents, ..trigger(TriggerAction::Spawn, "{{card.note}}", false) };
    let change = ZoneChange { trigger: Some(Some(named)), ..ZoneChange::default() };
    scene.engine.change_zone(&user(), zone, change).await.unwrap();
    let note = scene.card(CardSubject::Note, at(-500, 300)).await;
    let made = scene.drag(&user(), note, 100).await.firing.unwrap();
    assert_eq!(
        (made.state, scene.tasks(made.session.unwrap())),
        (FiringState::Done, vec!["Mind the leases".to_owned()])
    );
}

/// A crash between the drop and its end: what was begun is not done twice, what was not is done at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_is_carried_out_once() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    let zone = scene.zone(None).await;
    let firing = Firing {
        id: scene.stage.shared.new_id(),
        board: scene.board,
        card,
        zone,
        action: TriggerAction::Prompt,
        prompt: "Go on".to_owned(),
        agents: Vec::new(),
        session: Some(session),
        worktree: None,
        confirm: false,
        fired_at: scene.stage.shared.now(),
    };
    scene.stage.shared.record(Actor::User, vec![Event::TriggerFired(firing.clone())]).await.unwrap();
    // The prompt was sent, and the end was not written.
    let call = Call {
        key: Some(Key { key: format!("{}.prompt", firing.id), request_hash: firing.id.to_string() }),
        ..user()
    };
    let prompt = NewPrompt { text: "Go on".to_owned(), ..NewPrompt::default() };
    scene.engine.prompt(&call, session, prompt).await.unwrap();
    let row = scene.stage.shared.store.read(|view| view.due_firings()).unwrap().remove(0);
    scene.engine.resume_firings().await.unwrap();
    // Another one that is on the same way comes to the same.
    scene.engine.follow_firing(&user(), card).await.unwrap();
    let done = scene.engine.card(card).unwrap().firing.unwrap();
    assert_eq!((done.firing, done.state), (row.firing, FiringState::Done));
    assert_eq!((scene.tasks(session), scene.count("trigger.ended")), (vec!["Go on".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_move_one_card_the_last_has_the_word_unless_one_says_from_where() {
    let scene = Scene::new().await;
    let card = scene.card(CardSubject::Note, at(0, 0)).await;
    let to = |x, revision| CardChange { x: Some(x), revision, ..CardChange::default() };
    scene.engine.change_card(&user(), card, to(10, Some(1))).await.unwrap();
    let stale = scene.engine.change_card(&user(), card, to(20, Some(1))).await.unwrap_err();
    assert_eq!(stale.code, "card_changed");
    assert!(stale.message.contains("revision 2, at 10,0"), "{stale}");
    assert_eq!(scene.engine.change_card(&user(), card, to(30, None)).await.unwrap().card.revision, 3);
    let both = CardChange { note: Some("x".to_owned()), ..to(40, Some(3)) };
    let both = scene.engine.change_card(&user(), card, both).await.unwrap().card;
    assert_eq!((both.revision, both.note.as_str(), both.place.x), (5, "x", 40));
    let same = scene.engine.change_card(&user(), card, to(40, None)).await.unwrap();
    assert_eq!(same.card.revision, 5, "nothing is different");
    // Of many at once with one revision, exactly one.
    let mut tries = Vec::new();
    for x in 100..108 {
        let (engine, change) = (scene.engine.clone(), to(x, Some(5)));
        tries.push(
            scene
                .stage
                .shared
                .tasks
                .spawn(async move { engine.change_card(&user(), card, change).await.is_ok() }),
        );
    }
    let mut won = 0;
    for one in tries {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_owns_positions_alone_and_a_card_goes_with_its_session() {
    let scene = Scene::new().await;
    let (session, _) = scene.session_card().await;
    let (gone, card) = scene.session_card().await;
    let new = NewComment { text: "Hm".to_owned(), card: Some(card), ..NewComment::default() };
    scene.engine.add_comment(&user(), scene.board, new).await.unwrap();
    let removed = vec![Event::SessionRemoved(SessionRemoved { session: gone })];
    scene.stage.shared.record(Actor::User, removed).await.unwrap();
    let board = scene.engine.board(scene.board).unwrap();
    assert_eq!((board.cards.len(), board.comments.len()), (1, 0));
    scene.engine.remove_board(&user(), scene.board).await.unwrap();
    assert!(scene.engine.session(session).is_ok());
    assert_eq!(scene.engine.board(scene.board).unwrap_err().code, "not_found");
    assert!(scene.engine.boards().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_are_threads_that_are_settled() {
    let scene = Scene::new().await;
    let card = scene.card(CardSubject::Note, at(0, 0)).await;
    let say = async |text: &str, card, reply_to| {
        let new = NewComment { text: text.to_owned(), card, reply_to };
        scene.engine.add_comment(&user(), scene.board, new).await
    };
    let first = say("Why?", Some(card), None).await.unwrap().comment;
    let reply = say("Because", None, Some(first.id)).await.unwrap().comment;
    let deep = say("I see\r\n", None, Some(reply.id)).await.unwrap().comment;
    assert_eq!((deep.reply_to, deep.card, deep.text.as_str()), (Some(first.id), Some(card), "I see"));
    let settled = scene.engine.settle_comment(&user(), deep.id, true).await.unwrap();
    assert_eq!((settled.comment.id, settled.resolved), (first.id, true));
    assert_eq!(scene.engine.boards().unwrap()[0].counts.open_threads, 0);
    scene.engine.settle_comment(&user(), first.id, false).await.unwrap();
    assert_eq!(scene.engine.boards().unwrap()[0].counts.open_threads, 1);
    assert_eq!(say(" \n", None, None).await.unwrap_err().code, "comment_empty");
    assert_eq!(say(&"x".repeat(COMMENT_MAX + 1), None, None).await.unwrap_err().code, "comment_too_long");
    assert_eq!(say("a\0", None, None).await.unwrap_err().code, "comment_characters");
    let other = scene.engine.create_board(&user(), "Other").await.unwrap().id;
    let new = NewComment { text: "x".to_owned(), card: Some(card), reply_to: None };
    assert_eq!(scene.engine.add_comment(&user(), other, new).await.unwrap_err().code, "not_found");
    let new = NewComment { text: "x".to_owned(), card: None, reply_to: Some(first.id) };
    assert_eq!(scene.engine.add_comment(&user(), other, new).await.unwrap_err().code, "not_found");
    scene.engine.remove_comment(&user(), first.id).await.unwrap();
    assert!(scene.engine.board(scene.board).unwrap().comments.is_empty(), "replies go with the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_same_on_it_and_sets_nothing_off() {
    let scene = Scene::new().await;
    let (session, card) = scene.session_card().await;
    scene.zone(Some(trigger(TriggerAction::Prompt, "Go", false))).await;
    scene.drag(&user(), card, 100).await;
    let new = NewComment { text: "Why?".to_owned(), card: Some(card), reply_to: None };
    let first = scene.engine.add_comment(&user(), scene.board, new).await.unwrap().comment.id;
    let new = NewComment { text: "So".to_owned(), card: None, reply_to: Some(first) };
    scene.engine.add_comment(&user(), scene.board, new).await.unwrap();
    scene.engine.settle_comment(&user(), first, true).await.unwrap();
    let copy = scene.engine.export_board(scene.board).unwrap();
    let cloned = scene.engine.clone_board(&user(), scene.board, "Release 1").await.unwrap();
    assert_eq!((cloned.board.slug.as_str(), cloned.cards.len()), ("release-1-2", 1));
    assert_eq!((cloned.cards[0].card.place, &cloned.cards[0].firing), (at(100, 0), &None));
    assert_eq!((cloned.comments.len(), cloned.comments[0].resolved), (2, true));
    assert_eq!(cloned.comments[1].comment.reply_to, Some(cloned.comments[0].comment.id));
    assert_eq!(scene.tasks(session).len(), 1, "it was dropped once");
    // Of another workspace: the session is not there.
    let removed = vec![Event::SessionRemoved(SessionRemoved { session })];
    scene.stage.shared.record(Actor::User, removed).await.unwrap();
    let import = async |copy: BoardCopy, missing| {
        scene.engine.import_board(&user(), copy, Some("Here".to_owned()), missing).await
    };
    let refused = import(copy.clone(), MissingWish::Refuse).await.unwrap_err();
    assert_eq!(refused.code, "board_reference_missing");
    let made = import(copy.clone(), MissingWish::Note).await.unwrap();
    assert_eq!((made.cards[0].card.subject, made.board.name.as_str()), (CardSubject::Note, "Here"));
    let note = &made.cards[0].card.note;
    assert!(note.contains(&session.to_string()) && note.ends_with("Mind the leases"), "{note}");
    let with = |change: &dyn Fn(&mut BoardCopy)| {
        let mut copy = copy.clone();
        change(&mut copy);
        copy
    };
    let far = with(&|copy| copy.cards[0].place.x = i32::MAX);
    let thin = with(&|copy| copy.zones[0].place.width = 1);
    let twice = with(&|copy| copy.cards.push(copy.cards[0].clone()));
    let strange = with(&|copy| copy.comments[0].card = Some("none".to_owned()));
    let later = with(&|copy| copy.comments.reverse());
    let braces = with(&|copy| copy.zones[0].trigger.as_mut().unwrap().template = "{{x}}".to_owned());
    let many = with(&|copy| copy.cards = vec![copy.cards[0].clone(); CARDS_MAX + 1]);
    for (bad, code) in [
        (far, "place_out_of_range"),
        (thin, "place_out_of_range"),
        (twice, "board_document_key"),
        (strange, "board_document_key"),
        (later, "board_document_key"),
        (braces, "template_name_unknown"),
        (many, "board_full"),
    ] {
        assert_eq!(import(bad, MissingWish::Note).await.unwrap_err().code, code);
    }
    assert_eq!(scene.engine.boards().unwrap().len(), 3, "what is refused leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_a_board_has_a_limit() {
    let scene = Scene::new().await;
    let blank = |note: &str| CardCopy {
        key: String::new(),
        subject: CardSubject::Note,
        title: None,
        place: at(0, 0),
        note: note.to_owned(),
    };
    let zone = ZoneCopy { name: "z".to_owned(), colour: ZoneColour::Grey, place: at(0, 0), trigger: None };
    let comment = CommentCopy {
        key: String::new(),
        card: None,
        reply_to: None,
        author: Actor::User,
        text: "x".to_owned(),
        resolved: false,
        created_at: scene.stage.shared.now(),
    };
    let copy = BoardCopy {
        name: "Full".to_owned(),
        cards: (0..CARDS_MAX).map(|n| CardCopy { key: n.to_string(), ..blank("") }).collect(),
        zones: vec![zone.clone(); ZONES_MAX],
        comments: (0..COMMENTS_MAX).map(|n| CommentCopy { key: n.to_string(), ..comment.clone() }).collect(),
    };
    let full = scene.engine.import_board(&user(), copy, None, MissingWish::Note).await.unwrap().board.id;
    let card = NewCard { subject: CardSubject::Note, note: String::new(), place: None };
    assert_eq!(scene.engine.place_card(&user(), full, card.clone()).await.unwrap_err().code, "board_full");
    let new = NewZone { name: zone.name, colour: zone.colour, place: zone.place, trigger: None };
    assert_eq!(scene.engine.place_zone(&user(), full, new.clone()).await.unwrap_err().code, "board_full");
    let more = NewComment { text: "x".to_owned(), ..NewComment::default() };
    assert_eq!(scene.engine.add_comment(&user(), full, more).await.unwrap_err().code, "board_full");
    let long = NewCard { note: "x".repeat(NOTE_MAX + 1), ..card.clone() };
    assert_eq!(scene.engine.place_card(&user(), scene.board, long).await.unwrap_err().code, "note_too_long");
    let bytes = NewCard { note: "a\0".to_owned(), ..card.clone() };
    assert_eq!(
        scene.engine.place_card(&user(), scene.board, bytes).await.unwrap_err().code,
        "note_characters"
    );
    let far = NewCard { place: Some(at(i32::MIN, 0)), ..card };
    assert_eq!(
        scene.engine.place_card(&user(), scene.board, far).await.unwrap_err().code,
        "place_out_of_range"
    );
    for bad in ["", " ", "a\nb", &"x".repeat(BOARD_NAME_MAX + 1)] {
        assert_eq!(scene.engine.create_board(&user(), bad).await.unwrap_err().code, "name_invalid");
        let new = NewZone { name: bad.to_owned(), ..new.clone() };
        assert_eq!(
            scene.engine.place_zone(&user(), scene.board, new).await.unwrap_err().code,
            "name_invalid"
        );
    }
    for n in scene.engine.boards().unwrap().len()..BOARDS_MAX {
        scene.engine.create_board(&user(), &format!("b{n}")).await.unwrap();
    }
    assert_eq!(scene.engine.create_board(&user(), "more").await.unwrap_err().code, "too_many_boards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_shows_the_conflicts_of_what_it_stands_for_while_they_are_open() {
    let scene = Scene::new().await;
    let (session, by_session) = scene.session_card().await;
    let (_, apart) = scene.session_card().await;
    let shared = &scene.stage.shared;
    let repo = shared.store.read(|view| view.session(session)).unwrap().unwrap().session.repo.unwrap();
    let worktree = model::Worktree {
        id: shared.new_id(),
        repo,
        name: "fix".to_owned(),
        path: "/w/fix".to_owned(),
        branch: None,
        base: None,
        git_id: "fix".to_owned(),
        made_branch: false,
        adopted: true,
        port_base: 0,
        lent: None,
        created_at: shared.now(),
    };
    scene.stage.commit(vec![Event::WorktreeCreated(worktree.clone())]);
    let by_worktree = scene.card(CardSubject::Worktree { worktree: worktree.id }, at(-900, 0)).await;
    let conflict = |kind, worktrees: &[&str], sessions: &[SessionId]| Conflict {
        id: shared.new_id(),
        repo,
        kind,
        paths: vec!["a.rs".parse().unwrap()],
        more: 0,
        worktrees: worktrees.iter().map(|at| (*at).to_owned()).collect(),
        sessions: sessions.to_vec(),
        agents: Vec::new(),
        since: shared.now(),
    };
    let file = conflict(ConflictKind::SameFile, &["/w/fix", "/w/other"], &[session]);
    let base = conflict(ConflictKind::BaseConflict, &["/w/fix"], &[]);
    let say = |phase, conflict: &Conflict| {
        let conflict = conflict.clone();
        scene.stage.commit(vec![Event::ConflictChanged(ConflictChange { phase, conflict })]);
    };
    let shown = |card| {
        let whole = scene.engine.board(scene.board).unwrap();
        let found = whole.cards.into_iter().find(|one| one.card.id == card).unwrap();
        assert_eq!(found, scene.engine.card(card).unwrap(), "alone it is as on its board");
        let of = |one: CardConflict| (one.conflict.kind, one.with);
        found.conflicts.into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(shown(by_worktree), []);
    say(ConflictPhase::Found, &file);
    say(ConflictPhase::Found, &base);
    let other = vec!["/w/other".to_owned()];
    let worst_first = [(ConflictKind::BaseConflict, vec![]), (ConflictKind::SameFile, other)];
    assert_eq!(shown(by_worktree), worst_first);
    // Where a session was seen is both of them, as far as is known.
    assert_eq!(shown(by_session), [(ConflictKind::SameFile, file.worktrees.clone())]);
    assert_eq!(shown(apart), []);
    say(ConflictPhase::Gone, &file);
    assert_eq!((shown(by_session), shown(by_worktree).len()), (vec![], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn boards_are_called_by_names_nobody_else_has() {
    let scene = Scene::new().await;
    let second = scene.engine.create_board(&user(), "Release 1").await.unwrap();
    assert_eq!(second.slug, "release-1-2");
    assert_eq!(scene.engine.resolve_board("release-1").unwrap(), scene.board);
    assert_eq!(scene.engine.resolve_board(&second.id.short()).unwrap(), second.id);
    let renamed = scene.engine.change_board(&user(), second.id, Some("Two".to_owned()), None).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.slug.as_str()), ("Two", "release-1-2"), "its address stays");
    let taken = scene.engine.change_board(&user(), second.id, None, Some("release-1".to_owned())).await;
    assert_eq!(taken.unwrap_err().code, "slug_taken");
    let run = Call { caller: crate::Caller::Terminal { registration: scene.stage.shared.user }, ..user() };
    assert_eq!(scene.engine.create_board(&run, "x").await.unwrap_err().code, "not_for_agents");
}
