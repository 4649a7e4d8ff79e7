//! Cards: put on a board, moved, written on, taken off.
//!
//! Who names the revision a change is made from changes that one or nothing; else the last one to write has the word. A trigger is
//! set off by entering its zone, in the same commit: a request that is repeated under its key moves nothing a second time, and a card
//! that is in a zone already enters nothing.

use super::trigger::{Fuse, dismissed};
use super::{CardView, card_view, check_place, check_room, present, worst_first};
use crate::message::clean_text;
use crate::{Call, Engine};
use model::{
    BOARD_EDGE, BoardId, CARDS_MAX, Card, CardEdit, CardId, CardMove, CardRemoved, CardSubject, Event,
    NOTE_MAX, Place, Refusal, SIZE_MAX, SessionId, Zone,
};
use store::View;

/// Cards beside each other where one is put without a place.
const COLUMNS: i32 = 4;
/// Room between them.
const GAP: i32 = 24;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCard {
    pub subject: CardSubject,
    pub note: String,
    /// None: where there is room, and no trigger.
    pub place: Option<Place>,
}

/// What is to be different; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardChange {
    pub x: Option<i32>,
    pub y: Option<i32>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub note: Option<String>,
    /// The revision the change is made from.
    pub revision: Option<u64>,
}

impl Engine {
    pub async fn place_card(&self, call: &Call, board: BoardId, new: NewCard) -> Result<CardView, Refusal> {
        let card = self.put_card(call, board, new).await?;
        self.follow_firing(call, card).await?;
        self.card(card)
    }

    async fn put_card(&self, call: &Call, board: BoardId, new: NewCard) -> Result<CardId, Refusal> {
        call.only_user()?;
        let note = checked_note(&new.note)?;
        if let Some(place) = &new.place {
            check_place(place)?;
        }
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let fuse = Fuse::new(&self.shared);
        let command = move |view: &View<'_>| {
            let board = present(view, board)?;
            check_room(view.board_counts(board.id)?.cards, 1, CARDS_MAX, "cards")?;
            check_subject(view, board.id, new.subject)?;
            let zones = view.zones(board.id)?;
            let place = match new.place {
                Some(place) => place,
                None => free_place(view, board.id, new.subject, &zones)?,
            };
            let card =
                Card { id, board: board.id, subject: new.subject, place, note, revision: 1, created_at };
            let mut events = vec![Event::CardPlaced(card.clone())];
            // Who did not say where has dropped it nowhere.
            if let Some(zone) = Zone::around(&zones, &place).filter(|_| new.place.is_some()) {
                events.extend(fuse.lit(view, &board, &card, zone)?);
            }
            Ok(events)
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let placed = receipt.records.iter().find_map(|record| match &record.event {
            Event::CardPlaced(card) => Some(card.id),
            _ => None,
        });
        placed.ok_or_else(|| Refusal::internal("the commit placed no card"))
    }

    /// Puts a session on the board it was made for. That it is there does not hang on it.
    pub(crate) async fn show_on(&self, call: &Call, board: BoardId, session: SessionId) {
        let new = NewCard { subject: CardSubject::Session { session }, note: String::new(), place: None };
        let call = Call { key: None, ..call.clone() };
        match self.put_card(&call, board, new).await {
            Ok(_) => {}
            // It was put there when the request came for the first time.
            Err(refusal) if refusal.code == "card_exists" => {}
            Err(refusal) => tracing::warn!(%refusal, %board, %session, "a session has no card on its board"),
        }
    }

    /// Moves a card, writes on it, or both.
    pub async fn change_card(
        &self,
        call: &Call,
        card: CardId,
        change: CardChange,
    ) -> Result<CardView, Refusal> {
        call.only_user()?;
        let note = change.note.as_deref().map(checked_note).transpose()?;
        let fuse = Fuse::new(&self.shared);
        let command = move |view: &View<'_>| {
            let mut card = there(view, card)?;
            fresh(&card, change.revision)?;
            let before = card.place;
            let place = Place {
                x: change.x.unwrap_or(before.x),
                y: change.y.unwrap_or(before.y),
                width: change.width.unwrap_or(before.width),
                height: change.height.unwrap_or(before.height),
            };
            check_place(&place)?;
            let mut events = Vec::new();
            if let Some(note) = note.filter(|note| *note != card.note) {
                card.revision += 1;
                card.note.clone_from(&note);
                let edit = CardEdit { board: card.board, card: card.id, note, revision: card.revision };
                events.push(Event::CardEdited(edit));
            }
            if place != before {
                card.revision += 1;
                card.place = place;
                events.extend(moved(view, &card, &before, fuse)?);
            }
            Ok(events)
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.follow_firing(call, card).await?;
        self.card(card)
    }

    /// Takes a card off its board. What it stands for stays.
    pub async fn remove_card(&self, call: &Call, card: CardId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let board = there(view, card)?.board;
            Ok(vec![Event::CardRemoved(CardRemoved { board, card })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }

    pub fn card(&self, card: CardId) -> Result<CardView, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let card = there(view, card)?;
            let (zones, firing) = (view.zones(card.board)?, view.last_firing(card.id)?);
            card_view(view, card, &zones, firing, &worst_first(view)?)
        })
    }
}

/// The card, if it is on a board.
pub(super) fn there(view: &View<'_>, card: CardId) -> Result<Card, Refusal> {
    let row = view.card(card)?.ok_or_else(|| {
        Refusal::not_found("card", card.short()).hint("`coditect board show BOARD` shows its cards")
    })?;
    Ok(row.card)
}

/// Refuses a change that was made from another revision than there is.
fn fresh(card: &Card, from: Option<u64>) -> Result<(), Refusal> {
    let Some(from) = from.filter(|from| *from != card.revision) else { return Ok(()) };
    let place = card.place;
    let message = format!(
        "the card is at revision {}, at {},{} with {}x{}, and the change was made from revision {from}",
        card.revision, place.x, place.y, place.width, place.height
    );
    Err(Refusal::conflict("card_changed", message).hint("look at the card again, and change what is there"))
}

/// The events of a card that is elsewhere now.
fn moved(view: &View<'_>, card: &Card, before: &Place, fuse: Fuse) -> Result<Vec<Event>, Refusal> {
    let board = present(view, card.board)?;
    let zones = view.zones(board.id)?;
    let (left, into) = (Zone::around(&zones, before), Zone::around(&zones, &card.place));
    let entered = into.filter(|into| left.is_none_or(|left| left.id != into.id));
    let mut events = vec![Event::CardMoved(CardMove {
        board: board.id,
        card: card.id,
        place: card.place,
        revision: card.revision,
        entered: entered.map(|zone| zone.id),
    })];
    events.extend(dismissed(view, card, into)?);
    if let Some(zone) = entered {
        events.extend(fuse.lit(view, &board, card, zone)?);
    }
    Ok(events)
}

pub(super) fn checked_note(given: &str) -> Result<String, Refusal> {
    let note = clean_text(given);
    if note.len() > NOTE_MAX {
        let message = format!("a note has at most {NOTE_MAX} bytes, this one has {}", note.len());
        return Err(Refusal::invalid("note_too_long", message)
            .hint("put it into a file of the repository and name it"));
    }
    if note.contains('\0') {
        return Err(Refusal::invalid("note_characters", "a note has no NUL characters").hint("take them out"));
    }
    Ok(note)
}

/// What a card stands for is there, and has no card on the board yet.
fn check_subject(view: &View<'_>, board: BoardId, subject: CardSubject) -> Result<(), Refusal> {
    let (id, what) = match subject {
        CardSubject::Note => return Ok(()),
        CardSubject::Session { session } => {
            crate::session::visible(view, session)?;
            (session.to_string(), "session")
        }
        CardSubject::Worktree { worktree } => {
            let live = view.worktree(worktree)?.filter(|row| row.trashed.is_none());
            live.ok_or_else(|| Refusal::not_found("worktree", worktree))?;
            (worktree.to_string(), "worktree")
        }
    };
    match view.cards_about(&id)?.into_iter().find(|row| row.card.board == board) {
        None => Ok(()),
        Some(row) => {
            let message = format!("the {what} is on the board already, as card {}", row.card.id.short());
            Err(Refusal::conflict("card_exists", message).hint("move that card"))
        }
    }
}

/// Where a card goes of which nobody said where: beside the others, and in no zone that would be set off.
pub(super) fn free_place(
    view: &View<'_>,
    board: BoardId,
    subject: CardSubject,
    zones: &[Zone],
) -> Result<Place, Refusal> {
    let (width, height) = match subject {
        CardSubject::Session { .. } => (260, 140),
        CardSubject::Worktree { .. } => (260, 100),
        CardSubject::Note => (240, 120),
    };
    let cards: Vec<Place> = view.cards(board)?.into_iter().map(|row| row.card.place).collect();
    let spots = (0..=i32::try_from(CARDS_MAX).unwrap_or(i32::MAX)).flat_map(|row| {
        (0..COLUMNS).map(move |column| Place {
            x: column * (width + GAP),
            y: row * (height + GAP),
            width,
            height,
        })
    });
    let is_lit = |place: &Place| Zone::around(zones, place).is_some_and(|zone| zone.trigger.is_some());
    let is_free = |place: &Place| !is_lit(place) && !cards.iter().any(|card| overlap(card, place));
    // Zones may cover all of it; then there is room below everything, or as far away as no zones reach.
    let below = zones.iter().map(|zone| zone.place).chain(cards.iter().copied());
    let below = below.map(|place| place.y.saturating_add(place.height)).max().unwrap_or(0);
    let below = Place { x: 0, y: below.saturating_add(GAP).min(BOARD_EDGE), width, height };
    let far = || (-BOARD_EDGE..=BOARD_EDGE).step_by(SIZE_MAX as usize);
    let away = far().flat_map(|y| far().map(move |x| Place { x, y, width, height }));
    let apart = [below].into_iter().chain(away).find(|place| !is_lit(place));
    Ok(spots.into_iter().find(is_free).or(apart).unwrap_or(below))
}

fn overlap(one: &Place, other: &Place) -> bool {
    let apart = |a: i32, a_size: i32, b: i32, b_size: i32| a + a_size <= b || b + b_size <= a;
    !apart(one.x, one.width, other.x, other.width) && !apart(one.y, one.height, other.y, other.height)
}
