//! A journal that is kept elsewhere than in files: in the table of a database.
//!
//! The lines are the same, byte for byte, and so are the chain, the commitments and the checks of every read. What is
//! elsewhere is where lines lie and what makes them durable: whoever keeps the shelf puts the lines of a [`Scribe`]
//! there in a transaction of its own and publishes them after its COMMIT. **Readers see what was published.**

use crate::blob::Blobs;
use crate::catalog::{Catalog, Snapshot};
use crate::epochs::{Epoch, Epochs};
use crate::line::INLINE_MAX;
use crate::scribe::{payload_of, stamp};
use crate::{Draft, JournalError, Options, Position, Reader, Record};
use model::{Clock, Entropy};
use std::path::PathBuf;
use std::sync::Arc;

/// What stands in errors where a segment's file would.
pub(crate) const TABLE: &str = "the journal's table";

/// Where lines and blobs lie.
pub trait Shelf: Send + Sync + std::fmt::Debug {
    /// The lines of the records from this number on, without their newlines, in order; at most so many.
    fn lines(&self, from: u64, most: usize) -> Result<Vec<String>, JournalError>;
    fn blob(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, JournalError>;
    /// Durable on return. One that is there already stays.
    fn put_blobs(&self, blobs: &[NamedBlob<'_>]) -> Result<(), JournalError>;
    /// Every blob with its size, in the order of names.
    fn blobs(&self) -> Result<Vec<([u8; 32], u64)>, JournalError>;
    /// Bytes of all lines, without blobs.
    fn bytes(&self) -> Result<u64, JournalError>;
}

/// A blob and the hash it goes by.
#[derive(Debug, Clone, Copy)]
pub struct NamedBlob<'a> {
    pub hash: [u8; 32],
    pub content: &'a [u8],
}

/// How far a journal has come that lies on a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    pub tip: Position,
    /// Each epoch with the number of its first record, in order.
    pub epochs: Vec<(u64, u64)>,
}

/// A line that is to be put on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub position: Position,
    pub line: String,
    /// The payload, when the line only names it.
    pub blob: Option<([u8; 32], String)>,
}

/// Stamps and chains records for a shelf. The one writer has it.
pub struct Scribe {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    threshold: usize,
    position: Position,
    /// Not published yet, oldest first.
    pending: Vec<Written>,
    lines: Vec<u8>,
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Scribe {
    pub fn new(
        shelf: Arc<dyn Shelf>,
        shelved: &Shelved,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: &Options,
    ) -> Self {
        let catalog = Arc::new(catalog(shelf, shelved));
        let threshold = options.blob_threshold.min(INLINE_MAX);
        Self {
            catalog,
            clock,
            entropy,
            threshold,
            position: shelved.tip,
            pending: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Stamps and chains the drafts. Nobody sees them before [`Self::publish`].
    pub fn write(&mut self, drafts: &[Draft]) -> Result<Vec<Record>, JournalError> {
        let payloads = drafts.iter().map(payload_of).collect::<Result<Vec<_>, _>>()?;
        let blobs: Vec<Option<[u8; 32]>> = payloads
            .iter()
            .map(|payload| {
                (payload.len() > self.threshold).then(|| *blake3::hash(payload.as_bytes()).as_bytes())
            })
            .collect();
        self.lines.clear();
        let epoch = self.catalog.snapshot().epochs.current();
        let records = stamp(
            &mut self.lines,
            drafts,
            &payloads,
            &blobs,
            (epoch, self.position),
            (&*self.clock, &*self.entropy),
        )
        .map_err(|error| JournalError::io("encode a record for", TABLE.as_ref(), error))?;
        let lines = std::str::from_utf8(&self.lines).unwrap_or_default().lines();
        for (((record, line), payload), blob) in records.iter().zip(lines).zip(payloads).zip(blobs) {
            self.pending.push(Written {
                position: record.position,
                line: line.to_owned(),
                blob: blob.map(|hash| (hash, payload)),
            });
        }
        self.position = records.last().map_or(self.position, |last| last.position);
        Ok(records)
    }

    /// What was written and not published, oldest first.
    pub fn pending(&self) -> &[Written] {
        &self.pending
    }

    /// Drops what was written after `to`.
    pub fn rewind(&mut self, to: Position) {
        self.pending.retain(|written| written.position.cursor.seq <= to.cursor.seq);
        self.position = to;
    }

    /// Shows what was written to readers: it is durable.
    pub fn publish(&mut self) {
        self.pending.clear();
        self.catalog.publish(self.position);
    }

    /// Of the last written record.
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn reader(&self) -> Reader {
        Reader { catalog: Arc::clone(&self.catalog) }
    }
}

impl Reader {
    /// A view of a journal on a shelf, as it is now.
    pub fn of(shelf: Arc<dyn Shelf>, shelved: &Shelved) -> Self {
        Self { catalog: Arc::new(catalog(shelf, shelved)) }
    }

    /// Every durable record as its line, checked like by [`Self::replay`], with its payload where the line only names it.
    pub fn each_line<E: From<JournalError>>(
        &self,
        mut each: impl FnMut(Written) -> Result<(), E>,
    ) -> Result<Position, E> {
        let snapshot = self.catalog.snapshot();
        let tip = snapshot.tip;
        let mut walk = crate::walk::Walk::new(Arc::clone(&self.catalog), snapshot, 1)?;
        while let Some(step) = walk.next()? {
            let payload = step.payload().map_err(|fault| step.damaged(fault.to_string()))?;
            let blob = step.line.blob().map(|hash| (hash, payload.into_owned()));
            let line = String::from_utf8_lossy(step.raw).into_owned();
            each(Written { position: step.line.position, line, blob })?;
        }
        Ok(tip)
    }

    /// Each epoch with the number of its first record, in order.
    pub fn epochs(&self) -> Vec<(u64, u64)> {
        let snapshot = self.catalog.snapshot();
        snapshot.epochs.as_slice().iter().map(|epoch| (epoch.epoch, epoch.first)).collect()
    }
}

fn catalog(shelf: Arc<dyn Shelf>, shelved: &Shelved) -> Catalog {
    let epochs = shelved.epochs.iter().map(|&(epoch, first)| Epoch { epoch, first }).collect();
    let state = Snapshot {
        segments: Arc::default(),
        tip: shelved.tip,
        epochs: Arc::new(Epochs::from_records(epochs)),
    };
    let blobs = Blobs::on(Arc::clone(&shelf));
    let mut catalog = Catalog::new(PathBuf::from(TABLE), blobs, Vec::new(), state);
    catalog.shelf = Some(shelf);
    catalog
}
