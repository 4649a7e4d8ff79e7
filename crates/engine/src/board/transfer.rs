//! A whole board out of a workspace and into one: export, import, and a copy within.
//!
//! What is imported is checked as if it were made by hand, gets new ids, and comes in one commit or not at all. Nothing is set off by it.

use super::card::checked_note;
use super::comment::checked_text;
use super::{WholeBoard, check_place, check_room, checked_name, free_slug, present, title_of, zone};
use crate::{Call, Engine};
use model::{
    Actor, Board, BoardId, CARDS_MAX, COMMENTS_MAX, Card, CardId, CardSubject, Comment, CommentId,
    CommentResolved, Event, Place, Refusal, Timestamp, Trigger, ZONES_MAX, Zone, ZoneColour, ZoneId,
};
use std::collections::HashMap;
use store::View;

/// A board without ids of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardCopy {
    pub name: String,
    pub cards: Vec<CardCopy>,
    pub zones: Vec<ZoneCopy>,
    pub comments: Vec<CommentCopy>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardCopy {
    /// Names the card within the copy.
    pub key: String,
    pub subject: CardSubject,
    /// What the session or worktree was called.
    pub title: Option<String>,
    pub place: Place,
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneCopy {
    pub name: String,
    pub colour: ZoneColour,
    pub place: Place,
    pub trigger: Option<Trigger>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentCopy {
    /// Names the comment within the copy.
    pub key: String,
    /// Key of a card.
    pub card: Option<String>,
    /// Key of an earlier comment.
    pub reply_to: Option<String>,
    pub author: Actor,
    pub text: String,
    pub resolved: bool,
    pub created_at: Timestamp,
}

/// What becomes of a card whose session or worktree is not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingWish {
    /// It becomes a note that says what it was.
    #[default]
    Note,
    /// Nothing is imported.
    Refuse,
}

/// Ids for everything in a copy.
struct Ids {
    board: BoardId,
    cards: Vec<CardId>,
    zones: Vec<ZoneId>,
    comments: Vec<CommentId>,
    now: Timestamp,
}

impl Engine {
    pub fn export_board(&self, board: BoardId) -> Result<BoardCopy, Refusal> {
        self.shared.store.read_or_refuse(|view| copied(view, board))
    }

    /// Makes a board of a copy, under the copy's name or another one.
    pub async fn import_board(
        &self,
        call: &Call,
        copy: BoardCopy,
        name: Option<String>,
        missing: MissingWish,
    ) -> Result<WholeBoard, Refusal> {
        call.only_user()?;
        let copy = BoardCopy { name: name.unwrap_or(copy.name), ..copy };
        let ids = self.ids(&copy)?;
        let command = move |view: &View<'_>| made(view, copy, &ids, missing);
        self.make_board(call, command).await
    }

    /// Makes another board with the same on it.
    pub async fn clone_board(&self, call: &Call, board: BoardId, name: &str) -> Result<WholeBoard, Refusal> {
        call.only_user()?;
        let copy = BoardCopy { name: name.to_owned(), ..self.export_board(board)? };
        let ids = self.ids(&copy)?;
        let command = move |view: &View<'_>| made(view, copy, &ids, MissingWish::Note);
        self.make_board(call, command).await
    }

    async fn make_board(
        &self,
        call: &Call,
        command: impl FnOnce(&View<'_>) -> Result<Vec<Event>, Refusal> + Send + 'static,
    ) -> Result<WholeBoard, Refusal> {
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let made = receipt.records.iter().find_map(|record| match &record.event {
            Event::BoardCreated(board) => Some(board.id),
            _ => None,
        });
        self.board(made.ok_or_else(|| Refusal::internal("the commit made no board"))?)
    }

    fn ids(&self, copy: &BoardCopy) -> Result<Ids, Refusal> {
        check_room(0, copy.cards.len(), CARDS_MAX, "cards")?;
        check_room(0, copy.zones.len(), ZONES_MAX, "zones")?;
        check_room(0, copy.comments.len(), COMMENTS_MAX, "comments")?;
        let shared = &self.shared;
        Ok(Ids {
            board: shared.new_id(),
            cards: copy.cards.iter().map(|_| shared.new_id()).collect(),
            zones: copy.zones.iter().map(|_| shared.new_id()).collect(),
            comments: copy.comments.iter().map(|_| shared.new_id()).collect(),
            now: shared.now(),
        })
    }
}

fn copied(view: &View<'_>, board: BoardId) -> Result<BoardCopy, Refusal> {
    let board = present(view, board)?;
    let mut cards = Vec::new();
    for row in view.cards(board.id)? {
        let titled = row.card.subject != CardSubject::Note;
        cards.push(CardCopy {
            title: titled.then(|| title_of(view, &row.card)).transpose()?,
            key: row.card.id.to_string(),
            subject: row.card.subject,
            place: row.card.place,
            note: row.card.note,
        });
    }
    let zones = view.zones(board.id)?.into_iter().map(|zone| ZoneCopy {
        name: zone.name,
        colour: zone.colour,
        place: zone.place,
        trigger: zone.trigger,
    });
    let comments = view.comments(board.id)?.into_iter().map(|row| CommentCopy {
        key: row.comment.id.to_string(),
        card: row.comment.card.map(|card| card.to_string()),
        reply_to: row.comment.reply_to.map(|first| first.to_string()),
        author: row.comment.author,
        text: row.comment.text,
        resolved: row.resolved,
        created_at: row.comment.created_at,
    });
    Ok(BoardCopy { cards, zones: zones.collect(), comments: comments.collect(), name: board.name })
}

/// The events of a board that is made of a copy.
fn made(view: &View<'_>, copy: BoardCopy, ids: &Ids, missing: MissingWish) -> Result<Vec<Event>, Refusal> {
    let name = checked_name(&copy.name)?;
    let (board, created_at) = (ids.board, ids.now);
    let slug = free_slug(view, &name)?;
    let mut events = vec![Event::BoardCreated(Board { id: board, slug, name, created_at })];
    for (copy, id) in copy.zones.into_iter().zip(&ids.zones) {
        let ZoneCopy { name, colour, place, trigger } = copy;
        let zone = Zone { id: *id, board, name, colour, place, trigger, revision: 1, created_at };
        events.push(Event::ZonePlaced(zone::checked(zone)?));
    }
    let mut cards: HashMap<String, CardId> = HashMap::new();
    let mut shown: Vec<CardSubject> = Vec::new();
    for (copy, id) in copy.cards.into_iter().zip(&ids.cards) {
        check_place(&copy.place)?;
        let (subject, note) = here(view, &copy, missing)?;
        if subject != CardSubject::Note && shown.contains(&subject) {
            let message = format!("card `{}` is of what another card is of", copy.key);
            return Err(Refusal::invalid("card_exists", message).hint("take one of them out of the document"));
        }
        shown.push(subject);
        if cards.insert(copy.key.clone(), *id).is_some() {
            return Err(twice("card", &copy.key));
        }
        let (note, place) = (checked_note(&note)?, copy.place);
        events.push(Event::CardPlaced(Card {
            id: *id,
            board,
            subject,
            place,
            note,
            revision: 1,
            created_at,
        }));
    }
    events.extend(talk(board, copy.comments, ids, &cards)?);
    Ok(events)
}

/// What a copied card stands for in this workspace.
fn here(view: &View<'_>, copy: &CardCopy, missing: MissingWish) -> Result<(CardSubject, String), Refusal> {
    let (what, id, present) = match copy.subject {
        CardSubject::Note => return Ok((CardSubject::Note, copy.note.clone())),
        CardSubject::Session { session } => {
            ("session", session.to_string(), view.session(session)?.is_some())
        }
        CardSubject::Worktree { worktree } => {
            let live = view.worktree(worktree)?.is_some_and(|row| row.trashed.is_none());
            ("worktree", worktree.to_string(), live)
        }
    };
    if present {
        return Ok((copy.subject, copy.note.clone()));
    }
    if missing == MissingWish::Refuse {
        let message = format!("{what} `{id}` of card `{}` is not in this workspace", copy.key);
        return Err(Refusal::conflict("board_reference_missing", message)
            .hint("import it with notes in place of what is missing"));
    }
    let title = copy.title.as_deref().unwrap_or(&id);
    let rest = if copy.note.is_empty() { String::new() } else { format!("\n\n{}", copy.note) };
    Ok((CardSubject::Note, format!("{title} ({what} {id}, not in this workspace){rest}")))
}

fn talk(
    board: BoardId,
    comments: Vec<CommentCopy>,
    ids: &Ids,
    cards: &HashMap<String, CardId>,
) -> Result<Vec<Event>, Refusal> {
    let mut events = Vec::new();
    // The first of each thread, with its card.
    let mut firsts: HashMap<String, (CommentId, Option<CardId>)> = HashMap::new();
    for (copy, id) in comments.into_iter().zip(&ids.comments) {
        let unknown = |what: &str, key: &str| {
            Refusal::invalid(
                "board_document_key",
                format!("comment `{}` names {what} `{key}`, which is not there", copy.key),
            )
            .hint("mend the document, or export the board again")
        };
        let mut card = match &copy.card {
            None => None,
            Some(key) => Some(*cards.get(key).ok_or_else(|| unknown("card", key))?),
        };
        let mut reply_to = None;
        match &copy.reply_to {
            Some(key) => {
                let (first, of) = firsts.get(key).ok_or_else(|| unknown("the first comment", key))?;
                (reply_to, card) = (Some(*first), *of);
            }
            None => {
                if firsts.insert(copy.key.clone(), (*id, card)).is_some() {
                    return Err(twice("comment", &copy.key));
                }
            }
        }
        let text = checked_text(&copy.text)?;
        let (author, created_at) = (copy.author, copy.created_at);
        events.push(Event::CommentAdded(Comment {
            id: *id,
            board,
            card,
            reply_to,
            author,
            text,
            created_at,
        }));
        if copy.resolved && reply_to.is_none() {
            events.push(Event::CommentResolved(CommentResolved { board, comment: *id, resolved: true }));
        }
    }
    Ok(events)
}

fn twice(what: &str, key: &str) -> Refusal {
    Refusal::invalid("board_document_key", format!("there are two of {what} `{key}`"))
        .hint("mend the document, or export the board again")
}
