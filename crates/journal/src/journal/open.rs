//! Opening a journal for writing.

use super::{Journal, Opened, Options, create_segment};
use crate::blob::Blobs;
use crate::catalog::{Catalog, Snapshot};
use crate::reserve::Reserve;
use crate::sealer::Sealer;
use crate::segment::Segment;
use crate::survey::Survey;
use crate::{JournalError, disk, repair};
use model::{Clock, Entropy};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const LOCK_FILE: &str = "lock";

impl Journal {
    /// Opens the journal in `dir` for writing, making it if there is none, and repairs its tail.
    /// Payloads that do not fit a line live in `blobs`.
    pub fn open(
        dir: &Path,
        blobs: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Opened, JournalError> {
        disk::create_dirs(dir)?;
        disk::create_dirs(blobs)?;
        let lock = lock(dir)?;
        let reserve = Reserve::new(dir, options.reserve_bytes);
        let margin = Reserve::margin(dir, options.reserve_bytes);
        let blobs = Blobs::at(blobs);
        sweep(dir, &blobs)?;
        let mut survey = Survey::of(dir)?;
        let repaired = match repair::repair(dir, &mut survey, options.cut_damage) {
            // Coming up again on a full disk is what the reserve is for.
            Err(JournalError::Full) if reserve.spend() => {
                repair::repair(dir, &mut survey, options.cut_damage)?
            }
            repaired => repaired?,
        };
        let (segments, file, end) = active_segment(dir, &mut survey)?;
        let (closed, segment) =
            (segments[..segments.len() - 1].to_vec(), Arc::clone(&segments[segments.len() - 1]));
        let (position, epoch) = (survey.position, survey.epochs.current());
        let state = Snapshot { segments: Arc::new(segments), tip: position, epochs: Arc::new(survey.epochs) };
        let catalog = Arc::new(Catalog::new(dir.to_owned(), blobs, Vec::new(), state));
        let sealer = Sealer::start(Arc::clone(&catalog))
            .map_err(|error| JournalError::io("start the sealer of", dir, error))?;
        for segment in closed.into_iter().filter(|segment| segment.plain(dir).exists()) {
            sealer.seal(segment);
        }
        if margin.stock() {
            reserve.stock();
        }
        let mut journal = Self {
            catalog,
            clock,
            entropy,
            options,
            epoch,
            segment,
            file,
            position,
            end,
            pending: Vec::new(),
            durable_end: end,
            marked_end: 0,
            poisoned: None,
            lines: Vec::new(),
            reserve,
            margin,
            sealer,
            _lock: lock,
        };
        journal.save_mark();
        Ok(Opened { journal, repaired })
    }
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(LOCK_FILE);
    let file = disk::open_or_create(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(JournalError::io("lock", &path, error)),
    }
}

/// Removes what an interrupted process left half written.
fn sweep(dir: &Path, blobs: &Blobs) -> Result<(), JournalError> {
    blobs.sweep()?;
    let failed = |error| JournalError::io("list", dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == disk::TEMPORARY) {
            disk::remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// The segments, with the one to write on at the end, and where to go on in it.
fn active_segment(dir: &Path, survey: &mut Survey) -> Result<(Vec<Arc<Segment>>, File, u64), JournalError> {
    let next = survey.position.cursor.seq + 1;
    let mut segments: Vec<Arc<Segment>> =
        survey.segments.iter().map(|&first| Arc::new(Segment::new(first))).collect();
    if let (Some(active), Some(segment)) = (survey.active.take(), segments.last()) {
        if active.end > 0 || active.first == next {
            let file = disk::open_or_create(&segment.plain(dir))?;
            for (seq, offset) in active.index {
                segment.note(seq, offset);
            }
            return Ok((segments, file, active.end));
        }
        // Empty, and records before it are gone: its name would promise a wrong number.
        disk::remove_if_there(&segment.plain(dir))?;
        segments.pop();
    }
    survey.epochs.save(dir)?;
    let segment = Segment::new(next);
    let file = create_segment(dir, &segment)?;
    segments.push(Arc::new(segment));
    Ok((segments, file, 0))
}
