//! One session's file.

use super::mapping::{Cast, WrittenLine};
use crate::segment::{Taken, take_line};
use crate::{JournalError, disk};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Longest line of an archive: a payload can be as large as an event's, and escaped more than once.
const LINE_MAX: u64 = 4 * crate::PAYLOAD_MAX as u64;

#[derive(Debug)]
pub(super) struct SessionFile {
    path: PathBuf,
    file: File,
    dirty: bool,
    /// Who takes part, as the file itself tells.
    pub(super) cast: Cast,
}

impl SessionFile {
    /// Opens or makes the file and cuts what is behind the saved position.
    pub(super) fn open(path: &Path, saved: u64) -> Result<Self, JournalError> {
        let failed = |error| JournalError::io("open", path, error);
        let dir = path.parent().unwrap_or(Path::new("."));
        disk::create_dirs(dir)?;
        let made = !path.exists();
        let mut file = disk::open_or_create(path)?;
        if made {
            disk::sync_dir(dir)?;
        }
        let mut cast = Cast::default();
        let end = end_of(&file, saved, &mut cast).map_err(failed)?;
        let dirty = file.metadata().map_err(failed)?.len() > end;
        if dirty {
            file.set_len(end).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, dirty, cast })
    }

    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        self.dirty = true;
        self.file.write_all(lines).map_err(|error| JournalError::io("write", &self.path, error))
    }

    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        if self.dirty {
            self.file.sync_data().map_err(|error| JournalError::io("sync", &self.path, error))?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Where the lines up to the saved number end, taking in the cast on the way.
fn end_of(file: &File, saved: u64, cast: &mut Cast) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let mut end = 0;
    let mut bytes = Vec::new();
    while take_line(&mut reader, &mut bytes, LINE_MAX)? == Taken::Line {
        let Ok(line) = serde_json::from_slice::<WrittenLine<'_>>(&bytes) else { break };
        if line.seq > saved {
            break;
        }
        cast.remember(&line);
        end += bytes.len() as u64 + 1;
    }
    Ok(end)
}

/// Moves the lines behind the number into a file of their own beside it.
pub(super) fn set_aside_after(path: &Path, saved: u64) -> Result<(), JournalError> {
    let failed = |error| JournalError::io("set aside the end of", path, error);
    let mut file = disk::open_or_create(path)?;
    let end = end_of(&file, saved, &mut Cast::default()).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() == end {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut free = (1u64..).map(|n| path.with_file_name(format!("{name}.set-aside-{n}")));
    let aside = free.find(|place| !place.exists());
    let aside = aside.ok_or_else(|| JournalError::Archive("no name is free".to_owned()))?;
    let mut kept = disk::create_new(&aside)?;
    file.seek(SeekFrom::Start(end)).map_err(failed)?;
    std::io::copy(&mut file, &mut kept).and_then(|_| kept.sync_all()).map_err(failed)?;
    aside.parent().map_or(Ok(()), disk::sync_dir)?;
    file.set_len(end).and_then(|()| file.sync_all()).map_err(failed)
}
