//! The one writer: stamps, chains, writes and syncs.
//!
//! **Nothing is shown before the sync that makes it durable, and nothing is shown after a sync that
//! failed.** A write that fails for lack of room leaves no trace.

mod open;

use crate::catalog::Catalog;
use crate::epochs::Epochs;
use crate::line::INLINE_MAX;
use crate::mark::{MARK_EVERY, MARK_FILE, Mark};
use crate::reserve::Reserve;
use crate::scribe::{payload_of, stamp};
use crate::sealer::Sealer;
use crate::segment::Segment;
use crate::{Draft, JournalError, Position};
use crate::{Reader, Record, disk, error};
use model::{Clock, Cursor, Entropy, JournalRepair};
#[cfg(target_os = "linux")]
use rustix::fs::Advice;
use std::fs::File;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A segment that has reached this size is closed, and the next write starts a new one.
    pub segment_bytes: u64,
    /// Payloads over this many bytes become blobs; at most 512 KiB count.
    pub blob_threshold: usize,
    /// Size of the file that is given up when the disk is full; 0 for none. Beside it is one of an
    /// eighth of that, of 512 KiB at most.
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
    /// the caller appends it as a `journal.repaired` event. `side_file` is empty when there were no
    /// bytes to keep.
    pub repaired: Option<JournalRepair>,
}

/// The single writer. Holds a lock on its directory for as long as it lives.
pub struct Journal {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: Options,
    epoch: u64,
    segment: Arc<Segment>,
    file: File,
    /// The last written record, and where it ends in the file.
    position: Position,
    end: u64,
    /// Writes that are not durable yet, oldest first.
    pending: Vec<Pending>,
    /// Where the last durable record ends in the file.
    durable_end: u64,
    /// `durable_end` when the mark was last saved.
    marked_end: u64,
    poisoned: Option<String>,
    lines: Vec<u8>,
    reserve: Reserve,
    margin: Reserve,
    sealer: Sealer,
    /// Locked; the lock goes with the file.
    _lock: File,
}

/// One write that is not durable yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    first: u64,
    start: u64,
    position: Position,
    end: u64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dir", &self.catalog.dir).field("position", &self.position).finish()
    }
}

impl Journal {
    /// Stamps, chains and writes the drafts. They are not durable yet and no reader sees them, but
    /// after a crash either all of them remain or none. On [`JournalError::Full`] and on refused
    /// drafts nothing was written and the journal stays usable.
    pub fn write(&mut self, drafts: &[Draft]) -> Result<Vec<Record>, JournalError> {
        self.check_sound()?;
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let payloads = drafts.iter().map(payload_of).collect::<Result<Vec<_>, _>>()?;
        self.rotate_if_due()?;
        let blobs = self.store_blobs(&payloads)?;
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let written = self.encode(drafts, &payloads, &blobs, &mut lines);
        let written = written.and_then(|records| self.put(&lines).map(|()| records));
        lines.shrink_to(KEPT_BUFFER);
        self.lines = lines;
        let records = written?;
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            let start = self.pending.last().map_or(self.durable_end, |pending| pending.end);
            self.position = last.position;
            let first = first.position.cursor.seq;
            self.pending.push(Pending { first, start, position: self.position, end: self.end });
        }
        Ok(records)
    }

    fn encode(
        &self,
        drafts: &[Draft],
        payloads: &[String],
        blobs: &[Option<[u8; 32]>],
        lines: &mut Vec<u8>,
    ) -> Result<Vec<Record>, JournalError> {
        let (place, sources) = ((self.epoch, self.position), (&*self.clock, &*self.entropy));
        stamp(lines, drafts, payloads, blobs, place, sources)
            .map_err(|error| JournalError::io("encode a record for", &self.catalog.dir, error))
    }

    fn store_blobs(&mut self, payloads: &[String]) -> Result<Vec<Option<[u8; 32]>>, JournalError> {
        let mut threshold = self.options.blob_threshold.min(INLINE_MAX);
        if payloads.iter().filter(|payload| payload.len() > threshold).count() > BLOBS_PER_WRITE {
            threshold = INLINE_MAX;
        }
        let large: Vec<&[u8]> =
            payloads.iter().filter(|payload| payload.len() > threshold).map(|p| p.as_bytes()).collect();
        let stored = match self.catalog.blobs.put(&large) {
            Err(error) if !matches!(error, JournalError::Full) => return Err(self.poison(&error)),
            stored => stored?,
        };
        let mut stored = stored.into_iter();
        Ok(payloads
            .iter()
            .map(|payload| if payload.len() > threshold { stored.next() } else { None })
            .collect())
    }

    /// Puts the bytes behind the last ones, or none of them.
    fn put(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        let Err(error) = self.file.write_all_at(lines, self.end) else {
            self.end += lines.len() as u64;
            return Ok(());
        };
        if !error::is_full(&error) {
            return Err(self.poison(&error));
        }
        self.cut(self.end)?;
        Err(JournalError::Full)
    }

    /// Shortens the file durably: what was refused must not come back after a power cut.
    fn cut(&mut self, end: u64) -> Result<(), JournalError> {
        self.file.set_len(end).and_then(|()| self.file.sync_data()).map_err(|error| self.poison(&error))
    }

    /// Drops the records after `to` that were not synced yet. `to` is the last record of a write,
    /// or the durable position.
    pub fn rewind(&mut self, to: Position) -> Result<(), JournalError> {
        self.check_sound()?;
        if to == self.position {
            return Ok(());
        }
        let keep = match self.pending.iter().position(|pending| pending.position == to) {
            Some(at) => at + 1,
            None if to == self.catalog.tip() => 0,
            None => return Err(JournalError::UnknownPosition { after: to.cursor }),
        };
        let end = self.pending[..keep].last().map_or(self.durable_end, |pending| pending.end);
        self.cut(end)?;
        self.pending.truncate(keep);
        self.end = end;
        self.position = to;
        Ok(())
    }

    /// Has the disk begin with what was written, while there is something else to do before [`Self::sync`]. It is a hint:
    /// nothing rests on it.
    pub fn hasten(&self) {
        // Of pages that are not on the disk yet, this advice begins the writing and drops none (Linux, mm/fadvise.c).
        #[cfg(target_os = "linux")]
        if let Some(length) = NonZeroU64::new(self.end - self.durable_end) {
            let _hint = rustix::fs::fadvise(&self.file, self.durable_end, Some(length), Advice::DontNeed);
        }
    }

    /// Makes everything written durable with one fdatasync, and shows it to readers. A failure
    /// poisons the journal: whether the records are on the disk is then unknown.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check_sound()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.sync_data() {
            return Err(self.poison(&error));
        }
        for pending in self.pending.drain(..) {
            self.segment.note(pending.first, pending.start);
        }
        self.durable_end = self.end;
        self.catalog.publish(self.position);
        if self.durable_end - self.marked_end >= MARK_EVERY {
            self.save_mark();
        }
        Ok(())
    }

    /// [`Self::write`] and [`Self::sync`].
    pub fn append(&mut self, drafts: &[Draft]) -> Result<Vec<Record>, JournalError> {
        let records = self.write(drafts)?;
        self.sync()?;
        Ok(records)
    }

    /// Tells the journal of a record somebody has seen of it. When it does not have that record any
    /// more, and could write another one of the same epoch and number, a new epoch starts: a pair is
    /// never used twice. Returns what to append as a `journal.repaired` event then. All that was
    /// written must be synced.
    pub fn outlive(&mut self, seen: Cursor) -> Result<Option<JournalRepair>, JournalError> {
        self.check_sound()?;
        let previous_epoch = self.epoch;
        if seen.seq <= self.position.cursor.seq || seen.epoch < previous_epoch || seen.epoch > EPOCH_MAX {
            return Ok(None);
        }
        if !self.pending.is_empty() {
            return Err(JournalError::UnknownPosition { after: seen });
        }
        let mut epochs = Epochs::clone(&self.catalog.snapshot().epochs);
        epochs.raise(self.position, seen.epoch);
        match epochs.save(&self.catalog.dir) {
            // Coming up again on a full disk is what the reserve is for.
            Err(JournalError::Full) if self.reserve.spend() => {
                epochs.save(&self.catalog.dir)?;
                self.reserve.stock();
            }
            saved => saved?,
        }
        self.epoch = epochs.current();
        self.catalog.enter(epochs);
        Ok(Some(JournalRepair { side_file: String::new(), torn_bytes: 0, previous_epoch }))
    }

    /// Of the last written record.
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn reader(&self) -> Reader {
        Reader { catalog: Arc::clone(&self.catalog) }
    }

    /// Waits until every closed segment is compressed, or was tried.
    pub fn wait_sealed(&self) {
        self.sealer.wait();
    }

    /// Gives up the reserve file, so that what must be recorded on a full disk can be. True when
    /// there was one.
    pub fn spend_reserve(&mut self) -> bool {
        self.reserve.spend()
    }

    /// Gives up the margin: the room for bringing projections to what is recorded already. True when
    /// there was one.
    pub fn spend_margin(&mut self) -> bool {
        self.margin.spend()
    }

    /// Makes the margin alone again. True when it is there.
    pub fn restock_margin(&mut self) -> bool {
        self.margin.stock()
    }

    /// Makes margin and reserve again. True when both are there.
    pub fn restock_reserve(&mut self) -> bool {
        self.margin.stock() && self.reserve.stock()
    }

    /// Starts a new segment when the present one is full and all of it is durable, so that a rewind
    /// never has to go back over a file.
    fn rotate_if_due(&mut self) -> Result<(), JournalError> {
        if self.end < self.options.segment_bytes || self.end == 0 || !self.pending.is_empty() {
            return Ok(());
        }
        let segment = Arc::new(Segment::new(self.position.cursor.seq + 1));
        self.file = create_segment(&self.catalog.dir, &segment)?;
        let closed = std::mem::replace(&mut self.segment, Arc::clone(&segment));
        self.catalog.add(segment);
        self.end = 0;
        self.durable_end = 0;
        self.save_mark();
        self.sealer.seal(closed);
        Ok(())
    }

    fn save_mark(&mut self) {
        let mark =
            Mark { segment: self.segment.first, offset: self.durable_end, position: self.catalog.tip() };
        if mark.save(&self.catalog.dir).is_err() {
            // No mark is a slower open; a stale one could pass for damage later.
            let _ = disk::remove_if_there(&self.catalog.dir.join(MARK_FILE));
        }
        self.marked_end = self.durable_end;
    }

    fn check_sound(&self) -> Result<(), JournalError> {
        self.poisoned.as_ref().map_or(Ok(()), |why| Err(JournalError::Poisoned(why.clone())))
    }

    fn poison(&mut self, error: &dyn std::error::Error) -> JournalError {
        let why = error.to_string();
        self.poisoned = Some(why.clone());
        JournalError::Poisoned(why)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.poisoned.is_none() && self.marked_end != self.durable_end {
            self.save_mark();
        }
    }
}

/// Epochs beyond this one are no journal's: whoever says to have seen one is damaged.
const EPOCH_MAX: u64 = 1 << 40;

/// Every blob is a file with a sync of its own. A write with more large payloads than this keeps those inline that a line can hold:
/// they become durable together, with the one sync of the journal.
const BLOBS_PER_WRITE: usize = 8;

/// The line buffer is kept for the next write up to this size.
const KEPT_BUFFER: usize = 1024 * 1024;

fn create_segment(dir: &Path, segment: &Segment) -> Result<File, JournalError> {
    let path = segment.plain(dir);
    let file = disk::create_new(&path)?;
    if let Err(error) = disk::sync_dir(dir) {
        disk::remove_if_there(&path)?;
        return Err(error);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Actor, BoardId, BoardRemoved, Event, Timestamp};
    use std::time::Duration;

    struct Still;
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_769_869_381_123)
        }
        fn uptime(&self) -> Duration {
            Duration::ZERO
        }
    }
    impl Entropy for Still {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(4);
        }
    }

    fn opened(dir: &Path) -> Journal {
        let options = Options { reserve_bytes: 0, ..Options::default() };
        let blobs = dir.join("blobs");
        Journal::open(&dir.join("journal"), &blobs, Arc::new(Still), Arc::new(Still), options)
            .unwrap()
            .journal
    }

    fn draft() -> Draft {
        let board = BoardId::new(&Still, &Still);
        Draft {
            event: Event::BoardRemoved(BoardRemoved { board }),
            actor: Actor::User,
            key: None,
            past: None,
        }
    }

    /// The rest of a story in which the file stopped working after one good record.
    fn stays_poisoned(mut journal: Journal, dir: &Path) {
        let reader = journal.reader();
        let good = reader.newest();
        assert!(matches!(journal.write(&[draft()]), Err(JournalError::Poisoned(_))));
        assert!(matches!(journal.sync(), Err(JournalError::Poisoned(_))));
        assert!(matches!(journal.rewind(good), Err(JournalError::Poisoned(_))));
        assert_eq!(reader.newest(), good, "readers never see what was not synced");
        drop(journal);
        // What is there after the restart is one of two things: all of it or the good record only.
        let seq = opened(dir).position().cursor.seq;
        assert!((1..=2).contains(&seq), "{seq}");
    }

    #[test]
    fn a_failed_sync_poisons_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = opened(dir.path());
        journal.append(&[draft()]).unwrap();
        journal.write(&[draft()]).unwrap();
        // A device that cannot be synced stands in for a disk that fails to.
        journal.file = File::open("/dev/null").unwrap();
        assert!(matches!(journal.sync(), Err(JournalError::Poisoned(_))));
        stays_poisoned(journal, dir.path());
    }

    #[test]
    fn a_failed_write_poisons_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = opened(dir.path());
        journal.append(&[draft()]).unwrap();
        journal.file = File::open(journal.segment.plain(&journal.catalog.dir)).unwrap();
        assert!(matches!(journal.write(&[draft()]), Err(JournalError::Poisoned(_))));
        stays_poisoned(journal, dir.path());
    }

    #[test]
    fn a_full_device_that_cannot_be_cut_back_poisons_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = opened(dir.path());
        journal.append(&[draft()]).unwrap();
        journal.file = File::options().write(true).open("/dev/full").unwrap();
        assert!(matches!(journal.write(&[draft()]), Err(JournalError::Poisoned(_))));
        stays_poisoned(journal, dir.path());
    }
}
