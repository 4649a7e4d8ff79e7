//! The databases as ordered text: two folds of one journal are equal when their dumps are.

use crate::StoreError;
use crate::statement::Database;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::io::{self, Write};

/// Writes every table, by name, its rows ordered by all their columns.
pub(crate) fn dump(
    database: Database,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    for table in tables(connection)? {
        dump_table(database, connection, &table, out)?;
    }
    Ok(())
}

/// Tables whose rows are not the same in both, as `database.table`. What cannot be read is not the same.
pub(crate) fn differences(database: Database, old: &Connection, new: &Connection) -> Vec<String> {
    let tables = match (tables(old), tables(new)) {
        (Ok(old), Ok(new)) if old == new => new,
        (_, Ok(new)) => new,
        (_, Err(_)) => Vec::new(),
    };
    let digest = |connection: &Connection, table: &str| {
        let mut hasher = blake3::Hasher::new();
        dump_table(database, connection, table, &mut hasher).ok().map(|()| hasher.finalize())
    };
    tables
        .into_iter()
        .filter(|table| {
            let (old, new) = (digest(old, table), digest(new, table));
            new.is_none() || old != new
        })
        .map(|table| format!("{}.{table}", database.as_str()))
        .collect()
}

fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut prepared = connection.prepare(
        "SELECT name FROM sqlite_schema
         WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    Ok(prepared.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn dump_table(
    database: Database,
    connection: &Connection,
    table: &str,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    let columns = connection.prepare(&format!("SELECT * FROM \"{table}\" LIMIT 0"))?.column_count();
    let order: Vec<String> = (1..=columns).map(|column| column.to_string()).collect();
    let mut prepared =
        connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY {}", order.join(", ")))?;
    let names: Vec<String> = prepared.column_names().map(ToOwned::to_owned).collect();
    head(database, table, &names, out)?;
    let mut rows = prepared.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            separate(table, column, out)?;
            write_value(out, row.get_ref(column)?).map_err(|error| failed(table, error))?;
        }
        writeln!(out).map_err(|error| failed(table, error))?;
    }
    Ok(())
}

/// The line before a table's rows.
pub(crate) fn head(
    database: Database,
    table: &str,
    columns: &[String],
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    writeln!(out, "-- {}.{table} ({})", database.as_str(), columns.join(", "))
        .map_err(|error| failed(table, error))
}

pub(crate) fn separate(table: &str, column: usize, out: &mut dyn Write) -> Result<(), StoreError> {
    let separator = if column == 0 { "" } else { " | " };
    write!(out, "{separator}").map_err(|error| failed(table, error))
}

pub(crate) fn failed(table: &str, error: io::Error) -> StoreError {
    StoreError::io("write the dump of", table.as_ref(), error)
}

pub(crate) fn write_value(out: &mut dyn Write, value: ValueRef<'_>) -> io::Result<()> {
    match value {
        ValueRef::Null => write!(out, "NULL"),
        ValueRef::Integer(integer) => write!(out, "{integer}"),
        ValueRef::Real(real) => write!(out, "{real:?}"),
        // Quoted, so that no text can pose as a separator or as another row.
        ValueRef::Text(text) => write!(out, "{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            write!(out, "x")?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
    }
}
