//! Writes an archive.

use super::{ARCHIVE_FORMAT, Contents, Entry, LINES_BYTES};
use crate::catalog::{Catalog, Snapshot};
use crate::walk::Walk;
use crate::{JournalError, Position, Reader, hex};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Speed over size: an archive is made often and kept compressed by whoever keeps it for long.
const LEVEL: i32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportReport {
    pub records: u64,
    pub blobs: u64,
    pub head: Position,
}

impl Reader {
    /// Writes every durable record and every blob as one self-checking archive. A journal that is
    /// damaged is not exported; the error names the first damaged place.
    pub fn export(&self, out: impl Write) -> Result<ExportReport, JournalError> {
        let snapshot = self.catalog.snapshot();
        let head = snapshot.tip;
        // Listed after the snapshot was taken, so every blob a record of it needs is there.
        let blobs = self.catalog.blobs.list()?;
        let contents = Contents {
            format: ARCHIVE_FORMAT,
            records: head.cursor.seq,
            blobs: blobs.len() as u64,
            bytes: plain_bytes(&self.catalog, &snapshot)? + blobs.iter().map(|(_, size)| size).sum::<u64>(),
            epoch: head.cursor.epoch,
            head: head.hash,
            epochs: snapshot.epochs.as_slice().to_vec(),
        };
        let mut out = Hashing::new(out).map_err(failed)?;
        out.entry(&Entry::Journal(contents)).map_err(failed)?;
        self.export_lines(snapshot, &mut out)?;
        for (hash, _) in &blobs {
            let content = self.catalog.blobs.get(hash)?;
            out.entry(&Entry::Blob { hash: *hash, bytes: content.len() as u64 }).map_err(failed)?;
            out.write_all(&content).map_err(failed)?;
        }
        out.finish().map_err(failed)?;
        Ok(ExportReport { records: head.cursor.seq, blobs: blobs.len() as u64, head })
    }

    fn export_lines(&self, snapshot: Snapshot, out: &mut Hashing<impl Write>) -> Result<(), JournalError> {
        let mut walk = Walk::new(Arc::clone(&self.catalog), snapshot, 1)?;
        let mut lines = Vec::with_capacity(2 * LINES_BYTES);
        while let Some(step) = walk.next()? {
            step.payload().map_err(|fault| step.damaged(fault.to_string()))?;
            lines.extend_from_slice(step.raw);
            lines.push(b'\n');
            if lines.len() >= LINES_BYTES {
                out.lines(&mut lines).map_err(failed)?;
            }
        }
        out.lines(&mut lines).map_err(failed)
    }
}

fn failed(error: io::Error) -> JournalError {
    JournalError::io("write the archive", Path::new("export"), error)
}

/// Size of all segments unpacked; more than the snapshot's records when some were written since.
fn plain_bytes(catalog: &Catalog, snapshot: &Snapshot) -> Result<u64, JournalError> {
    let mut bytes = 0;
    if let Some(shelf) = &catalog.shelf {
        // Lines are counted without their newlines there.
        bytes = shelf.bytes()? + snapshot.tip.cursor.seq;
    }
    for segment in snapshot.segments.iter() {
        bytes += match fs::metadata(segment.plain(&catalog.dir)) {
            Ok(found) => found.len(),
            Err(_) => segment.manifest(&catalog.dir)?.bytes,
        };
    }
    Ok(bytes)
}

/// The archive being written; hashes what goes in.
struct Hashing<W: Write> {
    out: zstd::stream::write::Encoder<'static, W>,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    fn new(out: W) -> io::Result<Self> {
        let mut out = zstd::stream::write::Encoder::new(out, LEVEL)?;
        out.include_checksum(true)?;
        Ok(Self { out, hasher: blake3::Hasher::new() })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let mut json = serde_json::to_vec(entry)?;
        json.push(b'\n');
        self.write_all(&json)
    }

    fn lines(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        if !lines.is_empty() {
            self.entry(&Entry::Lines { bytes: lines.len() as u64 })?;
            self.write_all(lines)?;
            lines.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        let hash = *self.hasher.finalize().as_bytes();
        self.entry(&Entry::End { hash })?;
        self.out.finish()?.flush()
    }
}

impl ExportReport {
    /// The head as people compare it: 64 hex digits.
    pub fn head_hex(&self) -> String {
        hex::encode(&self.head.hash)
    }
}
