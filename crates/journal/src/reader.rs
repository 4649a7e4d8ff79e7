//! Reading: pages after a cursor, streaming replay, single records.

use crate::{ExportReport, JournalError, Position, Record, VerifyReport};
use model::Cursor;
use std::io::Write;
use std::path::Path;

/// Most records in one page.
pub const PAGE_MAX: usize = 10_000;

/// Sees the durable records of a journal. Cheap to clone; every call opens its own files.
#[derive(Debug, Clone)]
pub struct Reader {}

/// What follows a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadPage {
    /// In order; empty when the cursor is the newest record.
    Records(Vec<Record>),
    /// The cursor is not a record of this journal: cut off, of an unknown epoch, or ahead. The
    /// reader starts over from a fresh view.
    Reset { oldest: Cursor, newest: Cursor },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalStats {
    /// On disk, without blobs.
    pub bytes: u64,
    pub segments: usize,
    /// How many of the segments are compressed.
    pub sealed: usize,
}

/// Iterates over records; see [`Reader::replay`].
#[derive(Debug)]
pub struct Replay {}

impl Iterator for Replay {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl Reader {
    /// A view of a journal nobody has open for writing, as it is on disk now. Changes nothing.
    pub fn open(_dir: &Path, _blobs: &Path) -> Result<Self, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// At most `limit` records (never more than [`PAGE_MAX`]) that follow the cursor.
    pub fn read_after(&self, _cursor: Cursor, _limit: usize) -> Result<ReadPage, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Streams every record after the cursor that is durable now. A cursor that is not a record of
    /// this journal is [`JournalError::UnknownPosition`].
    pub fn replay(&self, _after: Cursor) -> Result<Replay, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// The record with this number.
    pub fn record_at(&self, _seq: u64) -> Result<Option<Record>, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// The position of the record with this number; [`Position::START`] for 0.
    pub fn position_at(&self, _seq: u64) -> Result<Option<Position>, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Of the last durable record.
    pub fn newest(&self) -> Position {
        Position::START
    }

    /// The epoch new records are written in.
    pub fn epoch(&self) -> u64 {
        0
    }

    pub fn stats(&self) -> Result<JournalStats, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Reads everything and checks it.
    pub fn verify(&self) -> Result<VerifyReport, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Writes every durable record and every blob as one self-checking archive.
    pub fn export(&self, _out: impl Write) -> Result<ExportReport, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }
}
