//! Looks at a journal's folder before anybody uses it: where the sound records end, and what is
//! wrong behind that. Changes nothing.
//!
//! **The end is always the end of a write:** of a write that is not whole, nothing counts.

use crate::epochs::{Epoch, Epochs, Loaded};
use crate::line::{LINE_MAX, Line, Payload};
use crate::mark::Mark;
use crate::segment::{self, INDEX_EVERY, Listing, Segment, Taken};
use crate::verify::Problem;
use crate::{JournalError, Position};
use model::Cursor;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
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

#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) first: u64,
    /// Where the sound records end.
    pub(crate) end: u64,
    /// Where the file ends.
    pub(crate) len: u64,
    /// (number, offset) of some records.
    pub(crate) index: Vec<(u64, u64)>,
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
                let (active, position, why) = scan_active(dir, last, mark)?;
                (Some((active, why)), position)
            }
            Some((&last, _)) => (None, Some(end_of(dir, last)?)),
        };
        // A segment without a sound record: the one before it has the last.
        if position.is_none() {
            position = segments.iter().rev().nth(1).map(|&before| end_of(dir, before)).transpose()?;
        }
        let position = position.unwrap_or(Position::START);
        let (active, why) = active.map_or((None, None), |(active, why)| (Some(active), why));
        let fault = judge(dir, active.as_ref(), why, mark, position)?;
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

type Scanned = (Active, Option<Position>, Option<String>);

/// Finds the end of the sound records in the segment that is still written: from the mark when it
/// fits, else from the start.
fn scan_active(dir: &Path, first: u64, mark: Option<Mark>) -> Result<Scanned, JournalError> {
    let path = segment::plain_path(dir, first);
    let failed = |error| JournalError::io("read", &path, error);
    let file = File::open(&path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut scan = Scan::from_start(first);
    if let Some(mark) = mark.filter(|mark| mark.segment == first && mark.offset <= len) {
        if mark.offset == 0 {
            scan.prev = Some(mark.position.hash);
        } else if segment::record_ending_at(&file, mark.offset).map_err(failed)? == Some(mark.position) {
            scan = Scan::after(mark);
        }
    }
    let why = scan.run(&file).map_err(failed)?;
    Ok((Active { first, end: scan.end, len, index: scan.index }, scan.position, why))
}

struct Scan {
    next: u64,
    prev: Option<[u8; 32]>,
    /// End of the last whole write.
    end: u64,
    position: Option<Position>,
    index: Vec<(u64, u64)>,
}

impl Scan {
    fn from_start(first: u64) -> Self {
        Self { next: first, prev: None, end: 0, position: None, index: Vec::new() }
    }

    fn after(mark: Mark) -> Self {
        Self {
            next: mark.position.cursor.seq + 1,
            prev: Some(mark.position.hash),
            end: mark.offset,
            position: Some(mark.position),
            index: vec![(mark.position.cursor.seq + 1, mark.offset)],
        }
    }

    /// Reads on to the end of the file; says why, when it stopped before.
    fn run(&mut self, mut file: &File) -> io::Result<Option<String>> {
        file.seek(SeekFrom::Start(self.end))?;
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut bytes = Vec::new();
        let mut offset = self.end;
        let mut left = 0;
        loop {
            match segment::take_line(&mut reader, &mut bytes, LINE_MAX as u64)? {
                Taken::Line => {}
                Taken::Unfinished => return Ok(Some("the last line does not end".to_owned())),
                Taken::End if left > 0 => return Ok(Some("the last write is not whole".to_owned())),
                Taken::End => return Ok(None),
            }
            let line = match self.accept(&bytes, left) {
                Ok(line) => line,
                Err(why) => return Ok(Some(format!("record {}: {why}", self.next))),
            };
            let (position, more) = (line.position, line.more());
            if left == 0 && self.index.last().is_none_or(|&(_, last)| last + INDEX_EVERY <= offset) {
                self.index.push((self.next, offset));
            }
            offset += bytes.len() as u64 + 1;
            self.next += 1;
            self.prev = Some(position.hash);
            left = more;
            if more == 0 {
                self.end = offset;
                self.position = Some(position);
            }
        }
    }

    fn accept<'a>(&self, bytes: &'a [u8], left: u32) -> Result<Line<'a>, String> {
        let line = Line::parse(bytes).map_err(|fault| fault.to_string())?;
        if line.seq() != self.next {
            return Err(format!("it has the number {}", line.seq()));
        }
        if self.prev.is_some_and(|prev| prev != line.prev) {
            return Err("it does not continue the record before it".to_owned());
        }
        if left > 0 && line.more() != left - 1 {
            return Err("the write it belongs to is not whole".to_owned());
        }
        if let Payload::Inline(payload) = line.payload {
            line.check(payload.as_bytes()).map_err(|fault| fault.to_string())?;
        }
        Ok(line)
    }
}

/// Holds what was found against what the mark says was durable.
fn judge(
    dir: &Path,
    active: Option<&Active>,
    why: Option<String>,
    mark: Option<Mark>,
    position: Position,
) -> Result<Option<TailFault>, JournalError> {
    let torn = why.map(|why| TailFault::Torn { why });
    let Some(mark) = mark else { return Ok(torn) };
    let lost = TailFault::Lost { known: mark.position.cursor };
    let Some(active) = active.filter(|active| active.first == mark.segment) else {
        // The mark is of a segment before: what it names must be at or before the end.
        return Ok(if position.cursor.seq < mark.position.cursor.seq { Some(lost) } else { torn });
    };
    if active.end < mark.offset {
        return Ok(match torn {
            Some(TailFault::Torn { why }) if active.len >= mark.offset => Some(TailFault::Damaged { why }),
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
