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
    /// Where the next line goes, and the file while it is held open; nothing when its end is to be looked for first.
    end: Option<u64>,
    file: Option<File>,
    dirty: bool,
    /// Who takes part, as the file itself tells.
    pub(super) cast: Cast,
}

impl SessionFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, end: None, file: None, dirty: false, cast: Cast::default() }
    }

    /// Opens or makes the file and cuts what is behind the number. One that somebody else has changed since it was closed
    /// is read again.
    pub(super) fn open(&mut self, saved: u64) -> Result<(), JournalError> {
        let failed = |error| JournalError::io("open", &self.path, error);
        disk::create_dirs(self.directory())?;
        let mut file = disk::open_or_create(&self.path)?;
        let length = file.metadata().map_err(failed)?.len();
        let end = match self.end {
            Some(end) if end == length => end,
            _ => end_of(&file, saved, &mut self.cast).map_err(failed)?,
        };
        if length > end {
            file.set_len(end).map_err(failed)?;
            self.dirty = true;
        }
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        (self.end, self.file) = (Some(end), Some(file));
        Ok(())
    }

    pub(super) const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Gives the descriptor back.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Forgets where it ends: it may hold lines that are written once more.
    pub(super) fn doubt(&mut self) {
        (self.end, self.file) = (None, None);
    }

    /// Writes behind the last line of a file that is open.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        self.dirty = true;
        let closed = || std::io::Error::other("the file is not open");
        let written = self.file.as_mut().ok_or_else(closed).and_then(|file| file.write_all(lines));
        written.map_err(|error| JournalError::io("write", &self.path, error))?;
        self.end = self.end.map(|end| end + lines.len() as u64);
        Ok(())
    }

    /// Makes its lines durable.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        if self.dirty {
            let synced = match &self.file {
                Some(file) => file.sync_data(),
                None => File::open(&self.path).and_then(|file| file.sync_data()),
            };
            match synced {
                // Somebody has deleted it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                synced => synced.map_err(|error| JournalError::io("sync", &self.path, error))?,
            }
            self.dirty = false;
        }
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
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
