//! The one writer.

use crate::{Draft, JournalError, Position, Reader, Record};
use model::{Clock, Entropy, JournalRepair};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A segment that has reached this size is closed, and the next write starts a new one.
    pub segment_bytes: u64,
    /// Payloads over this many bytes become blobs.
    pub blob_threshold: usize,
    /// Size of the file that is given up when the disk is full; 0 for none.
    pub reserve_bytes: u64,
    /// Cut the journal at damage inside what was durable, instead of refusing to open. The cut bytes
    /// are kept in a side file. Only on a person's explicit order.
    pub cut_damage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            blob_threshold: 4096,
            reserve_bytes: 4 * 1024 * 1024,
            cut_damage: false,
        }
    }
}

#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    /// Set when the tail was torn or records that had been durable are gone. The epoch has risen;
    /// the caller appends it as a `journal.repaired` event.
    pub repaired: Option<JournalRepair>,
}

/// The single writer. Holds a lock on its directory for as long as it lives.
#[derive(Debug)]
pub struct Journal {
    reader: Reader,
}

impl Journal {
    pub fn open(
        _dir: &Path,
        _blobs: &Path,
        _clock: Arc<dyn Clock>,
        _entropy: Arc<dyn Entropy>,
        _options: Options,
    ) -> Result<Opened, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Stamps, chains and writes the drafts. They are not durable yet and no reader sees them, but
    /// after a crash either all of them remain or none. On [`JournalError::Full`] and on refused
    /// drafts nothing was written and the journal stays usable.
    pub fn write(&mut self, _drafts: &[Draft]) -> Result<Vec<Record>, JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Drops the records after `to` that were not synced yet. `to` is the last record of a write,
    /// or the durable position.
    pub fn rewind(&mut self, _to: Position) -> Result<(), JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// Makes everything written durable with one fdatasync, and shows it to readers.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        Err(JournalError::Poisoned("not built yet".to_owned()))
    }

    /// [`Self::write`] and [`Self::sync`].
    pub fn append(&mut self, drafts: &[Draft]) -> Result<Vec<Record>, JournalError> {
        let records = self.write(drafts)?;
        self.sync()?;
        Ok(records)
    }

    /// Of the last written record.
    pub fn position(&self) -> Position {
        Position::START
    }

    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Waits until every closed segment is compressed.
    pub fn wait_sealed(&self) {}

    /// Gives up the reserve file, so that what must be recorded on a full disk can be. True when
    /// there was one.
    pub fn spend_reserve(&mut self) -> bool {
        false
    }

    /// Makes the reserve file again. True when it is there.
    pub fn restock_reserve(&mut self) -> bool {
        false
    }
}
