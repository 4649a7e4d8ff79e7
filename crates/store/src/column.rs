//! How values of the model are written into columns and read back.

use crate::StoreError;
use crate::sql::Row;
use model::{CostSource, Cursor, Timestamp, Usage};
use serde::Serialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Largest figure a column that is summed up may hold: 2^40. What a run reports is not trusted, and eight million
/// such figures still fit the sum; the JSON beside keeps what was said.
pub(crate) const FIGURE_MAX: u64 = 1 << 40;

/// A figure as a column, cut at [`FIGURE_MAX`].
pub(crate) fn figure(value: u64) -> i64 {
    value.min(FIGURE_MAX).cast_signed()
}

/// The whole record, for the `data` column.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Malformed { column: "record", reason: error.to_string() })
}

/// The whole record without what it has none of: a third of the text, for records that are read by the page. Not for what holds
/// others' JSON, in which null may mean something.
pub(crate) fn to_short_json(value: &impl Serialize) -> Result<String, StoreError> {
    let mut record = serde_json::to_value(value)
        .map_err(|error| StoreError::Malformed { column: "record", reason: error.to_string() })?;
    drop_nulls(&mut record);
    to_json(&record)
}

fn drop_nulls(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    parse_json(column, &present(row, column)?)
}

pub(crate) fn json_or_none<T: DeserializeOwned>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    row.text(column)?.map(|text| parse_json(column, &text)).transpose()
}

fn present<'r>(row: &'r Row<'_>, column: &'static str) -> Result<Cow<'r, str>, StoreError> {
    row.text(column)?.ok_or_else(|| malformed(column, "it is empty"))
}

fn parse_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| malformed(column, error))
}

/// An id, or anything else that is written by `Display` and read by `FromStr`.
pub(crate) fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    present(row, column)?.parse().map_err(|error| malformed(column, error))
}

pub(crate) fn parsed_or_none<T: FromStr<Err: Display>>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    row.text(column)?.map(|text| text.parse().map_err(|error| malformed(column, error))).transpose()
}

/// One of the words of an enum, as serde writes it.
pub(crate) fn word<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    let text = present(row, column)?;
    let word: StrDeserializer<'_, WordError> = text.as_ref().into_deserializer();
    T::deserialize(word).map_err(|error| malformed(column, error))
}

pub(crate) fn time(row: &Row<'_>, column: &'static str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(crate) fn time_or_none(row: &Row<'_>, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// A count or number that was written from an unsigned one.
pub(crate) fn unsigned(row: &Row<'_>, column: &'static str) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(crate) fn small(row: &Row<'_>, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(row.get::<_, i64>(column)?).map_err(|error| malformed(column, error))
}

/// The position of the event behind the row, from its `epoch` and `seq`.
pub(crate) fn cursor(row: &Row<'_>) -> Result<Cursor, StoreError> {
    Ok(Cursor { epoch: unsigned(row, "epoch")?, seq: unsigned(row, "seq")? })
}

/// Where a usage's cost is from, as a bit that sums keep by `OR`. What used nothing is of no source.
pub(crate) fn source_bits(usage: &Usage) -> i64 {
    match usage.cost_source {
        _ if usage.is_empty() => 0,
        CostSource::Table => 1,
        CostSource::Vendor => 2,
        CostSource::None => 4,
        CostSource::Mixed => 3,
    }
}

/// A usage from the six columns of a sum.
pub(crate) fn usage(row: &Row<'_>) -> Result<Usage, StoreError> {
    Ok(Usage {
        input_tokens: unsigned(row, "input_tokens")?,
        output_tokens: unsigned(row, "output_tokens")?,
        cache_read_tokens: unsigned(row, "cache_read_tokens")?,
        cache_write_tokens: unsigned(row, "cache_write_tokens")?,
        cost_micros: unsigned(row, "cost_micros")?,
        cost_source: match row.get::<_, i64>("cost_sources")? {
            0 | 4 => CostSource::None,
            1 => CostSource::Table,
            2 => CostSource::Vendor,
            _ => CostSource::Mixed,
        },
    })
}

fn malformed(column: &'static str, reason: impl Display) -> StoreError {
    StoreError::Malformed { column, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_record_says_the_same() {
        let full = testkit::every_event().into_iter().find_map(|event| match event {
            model::Event::SessionCreated(session) => Some(session),
            _ => None,
        });
        let full = full.unwrap();
        let lineage = model::Lineage { kind: full.lineage.kind, ..model::Lineage::default() };
        let bare = model::Session { repo: None, parent: None, origin: None, lineage, ..full.clone() };
        for (session, is_shorter) in [(full, false), (bare, true)] {
            let (whole, short) = (to_json(&session).unwrap(), to_short_json(&session).unwrap());
            assert_eq!(short.len() < whole.len(), is_shorter, "{short}");
            assert!(!short.contains("null"), "{short}");
            assert_eq!(serde_json::from_str::<model::Session>(&short).unwrap(), session);
        }
    }

    #[test]
    fn a_summed_figure_is_cut_and_others_keep_every_bit() {
        assert_eq!(figure(7), 7);
        assert_eq!(figure(FIGURE_MAX), 1 << 40);
        assert_eq!(figure(u64::MAX), 1 << 40);
        assert_eq!(u64::MAX.cast_signed().cast_unsigned(), u64::MAX);
    }
}
