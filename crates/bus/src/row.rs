//! Reading columns: text into ids, modes and times, with an error that says which column was bad.

use crate::error::BusError;
use model::{LockMode, Timestamp};
use rusqlite::Row;
use std::fmt::Display;
use std::str::FromStr;

fn malformed(what: &'static str, detail: impl Display) -> BusError {
    BusError::Malformed { what, detail: detail.to_string() }
}

/// A text column that must parse.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize, what: &'static str) -> Result<T, BusError>
where
    T: FromStr,
    T::Err: Display,
{
    row.get_ref(index)?
        .as_str()
        .map_err(|error| malformed(what, error))?
        .parse()
        .map_err(|error| malformed(what, error))
}

/// A text column that may be NULL.
pub(crate) fn parsed_or_none<T>(
    row: &Row<'_>,
    index: usize,
    what: &'static str,
) -> Result<Option<T>, BusError>
where
    T: FromStr,
    T::Err: Display,
{
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, index, what).map(Some),
    }
}

/// A time as we write it, or as SQLite's `datetime('now')` does.
pub(crate) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp, BusError> {
    let text: String = row.get(index)?;
    text.parse()
        .or_else(|_| format!("{}Z", text.replacen(' ', "T", 1)).parse())
        .map_err(|error| malformed("a time", error))
}

pub(crate) fn mode(row: &Row<'_>, index: usize) -> Result<LockMode, BusError> {
    let text: String = row.get(index)?;
    LockMode::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| malformed("a lock mode", text))
}

/// A JSON column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, BusError> {
    serde_json::from_str(text).map_err(|error| malformed(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn both_ways_to_write_a_time_are_read_and_nonsense_is_named() {
        let conn = Connection::open_in_memory().unwrap();
        let read = |text: &str| {
            let mut statement = conn.prepare("SELECT ?1").unwrap();
            let mut rows = statement.query([text]).unwrap();
            time(rows.next().unwrap().unwrap(), 0)
        };
        assert_eq!(read("2026-01-31T14:23:01.000Z").unwrap(), read("2026-01-31 14:23:01").unwrap());
        assert!(matches!(read("soon"), Err(BusError::Malformed { what: "a time", .. })));
    }
}
