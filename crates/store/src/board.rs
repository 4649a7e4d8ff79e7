//! Boards.

use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{Board, BoardId};

statements! { QUERIES in Sessions {
    BOARDS = "SELECT data FROM boards ORDER BY slug, seq";
    BOARD = "SELECT data FROM boards WHERE board_id = ?1";
    BOARD_BY_SLUG = "SELECT data FROM boards WHERE slug = ?1 ORDER BY seq LIMIT 1";
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
}
