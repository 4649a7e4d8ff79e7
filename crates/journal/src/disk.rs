//! Files and directories: private to the user, and durable when they say so.
//!
//! A small file is replaced as a whole or not at all, and carries a hash of itself so that a changed
//! one is never taken for a good one.

use crate::{JournalError, hex};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Files that are being written end so, and are removed at the next open.
pub(crate) const TEMPORARY: &str = "tmp";

/// Largest file [`read_checked`] reads, in bytes.
const CHECKED_MAX: u64 = 16 * 1024 * 1024;

/// Makes a directory and those above it, each durably.
pub(crate) fn create_dirs(dir: &Path) -> Result<(), JournalError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), create_dirs)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(JournalError::io("create", dir, error));
        }
        _ => {}
    }
    sync_dir(parent.unwrap_or(Path::new(".")))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    // A relative path of one component has the empty path as its parent.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| JournalError::io("sync", dir, error))
}

pub(crate) fn create_new(path: &Path) -> Result<File, JournalError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| JournalError::io("create", path, error))
}

/// Opens a file for writing, making it if needed; what it holds stays.
pub(crate) fn open_or_create(path: &Path) -> Result<File, JournalError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| JournalError::io("open", path, error))
}

/// Whether a replaced file must survive a power cut, or is a hint that may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Durably,
    AsHint,
}

/// Replaces a file as a whole.
pub(crate) fn replace(path: &Path, bytes: &[u8], keep: Keep) -> Result<(), JournalError> {
    let temporary = path.with_extension(TEMPORARY);
    let written = write_new(&temporary, bytes, keep)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| JournalError::io("write", path, error));
    if written.is_err() {
        remove_if_there(&temporary)?;
        return written;
    }
    match (keep, path.parent()) {
        (Keep::Durably, Some(dir)) => sync_dir(dir),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, bytes: &[u8], keep: Keep) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if keep == Keep::Durably { file.sync_all() } else { Ok(()) }
}

pub(crate) fn remove_if_there(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Writes one line of JSON and its hash.
pub(crate) fn replace_checked(path: &Path, json: &str, keep: Keep) -> Result<(), JournalError> {
    let hash = hex::encode(blake3::hash(json.as_bytes()).as_bytes());
    replace(path, format!("{json}\n{hash}\n").as_bytes(), keep)
}

/// What is in a file written by [`replace_checked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    Good(String),
    Missing,
    Damaged,
}

pub(crate) fn read_checked(path: &Path) -> Result<Checked, JournalError> {
    let read = fs::metadata(path)
        .and_then(|found| if found.len() > CHECKED_MAX { Ok(Vec::new()) } else { fs::read(path) });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Checked::Missing),
        Err(error) => return Err(JournalError::io("read", path, error)),
    };
    let json = String::from_utf8(bytes).ok().and_then(|text| {
        let (json, hash) = text.strip_suffix('\n')?.split_once('\n')?;
        let found = hex::decode::<32>(hash)?;
        (blake3::hash(json.as_bytes()) == found).then(|| json.to_owned())
    });
    Ok(json.map_or(Checked::Damaged, Checked::Good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checked_file_reads_back_and_every_flipped_bit_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark.json");
        assert_eq!(read_checked(&path).unwrap(), Checked::Missing);
        replace_checked(&path, "{\"seq\":7}", Keep::Durably).unwrap();
        assert_eq!(read_checked(&path).unwrap(), Checked::Good("{\"seq\":7}".to_owned()));
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            assert_eq!(read_checked(&path).unwrap(), Checked::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn an_absurdly_large_checked_file_is_damaged_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark.json");
        File::create(&path).unwrap().set_len(CHECKED_MAX + 1).unwrap();
        assert_eq!(read_checked(&path).unwrap(), Checked::Damaged);
    }
}
