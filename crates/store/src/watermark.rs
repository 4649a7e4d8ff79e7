//! The position a database has reached, in the same transaction as its rows.

use crate::sql::{Columns, Connection, Row, params};
use crate::statement::{self, Database, Statement, statements};
use crate::{StoreError, View, column};
use journal::{Position, Reader};

macro_rules! read_watermark {
    () => {
        "SELECT epoch, seq, hash FROM watermark WHERE one = 1"
    };
}
macro_rules! write_watermark {
    () => {
        "INSERT INTO watermark (one, epoch, seq, hash) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash"
    };
}

statements! { SESSION_STATEMENTS in Sessions {
    READ_SESSIONS = read_watermark!();
    WRITE_SESSIONS = write_watermark!();
} }

statements! { MESSAGE_STATEMENTS in Messages {
    READ_MESSAGES = read_watermark!();
    WRITE_MESSAGES = write_watermark!();
} }

/// How a watermark stands to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    /// The records after this one are missing.
    Behind(Position),
    /// No replay leads from there to the journal's end; says why.
    Elsewhere(String),
}

/// The same through a view, for those who have one.
pub(crate) fn of_view(view: &View<'_>) -> Result<Position, StoreError> {
    Ok(view.row(&READ_SESSIONS, [], read_row)?.unwrap_or_default())
}

pub(crate) fn read(connection: &Connection<'_>, database: Database) -> Result<Position, StoreError> {
    Ok(statement::row(connection, statement(database), [], read_row)?.unwrap_or_default())
}

/// What asks a database how far it is.
pub(crate) const fn statement(database: Database) -> &'static Statement {
    match database {
        Database::Sessions => &READ_SESSIONS,
        Database::Messages => &READ_MESSAGES,
    }
}

/// A server's answer to [`statement`].
pub(crate) fn of_answer(rows: &[tokio_postgres::Row]) -> Result<Position, StoreError> {
    let columns = Columns::default();
    let read = |row| read_row(&Row::postgresql(row, &columns));
    Ok(rows.first().map(read).transpose()?.unwrap_or_default())
}

pub(crate) fn write(
    connection: &Connection<'_>,
    database: Database,
    position: Position,
) -> Result<(), StoreError> {
    let statement = match database {
        Database::Sessions => &WRITE_SESSIONS,
        Database::Messages => &WRITE_MESSAGES,
    };
    let Position { cursor, hash } = position;
    statement::run(
        connection,
        statement,
        params![cursor.epoch.cast_signed(), cursor.seq.cast_signed(), hash.as_slice()],
    )?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> Result<Position, StoreError> {
    Ok(Position { cursor: column::cursor(row)?, hash: row.get("hash")? })
}

/// Compares a watermark with the journal, by hash and not only by number: after a torn tail was cut, a number says
/// little about what was folded under it.
pub(crate) fn compare(watermark: Position, journal: &Reader) -> Result<Standing, StoreError> {
    let newest = journal.newest();
    if watermark == newest {
        return Ok(Standing::Current);
    }
    if watermark.cursor.seq > newest.cursor.seq {
        let reason = format!("it is at {}, ahead of the journal at {}", watermark.cursor, newest.cursor);
        return Ok(Standing::Elsewhere(reason));
    }
    match journal.position_at(watermark.cursor.seq)? {
        Some(position) if position == watermark => Ok(Standing::Behind(watermark)),
        _ => Ok(Standing::Elsewhere(format!("the journal has another record at {}", watermark.cursor))),
    }
}
