//! Boards and what is on them.
//!
//! What a board is about may go at any time, and takes its cards with it; a card takes its comments and its firings.

use super::{at, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Board, BoardRemoved, Card, CardEdit, CardMove, CardRemoved, CardSubject, Comment, CommentRemoved,
    CommentResolved, Event, Firing, FiringConfirmed, FiringEnd, FiringState, Zone, ZoneRemoved,
};

statements! { STATEMENTS in Sessions {
    INSERT_BOARD = "INSERT INTO boards (board_id, short_id, slug, name, seq, created_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (board_id) DO NOTHING";
    UPDATE_BOARD = "UPDATE boards SET slug = ?2, name = ?3, data = ?4 WHERE board_id = ?1";
    DELETE_BOARD = "DELETE FROM boards WHERE board_id = ?1";
    DELETE_CARDS_OF = "DELETE FROM board_cards WHERE board_id = ?1";
    DELETE_ZONES_OF = "DELETE FROM board_zones WHERE board_id = ?1";
    DELETE_COMMENTS_OF = "DELETE FROM board_comments WHERE board_id = ?1";
    DELETE_FIRINGS_OF = "DELETE FROM board_firings WHERE board_id = ?1";
    INSERT_CARD = "INSERT INTO board_cards (card_id, short_id, board_id, kind, subject_id, x, y, width, height, note,
            revision, seq, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (card_id) DO NOTHING";
    MOVE_CARD = "UPDATE board_cards SET x = ?2, y = ?3, width = ?4, height = ?5, revision = ?6, updated_at = ?7
        WHERE card_id = ?1";
    EDIT_CARD = "UPDATE board_cards SET note = ?2, revision = ?3, updated_at = ?4 WHERE card_id = ?1";
    DELETE_CARD = "DELETE FROM board_cards WHERE card_id = ?1";
    DELETE_COMMENTS_ON = "DELETE FROM board_comments WHERE card_id = ?1";
    DELETE_FIRINGS_AT = "DELETE FROM board_firings WHERE card_id = ?1";
    DELETE_COMMENTS_ABOUT = "DELETE FROM board_comments WHERE card_id IN
        (SELECT card_id FROM board_cards WHERE subject_id = ?1)";
    DELETE_FIRINGS_ABOUT = "DELETE FROM board_firings WHERE card_id IN
        (SELECT card_id FROM board_cards WHERE subject_id = ?1)";
    DELETE_CARDS_ABOUT = "DELETE FROM board_cards WHERE subject_id = ?1";
    PUT_ZONE = "INSERT INTO board_zones (zone_id, short_id, board_id, name, seq, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (zone_id) DO UPDATE SET name = excluded.name, data = excluded.data";
    DELETE_ZONE = "DELETE FROM board_zones WHERE zone_id = ?1";
    INSERT_COMMENT = "INSERT INTO board_comments (comment_id, short_id, board_id, card_id, thread_id, seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (comment_id) DO NOTHING";
    RESOLVE_COMMENT = "UPDATE board_comments SET resolved = ?2 WHERE comment_id = ?1";
    DELETE_COMMENT = "DELETE FROM board_comments WHERE comment_id = ?1";
    DELETE_THREAD = "DELETE FROM board_comments WHERE thread_id = ?1";
    FORGET_FIRINGS = "DELETE FROM board_firings WHERE card_id = ?1 AND firing_id <> ?2 AND state <> 'due'";
    INSERT_FIRING = "INSERT INTO board_firings (firing_id, board_id, card_id, state, seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (firing_id) DO NOTHING";
    CONFIRM_FIRING = "UPDATE board_firings SET state = 'due' WHERE firing_id = ?1 AND state = 'asked'";
    END_FIRING = "UPDATE board_firings SET state = ?2, session_id = ?3, task_id = ?4, text = ?5 WHERE firing_id = ?1";
} }

/// The events of boards and of what is on them; others mean nothing here.
pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::BoardCreated(board) => created(db, record, board),
        Event::BoardChanged(board) => changed(db, board),
        Event::BoardRemoved(board) => removed(db, board),
        Event::CardPlaced(card) => card_placed(db, record, card),
        Event::CardMoved(moved) => card_moved(db, record, moved),
        Event::CardEdited(edit) => card_edited(db, record, edit),
        Event::CardRemoved(card) => card_removed(db, card),
        Event::ZonePlaced(zone) => zone_placed(db, record, zone),
        Event::ZoneRemoved(zone) => zone_removed(db, zone),
        Event::TriggerFired(firing) => fired(db, record, firing),
        Event::TriggerConfirmed(word) => confirmed(db, word),
        Event::TriggerEnded(end) => ended(db, end),
        Event::CommentAdded(comment) => commented(db, record, comment),
        Event::CommentResolved(thread) => resolved(db, thread),
        Event::CommentRemoved(comment) => comment_removed(db, comment),
        _ => Ok(()),
    }
}

fn created(db: &Connection, record: &Record, board: &Board) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_BOARD,
        params![
            board.id.to_string(),
            board.id.short(),
            board.slug,
            board.name,
            seq(record),
            board.created_at.as_millis(),
            column::to_json(board)?
        ],
    )?;
    Ok(())
}

fn changed(db: &Connection, board: &Board) -> Result<(), StoreError> {
    run(db, &UPDATE_BOARD, params![board.id.to_string(), board.slug, board.name, column::to_json(board)?])?;
    Ok(())
}

/// Sessions keep the id of a board that is gone.
fn removed(db: &Connection, removed: &BoardRemoved) -> Result<(), StoreError> {
    let board = removed.board.to_string();
    for statement in
        [&DELETE_BOARD, &DELETE_CARDS_OF, &DELETE_ZONES_OF, &DELETE_COMMENTS_OF, &DELETE_FIRINGS_OF]
    {
        run(db, statement, [board.as_str()])?;
    }
    Ok(())
}

fn card_placed(db: &Connection, record: &Record, card: &Card) -> Result<(), StoreError> {
    let (kind, subject) = match card.subject {
        CardSubject::Session { session } => ("session", Some(session.to_string())),
        CardSubject::Worktree { worktree } => ("worktree", Some(worktree.to_string())),
        CardSubject::Note => ("note", None),
    };
    run(
        db,
        &INSERT_CARD,
        params![
            card.id.to_string(),
            card.id.short(),
            card.board.to_string(),
            kind,
            subject,
            card.place.x,
            card.place.y,
            card.place.width,
            card.place.height,
            card.note,
            card.revision.cast_signed(),
            seq(record),
            card.created_at.as_millis(),
            at(record)
        ],
    )?;
    Ok(())
}

fn card_moved(db: &Connection, record: &Record, moved: &CardMove) -> Result<(), StoreError> {
    let (place, revision) = (moved.place, moved.revision.cast_signed());
    let row =
        params![moved.card.to_string(), place.x, place.y, place.width, place.height, revision, at(record)];
    run(db, &MOVE_CARD, row)?;
    Ok(())
}

fn card_edited(db: &Connection, record: &Record, edit: &CardEdit) -> Result<(), StoreError> {
    run(db, &EDIT_CARD, params![edit.card.to_string(), edit.note, edit.revision.cast_signed(), at(record)])?;
    Ok(())
}

fn card_removed(db: &Connection, removed: &CardRemoved) -> Result<(), StoreError> {
    let card = removed.card.to_string();
    for statement in [&DELETE_COMMENTS_ON, &DELETE_FIRINGS_AT, &DELETE_CARD] {
        run(db, statement, [card.as_str()])?;
    }
    Ok(())
}

/// The cards of a session or worktree that is gone.
pub(super) fn subject_gone(db: &Connection, subject: &str) -> Result<(), StoreError> {
    for statement in [&DELETE_COMMENTS_ABOUT, &DELETE_FIRINGS_ABOUT, &DELETE_CARDS_ABOUT] {
        run(db, statement, [subject])?;
    }
    Ok(())
}

fn zone_placed(db: &Connection, record: &Record, zone: &Zone) -> Result<(), StoreError> {
    let (id, board) = (zone.id.to_string(), zone.board.to_string());
    let row = params![id, zone.id.short(), board, zone.name, seq(record), column::to_json(zone)?];
    run(db, &PUT_ZONE, row)?;
    Ok(())
}

fn zone_removed(db: &Connection, removed: &ZoneRemoved) -> Result<(), StoreError> {
    run(db, &DELETE_ZONE, [removed.zone.to_string()])?;
    Ok(())
}

fn fired(db: &Connection, record: &Record, firing: &Firing) -> Result<(), StoreError> {
    let (id, card) = (firing.id.to_string(), firing.card.to_string());
    run(db, &FORGET_FIRINGS, [card.as_str(), id.as_str()])?;
    let state = if firing.confirm { FiringState::Asked } else { FiringState::Due };
    let board = firing.board.to_string();
    let row = params![id, board, card, state.as_str(), seq(record), column::to_json(firing)?];
    run(db, &INSERT_FIRING, row)?;
    Ok(())
}

fn confirmed(db: &Connection, confirmed: &FiringConfirmed) -> Result<(), StoreError> {
    run(db, &CONFIRM_FIRING, [confirmed.firing.to_string()])?;
    Ok(())
}

fn ended(db: &Connection, end: &FiringEnd) -> Result<(), StoreError> {
    let (session, task) = (optional(end.session), optional(end.task));
    run(db, &END_FIRING, params![end.firing.to_string(), end.state.as_str(), session, task, end.text])?;
    Ok(())
}

fn commented(db: &Connection, record: &Record, comment: &Comment) -> Result<(), StoreError> {
    let (id, thread) = (comment.id.to_string(), comment.reply_to.unwrap_or(comment.id).to_string());
    let (board, card) = (comment.board.to_string(), optional(comment.card));
    let row = params![id, comment.id.short(), board, card, thread, seq(record), column::to_json(comment)?];
    run(db, &INSERT_COMMENT, row)?;
    Ok(())
}

fn resolved(db: &Connection, resolved: &CommentResolved) -> Result<(), StoreError> {
    run(db, &RESOLVE_COMMENT, params![resolved.comment.to_string(), i64::from(resolved.resolved)])?;
    Ok(())
}

fn comment_removed(db: &Connection, removed: &CommentRemoved) -> Result<(), StoreError> {
    let comment = removed.comment.to_string();
    for statement in [&DELETE_THREAD, &DELETE_COMMENT] {
        run(db, statement, [comment.as_str()])?;
    }
    Ok(())
}
