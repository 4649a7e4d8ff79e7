//! Looks at a journal's folder before anybody uses it: where the sound records end, and what is
//! wrong behind that. Changes nothing.
//!
//! **The end is always the end of a write:** of a write that is not whole, nothing counts.

use crate::epochs::{Epoch, Epochs, Loaded};
use crate::line::Line;
use crate::mark::Mark;
use crate::segment::{self, Listing, Segment, Taken};
use crate::tail::{self, Active, Stop};
use crate::verify::Problem;
use crate::{JournalError, Position};
use model::Cursor;
use std::fs::File;
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Survey {
    /// First numbers of all segments, in order.
    pub(crate) segments: Vec<u64>,
    /// Segments whose compression was finished but not cleaned up after.
    pub(crate) doubled: Vec<u64>,
    pub(crate) epochs: Epochs,
    /// Why the epochs had to be gathered from the records.
    pub(crate) epochs_fault: Option<&'static str>,
    /// The last sound record.
    pub(crate) position: Position,
    /// The last segment, unless it is sealed or there is none.
    pub(crate) active: Option<Active>,
    pub(crate) fault: Option<TailFault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TailFault {
    /// Bytes behind the end that were never durable as far as anybody knows.
    Torn { why: String },
    /// Records that were durable are not there any more.
    Lost { known: Cursor },
    /// Bytes that were durable are there and are wrong.
    Damaged { why: String },
}

impl Survey {
    pub(crate) fn of(dir: &Path) -> Result<Self, JournalError> {
        let listing = Listing::read(dir)?;
        let mark = Mark::load(dir)?;
        let segments = listing.firsts();
        let (active, mut position) = match segments.split_last() {
            None => (None, Some(Position::START)),
            Some((&last, _)) if listing.plain.binary_search(&last).is_ok() => {
                let (active, position, stop) = tail::scan(dir, last, mark)?;
                (Some((active, stop)), position)
            }
            Some((&last, _)) => (None, Some(end_of(dir, last)?)),
        };
        // A segment without a sound record: the one before it has the last.
        if position.is_none() {
            position = segments.iter().rev().nth(1).map(|&before| end_of(dir, before)).transpose()?;
        }
        let position = position.unwrap_or(Position::START);
        let (active, stop) = active.map_or((None, None), |(active, stop)| (Some(active), stop));
        let fault = judge(dir, active.as_ref(), stop, mark, position)?;
        let (epochs, epochs_fault) = epochs(dir, &segments, mark, position)?;
        let doubled = listing.doubled().collect();
        Ok(Self { segments, doubled, epochs, epochs_fault, position, active, fault })
    }

    /// What a repair would set right, in words.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let place = self.segments.last().map_or_else(|| "journal".to_owned(), |&last| segment::name(last));
        let next = Some(self.position.cursor.seq + 1);
        let tail = self.fault.as_ref().map(|fault| match fault {
            TailFault::Torn { why } => format!("the tail is torn: {why}"),
            TailFault::Lost { known } => format!("records up to {known} were durable and are gone"),
            TailFault::Damaged { why } => format!("durable bytes are damaged: {why}"),
        });
        let tail = tail.map(|what| Problem { place, seq: next, what });
        let epochs = self.epochs_fault.map(|what| Problem {
            place: crate::epochs::EPOCHS_FILE.to_owned(),
            seq: None,
            what: what.to_owned(),
        });
        tail.into_iter().chain(epochs).collect()
    }
}

/// The last record of a segment that is not written any more.
fn end_of(dir: &Path, first: u64) -> Result<Position, JournalError> {
    let segment = Segment::new(first);
    let path = segment.plain(dir);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let manifest = segment.manifest(dir)?;
            let cursor = Cursor { epoch: manifest.last_epoch, seq: manifest.last };
            return Ok(Position { cursor, hash: manifest.hash });
        }
        Err(error) => return Err(JournalError::io("open", &path, error)),
    };
    file.metadata()
        .and_then(|found| segment::record_ending_at(&file, found.len()))
        .map_err(|error| JournalError::io("read", &path, error))?
        .ok_or_else(|| segment.damaged(first, "its last record is damaged"))
}

/// Holds what was found against what the mark says was durable.
fn judge(
    dir: &Path,
    active: Option<&Active>,
    stop: Option<Stop>,
    mark: Option<Mark>,
    position: Position,
) -> Result<Option<TailFault>, JournalError> {
    let sound_behind = stop.as_ref().is_some_and(|stop| stop.sound_behind);
    let why = stop.map(|stop| stop.why);
    let torn = why.clone().map(|why| TailFault::Torn { why });
    let Some(mark) = mark else { return Ok(torn) };
    let lost = TailFault::Lost { known: mark.position.cursor };
    let Some(active) = active.filter(|active| active.first == mark.segment) else {
        // The mark is of a segment before: what it names must be at or before the end.
        return Ok(if position.cursor.seq < mark.position.cursor.seq { Some(lost) } else { torn });
    };
    if active.end < mark.offset {
        return Ok(match why {
            Some(why) if sound_behind || active.len >= mark.offset => Some(TailFault::Damaged { why }),
            _ => Some(lost),
        });
    }
    if mark.offset == 0 {
        return Ok(torn);
    }
    let path = segment::plain_path(dir, active.first);
    let found = File::open(&path).and_then(|file| segment::record_ending_at(&file, mark.offset));
    let found = found.map_err(|error| JournalError::io("read", &path, error))?;
    Ok(if found == Some(mark.position) { torn } else { Some(lost) })
}

fn epochs(
    dir: &Path,
    segments: &[u64],
    mark: Option<Mark>,
    position: Position,
) -> Result<(Epochs, Option<&'static str>), JournalError> {
    let fault = match Epochs::load(dir)? {
        Loaded::Good(epochs) if position.cursor.seq == 0 => return Ok((epochs, None)),
        Loaded::Good(epochs) if epochs.of(position.cursor.seq) == position.cursor.epoch => {
            return Ok((epochs, None));
        }
        Loaded::Good(_) => "it does not know the epoch of the last record",
        Loaded::Damaged => "it does not match its hash",
        Loaded::Missing if segments.is_empty() && mark.is_none() => return Ok((Epochs::first(), None)),
        Loaded::Missing => "it is missing",
    };
    Ok((gather_epochs(dir, segments, mark)?, Some(fault)))
}

/// Reads the epochs from the records themselves, passing over what cannot be read.
fn gather_epochs(dir: &Path, segments: &[u64], mark: Option<Mark>) -> Result<Epochs, JournalError> {
    let mut found: Vec<Epoch> = Vec::new();
    let mut see = |at: Cursor| {
        if found.last().is_none_or(|last| last.epoch < at.epoch && last.first <= at.seq) {
            found.push(Epoch { epoch: at.epoch, first: at.seq });
        }
    };
    for &first in segments {
        let mut lines = Segment::new(first).lines(dir, first)?;
        let mut bytes = Vec::new();
        while lines.next(&mut bytes)? == Taken::Line {
            if let Ok(line) = Line::parse(&bytes) {
                see(line.position.cursor);
            }
        }
    }
    if let Some(mark) = mark.filter(|mark| mark.position.cursor.seq > 0) {
        see(mark.position.cursor);
    }
    Ok(Epochs::from_records(found))
}
