//! Boards, from the engine's views to what travels, and documents both ways.

use protocol::{BoardDocument, DocumentCard, DocumentComment, DocumentZone};

/// What a document says it is.
const FORMAT: &str = "coditect.board";
/// Version of the documents.
const VERSION: u32 = 1;

pub(crate) fn board_summary(view: engine::BoardView) -> protocol::BoardSummary {
    let engine::BoardCounts { cards, zones, open_threads, .. } = view.counts;
    protocol::BoardSummary { board: view.board.into(), cards, zones, open_threads }
}

pub(crate) fn whole_board(view: engine::WholeBoard) -> protocol::WholeBoard {
    protocol::WholeBoard {
        board: view.board.into(),
        cards: view.cards.into_iter().map(card).collect(),
        zones: view.zones.into_iter().map(protocol::Zone::from).collect(),
        comments: view.comments.into_iter().map(comment).collect(),
    }
}

pub(crate) fn card(view: engine::CardView) -> protocol::Card {
    let firing = view.firing.map(|row| protocol::Firing {
        state: row.state,
        session: row.session,
        task: row.task,
        text: row.text,
        ..row.firing.into()
    });
    let conflicts = view.conflicts.into_iter().map(card_conflict).collect();
    protocol::Card { title: Some(view.title), zone: view.zone, firing, conflicts, ..view.card.into() }
}

fn card_conflict(shown: engine::CardConflict) -> protocol::CardConflict {
    let engine::CardConflict { conflict, with } = shown;
    let model::Conflict { id, kind, paths, more, .. } = conflict;
    protocol::CardConflict { id, kind, paths, more, with }
}

pub(crate) fn comment(row: engine::CommentRow) -> protocol::Comment {
    protocol::Comment { resolved: row.resolved, ..row.comment.into() }
}

pub(crate) fn document(copy: engine::BoardCopy) -> BoardDocument {
    let cards = copy.cards.into_iter().map(|card| {
        let (session, worktree) = match card.subject {
            model::CardSubject::Session { session } => (Some(session), None),
            model::CardSubject::Worktree { worktree } => (None, Some(worktree)),
            model::CardSubject::Note => (None, None),
        };
        let (key, title, place, note) = (card.key, card.title, card.place.into(), card.note);
        DocumentCard { key, session, worktree, title, place, note }
    });
    let zones = copy.zones.into_iter().map(|zone| DocumentZone {
        name: zone.name,
        colour: zone.colour,
        place: zone.place.into(),
        trigger: zone.trigger.map(protocol::Trigger::from),
    });
    let comments = copy.comments.into_iter().map(|comment| DocumentComment {
        key: comment.key,
        card: comment.card,
        reply_to: comment.reply_to,
        author: comment.author,
        text: comment.text,
        resolved: comment.resolved,
        created_at: comment.created_at,
    });
    BoardDocument {
        format: FORMAT.to_owned(),
        version: VERSION,
        name: copy.name,
        cards: cards.collect(),
        zones: zones.collect(),
        comments: comments.collect(),
    }
}

/// What a document says, when it is one.
pub(crate) fn board_copy(document: BoardDocument) -> Result<engine::BoardCopy, model::Refusal> {
    if document.format != FORMAT || document.version != VERSION {
        let message = format!("this is no `{FORMAT}` of version {VERSION}");
        return Err(model::Refusal::invalid("board_document_version", message)
            .hint("export the board with the same version of coditect"));
    }
    let mut cards = Vec::new();
    for card in document.cards {
        let subject = match (card.session, card.worktree) {
            (None, None) => model::CardSubject::Note,
            (Some(session), None) => model::CardSubject::Session { session },
            (None, Some(worktree)) => model::CardSubject::Worktree { worktree },
            (Some(_), Some(_)) => return Err(of_both()),
        };
        let (key, title, place, note) = (card.key, card.title, card.place.into(), card.note);
        cards.push(engine::CardCopy { key, subject, title, place, note });
    }
    let zones = document.zones.into_iter().map(|zone| engine::ZoneCopy {
        name: zone.name,
        colour: zone.colour,
        place: zone.place.into(),
        trigger: zone.trigger.map(model::Trigger::from),
    });
    let comments = document.comments.into_iter().map(|comment| engine::CommentCopy {
        key: comment.key,
        card: comment.card,
        reply_to: comment.reply_to,
        author: comment.author,
        text: comment.text,
        resolved: comment.resolved,
        created_at: comment.created_at,
    });
    let (zones, comments) = (zones.collect(), comments.collect());
    Ok(engine::BoardCopy { name: document.name, cards, zones, comments })
}

/// A card stands for one thing.
pub(crate) fn of_both() -> model::Refusal {
    model::Refusal::invalid("card_of_both", "a card is of a session or of a worktree, not of both")
        .hint("make two cards")
}
