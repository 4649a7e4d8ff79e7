//! The read side: typed queries over both databases. The queries of each noun are in the noun's file.

use rusqlite::Connection;

/// A look at both databases at one position. Inside a command it also sees the commits before it in the same batch.
pub struct View<'a> {
    pub(crate) sessions: &'a Connection,
    pub(crate) messages: &'a Connection,
}
