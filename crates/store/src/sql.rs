//! One face of SQL for both engines: a connection, the values a statement is given, and a row of its answer.
//!
//! Statements are written once, as SQLite takes them, with `?1` for the first value; see `postgresql/dialect.rs` for what is
//! made of them there. Values are what `rusqlite` makes of Rust's, on both sides. Invariant: who runs a statement
//! cannot tell from its answer which engine gave it.

use crate::statement::Statement;
use crate::{StoreError, postgresql};
use rusqlite::ToSql;
use rusqlite::types::FromSql;
use std::borrow::Cow;

pub(crate) use rusqlite::params;

/// A connection of either engine, inside whatever transaction it is in.
#[derive(Clone, Copy)]
pub(crate) enum Connection<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgresql(&'c postgresql::Connection),
}

impl<'c> From<&'c rusqlite::Connection> for Connection<'c> {
    fn from(connection: &'c rusqlite::Connection) -> Self {
        Self::Sqlite(connection)
    }
}

impl<'c> From<&'c postgresql::Connection> for Connection<'c> {
    fn from(connection: &'c postgresql::Connection) -> Self {
        Self::Postgresql(connection)
    }
}

impl Connection<'_> {
    /// Runs a statement that returns nothing; says how many rows it touched.
    pub(crate) fn run(self, statement: &Statement, params: impl Params) -> Result<usize, StoreError> {
        params.with(|values| match self {
            Self::Sqlite(file) => Ok(file.prepare_cached(statement.sql)?.execute(values)?),
            Self::Postgresql(server) => server.run(statement, values),
        })
    }

    /// The first row, if there is one.
    pub(crate) fn row<T>(
        self,
        statement: &Statement,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        params.with(|values| match self {
            Self::Sqlite(file) => {
                let mut prepared = file.prepare_cached(statement.sql)?;
                let mut found = prepared.query(values)?;
                found.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
            }
            Self::Postgresql(server) => {
                server.rows(statement, values)?.first().map(|row| read(&Row::Postgresql(row))).transpose()
            }
        })
    }

    /// All rows.
    pub(crate) fn rows<T>(
        self,
        statement: &Statement,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        params.with(|values| match self {
            Self::Sqlite(file) => {
                let mut prepared = file.prepare_cached(statement.sql)?;
                let mut found = prepared.query(values)?;
                let mut all = Vec::new();
                while let Some(row) = found.next()? {
                    all.push(read(&Row::Sqlite(row))?);
                }
                Ok(all)
            }
            Self::Postgresql(server) => {
                server.rows(statement, values)?.iter().map(|row| read(&Row::Postgresql(row))).collect()
            }
        })
    }
}

/// A row of an answer.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgresql(&'r tokio_postgres::Row),
}

/// How a column is named: by its number or its name.
pub(crate) trait Column:
    rusqlite::RowIndex + tokio_postgres::row::RowIndex + std::fmt::Display
{
}

impl Column for usize {}
impl Column for &str {}

impl Row<'_> {
    pub(crate) fn get<C: Column, T: FromSql>(&self, column: C) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgresql(row) => postgresql::value::get(row, column),
        }
    }

    /// The text of a column, or nothing for NULL; what is no text is an error about the column.
    pub(crate) fn text(&self, column: &'static str) -> Result<Option<Cow<'_, str>>, StoreError> {
        match self {
            Self::Sqlite(row) => {
                let text = row.get_ref(column)?.as_str_or_null();
                let bad = |error: rusqlite::types::FromSqlError| StoreError::Malformed {
                    column,
                    reason: error.to_string(),
                };
                Ok(text.map_err(bad)?.map(Cow::Borrowed))
            }
            Self::Postgresql(row) => postgresql::value::text(row, column),
        }
    }
}

/// The values of a statement's `?1`, `?2`, …
pub(crate) trait Params {
    fn with<R>(&self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R;
}

impl Params for &[&dyn ToSql] {
    fn with<R>(&self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        run(self)
    }
}

/// No values; that it is of one type lets `[]` be written.
impl Params for [&dyn ToSql; 0] {
    fn with<R>(&self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        run(self)
    }
}

macro_rules! arrays {
    ($($length:literal)+) => {
        $(impl<T: ToSql> Params for [T; $length] {
            fn with<R>(&self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
                run(&self.each_ref().map(|value| value as &dyn ToSql))
            }
        })+
    };
}
arrays!(1 2 3 4);
