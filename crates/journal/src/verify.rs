//! Checks a whole journal: every hash, every number, every payload, every blob, every manifest.
//!
//! It goes on after a problem, so that one run names all of them.

use crate::catalog::{Catalog, Snapshot};
use crate::epochs::{EPOCHS_FILE, Epochs, Loaded};
use crate::line::{Fault, Line, Payload};
use crate::sealed::Manifest;
use crate::segment::{self, Listing, Segment, Taken};
use crate::shelf::{Shelf, TABLE};
use crate::{JournalError, Position, Reader, hex};
use std::collections::HashSet;
use std::fs::File;

/// Lines taken from a shelf at once.
const SHELF_PAGE: usize = 1_024;
/// Most problems in one report; there is one more that says so.
pub const PROBLEMS_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Sound records.
    pub records: u64,
    pub segments: u64,
    /// Sound blobs, referred to or not.
    pub blobs: u64,
    /// The last sound record; equals the newest one when nothing is wrong.
    pub head: Position,
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, as a sentence fragment a person reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Problem {
    /// A file: segment, blob or another.
    pub place: String,
    /// The record it is about.
    pub seq: Option<u64>,
    pub what: String,
}

impl Reader {
    /// Reads everything up to the newest durable record and checks it. Fails only when the folder itself cannot be read.
    pub fn verify(&self) -> Result<VerifyReport, JournalError> {
        let snapshot = self.catalog.snapshot();
        let mut check = Check {
            catalog: &self.catalog,
            snapshot: &snapshot,
            next: 1,
            prev: Some(Position::START.hash),
            left: 0,
            checked: HashSet::new(),
            report: VerifyReport {
                records: 0,
                segments: 0,
                blobs: 0,
                head: Position::START,
                problems: self.catalog.findings.clone(),
            },
        };
        for segment in snapshot.segments.iter() {
            check.segment(segment);
        }
        if let Some(shelf) = &self.catalog.shelf {
            check.shelf(&**shelf)?;
        }
        if check.report.head != snapshot.tip {
            let place =
                snapshot.segments.last().map_or_else(|| TABLE.to_owned(), |last| segment::name(last.first));
            let what =
                format!("the records end at {}, not at {}", check.report.head.cursor, snapshot.tip.cursor);
            check.problem(place, Some(check.next), what);
        }
        if self.catalog.shelf.is_none() {
            check.files()?;
        }
        check.blobs()?;
        Ok(check.report)
    }
}

struct Check<'a> {
    catalog: &'a Catalog,
    snapshot: &'a Snapshot,
    next: u64,
    prev: Option<[u8; 32]>,
    /// Records of the same write still to come.
    left: u32,
    checked: HashSet<[u8; 32]>,
    report: VerifyReport,
}

impl Check<'_> {
    fn problem(&mut self, place: String, seq: Option<u64>, what: String) {
        match self.report.problems.len() {
            ..PROBLEMS_MAX => self.report.problems.push(Problem { place, seq, what }),
            PROBLEMS_MAX => {
                let what = format!("more than {PROBLEMS_MAX} problems; the rest is not listed");
                self.report.problems.push(Problem { place, seq: None, what });
            }
            _ => {}
        }
    }

    fn shelf(&mut self, shelf: &dyn Shelf) -> Result<(), JournalError> {
        while self.next <= self.snapshot.tip.cursor.seq {
            let left = usize::try_from(self.snapshot.tip.cursor.seq + 1 - self.next).unwrap_or(usize::MAX);
            let lines = shelf.lines(self.next, left.min(SHELF_PAGE))?;
            if lines.is_empty() {
                break;
            }
            for bytes in lines {
                match Line::parse(bytes.as_bytes()) {
                    Ok(line) => self.line(&line, TABLE),
                    Err(fault) => {
                        let what = format!("record {}: {fault}", self.next);
                        self.problem(TABLE.to_owned(), Some(self.next), what);
                        self.next += 1;
                        self.prev = None;
                    }
                }
            }
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) {
        self.report.segments += 1;
        let place = segment::name(segment.first);
        if segment.first != self.next {
            let what =
                format!("records {} to {} are missing before it", self.next, segment.first.saturating_sub(1));
            self.problem(place.clone(), Some(self.next), what);
            self.next = segment.first;
            self.prev = None;
        }
        let (records, mut content) = (self.report.records, blake3::Hasher::new());
        if let Err(error) = self.lines(segment, &place, &mut content) {
            self.problem(place.clone(), Some(self.next), error.to_string());
            self.prev = None;
        }
        if !segment.plain(&self.catalog.dir).exists() {
            self.manifest(segment, place, self.report.records - records, content.finalize());
        }
    }

    fn lines(
        &mut self,
        segment: &Segment,
        place: &str,
        content: &mut blake3::Hasher,
    ) -> Result<(), JournalError> {
        let mut lines = segment.lines(&self.catalog.dir, segment.first)?;
        let mut bytes = Vec::new();
        while self.next <= self.snapshot.tip.cursor.seq {
            match lines.next(&mut bytes)? {
                Taken::Line => {}
                Taken::Unfinished => return Err(segment.damaged(self.next, "a line does not end")),
                Taken::End => break,
            }
            content.update(&bytes).update(b"\n");
            match Line::parse(&bytes) {
                Ok(line) => self.line(&line, place),
                Err(fault) => {
                    self.problem(place.to_owned(), Some(self.next), format!("record {}: {fault}", self.next));
                    self.next += 1;
                    self.prev = None;
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>, place: &str) {
        let seq = line.seq();
        let mut faults = Vec::new();
        if seq != self.next {
            faults.push(format!("it stands where record {} should", self.next));
        }
        if self.prev.is_some_and(|prev| prev != line.prev) {
            faults.push("it does not continue the record before it".to_owned());
        }
        if self.prev.is_some() && self.left > 0 && line.more() != self.left - 1 {
            faults.push("the write it belongs to is not whole".to_owned());
        }
        if self.snapshot.epochs.of(seq) != line.position.cursor.epoch {
            faults.push(format!("epoch {} has no such record", line.position.cursor.epoch));
        }
        match self.payload(line) {
            Ok(()) => {}
            Err(fault) => faults.push(fault),
        }
        self.next = seq.saturating_add(1);
        self.prev = Some(line.position.hash);
        self.left = line.more();
        if faults.is_empty() {
            self.report.records += 1;
            self.report.head = line.position;
        }
        for fault in faults {
            self.problem(place.to_owned(), Some(seq), format!("record {seq}: {fault}"));
        }
    }

    fn payload(&mut self, line: &Line<'_>) -> Result<(), String> {
        let content;
        let payload = match line.payload {
            Payload::Inline(payload) => payload,
            Payload::Blob(hash) => {
                let known = !self.checked.insert(hash);
                let read = self.catalog.blobs.read(&hash);
                self.report.blobs += u64::from(!known && read.is_ok());
                content = read.map_err(|fault| fault.to_string())?;
                std::str::from_utf8(&content).map_err(|_| Fault::Commitment.to_string())?
            }
        };
        line.check(payload.as_bytes()).map_err(|fault| fault.to_string())?;
        line.event(payload).map(|_| ()).map_err(|error| error.to_string())
    }

    fn manifest(&mut self, segment: &Segment, place: String, records: u64, content: blake3::Hash) {
        match manifest_now(segment, self.catalog) {
            Err(error) => self.problem(place, None, error.to_string()),
            // Closed and compressed since the snapshot was taken: read only up to the snapshot's end.
            Ok(manifest) if manifest.last > self.snapshot.tip.cursor.seq => {}
            Ok(manifest) => {
                let agrees = manifest.content == *content.as_bytes()
                    && manifest.records == records
                    && manifest.last.saturating_add(1) == self.next
                    && Some(manifest.hash) == self.prev;
                if !agrees {
                    self.problem(place, None, "its manifest does not match its records".to_owned());
                }
            }
        }
    }

    /// Files beside the segments in use: what the folder holds must be what was read.
    fn files(&mut self) -> Result<(), JournalError> {
        let known: HashSet<u64> = self.snapshot.segments.iter().map(|segment| segment.first).collect();
        let newest = self.snapshot.tip.cursor.seq;
        for first in Listing::read(&self.catalog.dir)?.firsts() {
            // A segment may have been started since the snapshot was taken.
            if !known.contains(&first) && first <= newest {
                self.problem(segment::name(first), None, "it is not part of the journal".to_owned());
            }
        }
        match Epochs::load(&self.catalog.dir) {
            Ok(Loaded::Good(epochs)) if epochs.as_slice() == self.snapshot.epochs.as_slice() => {}
            // A view that gathered the epochs itself has said so among its findings.
            _ if self.catalog.findings.iter().any(|finding| finding.place == EPOCHS_FILE) => {}
            _ => self.problem(
                EPOCHS_FILE.to_owned(),
                None,
                "it is not what it was when the journal was opened".to_owned(),
            ),
        }
        Ok(())
    }

    /// Blobs no record refers to: others keep images and artifacts here.
    fn blobs(&mut self) -> Result<(), JournalError> {
        for (hash, _) in self.catalog.blobs.list()? {
            if !self.checked.insert(hash) {
                continue;
            }
            match self.catalog.blobs.read(&hash) {
                Ok(_) => self.report.blobs += 1,
                Err(fault) => self.problem(format!("blob {}", hex::encode(&hash)), None, fault.to_string()),
            }
        }
        Ok(())
    }
}

/// The manifest as it is on the disk now, not as it was when it was first needed.
fn manifest_now(segment: &Segment, catalog: &Catalog) -> Result<Manifest, JournalError> {
    let path = segment.sealed(&catalog.dir);
    let file = File::open(&path).map_err(|error| JournalError::io("open", &path, error))?;
    Manifest::read(&file, segment.first)
}
