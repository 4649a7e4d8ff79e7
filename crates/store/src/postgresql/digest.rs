//! Digests of tables that are the same on both engines when the rows are.
//!
//! A row is written with its JSON in one spelling, since `jsonb` keeps values and not how they were written, and
//! hashed; the table's digest is the number of its rows and the sum of the hashes, so that no order has to be agreed on.

use super::connection::Connection;
use super::dialect::JSON;
use super::dump::{columns, each_row, select};
use super::schema::tables;
use super::value::found;
use crate::StoreError;
use crate::statement::Database;
use rusqlite::types::ValueRef;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What each engine says of itself.
const OWN: [&str; 2] = ["migrations", "watermark"];

/// By `database.table`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Digests(BTreeMap<String, Digest>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Digest {
    rows: u64,
    sum: [u64; 4],
}

impl Digest {
    fn add(&mut self, row: &str) {
        self.rows += 1;
        let hash = blake3::hash(row.as_bytes());
        for (sum, part) in self.sum.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(part);
            *sum = sum.wrapping_add(u64::from_le_bytes(word));
        }
    }
}

impl Digests {
    /// Of two files of SQLite, inside whatever transactions they are in.
    pub(crate) fn of_files(
        sessions: &rusqlite::Connection,
        messages: &rusqlite::Connection,
    ) -> Result<Self, StoreError> {
        let mut digests = Self::default();
        for (database, file) in [(Database::Sessions, sessions), (Database::Messages, messages)] {
            let mut listed = file.prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
            )?;
            let tables: Vec<String> = listed.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for table in tables.iter().filter(|table| !OWN.contains(&table.as_str())) {
                digests.0.insert(key(database, table), of_table(file, table)?);
            }
        }
        Ok(digests)
    }

    /// Of the schema the connection's path leads to, at one state.
    pub(crate) fn of_server(connection: &Connection) -> Result<Self, StoreError> {
        connection.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let looked = Self::in_transaction(connection);
        connection.batch("ROLLBACK")?;
        looked
    }

    /// The same inside a transaction that sees one state already.
    pub(crate) fn in_transaction(connection: &Connection) -> Result<Self, StoreError> {
        let mut digests = Self::default();
        digests.look_at(connection).map(|()| digests)
    }

    fn look_at(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let views =
            connection.once("SELECT viewname::text FROM pg_views WHERE schemaname = current_schema()")?;
        let views: Vec<String> = views.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        for database in Database::ALL {
            let tables = tables(database).into_iter();
            for table in
                tables.filter(|table| !OWN.contains(table) && !views.iter().any(|view| view == table))
            {
                let columns = columns(connection, table)?;
                let mut digest = Digest::default();
                each_row(connection, &select(table, &columns), |row| {
                    let mut written = String::new();
                    for (at, column) in columns.iter().enumerate() {
                        write_canonical(&mut written, column, found(row, at)?.as_ref());
                    }
                    digest.add(&written);
                    Ok(())
                })?;
                self.0.insert(key(database, table), digest);
            }
        }
        Ok(())
    }

    /// Tables that are not the same in both.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

fn key(database: Database, table: &str) -> String {
    format!("{}.{table}", database.as_str())
}

fn of_table(file: &rusqlite::Connection, table: &str) -> Result<Digest, StoreError> {
    let mut prepared = file.prepare(&format!("SELECT * FROM \"{table}\""))?;
    let columns: Vec<String> = prepared.column_names().map(ToOwned::to_owned).collect();
    let mut rows = prepared.query([])?;
    let mut digest = Digest::default();
    while let Some(row) = rows.next()? {
        let mut written = String::new();
        for (at, column) in columns.iter().enumerate() {
            write_canonical(&mut written, column, row.get_ref(at)?);
        }
        digest.add(&written);
    }
    Ok(digest)
}

/// Writing to a string does not fail.
fn write_canonical(out: &mut String, column: &str, value: ValueRef<'_>) {
    let _ = match value {
        ValueRef::Null => write!(out, "{column}=NULL;"),
        ValueRef::Integer(number) => write!(out, "{column}={number};"),
        // SQLite keeps a whole number in a column of decimals as what it is.
        ValueRef::Real(number) => write!(out, "{column}={number};"),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            let json = JSON.contains(&column).then(|| serde_json::from_str::<Value>(&text).ok()).flatten();
            match json {
                None => write!(out, "{column}={text:?};"),
                Some(json) => {
                    let _ = write!(out, "{column}=");
                    write_json(out, &json);
                    write!(out, ";")
                }
            }
        }
        ValueRef::Blob(bytes) => write!(out, "{column}={bytes:?};"),
    };
}

/// Keys in order, numbers as what they are worth.
fn write_json(out: &mut String, json: &Value) {
    match json {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            out.push('{');
            for (key, value) in sorted {
                let _ = write!(out, "{key:?}:");
                write_json(out, value);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_json(out, item);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => {
            let _ = match (number.as_i128(), number.as_f64()) {
                (Some(whole), _) => write!(out, "{whole}"),
                (None, Some(real)) => write!(out, "{real}"),
                (None, None) => write!(out, "{number}"),
            };
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_json_does_not_matter_and_its_values_do() {
        let digest = |rows: &[&str]| {
            let mut digest = Digest::default();
            for row in rows {
                let mut written = String::new();
                write_canonical(&mut written, "data", ValueRef::Text(row.as_bytes()));
                digest.add(&written);
            }
            digest
        };
        assert_eq!(
            digest(&[r#"{"a":1,"b":[1e16]}"#]),
            digest(&[r#"{ "b": [10000000000000000], "a": 1.0 }"#])
        );
        assert_eq!(digest(&["1", "2"]), digest(&["2", "1"]));
        assert_ne!(digest(&["1", "2"]), digest(&["1", "3"]));
        assert_ne!(digest(&["1"]), digest(&["1", "1"]));
        assert_ne!(digest(&[r#"{"a":"1"}"#]), digest(&[r#"{"a":1}"#]));
    }
}
