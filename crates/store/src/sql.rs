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
use std::cell::{Cell, RefCell};

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
    /// Runs a statement that returns nothing.
    pub(crate) fn run(self, statement: &Statement, params: impl Params) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.touched(statement, params).map(drop),
            Self::Postgresql(server) => params.with(|values| server.run(statement, values)),
        }
    }

    /// Runs a statement that returns nothing; says how many rows it touched.
    pub(crate) fn touched(self, statement: &Statement, params: impl Params) -> Result<usize, StoreError> {
        params.with(|values| match self {
            Self::Sqlite(file) => Ok(file.prepare_cached(statement.sql)?.execute(values)?),
            Self::Postgresql(server) => server.touched(statement, values),
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
                let columns = Columns::default();
                found.next()?.map(|row| read(&Row::sqlite(row, &columns))).transpose()
            }
            Self::Postgresql(server) => {
                let (found, columns) = (server.rows(statement, values)?, Columns::default());
                found.first().map(|row| read(&Row::postgresql(row, &columns))).transpose()
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
        let mut all = Vec::new();
        self.each(statement, params, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// One row after the other.
    pub(crate) fn each(
        self,
        statement: &Statement,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let columns = Columns::default();
        params.with(|values| match self {
            Self::Sqlite(file) => {
                let mut prepared = file.prepare_cached(statement.sql)?;
                let mut found = prepared.query(values)?;
                while let Some(row) = found.next()? {
                    take(&Row::sqlite(row, &columns))?;
                }
                Ok(())
            }
            Self::Postgresql(server) => server
                .rows(statement, values)?
                .iter()
                .try_for_each(|row| take(&Row::postgresql(row, &columns))),
        })
    }
}

/// A row of an answer.
pub(crate) struct Row<'r> {
    cells: Cells<'r>,
    columns: &'r Columns,
}

enum Cells<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgresql(&'r tokio_postgres::Row),
}

/// Where the columns of one answer are. Both engines compare a name with one column after the other; the rows of an answer
/// are read alike, so that the next name asked for is nearly always the one that came next in the row before.
#[derive(Default)]
pub(crate) struct Columns {
    known: RefCell<Vec<(&'static str, usize)>>,
    /// Behind the last one asked for.
    next: Cell<usize>,
}

impl Columns {
    fn number(&self, name: &'static str, cells: &Cells<'_>) -> Result<usize, StoreError> {
        let mut known = self.known.borrow_mut();
        let next = self.next.get();
        // Mostly it is the very same text, and need not be compared.
        let is_next = |column: &(&'static str, usize)| std::ptr::eq(column.0, name) || column.0 == name;
        let at = if known.get(next).is_some_and(is_next) {
            next
        } else if let Some(at) = known.iter().position(|column| column.0 == name) {
            at
        } else {
            known.push((name, cells.number(name)?));
            known.len() - 1
        };
        self.next.set(at + 1);
        Ok(known[at].1)
    }
}

impl Cells<'_> {
    fn number(&self, name: &'static str) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.as_ref().column_index(name)?),
            Self::Postgresql(row) => {
                let at = row.columns().iter().position(|column| column.name() == name);
                let missing = || "the answer has no such column".to_owned();
                at.ok_or_else(|| StoreError::Malformed { column: name, reason: missing() })
            }
        }
    }
}

/// How a column is named: by its number or its name.
pub(crate) trait Column {
    fn number(self, row: &Row<'_>) -> Result<usize, StoreError>;
}

impl Column for usize {
    fn number(self, _: &Row<'_>) -> Result<usize, StoreError> {
        Ok(self)
    }
}

impl Column for &'static str {
    fn number(self, row: &Row<'_>) -> Result<usize, StoreError> {
        row.columns.number(self, &row.cells)
    }
}

impl<'r> Row<'r> {
    fn sqlite(row: &'r rusqlite::Row<'r>, columns: &'r Columns) -> Self {
        Self { cells: Cells::Sqlite(row), columns }
    }

    pub(crate) fn postgresql(row: &'r tokio_postgres::Row, columns: &'r Columns) -> Self {
        Self { cells: Cells::Postgresql(row), columns }
    }

    pub(crate) fn get<C: Column, T: FromSql>(&self, column: C) -> Result<T, StoreError> {
        let number = column.number(self)?;
        match self.cells {
            Cells::Sqlite(row) => Ok(row.get(number)?),
            Cells::Postgresql(row) => postgresql::value::get(row, number),
        }
    }

    /// The text of a column, or nothing for NULL; what is no text is an error about the column.
    pub(crate) fn text(&self, column: &'static str) -> Result<Option<Cow<'r, str>>, StoreError> {
        let number = column.number(self)?;
        match self.cells {
            Cells::Sqlite(row) => {
                let text = row.get_ref(number)?.as_str_or_null();
                let bad = |error: rusqlite::types::FromSqlError| StoreError::Malformed {
                    column,
                    reason: error.to_string(),
                };
                Ok(text.map_err(bad)?.map(Cow::Borrowed))
            }
            Cells::Postgresql(row) => postgresql::value::text(row, number, column),
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
