//! What the writer, the sealer and the readers of one journal share: which segments there are, and
//! how far the records are durable.

use crate::blob::Blobs;
use crate::epochs::Epochs;
use crate::segment::Segment;
use crate::shelf::{Shelf, TABLE};
use crate::verify::Problem;
use crate::{JournalError, Position};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) dir: PathBuf,
    pub(crate) blobs: Blobs,
    /// What was wrong when the journal was looked at, for a view that repairs nothing.
    pub(crate) findings: Vec<Problem>,
    /// Where the lines lie that are in no files.
    pub(crate) shelf: Option<Arc<dyn Shelf>>,
    state: RwLock<Snapshot>,
}

/// The journal at one moment. Segments are only ever added, and their records never change, so a
/// snapshot stays readable for as long as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    /// The last durable record.
    pub(crate) tip: Position,
    pub(crate) epochs: Arc<Epochs>,
}

impl Catalog {
    pub(crate) fn new(dir: PathBuf, blobs: Blobs, findings: Vec<Problem>, state: Snapshot) -> Self {
        Self { dir, blobs, findings, shelf: None, state: RwLock::new(state) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn tip(&self) -> Position {
        self.state.read().unwrap_or_else(PoisonError::into_inner).tip
    }

    /// Shows records to readers. Only after the sync that made them durable.
    pub(crate) fn publish(&self, tip: Position) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).tip = tip;
    }

    /// Starts a new epoch for what is written from now on. Only after the epochs are durable.
    pub(crate) fn enter(&self, epochs: Epochs) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).epochs = Arc::new(epochs);
    }

    pub(crate) fn add(&self, segment: Arc<Segment>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state.segments).push(segment);
    }
}

impl Snapshot {
    /// The error about a record, with the name of the file it should be in.
    pub(crate) fn damaged(&self, seq: u64, what: impl Into<String>) -> JournalError {
        let at = self.segments.partition_point(|segment| segment.first <= seq).saturating_sub(1);
        match self.segments.get(at) {
            Some(segment) => segment.damaged(seq, what),
            None => JournalError::Damaged { segment: TABLE.to_owned(), seq, what: what.into() },
        }
    }

    /// Which segment holds the record, by place in the list.
    pub(crate) fn locate(&self, seq: u64) -> Result<usize, JournalError> {
        let after = self.segments.partition_point(|segment| segment.first <= seq);
        after.checked_sub(1).ok_or_else(|| JournalError::Damaged {
            segment: crate::segment::name(seq),
            seq,
            what: "the file is missing".to_owned(),
        })
    }
}
