//! Reading columns: text into ids, modes and channels, with an error that says which column was bad.

use crate::error::BusError;
use model::{LockMode, Timestamp};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::Row;

fn malformed(what: &'static str, detail: impl Display) -> BusError {
    BusError::Malformed { what, detail: detail.to_string() }
}

pub(crate) fn parse<T>(text: &str, what: &'static str) -> Result<T, BusError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| malformed(what, error))
}

/// A text column that must parse.
pub(crate) fn parsed<T>(row: &Row, at: usize, what: &'static str) -> Result<T, BusError>
where
    T: FromStr,
    T::Err: Display,
{
    parse(row.try_get(at)?, what)
}

/// A text column that may be NULL.
pub(crate) fn parsed_or_none<T>(row: &Row, at: usize, what: &'static str) -> Result<Option<T>, BusError>
where
    T: FromStr,
    T::Err: Display,
{
    let text: Option<&str> = row.try_get(at)?;
    text.map(|text| parse(text, what)).transpose()
}

pub(crate) fn mode(row: &Row, at: usize) -> Result<LockMode, BusError> {
    let word: &str = row.try_get(at)?;
    let known = LockMode::ALL.into_iter().find(|mode| mode.as_str() == word);
    known.ok_or_else(|| malformed("a lock's mode", word))
}

pub(crate) fn millis(row: &Row, at: usize) -> Result<Timestamp, BusError> {
    Ok(Timestamp::from_millis(row.try_get(at)?))
}

/// A whole number that is never below 0.
pub(crate) fn count(row: &Row, at: usize) -> Result<u32, BusError> {
    let number: i64 = row.try_get(at)?;
    u32::try_from(number).map_err(|error| malformed("a number", error))
}

pub(crate) fn span(ns: i64) -> Duration {
    Duration::from_nanos(crate::write::unsigned(ns))
}
