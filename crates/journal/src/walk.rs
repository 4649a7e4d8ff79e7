//! Walks over the lines of a journal in order, across segments, and trusts none of them.
//!
//! Every line is held against its own hash, the hash before it and the number it should have.

use crate::catalog::{Catalog, Snapshot};
use crate::line::{Fault, Line, Payload, peek_seq};
use crate::segment::{Lines, Taken};
use crate::shelf::Shelf;
use crate::{JournalError, Position, Record};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Walk {
    catalog: Arc<Catalog>,
    snapshot: Snapshot,
    segment: usize,
    lines: Option<Lines>,
    /// Number the next line must have.
    next: u64,
    /// Hash the next line must continue; unknown before the first.
    prev: Option<[u8; 32]>,
    line: Vec<u8>,
    /// Lines taken from the shelf ahead, and how many to take next time.
    taken: VecDeque<String>,
    ahead: usize,
}

/// Lines taken from a shelf at once: few for who asks for one record, many for who reads on.
const AHEAD_MIN: usize = 16;
const AHEAD_MAX: usize = 1_024;

impl Walk {
    /// Starts with record `from` (1 or more) and ends with the last durable one.
    pub(crate) fn new(catalog: Arc<Catalog>, snapshot: Snapshot, from: u64) -> Result<Self, JournalError> {
        let mut walk = Self {
            catalog,
            snapshot,
            segment: 0,
            lines: None,
            next: from,
            prev: (from == 1).then_some(Position::START.hash),
            line: Vec::new(),
            taken: VecDeque::new(),
            ahead: AHEAD_MIN,
        };
        if from <= walk.snapshot.tip.cursor.seq && walk.catalog.shelf.is_some() {
            walk.begin_before(from)?;
        } else if from <= walk.snapshot.tip.cursor.seq {
            walk.segment = walk.snapshot.locate(from)?;
            walk.skip_to(from)?;
        }
        Ok(walk)
    }

    /// On a shelf: reads the record before whole, so that the chain is checked from the first one on.
    fn begin_before(&mut self, from: u64) -> Result<(), JournalError> {
        if from == 1 {
            return Ok(());
        }
        self.next = from - 1;
        self.take()?;
        let line = Line::parse(&self.line).map_err(|fault| self.damaged(fault.to_string()))?;
        if line.seq() != self.next {
            return Err(self.damaged("the record before it is missing".to_owned()));
        }
        self.prev = Some(line.position.hash);
        self.next = from;
        Ok(())
    }

    fn damaged(&self, what: String) -> JournalError {
        self.snapshot.damaged(self.next, what)
    }

    fn take_from(&mut self, shelf: &dyn Shelf) -> Result<(), JournalError> {
        if self.taken.is_empty() {
            let left = usize::try_from(self.snapshot.tip.cursor.seq + 1 - self.next).unwrap_or(usize::MAX);
            self.taken = shelf.lines(self.next, self.ahead.min(left))?.into();
            self.ahead = (self.ahead * 4).min(AHEAD_MAX);
        }
        let line = self.taken.pop_front();
        self.line = line.ok_or_else(|| self.damaged("the record is missing".to_owned()))?.into_bytes();
        Ok(())
    }

    fn skip_to(&mut self, from: u64) -> Result<(), JournalError> {
        let segment = Arc::clone(&self.snapshot.segments[self.segment]);
        if segment.first == from {
            return Ok(());
        }
        // The record before is read whole, so that the chain is checked from the first one on.
        let mut lines = segment.lines(&self.catalog.dir, from - 1)?;
        loop {
            if lines.next(&mut self.line)? != Taken::Line {
                return Err(segment.damaged(from, "the record is missing"));
            }
            match peek_seq(&self.line) {
                Some(seq) if seq < from - 1 => {}
                Some(seq) if seq == from - 1 => {
                    let line = Line::parse(&self.line).map_err(|e| segment.damaged(seq, e.to_string()))?;
                    self.prev = Some(line.position.hash);
                    self.lines = Some(lines);
                    return Ok(());
                }
                _ => return Err(segment.damaged(from, "the record before it is missing")),
            }
        }
    }

    /// The next line, or none after the last durable record.
    pub(crate) fn next(&mut self) -> Result<Option<Step<'_>>, JournalError> {
        if self.next > self.snapshot.tip.cursor.seq {
            return Ok(None);
        }
        self.take()?;
        let damaged = |what: String| self.snapshot.damaged(self.next, what);
        let line = Line::parse(&self.line).map_err(|fault| damaged(fault.to_string()))?;
        if line.seq() != self.next {
            return Err(damaged(format!("it has the number {}", line.seq())));
        }
        if self.prev.is_some_and(|prev| prev != line.prev) {
            return Err(damaged("it does not continue the record before it".to_owned()));
        }
        self.prev = Some(line.position.hash);
        self.next += 1;
        Ok(Some(Step { line, raw: &self.line, catalog: &self.catalog, snapshot: &self.snapshot }))
    }

    fn take(&mut self) -> Result<(), JournalError> {
        if let Some(shelf) = self.catalog.shelf.clone() {
            return self.take_from(&*shelf);
        }
        loop {
            let Some(segment) = self.snapshot.segments.get(self.segment) else {
                let last = self.snapshot.segments.last();
                return Err(last.map_or_else(
                    || JournalError::Damaged {
                        segment: crate::segment::name(self.next),
                        seq: self.next,
                        what: "the file is missing".to_owned(),
                    },
                    |last| last.damaged(self.next, "the record is missing"),
                ));
            };
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None => {
                    if segment.first != self.next {
                        return Err(segment.damaged(self.next, "the segment with this record is missing"));
                    }
                    self.lines.insert(segment.lines(&self.catalog.dir, segment.first)?)
                }
            };
            match lines.next(&mut self.line)? {
                Taken::Line => return Ok(()),
                Taken::Unfinished => return Err(segment.damaged(self.next, "its line does not end")),
                Taken::End => {
                    self.lines = None;
                    self.segment += 1;
                }
            }
        }
    }
}

/// One line of a walk.
pub(crate) struct Step<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) raw: &'a [u8],
    catalog: &'a Catalog,
    snapshot: &'a Snapshot,
}

impl<'a> Step<'a> {
    /// The payload, from the line or its blob, checked against the commitment.
    pub(crate) fn payload(&self) -> Result<Cow<'a, str>, Fault> {
        let payload = match self.line.payload {
            Payload::Inline(payload) => Cow::Borrowed(payload),
            Payload::Blob(hash) => {
                let content = self.catalog.blobs.read(&hash)?;
                Cow::Owned(String::from_utf8(content).map_err(|_| Fault::Commitment)?)
            }
        };
        self.line.check(payload.as_bytes())?;
        Ok(payload)
    }

    pub(crate) fn record(self) -> Result<Record, JournalError> {
        let payload = self.payload().map_err(|fault| self.damaged(fault.to_string()))?;
        let event = self.line.event(&payload)?;
        Ok(self.line.into_record(event))
    }

    pub(crate) fn damaged(&self, what: String) -> JournalError {
        self.snapshot.damaged(self.line.seq(), what)
    }
}
