//! Users.

use crate::{StoreError, View};
use model::User;

impl View<'_> {
    /// In the order they were created.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        crate::store::unfinished(())
    }
}
