//! `journal.json`: the format and the epochs of a journal.
//!
//! An epoch is durable here before the first record bears it, so a pair of epoch and number is
//! never used twice, whatever is cut off the tail.

use crate::disk::{self, Checked, Keep};
use crate::{JournalError, Position};
use model::Cursor;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Version of everything on disk; a higher one is refused.
pub(crate) const FORMAT: u32 = 1;
/// The file, in the journal's folder.
pub(crate) const EPOCHS_FILE: &str = "journal.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) epoch: u64,
    /// Number of the first record written in it.
    pub(crate) first: u64,
}

/// All epochs in order. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epochs {
    format: u32,
    epochs: Vec<Epoch>,
}

impl Epochs {
    pub(crate) fn first() -> Self {
        Self { format: FORMAT, epochs: vec![Epoch { epoch: 1, first: 1 }] }
    }

    /// From what the records themselves say.
    pub(crate) fn from_records(epochs: Vec<Epoch>) -> Self {
        if epochs.is_empty() { Self::first() } else { Self { format: FORMAT, epochs } }
    }

    pub(crate) fn as_slice(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The one new records are written in.
    pub(crate) fn current(&self) -> u64 {
        self.epochs.last().map_or(1, |last| last.epoch)
    }

    /// The one a record of this number was, or would be, written in.
    pub(crate) fn of(&self, seq: u64) -> u64 {
        let after = self.epochs.partition_point(|epoch| epoch.first <= seq);
        after.checked_sub(1).map_or(0, |at| self.epochs[at].epoch)
    }

    /// Whether the cursor is the start or a record at or before `newest`.
    pub(crate) fn know(&self, cursor: Cursor, newest: Cursor) -> bool {
        cursor.seq == 0 || (cursor.seq <= newest.seq && self.of(cursor.seq) == cursor.epoch)
    }

    /// Starts a new epoch after the given position, above every epoch so far and above `seen`.
    pub(crate) fn raise(&mut self, after: Position, seen: u64) {
        let epoch = Epoch { epoch: self.current().max(seen) + 1, first: after.cursor.seq + 1 };
        // Epochs that began with records which are gone have none left.
        self.epochs.retain(|gone| gone.first <= epoch.first);
        self.epochs.push(epoch);
    }

    fn well_formed(&self) -> bool {
        !self.epochs.is_empty()
            && self.epochs.iter().all(|epoch| epoch.first > 0 && epoch.epoch > 0)
            && self
                .epochs
                .windows(2)
                .all(|pair| pair[0].epoch < pair[1].epoch && pair[0].first <= pair[1].first)
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), JournalError> {
        disk::replace_checked(&path(dir), &self.to_json(), Keep::Durably)
    }

    pub(crate) fn to_json(&self) -> String {
        let list: Vec<String> = self
            .epochs
            .iter()
            .map(|epoch| format!("{{\"epoch\":{},\"first\":{}}}", epoch.epoch, epoch.first))
            .collect();
        format!("{{\"format\":{},\"epochs\":[{}]}}", self.format, list.join(","))
    }

    pub(crate) fn load(dir: &Path) -> Result<Loaded, JournalError> {
        let json = match disk::read_checked(&path(dir))? {
            Checked::Missing => return Ok(Loaded::Missing),
            Checked::Damaged => return Ok(Loaded::Damaged),
            Checked::Good(json) => json,
        };
        // The version first: a newer format may have another shape.
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        match serde_json::from_str::<Versioned>(&json) {
            Ok(Versioned { format }) if format > FORMAT => {
                return Err(JournalError::TooNew {
                    what: "the journal".to_owned(),
                    found: format.into(),
                    known: FORMAT.into(),
                });
            }
            Ok(_) => {}
            Err(_) => return Ok(Loaded::Damaged),
        }
        match serde_json::from_str::<Self>(&json) {
            Ok(epochs) if epochs.well_formed() => Ok(Loaded::Good(epochs)),
            _ => Ok(Loaded::Damaged),
        }
    }
}

pub(crate) enum Loaded {
    Good(Epochs),
    Missing,
    Damaged,
}

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(EPOCHS_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, seq: u64) -> Cursor {
        Cursor { epoch, seq }
    }

    #[test]
    fn a_cursor_is_known_only_in_the_epoch_its_record_was_written_in() {
        let mut epochs = Epochs::first();
        epochs.raise(Position { cursor: at(1, 5), hash: [0; 32] }, 0);
        let newest = at(2, 8);
        for known in [at(0, 0), at(1, 1), at(1, 5), at(2, 6), at(2, 8)] {
            assert!(epochs.know(known, newest), "{known}");
        }
        for unknown in [at(1, 6), at(2, 5), at(3, 8), at(2, 9), at(0, 1)] {
            assert!(!epochs.know(unknown, newest), "{unknown}");
        }
    }

    #[test]
    fn an_epoch_without_records_is_skipped_over() {
        let mut epochs = Epochs::first();
        let end = Position { cursor: at(1, 5), hash: [0; 32] };
        epochs.raise(end, 0);
        epochs.raise(end, 1);
        assert_eq!((epochs.current(), epochs.of(5), epochs.of(6)), (3, 1, 3));
    }

    #[test]
    fn an_epoch_is_above_all_that_was_seen_and_lost_ones_leave_no_trace_but_their_number() {
        let mut epochs = Epochs::first();
        epochs.raise(Position { cursor: at(1, 5), hash: [0; 32] }, 6);
        assert_eq!((epochs.current(), epochs.of(6)), (7, 7));
        // Back to before epoch 7 began.
        epochs.raise(Position { cursor: at(1, 3), hash: [0; 32] }, 2);
        assert_eq!((epochs.current(), epochs.of(3), epochs.of(4), epochs.of(6)), (8, 1, 8, 8));
        assert!(epochs.well_formed(), "{epochs:?}");
    }

    #[test]
    fn a_newer_format_is_refused_and_nonsense_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Epochs::load(dir.path()).unwrap(), Loaded::Missing));
        Epochs::first().save(dir.path()).unwrap();
        assert!(
            matches!(Epochs::load(dir.path()).unwrap(), Loaded::Good(epochs) if epochs == Epochs::first())
        );
        disk::replace_checked(&path(dir.path()), "{\"format\":2,\"shape\":\"new\"}", Keep::Durably).unwrap();
        assert!(matches!(Epochs::load(dir.path()), Err(JournalError::TooNew { found: 2, .. })));
        for nonsense in [
            "{}",
            "{\"format\":1,\"epochs\":[]}",
            "{\"format\":1,\"epochs\":[{\"epoch\":2,\"first\":1},{\"epoch\":1,\"first\":4}]}",
        ] {
            disk::replace_checked(&path(dir.path()), nonsense, Keep::Durably).unwrap();
            assert!(matches!(Epochs::load(dir.path()).unwrap(), Loaded::Damaged), "{nonsense}");
        }
    }
}
