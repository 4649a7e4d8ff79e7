//! Where a reader of notices begins: `beginning`, `now`, a time, or a cursor.

use bus::{Bus, BusError, Position, Replay};
use model::Timestamp;
use std::str::FromStr;

/// What `--from` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    Now,
    At(Timestamp),
    /// So many milliseconds ago.
    Ago(i64),
    /// After this notice of the present generation.
    After(i64),
    /// As `tail --json` writes it.
    Cursor(Position),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given {
            "beginning" => return Ok(Self::Beginning),
            "now" => return Ok(Self::Now),
            _ => {}
        }
        if let Some(id) = given.parse().ok().filter(|id| *id >= 0) {
            return Ok(Self::After(id));
        }
        if let Ok(time) = given.parse() {
            return Ok(Self::At(time));
        }
        if let Some(ago) = span(given) {
            return Ok(Self::Ago(ago));
        }
        let cursor = given.rsplit_once(':').and_then(|(generation, id)| {
            let id = id.parse().ok()?;
            (!generation.is_empty()).then(|| Position { generation: generation.to_owned(), id })
        });
        cursor.map(Self::Cursor).ok_or_else(|| {
            "begin at `beginning`, `now`, a time (2026-01-31T14:00:00Z), so long ago (30s, 10m, 2h), a notice's id or a cursor"
                .to_owned()
        })
    }
}

/// `30s`, `10m`, `2h`, `1d`, in milliseconds.
fn span(given: &str) -> Option<i64> {
    let unit = given.chars().last()?;
    let factor = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count: i64 = given.strip_suffix(unit)?.parse().ok()?;
    count.checked_mul(factor).filter(|span| *span >= 0)
}

impl Start {
    pub(super) fn replay(&self, bus: &Bus, now: Timestamp) -> Result<Replay, BusError> {
        Ok(match self {
            Self::Beginning => Replay::Beginning,
            Self::Now => Replay::Now,
            Self::At(time) => Replay::Since(*time),
            Self::Ago(span) => Replay::Since(Timestamp::from_millis(now.as_millis().saturating_sub(*span))),
            Self::After(0) => Replay::Beginning,
            Self::After(id) => Replay::After(Position { generation: bus.generation()?, id: *id }),
            Self::Cursor(position) => Replay::After(position.clone()),
        })
    }
}

/// A cursor as people and programs carry it.
pub(super) fn cursor(generation: &str, id: i64) -> String {
    format!("{generation}:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_can_be_said_in_many_ways() {
        let at = |text: &str| text.parse::<Start>();
        assert_eq!(at("beginning"), Ok(Start::Beginning));
        assert_eq!(at("now"), Ok(Start::Now));
        assert_eq!(at("12"), Ok(Start::After(12)));
        assert_eq!((at("30s"), at("2h")), (Ok(Start::Ago(30_000)), Ok(Start::Ago(7_200_000))));
        assert!(matches!(at("2026-01-31T14:00:00Z"), Ok(Start::At(_))));
        let position = Position { generation: "ab-cd-3".to_owned(), id: 7 };
        assert_eq!(at(&cursor("ab-cd-3", 7)), Ok(Start::Cursor(position)));
        for wrong in ["yesterday", "", ":7", "-5", "-5m", "99999999999999999999d", "x:y"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
