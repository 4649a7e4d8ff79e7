//! History of notices as the journal knows it. Who has yet to hear one is the bus's to say.

use crate::sql::params;
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::Notice;

statements! { QUERIES in Sessions {
    NOTICES = "SELECT data FROM notices WHERE seq > 0 ORDER BY seq DESC LIMIT ?1";
    NOTICES_OF_CHANNEL = "SELECT data FROM notices WHERE channel = ?1 ORDER BY seq DESC LIMIT ?2";
} }

impl View<'_> {
    /// The newest `most` notices, of one channel or all, oldest of them first.
    pub fn notices(&self, channel: Option<&str>, most: usize) -> Result<Vec<Notice>, StoreError> {
        let mut notices = match channel {
            Some(channel) => {
                self.rows(&NOTICES_OF_CHANNEL, params![channel, limit(most)], |row| column::json(row, "data"))
            }
            None => self.rows(&NOTICES, [limit(most)], |row| column::json(row, "data")),
        }?;
        notices.reverse();
        Ok(notices)
    }
}
