//! Sets a journal right when it is opened for writing.
//!
//! **No byte is dropped before it is kept elsewhere, and no number is used twice:** side file first,
//! then the new epoch, then the cut, each durable before the next.

use crate::JournalError;
use crate::disk;
use crate::epochs;
use crate::mark::MARK_FILE;
use crate::segment;
use crate::survey::{Survey, TailFault};
use model::JournalRepair;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Repairs what the survey found; afterwards the survey describes the journal as it is then.
pub(crate) fn repair(
    dir: &Path,
    survey: &mut Survey,
    cut_damage: bool,
) -> Result<Option<JournalRepair>, JournalError> {
    for &first in &survey.doubled {
        // The plain form is the truth until it is gone; the segment is compressed again.
        disk::remove_if_there(&segment::sealed_path(dir, first))?;
    }
    if survey.fault.is_none() && survey.epochs_fault.is_none() {
        return Ok(None);
    }
    if let (Some(TailFault::Damaged { why }), false) = (&survey.fault, cut_damage) {
        let segment = survey.segments.last().map_or_else(String::new, |&last| segment::name(last));
        return Err(JournalError::Damaged {
            segment,
            seq: survey.position.cursor.seq + 1,
            what: why.clone(),
        });
    }
    let previous_epoch = survey.epochs.current();
    let mut side_file = String::new();
    let mut torn_bytes = 0;
    if survey.epochs_fault.is_some() && epochs::path(dir).exists() {
        side_file = free_name(dir, previous_epoch);
        let kept = dir.join(&side_file);
        fs::rename(epochs::path(dir), &kept).map_err(|error| JournalError::io("rename", &kept, error))?;
    }
    if let Some(active) = survey.active.as_ref().filter(|active| active.end < active.len) {
        side_file = free_name(dir, previous_epoch);
        torn_bytes = keep_torn(dir, &side_file, active.first, active.end)?;
    }
    survey.epochs.raise(survey.position, 0);
    survey.epochs.save(dir)?;
    // A mark from before the cut would take what is written from now on for damage.
    disk::remove_if_there(&dir.join(MARK_FILE))?;
    disk::sync_dir(dir)?;
    if let Some(active) = &mut survey.active {
        let path = segment::plain_path(dir, active.first);
        let file = disk::open_or_create(&path)?;
        file.set_len(active.end)
            .and_then(|()| file.sync_all())
            .map_err(|error| JournalError::io("cut", &path, error))?;
        active.len = active.end;
    }
    survey.fault = None;
    survey.epochs_fault = None;
    Ok(Some(JournalRepair { side_file, torn_bytes, previous_epoch }))
}

fn free_name(dir: &Path, epoch: u64) -> String {
    let mut n = 1u64;
    loop {
        let name = format!("torn-{epoch}-{n}.bin");
        if !dir.join(&name).exists() {
            return name;
        }
        n += 1;
    }
}

fn keep_torn(dir: &Path, name: &str, first: u64, end: u64) -> Result<u64, JournalError> {
    let from = segment::plain_path(dir, first);
    let to = dir.join(name);
    let copy = |mut out: &File| -> io::Result<u64> {
        let mut torn = File::open(&from)?;
        torn.seek(SeekFrom::Start(end))?;
        let copied = io::copy(&mut torn.by_ref(), &mut out)?;
        out.sync_all()?;
        Ok(copied)
    };
    let out = disk::create_new(&to)?;
    match copy(&out) {
        Ok(copied) => disk::sync_dir(dir).map(|()| copied),
        Err(error) => {
            disk::remove_if_there(&to)?;
            Err(JournalError::io("keep the torn bytes in", &to, error))
        }
    }
}
