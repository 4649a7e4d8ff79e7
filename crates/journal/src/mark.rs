//! `mark.json`: a note of how far the journal was durable, made after the sync that made it so.
//!
//! It bounds the work of opening, and it tells a torn tail (bytes that were never promised) from
//! damage (bytes that were). Losing it costs time, never records.

use crate::disk::{self, Checked, Keep};
use crate::{JournalError, Position, hex};
use model::Cursor;
use serde::Deserialize;
use std::path::Path;

/// The file, in the journal's folder.
pub(crate) const MARK_FILE: &str = "mark.json";
/// Durable bytes between two marks: what an open reads at most, apart from the last write.
pub(crate) const MARK_EVERY: u64 = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// First number of the segment.
    pub(crate) segment: u64,
    /// Where in it the last durable record ends; 0 when it has none.
    pub(crate) offset: u64,
    pub(crate) position: Position,
}

#[derive(Deserialize)]
struct Stored {
    segment: u64,
    offset: u64,
    epoch: u64,
    seq: u64,
    #[serde(with = "hex::hash")]
    hash: [u8; 32],
}

impl Mark {
    pub(crate) fn save(&self, dir: &Path) -> Result<(), JournalError> {
        let Cursor { epoch, seq } = self.position.cursor;
        let json = format!(
            "{{\"segment\":{},\"offset\":{},\"epoch\":{epoch},\"seq\":{seq},\"hash\":\"{}\"}}",
            self.segment,
            self.offset,
            hex::encode(&self.position.hash)
        );
        disk::replace_checked(&dir.join(MARK_FILE), &json, Keep::AsHint)
    }

    /// None when there is no trustworthy mark.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, JournalError> {
        let Checked::Good(json) = disk::read_checked(&dir.join(MARK_FILE))? else { return Ok(None) };
        Ok(serde_json::from_str::<Stored>(&json).ok().map(|stored| Self {
            segment: stored.segment,
            offset: stored.offset,
            position: Position { cursor: Cursor { epoch: stored.epoch, seq: stored.seq }, hash: stored.hash },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::load(dir.path()).unwrap(), None);
        let position = Position { cursor: Cursor { epoch: 2, seq: 9 }, hash: [0xab; 32] };
        let mark = Mark { segment: 5, offset: 4711, position };
        mark.save(dir.path()).unwrap();
        assert_eq!(Mark::load(dir.path()).unwrap(), Some(mark));
    }
}
