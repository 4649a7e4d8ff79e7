//! The read side: typed queries over both databases. The queries of each noun are in the noun's file.
//!
//! Invariant: a view shows both databases at one position of the journal.

use crate::StoreError;
use crate::sql::{Connection, Params, Row};
use crate::statement::{Database, Statement};
use std::cell::Cell;

/// A look at both databases at one position. Inside a command it also sees the commits before it in the same batch.
pub struct View<'a> {
    sessions: Connection<'a>,
    messages: Connection<'a>,
    /// The file that turned out to be damaged while it was read.
    damaged: Cell<Option<Database>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(sessions: impl Into<Connection<'a>>, messages: impl Into<Connection<'a>>) -> Self {
        let (sessions, messages) = (sessions.into(), messages.into());
        Self { sessions, messages, damaged: Cell::new(None) }
    }

    pub(crate) fn damaged(&self) -> Option<Database> {
        self.damaged.get()
    }

    pub(crate) fn row<T>(
        &self,
        statement: &Statement,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.connection(statement.database).row(statement, params, read);
        self.note_damage(statement.database, found)
    }

    pub(crate) fn rows<T>(
        &self,
        statement: &Statement,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.connection(statement.database).rows(statement, params, read);
        self.note_damage(statement.database, found)
    }

    pub(crate) fn each(
        &self,
        statement: &Statement,
        params: impl Params,
        take: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let done = self.connection(statement.database).each(statement, params, take);
        self.note_damage(statement.database, done)
    }

    /// The first column of the only row, as a count.
    pub(crate) fn count(&self, statement: &Statement, params: impl Params) -> Result<u64, StoreError> {
        let count = self.row(statement, params, |row| row.get::<_, Option<i64>>(0))?;
        Ok(count.flatten().unwrap_or(0).cast_unsigned())
    }

    fn connection(&self, database: Database) -> Connection<'a> {
        match database {
            Database::Sessions => self.sessions,
            Database::Messages => self.messages,
        }
    }

    fn note_damage<T>(&self, database: Database, found: Result<T, StoreError>) -> Result<T, StoreError> {
        if found.as_ref().is_err_and(StoreError::is_damage) {
            self.damaged.set(Some(database));
        }
        found
    }
}

/// `limit` as SQLite takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
