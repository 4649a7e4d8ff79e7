//! Cursors: where a reader of the journal stands.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The last event a reader has seen. `seq` rises by one per event and goes on over epochs; the
/// epoch rises when a torn tail was cut, after a restore and at a take-over, so that a pair is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Cursor {
    pub epoch: u64,
    pub seq: u64,
}

impl Cursor {
    /// Before the first event.
    pub const START: Self = Self { epoch: 0, seq: 0 };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        given
            .split_once('.')
            .and_then(|(epoch, seq)| Some(Self { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? }))
            .ok_or_else(|| "a cursor is written `epoch.seq`, as in `1.42`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_written_as_epoch_and_seq() {
        let cursor = Cursor { epoch: 2, seq: 40 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert!("40".parse::<Cursor>().is_err());
    }
}
