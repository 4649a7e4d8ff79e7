//! Boards.

use super::seq;
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Board, BoardRemoved};

statements! { STATEMENTS in Sessions {
    INSERT_BOARD = "INSERT INTO boards (board_id, short_id, slug, name, seq, created_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (board_id) DO NOTHING";
    DELETE_BOARD = "DELETE FROM boards WHERE board_id = ?1";
} }

pub(super) fn created(db: &Connection, record: &Record, board: &Board) -> Result<(), StoreError> {
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

/// Sessions keep the id of a board that is gone.
pub(super) fn removed(db: &Connection, removed: &BoardRemoved) -> Result<(), StoreError> {
    run(db, &DELETE_BOARD, [removed.board.to_string()])?;
    Ok(())
}
