//! History of notices as the journal knows it. Who has yet to hear one is the bus's to say.

use crate::{StoreError, View};
use model::Notice;

impl View<'_> {
    /// The newest `limit` notices, of one channel or all, oldest of them first.
    pub fn notices(&self, channel: Option<&str>, limit: usize) -> Result<Vec<Notice>, StoreError> {
        crate::store::unfinished((channel, limit))
    }
}
