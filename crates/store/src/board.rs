//! Boards.

use crate::{StoreError, View};
use model::{Board, BoardId};

impl View<'_> {
    /// By slug.
    pub fn boards(&self) -> Result<Vec<Board>, StoreError> {
        crate::store::unfinished(())
    }

    pub fn board(&self, id: BoardId) -> Result<Option<Board>, StoreError> {
        crate::store::unfinished(id)
    }
}
