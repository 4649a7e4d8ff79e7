//! Conflicts between worktrees, while they are open.

use crate::statement::statements;
use crate::{StoreError, View, column};
use model::Conflict;

statements! { QUERIES in Sessions {
    CONFLICTS = "SELECT data FROM conflicts WHERE seq > 0 ORDER BY seq";
} }

impl View<'_> {
    /// All that are open, in the order in which they were found.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, StoreError> {
        self.rows(&CONFLICTS, [], |row| column::json(row, "data"))
    }
}
