//! Users.

use crate::statement::statements;
use crate::{StoreError, View, column};
use model::User;

statements! { QUERIES in Sessions {
    /// A handful of people: the one table, with boards and repos, that may be read whole.
    USERS = "SELECT data FROM users ORDER BY seq";
} }

impl View<'_> {
    /// In the order they were created.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.rows(&USERS, [], |row| column::json(row, "data"))
    }
}
