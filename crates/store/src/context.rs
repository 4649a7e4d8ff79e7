//! Context entries as the journal knows them. What is known now is the bus's to say.

use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{ContextEntry, ContextKey};

statements! { QUERIES in Sessions {
    CONTEXT_ENTRY = "SELECT data FROM context_entries WHERE key = ?1";
    CONTEXT_ENTRIES = "SELECT data FROM context_entries WHERE seq > 0 ORDER BY seq DESC LIMIT ?1";
} }

impl View<'_> {
    pub fn context_entry(&self, key: &ContextKey) -> Result<Option<ContextEntry>, StoreError> {
        self.row(&CONTEXT_ENTRY, [key.as_str()], |row| column::json(row, "data"))
    }

    /// The `most` entries that changed last, the newest change first.
    pub fn context_entries(&self, most: usize) -> Result<Vec<ContextEntry>, StoreError> {
        self.rows(&CONTEXT_ENTRIES, [limit(most)], |row| column::json(row, "data"))
    }
}
