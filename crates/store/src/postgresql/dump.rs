//! The rows as ordered text, as `crate::dump` writes those of SQLite.

use super::connection::Connection;
use super::digest::Digests;
use super::schema::tables;
use super::value::found;
use crate::dump::write_value;
use crate::statement::Database;
use crate::{StoreError, dump};
use std::io::Write;
use tokio_postgres::Row;

/// Rows fetched at once.
const ROWS: usize = 1_000;
/// A number PostgreSQL's tables have and SQLite's keep to themselves.
const HIDDEN: &str = "rowid";

/// Writes every table of the database, by name, its rows ordered by all their columns. Inside a transaction.
pub(crate) fn dump(
    database: Database,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    for table in tables(database) {
        let columns = columns(connection, table)?;
        dump::head(database, table, &columns, out)?;
        let order: Vec<String> = (1..=columns.len()).map(|column| column.to_string()).collect();
        let ordered = format!("{} ORDER BY {}", select(table, &columns), order.join(", "));
        each_row(connection, &ordered, |row| {
            for column in 0..columns.len() {
                dump::separate(table, column, out)?;
                let value = found(row, column)?;
                write_value(out, value.as_ref()).map_err(|error| dump::failed(table, error))?;
            }
            writeln!(out).map_err(|error| dump::failed(table, error))
        })?;
    }
    Ok(())
}

/// The table's columns, in order.
pub(crate) fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let rows = connection.ask(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        &[&table],
    )?;
    let mut columns: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    columns.retain(|column| column != HIDDEN);
    Ok(columns)
}

pub(crate) fn select(table: &str, columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    format!("SELECT {} FROM \"{table}\"", quoted.join(", "))
}

/// Reads through an answer of any size. Inside a transaction.
pub(crate) fn each_row(
    connection: &Connection,
    select: &str,
    mut each: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    connection.batch(&format!("DECLARE looking NO SCROLL CURSOR FOR {select}"))?;
    loop {
        let rows = connection.once(&format!("FETCH {ROWS} FROM looking"))?;
        rows.iter().try_for_each(&mut each)?;
        if rows.len() < ROWS {
            return connection.batch("CLOSE looking");
        }
    }
}

/// Tables whose rows are not the same in both, as `database.table`. What cannot be read is not the same.
pub(crate) fn differences(old: &Connection, new: &Connection) -> Vec<String> {
    match (Digests::of_server(old), Digests::of_server(new)) {
        (Ok(old), Ok(new)) => old.differences(&new),
        (_, Ok(new)) => new.differences(&Digests::default()),
        (_, Err(error)) => vec![error.to_string()],
    }
}
