//! Boards: where cards and zones are, what was said about them, and what triggers came to.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    Board, BoardId, Card, CardId, CardSubject, Comment, CommentId, Firing, FiringId, FiringState, Place,
    SessionId, TaskId, Timestamp, Zone, ZoneId,
};

/// A firing, and what it has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiringRow {
    pub firing: Firing,
    pub state: FiringState,
    pub session: Option<SessionId>,
    pub task: Option<TaskId>,
    pub text: Option<String>,
}

/// A card as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    pub card: Card,
    pub updated_at: Timestamp,
}

/// A comment, and whether its thread is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentRow {
    pub comment: Comment,
    pub resolved: bool,
}

/// How much is on a board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BoardCounts {
    pub cards: u64,
    pub zones: u64,
    pub comments: u64,
    /// Threads that are not settled.
    pub open_threads: u64,
}

macro_rules! card {
    () => {
        "SELECT card_id, board_id, kind, subject_id, x, y, width, height, note, revision, created_at, updated_at
         FROM board_cards "
    };
}

macro_rules! firing {
    () => {
        "SELECT data, state, session_id, task_id, text FROM board_firings "
    };
}

statements! { QUERIES in Sessions {
    BOARDS = "SELECT data FROM boards ORDER BY slug, seq";
    BOARD = "SELECT data FROM boards WHERE board_id = ?1";
    BOARD_BY_SLUG = "SELECT data FROM boards WHERE slug = ?1 ORDER BY seq LIMIT 1";
    CARDS = concat!(card!(), "WHERE board_id = ?1 ORDER BY seq LIMIT ?2");
    CARD = concat!(card!(), "WHERE card_id = ?1");
    CARDS_ABOUT = concat!(card!(), "WHERE subject_id = ?1 ORDER BY seq LIMIT ?2");
    COUNT_CARDS = "SELECT count(*) FROM board_cards WHERE board_id = ?1";
    ZONES = "SELECT data FROM board_zones WHERE board_id = ?1 ORDER BY seq LIMIT ?2";
    ZONE = "SELECT data FROM board_zones WHERE zone_id = ?1";
    COUNT_ZONES = "SELECT count(*) FROM board_zones WHERE board_id = ?1";
    COMMENTS = "SELECT data, resolved FROM board_comments WHERE board_id = ?1 ORDER BY seq LIMIT ?2";
    COMMENT = "SELECT data, resolved FROM board_comments WHERE comment_id = ?1";
    COUNT_COMMENTS = "SELECT count(*) FROM board_comments WHERE board_id = ?1";
    COUNT_OPEN_THREADS = "SELECT count(*) FROM board_comments
        WHERE board_id = ?1 AND resolved = 0 AND thread_id = comment_id";
    FIRINGS = concat!(firing!(), "WHERE board_id = ?1 ORDER BY seq");
    LAST_FIRING = concat!(firing!(), "WHERE card_id = ?1 ORDER BY seq DESC LIMIT 1");
    FIRING = concat!(firing!(), "WHERE firing_id = ?1");
    FIRINGS_DUE = concat!(firing!(), "WHERE state = 'due' ORDER BY seq");
} }

impl View<'_> {
    /// By slug.
    pub fn boards(&self) -> Result<Vec<Board>, StoreError> {
        self.rows(&BOARDS, [], |row| column::json(row, "data"))
    }

    pub fn board(&self, id: BoardId) -> Result<Option<Board>, StoreError> {
        self.row(&BOARD, [id.to_string()], |row| column::json(row, "data"))
    }

    pub fn board_by_slug(&self, slug: &str) -> Result<Option<Board>, StoreError> {
        self.row(&BOARD_BY_SLUG, [slug], |row| column::json(row, "data"))
    }

    pub fn board_counts(&self, board: BoardId) -> Result<BoardCounts, StoreError> {
        let board = board.to_string();
        Ok(BoardCounts {
            cards: self.count(&COUNT_CARDS, [board.as_str()])?,
            zones: self.count(&COUNT_ZONES, [board.as_str()])?,
            comments: self.count(&COUNT_COMMENTS, [board.as_str()])?,
            open_threads: self.count(&COUNT_OPEN_THREADS, [board.as_str()])?,
        })
    }

    /// In the order they were placed.
    pub fn cards(&self, board: BoardId) -> Result<Vec<CardRow>, StoreError> {
        self.rows(&CARDS, params![board.to_string(), limit(model::CARDS_MAX)], read_card)
    }

    pub fn card(&self, id: CardId) -> Result<Option<CardRow>, StoreError> {
        self.row(&CARD, [id.to_string()], read_card)
    }

    /// The cards, on any board, that stand for a session or a worktree.
    pub fn cards_about(&self, subject: &str) -> Result<Vec<CardRow>, StoreError> {
        self.rows(&CARDS_ABOUT, params![subject, limit(model::BOARDS_MAX)], read_card)
    }

    /// In the order they were made.
    pub fn zones(&self, board: BoardId) -> Result<Vec<Zone>, StoreError> {
        self.rows(&ZONES, params![board.to_string(), limit(model::ZONES_MAX)], |row| {
            column::json(row, "data")
        })
    }

    pub fn zone(&self, id: ZoneId) -> Result<Option<Zone>, StoreError> {
        self.row(&ZONE, [id.to_string()], |row| column::json(row, "data"))
    }

    /// Oldest first.
    pub fn comments(&self, board: BoardId) -> Result<Vec<CommentRow>, StoreError> {
        self.rows(&COMMENTS, params![board.to_string(), limit(model::COMMENTS_MAX)], read_comment)
    }

    pub fn comment(&self, id: CommentId) -> Result<Option<CommentRow>, StoreError> {
        self.row(&COMMENT, [id.to_string()], read_comment)
    }

    /// The last firing of each card, and those that are not over; oldest first.
    pub fn firings(&self, board: BoardId) -> Result<Vec<FiringRow>, StoreError> {
        self.rows(&FIRINGS, [board.to_string()], read_firing)
    }

    pub fn last_firing(&self, card: CardId) -> Result<Option<FiringRow>, StoreError> {
        self.row(&LAST_FIRING, [card.to_string()], read_firing)
    }

    pub fn firing(&self, id: FiringId) -> Result<Option<FiringRow>, StoreError> {
        self.row(&FIRING, [id.to_string()], read_firing)
    }

    /// Those that are to be carried out, in the order they were set off.
    pub fn due_firings(&self) -> Result<Vec<FiringRow>, StoreError> {
        self.rows(&FIRINGS_DUE, [], read_firing)
    }
}

fn read_card(row: &Row<'_>) -> Result<CardRow, StoreError> {
    let subject = match row.text("kind")?.as_deref() {
        Some("session") => CardSubject::Session { session: column::parsed(row, "subject_id")? },
        Some("worktree") => CardSubject::Worktree { worktree: column::parsed(row, "subject_id")? },
        _ => CardSubject::Note,
    };
    let figure = |column: &'static str| -> Result<i32, StoreError> {
        let value: i64 = row.get(column)?;
        i32::try_from(value).map_err(|error| StoreError::Malformed { column, reason: error.to_string() })
    };
    let card = Card {
        id: column::parsed(row, "card_id")?,
        board: column::parsed(row, "board_id")?,
        subject,
        place: Place { x: figure("x")?, y: figure("y")?, width: figure("width")?, height: figure("height")? },
        note: row.get("note")?,
        revision: column::unsigned(row, "revision")?,
        created_at: column::time(row, "created_at")?,
    };
    Ok(CardRow { card, updated_at: column::time(row, "updated_at")? })
}

fn read_comment(row: &Row<'_>) -> Result<CommentRow, StoreError> {
    let resolved: i64 = row.get("resolved")?;
    Ok(CommentRow { comment: column::json(row, "data")?, resolved: resolved != 0 })
}

fn read_firing(row: &Row<'_>) -> Result<FiringRow, StoreError> {
    Ok(FiringRow {
        firing: column::json(row, "data")?,
        state: column::word(row, "state")?,
        session: column::parsed_or_none(row, "session_id")?,
        task: column::parsed_or_none(row, "task_id")?,
        text: row.get("text")?,
    })
}
