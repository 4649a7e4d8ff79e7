//! Values on their way to and from PostgreSQL: as `rusqlite` knows them, in the type the server says a place has.
//!
//! Neither `text` nor `jsonb` there can hold a NUL, and what an agent says may. So a NUL travels as U+10FFFE and `0`, and
//! U+10FFFE, which is no character, as itself and `1`. Invariant: what is read is what was written.

use crate::StoreError;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use std::borrow::Cow;
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};

const MARK: char = '\u{10FFFE}';
/// The first byte of [`MARK`] and of few other characters.
const MARK_BYTE: u8 = 0xF4;
/// What precedes the text of a `jsonb` on the wire.
const JSONB_VERSION: u8 = 1;

/// A value as a parameter: it goes as the type the server has inferred.
#[derive(Debug)]
pub(crate) struct Param<'a>(pub(crate) ToSqlOutput<'a>);

impl Param<'_> {
    pub(crate) fn value(&self) -> ValueRef<'_> {
        match &self.0 {
            ToSqlOutput::Borrowed(value) => *value,
            ToSqlOutput::Owned(value) => value.into(),
            // Blobs of zeros and other special sorts are asked for by nobody here.
            _ => ValueRef::Null,
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.value() {
            ValueRef::Null => Ok(IsNull::Yes),
            ValueRef::Integer(number) => integer(number, ty, out),
            ValueRef::Real(number) => number.to_sql(&Type::FLOAT8, out),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text)?;
                if *ty == Type::JSONB {
                    out.extend_from_slice(&[JSONB_VERSION]);
                }
                let sent = if is_json(ty) { json_out(text) } else { text_out(text) };
                out.extend_from_slice(sent.as_bytes());
                Ok(IsNull::No)
            }
            ValueRef::Blob(bytes) => bytes.to_sql(&Type::BYTEA, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

fn integer(number: i64, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    match *ty {
        Type::INT4 => i32::try_from(number)?.to_sql(ty, out),
        Type::INT2 => i16::try_from(number)?.to_sql(ty, out),
        Type::BOOL => (number != 0).to_sql(ty, out),
        Type::FLOAT8 => (number as f64).to_sql(ty, out),
        _ => number.to_sql(&Type::INT8, out),
    }
}

fn is_json(ty: &Type) -> bool {
    *ty == Type::JSONB || *ty == Type::JSON
}

/// The bytes of a column with the type the server gave them.
struct Raw<'a> {
    ty: Type,
    bytes: &'a [u8],
}

impl<'a> tokio_postgres::types::FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self { ty: ty.clone(), bytes })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value that was read.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
}

impl Found<'_> {
    pub(crate) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

pub(crate) fn found(row: &Row, column: usize) -> Result<Found<'_>, StoreError> {
    let raw: Option<Raw<'_>> = row.try_get(column)?;
    let Some(Raw { ty, bytes }) = raw else { return Ok(Found::Null) };
    let malformed =
        || StoreError::Malformed { column: "value", reason: format!("{ty} of {} bytes", bytes.len()) };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| malformed());
    Ok(match ty {
        Type::INT8 => Found::Integer(i64::from_be_bytes(bytes.try_into().map_err(|_| malformed())?)),
        Type::INT4 => Found::Integer(i32::from_be_bytes(bytes.try_into().map_err(|_| malformed())?).into()),
        Type::INT2 => Found::Integer(i16::from_be_bytes(bytes.try_into().map_err(|_| malformed())?).into()),
        Type::BOOL => Found::Integer((bytes.first() == Some(&1)).into()),
        Type::FLOAT8 => Found::Real(f64::from_be_bytes(bytes.try_into().map_err(|_| malformed())?)),
        Type::NUMERIC => numeric(bytes).ok_or_else(malformed)?,
        Type::BYTEA => Found::Blob(bytes),
        Type::JSONB => Found::Text(json_in(text(bytes.get(1..).ok_or_else(malformed)?)?)),
        Type::JSON => Found::Text(json_in(text(bytes)?)),
        _ => Found::Text(text_in(text(bytes)?)),
    })
}

pub(crate) fn get<T: FromSql>(row: &Row, column: usize) -> Result<T, StoreError> {
    T::column_result(found(row, column)?.as_ref())
        .map_err(|error| StoreError::Malformed { column: "value", reason: error.to_string() })
}

pub(crate) fn text<'r>(
    row: &'r Row,
    number: usize,
    column: &'static str,
) -> Result<Option<Cow<'r, str>>, StoreError> {
    match found(row, number)? {
        Found::Null => Ok(None),
        Found::Text(text) => Ok(Some(text)),
        other => Err(StoreError::Malformed { column, reason: format!("it is no text: {other:?}") }),
    }
}

/// What a sum of `bigint`s is there: groups of four decimal digits.
fn numeric(bytes: &[u8]) -> Option<Found<'static>> {
    let word = |at: usize| Some(i16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (groups, weight, sign) = (usize::try_from(word(0)?).ok()?, i32::from(word(2)?), word(4)?);
    let (mut whole, mut real) = (Some(0_i64), 0.0);
    for at in 0..groups {
        let (digit, power) = (word(8 + 2 * at)?, weight - i32::try_from(at).ok()?);
        real += f64::from(digit) * 10_000_f64.powi(power);
        let scaled = u32::try_from(power).ok().and_then(|power| 10_000_i64.checked_pow(power));
        whole = whole.zip(scaled).and_then(|(sum, scale)| sum.checked_add(scale.checked_mul(digit.into())?));
    }
    let negative = sign != 0;
    Some(match whole {
        Some(whole) => Found::Integer(if negative { -whole } else { whole }),
        None => Found::Real(if negative { -real } else { real }),
    })
}

fn text_out(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(MARK, "\u{10FFFE}1").replace('\0', "\u{10FFFE}0"))
}

fn text_in(text: &str) -> Cow<'_, str> {
    marks_in(text, "\0")
}

/// JSON says a NUL as `\u0000`, unless the backslash is itself one that was said.
fn json_out(text: &str) -> Cow<'_, str> {
    const NUL: &str = "\\u0000";
    let marked =
        if text.contains(MARK) { Cow::Owned(text.replace(MARK, "\u{10FFFE}1")) } else { text.into() };
    if !marked.contains(NUL) {
        return marked;
    }
    let mut out = String::with_capacity(marked.len());
    let mut rest = &*marked;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if let Some(behind) = rest.strip_prefix(NUL) {
            out.push_str("\u{10FFFE}0");
            rest.len() - behind.len()
        } else {
            // The backslash and what it speaks of, which is one byte in JSON.
            let taken = rest.len().min(2);
            out.push_str(&rest[..taken]);
            taken
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn json_in(text: &str) -> Cow<'_, str> {
    marks_in(text, "\\u0000")
}

fn marks_in<'a>(text: &'a str, nul: &str) -> Cow<'a, str> {
    if !text.as_bytes().contains(&MARK_BYTE) || !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(MARK) {
        out.push_str(before);
        rest = if let Some(rest) = behind.strip_prefix('0') {
            out.push_str(nul);
            rest
        } else {
            out.push(MARK);
            behind.strip_prefix('1').unwrap_or(behind)
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_are_read_as_the_numbers_they_are() {
        let numeric = |words: &[i16]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            super::numeric(&bytes)
        };
        assert_eq!(numeric(&[0, 0, 0, 0]), Some(Found::Integer(0)));
        assert_eq!(numeric(&[1, 0, 0, 0, 7]), Some(Found::Integer(7)));
        assert_eq!(numeric(&[2, 1, 0, 0, 1, 2345]), Some(Found::Integer(12_345)));
        assert_eq!(numeric(&[1, 2, 0x4000, 0, 3]), Some(Found::Integer(-300_000_000)));
        // 2^62 and what a sum of two of them is.
        assert_eq!(numeric(&[5, 4, 0, 0, 461, 1686, 184, 2738, 7904]), Some(Found::Integer(1 << 62)));
        assert!(matches!(numeric(&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808]), Some(Found::Real(_))));
        assert_eq!(numeric(&[1, -1, 0, 1, 5000]), Some(Found::Real(0.5)));
        assert_eq!(numeric(&[2, 0]), None);
    }

    #[test]
    fn a_nul_is_told_from_the_words_for_it() {
        for (json, sent) in [
            (r#""a\u0000b""#, "\"a\u{10FFFE}0b\""),
            (r#""a\\u0000b""#, r#""a\\u0000b""#),
            (r#""\\\u0000""#, "\"\\\\\u{10FFFE}0\""),
            ("\"\u{10FFFE}0\"", "\"\u{10FFFE}10\""),
        ] {
            assert_eq!(json_out(json), sent);
            assert_eq!(json_in(&json_out(json)), json);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(text in "[\\PC\\x00\u{10FFFE}01\\\\u\"]{0,40}") {
            let sent = text_out(&text);
            prop_assert!(!sent.contains('\0'));
            prop_assert_eq!(text_in(&sent), text.as_str());
            let json = serde_json::to_string(&text).unwrap();
            let sent = json_out(&json);
            prop_assert!(!serde_json::from_str::<String>(&sent).unwrap().contains('\0'));
            prop_assert_eq!(json_in(&sent), json.as_str());
        }
    }
}
