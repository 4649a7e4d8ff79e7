//! Reading: pages after a cursor, streaming replay, single records.
//!
//! **Only durable records are seen, and none that does not match its hashes.** Reading changes nothing.

use crate::blob::Blobs;
use crate::catalog::{Catalog, Snapshot};
use crate::segment::Segment;
use crate::survey::Survey;
use crate::walk::Walk;
use crate::{JournalError, Position, Record};
use model::{Cursor, SessionId};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Most records in one page.
pub const PAGE_MAX: usize = 10_000;
/// A page ends after the record that brings it over this many bytes of lines and blobs.
pub const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Sees the durable records of a journal. Cheap to clone; every call opens its own files.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) catalog: Arc<Catalog>,
}

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

/// Iterates over records; see [`Reader::replay`]. Ends after the first error.
#[derive(Debug)]
pub struct Replay {
    walk: Walk,
    /// Only records of these; all without.
    sessions: Option<BTreeSet<SessionId>>,
    failed: bool,
}

impl Iterator for Replay {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        loop {
            let record = match self.walk.next().transpose()? {
                Ok(step) if !is_wanted(self.sessions.as_ref(), step.line.session()) => continue,
                step => step.and_then(|step| step.record()),
            };
            self.failed = record.is_err();
            return Some(record);
        }
    }
}

/// What others are about is passed over with its payload unread.
fn is_wanted(sessions: Option<&BTreeSet<SessionId>>, session: Option<SessionId>) -> bool {
    sessions.is_none_or(|wanted| session.is_some_and(|session| wanted.contains(&session)))
}

impl Reader {
    /// A view of a journal nobody has open for writing, as it is on disk now. Changes nothing; what
    /// an opening writer would repair shows in [`Self::verify`].
    pub fn open(dir: &Path, blobs: &Path) -> Result<Self, JournalError> {
        let survey = Survey::of(dir)?;
        let findings = survey.problems();
        let segments = survey.segments.iter().map(|&first| Arc::new(Segment::new(first))).collect();
        let state =
            Snapshot { segments: Arc::new(segments), tip: survey.position, epochs: Arc::new(survey.epochs) };
        let catalog = Catalog::new(dir.to_owned(), Blobs::at(blobs), findings, state);
        Ok(Self { catalog: Arc::new(catalog) })
    }

    /// At most `limit` records that follow the cursor; never more than [`PAGE_MAX`], and fewer when
    /// they are large ([`PAGE_BYTES_MAX`]), but one at least if there is one and the limit is not 0.
    pub fn read_after(&self, cursor: Cursor, limit: usize) -> Result<ReadPage, JournalError> {
        let snapshot = self.catalog.snapshot();
        let newest = snapshot.tip.cursor;
        if !snapshot.epochs.know(cursor, newest) {
            return Ok(ReadPage::Reset { oldest: oldest(&snapshot), newest });
        }
        if cursor.seq == newest.seq || limit == 0 {
            return Ok(ReadPage::Records(Vec::new()));
        }
        let mut walk = Walk::new(Arc::clone(&self.catalog), snapshot, cursor.seq + 1)?;
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < limit.min(PAGE_MAX) && bytes < PAGE_BYTES_MAX {
            let Some(step) = walk.next()? else { break };
            let payload = step.payload().map_err(|fault| step.damaged(fault.to_string()))?;
            bytes += step.raw.len() + payload.len();
            let event = step.line.event(&payload)?;
            records.push(step.line.into_record(event));
        }
        Ok(ReadPage::Records(records))
    }

    /// Streams every record after the cursor that is durable now. A cursor that is not a record of
    /// this journal is [`JournalError::UnknownPosition`].
    pub fn replay(&self, after: Cursor) -> Result<Replay, JournalError> {
        let snapshot = self.catalog.snapshot();
        if !snapshot.epochs.know(after, snapshot.tip.cursor) {
            return Err(JournalError::UnknownPosition { after });
        }
        let walk = Walk::new(Arc::clone(&self.catalog), snapshot, after.seq + 1)?;
        Ok(Replay { walk, sessions: None, failed: false })
    }

    /// As [`Reader::replay`], of the records of these sessions alone.
    pub fn replay_of(&self, after: Cursor, sessions: BTreeSet<SessionId>) -> Result<Replay, JournalError> {
        Ok(Replay { sessions: Some(sessions), ..self.replay(after)? })
    }

    /// The record with this number.
    pub fn record_at(&self, seq: u64) -> Result<Option<Record>, JournalError> {
        let Some(mut walk) = self.walk_at(seq)? else { return Ok(None) };
        walk.next()?.map(|step| step.record()).transpose()
    }

    /// The position of the record with this number; [`Position::START`] for 0.
    pub fn position_at(&self, seq: u64) -> Result<Option<Position>, JournalError> {
        if seq == 0 {
            return Ok(Some(Position::START));
        }
        let Some(mut walk) = self.walk_at(seq)? else { return Ok(None) };
        Ok(walk.next()?.map(|step| step.line.position))
    }

    fn walk_at(&self, seq: u64) -> Result<Option<Walk>, JournalError> {
        let snapshot = self.catalog.snapshot();
        if seq == 0 || seq > snapshot.tip.cursor.seq {
            return Ok(None);
        }
        Walk::new(Arc::clone(&self.catalog), snapshot, seq).map(Some)
    }

    /// Of the last durable record.
    pub fn newest(&self) -> Position {
        self.catalog.tip()
    }

    /// The epoch new records are written in.
    pub fn epoch(&self) -> u64 {
        self.catalog.snapshot().epochs.current()
    }

    pub fn blobs(&self) -> &Blobs {
        &self.catalog.blobs
    }

    pub fn stats(&self) -> Result<JournalStats, JournalError> {
        let snapshot = self.catalog.snapshot();
        if let Some(shelf) = &self.catalog.shelf {
            return Ok(JournalStats { bytes: shelf.bytes()?, segments: 0, sealed: 0 });
        }
        let mut stats = JournalStats { bytes: 0, segments: snapshot.segments.len(), sealed: 0 };
        for segment in snapshot.segments.iter() {
            let sealed = segment.sealed(&self.catalog.dir);
            let plain = segment.plain(&self.catalog.dir);
            match fs::metadata(&plain) {
                Ok(found) => stats.bytes += found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let found = fs::metadata(&sealed);
                    stats.bytes += found.map_err(|error| JournalError::io("read", &sealed, error))?.len();
                    stats.sealed += 1;
                }
                Err(error) => return Err(JournalError::io("read", &plain, error)),
            }
        }
        Ok(stats)
    }
}

fn oldest(snapshot: &Snapshot) -> Cursor {
    match snapshot.segments.first() {
        // On a shelf nothing is ever cut off at the front.
        None if snapshot.tip.cursor.seq > 0 => Cursor { epoch: snapshot.epochs.of(1), seq: 1 },
        Some(segment) if segment.first <= snapshot.tip.cursor.seq => {
            Cursor { epoch: snapshot.epochs.of(segment.first), seq: segment.first }
        }
        _ => Cursor::START,
    }
}
