//! Content-addressed blobs: `blobs/ab/abcd…`, named by the BLAKE3 of what they hold.
//!
//! A blob is complete and durable from the moment it has its name.

use crate::line::Fault;
use crate::shelf::{NamedBlob, Shelf};
use crate::{JournalError, PAYLOAD_MAX, disk, hex};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest blob, in bytes.
pub const BLOB_MAX: usize = PAYLOAD_MAX;

/// The blobs of one workspace, in a folder or on a shelf. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
    /// In place of the folder.
    shelf: Option<Arc<dyn Shelf>>,
    /// Tells apart the temporary files of threads that store the same content at once.
    attempt: Arc<AtomicU64>,
}

impl Blobs {
    /// Names the folder; nothing is touched until something is stored.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), shelf: None, attempt: Arc::default() }
    }

    pub(crate) fn on(shelf: Arc<dyn Shelf>) -> Self {
        Self { dir: PathBuf::new(), shelf: Some(shelf), attempt: Arc::default() }
    }

    /// Stores contents of at most [`BLOB_MAX`] bytes each and returns their names in the same order. All are durable on return.
    pub fn put(&self, contents: &[&[u8]]) -> Result<Vec<[u8; 32]>, JournalError> {
        if let Some(bytes) = contents.iter().map(|content| content.len()).find(|bytes| *bytes > BLOB_MAX) {
            return Err(JournalError::PayloadTooLarge { kind: "blob", bytes, limit: BLOB_MAX });
        }
        let named: Vec<NamedBlob<'_>> = contents
            .iter()
            .map(|content| NamedBlob { hash: *blake3::hash(content).as_bytes(), content })
            .collect();
        match &self.shelf {
            Some(shelf) => shelf.put_blobs(&named)?,
            None => self.put_files(&named)?,
        }
        Ok(named.iter().map(|blob| blob.hash).collect())
    }

    fn put_files(&self, blobs: &[NamedBlob<'_>]) -> Result<(), JournalError> {
        let mut shards = BTreeSet::new();
        for NamedBlob { hash, content } in blobs {
            let path = self.path(hash);
            if let Some(shard) = path.parent() {
                disk::create_dirs(shard)?;
                shards.insert(shard.to_owned());
            }
            // A damaged blob of that name is replaced by a good one.
            if self.get(hash).is_err() {
                self.write(&path, content)?;
            }
        }
        for shard in shards {
            disk::sync_dir(&shard)?;
        }
        Ok(())
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), JournalError> {
        let attempt = self.attempt.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{attempt}.{}", disk::TEMPORARY));
        disk::remove_if_there(&temporary)?;
        let mut file = disk::create_new(&temporary)?;
        let written = file
            .write_all(content)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|error| JournalError::io("write", path, error));
        if written.is_err() {
            disk::remove_if_there(&temporary)?;
        }
        written
    }

    /// The content, checked against its name.
    pub fn get(&self, hash: &[u8; 32]) -> Result<Vec<u8>, JournalError> {
        self.read(hash)
            .map_err(|fault| JournalError::Blob { hash: hex::encode(hash), what: fault.to_string() })
    }

    pub(crate) fn read(&self, hash: &[u8; 32]) -> Result<Vec<u8>, Fault> {
        let fault = |what: String| Fault::Blob { hash: hex::encode(hash), what: what.into() };
        let missing = || fault("is missing".to_owned());
        let unreadable = |error: &dyn std::fmt::Display| fault(format!("cannot be read: {error}"));
        let content = match &self.shelf {
            Some(shelf) => shelf.blob(hash).map_err(|error| unreadable(&error))?.ok_or_else(missing)?,
            None => read_capped(&self.path(hash)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => missing(),
                _ => unreadable(&error),
            })?,
        };
        if blake3::hash(&content) == *hash { Ok(content) } else { Err(fault("is damaged".to_owned())) }
    }

    fn path(&self, hash: &[u8; 32]) -> PathBuf {
        let name = hex::encode(hash);
        self.dir.join(&name[..2]).join(name)
    }

    /// Every blob there is with its size, in the order of names.
    pub fn list(&self) -> Result<Vec<([u8; 32], u64)>, JournalError> {
        if let Some(shelf) = &self.shelf {
            return shelf.blobs();
        }
        let mut found = Vec::new();
        for shard in entries(&self.dir)? {
            for path in entries(&shard)? {
                let name = path.file_name().and_then(|name| name.to_str()).and_then(hex::decode);
                let Some(hash) = name else { continue };
                let size = fs::metadata(&path).map_err(|error| JournalError::io("read", &path, error))?.len();
                found.push((hash, size));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes what an interrupted writer left. Only for the one owner of the folder, at its start.
    pub(crate) fn sweep(&self) -> Result<(), JournalError> {
        for shard in entries(&self.dir)? {
            for path in entries(&shard)? {
                if path.extension().is_some_and(|end| end == disk::TEMPORARY) {
                    disk::remove_if_there(&path)?;
                }
            }
        }
        Ok(())
    }
}

fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let limit = BLOB_MAX as u64;
    if size > limit {
        return Err(io::Error::other(format!("it is over the limit of {limit} bytes")));
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// What is in a directory; nothing when it is not there or is a file.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let failed = |error| JournalError::io("list", dir, error);
    match fs::read_dir(dir) {
        Ok(listing) => listing.map(|entry| entry.map(|e| e.path()).map_err(failed)).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_reads_back_and_a_damaged_one_is_replaced_when_stored_again() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(dir.path());
        let hash = blobs.put(&[b"hello", b"world"]).unwrap()[0];
        assert_eq!(blobs.get(&hash).unwrap(), b"hello");
        assert_eq!(blobs.list().unwrap().len(), 2);
        fs::write(blobs.path(&hash), b"hellp").unwrap();
        assert!(matches!(blobs.get(&hash), Err(JournalError::Blob { .. })));
        blobs.put(&[b"hello"]).unwrap();
        assert_eq!(blobs.get(&hash).unwrap(), b"hello");
    }

    #[test]
    fn leftovers_are_swept_and_never_listed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(dir.path());
        let hash = blobs.put(&[b"hello"]).unwrap()[0];
        let leftover = blobs.path(&hash).with_extension("0.tmp");
        fs::write(&leftover, b"hel").unwrap();
        assert_eq!(blobs.list().unwrap().len(), 1);
        blobs.sweep().unwrap();
        assert!(!leftover.exists());
        assert!(blobs.get(&hash).is_ok());
    }

    #[test]
    fn contents_over_the_limit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(dir.path());
        let large = vec![0; BLOB_MAX + 1];
        assert!(matches!(blobs.put(&[&large]), Err(JournalError::PayloadTooLarge { .. })));
        let hash = [7; 32];
        disk::create_dirs(blobs.path(&hash).parent().unwrap()).unwrap();
        File::create(blobs.path(&hash)).unwrap().set_len(BLOB_MAX as u64 + 1).unwrap();
        assert!(blobs.get(&hash).unwrap_err().to_string().contains("over the limit"));
    }
}
