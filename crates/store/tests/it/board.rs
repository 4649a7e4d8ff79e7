//! Boards: what is on them is read back as it is now, goes with what it stands for, and is made again by a rebuild.

use crate::fixtures::{World, agent};
use crate::workspace::{Workspace, commit};
use model::{
    Actor, Board, BoardRemoved, Card, CardEdit, CardId, CardMove, CardRemoved, CardSubject, Comment,
    CommentRemoved, CommentResolved, Event, Firing, FiringConfirmed, FiringEnd, FiringState, Place,
    SessionId, SessionRemoved, Trigger, TriggerAction, Zone, ZoneColour, ZoneRemoved,
};
use store::{BoardCounts, Resolved, Store};

const PLACE: Place = Place { x: -20, y: 40, width: 240, height: 120 };

fn card(world: &World, board: &Board, subject: CardSubject) -> Card {
    Card {
        id: world.id_card(),
        board: board.id,
        subject,
        place: PLACE,
        note: "Mind the leases".to_owned(),
        revision: 1,
        created_at: world.now(),
    }
}

fn zone(world: &World, board: &Board) -> Zone {
    let trigger = Trigger {
        action: TriggerAction::Prompt,
        template: "Review {{session.title}}".to_owned(),
        agents: vec![agent("kimi")],
        confirm: true,
    };
    Zone {
        id: world.id_zone(),
        board: board.id,
        name: "Review".to_owned(),
        colour: ZoneColour::Blue,
        place: PLACE,
        trigger: Some(trigger),
        revision: 1,
        created_at: world.now(),
    }
}

fn firing(world: &World, card: &Card, zone: &Zone, confirm: bool) -> Firing {
    Firing {
        id: world.id_firing(),
        board: card.board,
        card: card.id,
        zone: zone.id,
        action: TriggerAction::Prompt,
        prompt: "Review it".to_owned(),
        agents: Vec::new(),
        session: None,
        worktree: None,
        confirm,
        fired_at: world.now(),
    }
}

fn comment(world: &World, board: &Board, card: Option<CardId>) -> Comment {
    Comment {
        id: world.id_comment(),
        board: board.id,
        card,
        reply_to: None,
        author: Actor::User,
        text: "Looks right".to_owned(),
        created_at: world.now(),
    }
}

/// An event of every kind that a board has, with something left of each.
pub(crate) fn filled(world: &World, board: &Board) -> Vec<Event> {
    let (kept, gone) = (card(world, board, CardSubject::Note), card(world, board, CardSubject::Note));
    let (around, other) = (zone(world, board), zone(world, board));
    let fired = firing(world, &kept, &around, true);
    let moved =
        CardMove { board: board.id, card: kept.id, place: PLACE, revision: 2, entered: Some(around.id) };
    let edit = CardEdit { board: board.id, card: kept.id, note: "Done".to_owned(), revision: 3 };
    let (said, unsaid) = (comment(world, board, Some(kept.id)), comment(world, board, None));
    let reply = Comment { reply_to: Some(said.id), ..comment(world, board, Some(kept.id)) };
    let end = FiringEnd {
        board: board.id,
        card: kept.id,
        firing: fired.id,
        state: FiringState::Done,
        session: Some(world.id_session()),
        task: Some(world.id_task()),
        text: None,
    };
    let confirmed = FiringConfirmed { board: board.id, card: kept.id, firing: fired.id };
    vec![
        Event::ZonePlaced(around.clone()),
        Event::ZonePlaced(other.clone()),
        Event::CardPlaced(kept.clone()),
        Event::CardPlaced(gone.clone()),
        Event::CardMoved(moved),
        Event::TriggerFired(fired),
        Event::TriggerConfirmed(confirmed),
        Event::TriggerEnded(end),
        Event::CardEdited(edit),
        Event::CommentAdded(said.clone()),
        Event::CommentAdded(reply),
        Event::CommentAdded(unsaid.clone()),
        Event::CommentResolved(CommentResolved { board: board.id, comment: said.id, resolved: true }),
        Event::CommentRemoved(CommentRemoved { board: board.id, comment: unsaid.id }),
        Event::CardRemoved(CardRemoved { board: board.id, card: gone.id }),
        Event::ZoneRemoved(ZoneRemoved { board: board.id, zone: other.id }),
    ]
}

fn begun(world: &World, store: &Store) -> Board {
    let now = world.now();
    let board = Board { id: world.id_board(), slug: "b".to_owned(), name: "B".to_owned(), created_at: now };
    commit(store, Actor::User, vec![Event::BoardCreated(board.clone())]);
    board
}

#[test]
pub(crate) fn what_is_on_a_board_is_read_back_as_it_is_now() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let board = begun(&world, &store);
    commit(&store, Actor::User, filled(&world, &board));
    let look = || {
        store
            .read(|view| {
                let (cards, zones) = (view.cards(board.id)?, view.zones(board.id)?);
                Ok((cards, zones, view.comments(board.id)?, view.firings(board.id)?))
            })
            .unwrap()
    };
    let (cards, zones, comments, firings) = look();
    assert_eq!((cards.len(), cards[0].card.revision, cards[0].card.note.as_str()), (1, 3, "Done"));
    assert_eq!((cards[0].card.place, zones.len()), (PLACE, 1));
    assert_eq!(zones[0].trigger.as_ref().unwrap().agents, [agent("kimi")]);
    let threads: Vec<(bool, bool)> =
        comments.iter().map(|row| (row.comment.reply_to.is_some(), row.resolved)).collect();
    assert_eq!(threads, [(false, true), (true, false)]);
    assert_eq!((firings.len(), firings[0].state, firings[0].task.is_some()), (1, FiringState::Done, true));
    store
        .read(|view| {
            let (card, zone, said) = (cards[0].card.id, zones[0].id, comments[0].comment.id);
            assert_eq!(view.card(card)?.as_ref(), cards.first());
            assert_eq!(view.zone(zone)?.as_ref(), zones.first());
            assert_eq!(view.comment(said)?.as_ref(), comments.first());
            assert_eq!(view.last_firing(card)?.as_ref(), firings.first());
            assert_eq!(view.firing(firings[0].firing.id)?.as_ref(), firings.first());
            assert_eq!(view.resolve(&card.short())?, Resolved::One(card));
            assert_eq!(view.resolve(&zone.short())?, Resolved::One(zone));
            assert_eq!(view.resolve(&said.short())?, Resolved::One(said));
            let counts = BoardCounts { cards: 1, zones: 1, comments: 2, open_threads: 0 };
            assert_eq!(view.board_counts(board.id)?, counts);
            Ok(())
        })
        .unwrap();
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(look(), (cards, zones, comments, firings));
}

#[test]
pub(crate) fn a_card_goes_with_what_it_stands_for_and_a_board_takes_nothing_else_along() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let board = begun(&world, &store);
    let (session, other) = (world.session("one"), world.session("two"));
    let subject = |session: SessionId| CardSubject::Session { session };
    let (gone, kept) = (card(&world, &board, subject(session.id)), card(&world, &board, subject(other.id)));
    let around = zone(&world, &board);
    let said = comment(&world, &board, Some(gone.id));
    let due = firing(&world, &gone, &around, false);
    let events = vec![
        Event::SessionCreated(session.clone()),
        Event::SessionCreated(other.clone()),
        Event::ZonePlaced(around.clone()),
        Event::CardPlaced(gone.clone()),
        Event::CardPlaced(kept.clone()),
        Event::CommentAdded(said),
        Event::TriggerFired(due.clone()),
    ];
    commit(&store, Actor::User, events);
    let count = |store: &Store| store.read(|view| view.board_counts(board.id)).unwrap();
    assert_eq!(count(&store), BoardCounts { cards: 2, zones: 1, comments: 1, open_threads: 1 });
    assert_eq!(store.read(|view| view.due_firings()).unwrap()[0].firing, due);
    assert_eq!(store.read(|view| view.cards_about(&session.id.to_string())).unwrap()[0].card, gone);
    commit(&store, Actor::User, vec![Event::SessionRemoved(SessionRemoved { session: session.id })]);
    assert_eq!(count(&store), BoardCounts { cards: 1, zones: 1, comments: 0, open_threads: 0 });
    assert!(store.read(|view| view.due_firings()).unwrap().is_empty());
    commit(&store, Actor::User, vec![Event::BoardRemoved(BoardRemoved { board: board.id })]);
    assert_eq!(count(&store), BoardCounts::default());
    assert!(store.read(|view| view.session(other.id)).unwrap().is_some());
}

#[test]
pub(crate) fn of_a_cards_firings_the_last_is_kept_and_what_is_under_way() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let world = World::new();
    let board = begun(&world, &store);
    let (card, zone) = (card(&world, &board, CardSubject::Note), zone(&world, &board));
    let fire = |confirm| {
        let firing = firing(&world, &card, &zone, confirm);
        commit(&store, Actor::User, vec![Event::TriggerFired(firing.clone())]);
        firing.id
    };
    commit(&store, Actor::User, vec![Event::CardPlaced(card.clone())]);
    let (_asked, due, last) = (fire(true), fire(false), fire(true));
    let states = || -> Vec<_> {
        let rows = store.read(|view| view.firings(board.id)).unwrap();
        rows.into_iter().map(|row| (row.firing.id, row.state)).collect()
    };
    assert_eq!(states(), [(due, FiringState::Due), (last, FiringState::Asked)]);
    let end = FiringEnd {
        board: board.id,
        card: card.id,
        firing: due,
        state: FiringState::Refused,
        session: None,
        task: None,
        text: Some("64 tasks wait".to_owned()),
    };
    commit(&store, Actor::System, vec![Event::TriggerEnded(end)]);
    assert_eq!(store.read(|view| view.last_firing(card.id)).unwrap().unwrap().firing.id, last);
    let newest = fire(true);
    assert_eq!(states(), [(newest, FiringState::Asked)]);
}
