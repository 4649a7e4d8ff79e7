//! Sealed segments: whole lines in independent zstd frames, and a manifest in a skippable frame at
//! the end.
//!
//! `zstd -d` gives back the plain segment. One file holds data and manifest, so there is no moment
//! in which one is there without the other.

use crate::line::LINE_MAX;
use crate::segment::{self, Taken};
use crate::{JournalError, hex};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Cursor, Write};
use std::sync::Arc;

/// A frame is closed when it holds this many bytes of lines.
pub(crate) const FRAME_BYTES: usize = 1024 * 1024;
/// Most bytes a frame can hold: it was one short of full when the last line came.
const FRAME_MAX: usize = FRAME_BYTES + LINE_MAX + 1;
/// Largest manifest, in bytes.
const MANIFEST_MAX: u64 = 16 * 1024 * 1024;
const LEVEL: i32 = 3;
const SKIPPABLE: u32 = 0x184D_2A50;
const TAG: &[u8; 4] = b"CJS1";
/// Hash, length and tag after the manifest's JSON.
const FOOTER: usize = 32 + 4 + 4;

/// What a sealed segment says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) records: u64,
    /// Size of the plain form.
    pub(crate) bytes: u64,
    pub(crate) last_epoch: u64,
    /// Hash of the last record.
    #[serde(with = "hex::hash")]
    pub(crate) hash: [u8; 32],
    /// Hash of the plain form.
    #[serde(with = "hex::hash")]
    pub(crate) content: [u8; 32],
    pub(crate) frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// Number of its first record.
    pub(crate) seq: u64,
    /// Where it starts in the file.
    pub(crate) at: u64,
    /// Its size in the file.
    pub(crate) size: u64,
    /// Size of the lines in it.
    pub(crate) bytes: u64,
}

impl Manifest {
    /// Reads the manifest of the segment that starts with record `first`.
    pub(crate) fn read(file: &File, first: u64) -> Result<Self, JournalError> {
        let damaged = |what: &str| JournalError::Damaged {
            segment: segment::name(first),
            seq: first,
            what: format!("its manifest {what}"),
        };
        let unreadable = |error: io::Error| damaged(&format!("cannot be read: {error}"));
        let len = file.metadata().map_err(unreadable)?.len();
        let mut footer = [0; FOOTER];
        let footer_at = len.checked_sub(FOOTER as u64).ok_or_else(|| damaged("is missing"))?;
        segment::read_at(file, &mut footer, footer_at).map_err(unreadable)?;
        let (hash, rest) = footer.split_at(32);
        let (size, tag) = rest.split_at(4);
        let size = u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]]));
        let start = footer_at.checked_sub(size).filter(|_| size <= MANIFEST_MAX && tag == TAG);
        let start = start.ok_or_else(|| damaged("is missing"))?;
        let mut json = vec![0; usize::try_from(size).unwrap_or(0)];
        segment::read_at(file, &mut json, start).map_err(unreadable)?;
        if blake3::hash(&json).as_bytes() != hash {
            return Err(damaged("does not match its hash"));
        }
        let manifest: Self =
            serde_json::from_slice(&json).map_err(|e| damaged(&format!("is malformed: {e}")))?;
        if manifest.first != first {
            return Err(damaged(&format!("is that of the segment from record {}", manifest.first)));
        }
        if manifest
            .frames
            .iter()
            .any(|frame| frame.bytes > FRAME_MAX as u64 || frame.size > 2 * FRAME_MAX as u64)
        {
            return Err(damaged("names a frame over the limit"));
        }
        Ok(manifest)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let length = |n: usize| u32::try_from(n).map_err(io::Error::other);
        out.write_all(&SKIPPABLE.to_le_bytes())?;
        out.write_all(&length(json.len() + FOOTER)?.to_le_bytes())?;
        out.write_all(&json)?;
        out.write_all(blake3::hash(&json).as_bytes())?;
        out.write_all(&length(json.len())?.to_le_bytes())?;
        out.write_all(TAG)
    }
}

/// Lines of a sealed segment, one frame in memory at a time.
#[derive(Debug)]
pub(crate) struct Frames {
    file: File,
    manifest: Arc<Manifest>,
    next: usize,
    lines: Cursor<Vec<u8>>,
}

impl Frames {
    /// Starts with the frame that holds the record.
    pub(crate) fn new(file: File, manifest: Arc<Manifest>, from: u64) -> Self {
        let next = manifest.frames.partition_point(|frame| frame.seq <= from).saturating_sub(1);
        Self { file, manifest, next, lines: Cursor::new(Vec::new()) }
    }

    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> Result<Taken, JournalError> {
        loop {
            let taken = segment::take_line(&mut self.lines, line, LINE_MAX as u64)
                .map_err(|e| self.damaged(0, e.to_string()))?;
            if taken != Taken::End {
                return Ok(taken);
            }
            let Some(&frame) = self.manifest.frames.get(self.next) else { return Ok(Taken::End) };
            self.next += 1;
            self.lines = Cursor::new(self.unpack(frame)?);
        }
    }

    fn unpack(&self, frame: Frame) -> Result<Vec<u8>, JournalError> {
        // Both sizes were held against their limits when the manifest was read.
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(0);
        let mut packed = vec![0; size(frame.size)];
        let got = segment::read_at(&self.file, &mut packed, frame.at);
        let got = got.map_err(|error| self.damaged(frame.seq, format!("a frame cannot be read: {error}")))?;
        if got != packed.len() {
            return Err(self.damaged(frame.seq, "a frame is cut off".to_owned()));
        }
        let lines = zstd::bulk::decompress(&packed, size(frame.bytes))
            .map_err(|error| self.damaged(frame.seq, format!("a frame cannot be unpacked: {error}")))?;
        if lines.len() as u64 != frame.bytes {
            return Err(self.damaged(frame.seq, "a frame has another size than its manifest says".to_owned()));
        }
        Ok(lines)
    }

    fn damaged(&self, seq: u64, what: String) -> JournalError {
        JournalError::Damaged { segment: segment::name(self.manifest.first), seq, what }
    }
}

/// Writes a sealed segment line by line.
pub(crate) struct Packer<W: Write> {
    out: W,
    compressor: zstd::bulk::Compressor<'static>,
    lines: Vec<u8>,
    content: blake3::Hasher,
    at: u64,
    frame_seq: u64,
    manifest: Manifest,
}

impl<W: Write> Packer<W> {
    pub(crate) fn new(out: W, first: u64) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let manifest = Manifest {
            first,
            last: first,
            records: 0,
            bytes: 0,
            last_epoch: 0,
            hash: [0; 32],
            content: [0; 32],
            frames: Vec::new(),
        };
        let lines = Vec::with_capacity(FRAME_MAX);
        Ok(Self { out, compressor, lines, content: blake3::Hasher::new(), at: 0, frame_seq: first, manifest })
    }

    /// Adds a line that was checked. True when a frame was finished with it.
    pub(crate) fn add(&mut self, line: &[u8], position: crate::Position) -> io::Result<bool> {
        if self.lines.is_empty() {
            self.frame_seq = position.cursor.seq;
        }
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.manifest.records += 1;
        self.manifest.last = position.cursor.seq;
        self.manifest.last_epoch = position.cursor.epoch;
        self.manifest.hash = position.hash;
        let full = self.lines.len() >= FRAME_BYTES;
        if full {
            self.close_frame()?;
        }
        Ok(full)
    }

    fn close_frame(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.content.update(&self.lines);
        let packed = self.compressor.compress(&self.lines)?;
        self.out.write_all(&packed)?;
        let frame = Frame {
            seq: self.frame_seq,
            at: self.at,
            size: packed.len() as u64,
            bytes: self.lines.len() as u64,
        };
        self.at += frame.size;
        self.manifest.bytes += frame.bytes;
        self.manifest.frames.push(frame);
        self.lines.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<(W, Manifest)> {
        self.close_frame()?;
        self.manifest.content = *self.content.finalize().as_bytes();
        self.manifest.write(&mut self.out)?;
        Ok((self.out, self.manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(manifest: &Manifest) -> File {
        let mut file = tempfile::tempfile().unwrap();
        manifest.write(&mut file).unwrap();
        file
    }

    fn manifest(frame: Frame) -> Manifest {
        Manifest {
            first: 1,
            last: 1,
            records: 1,
            bytes: frame.bytes,
            last_epoch: 1,
            hash: [1; 32],
            content: [2; 32],
            frames: vec![frame],
        }
    }

    #[test]
    fn a_manifest_over_a_limit_or_of_another_segment_is_refused() {
        let most = Frame { seq: 1, at: 0, size: FRAME_MAX as u64, bytes: FRAME_MAX as u64 };
        let good = manifest(most);
        assert_eq!(Manifest::read(&written(&good), 1).unwrap(), good);
        assert!(Manifest::read(&written(&good), 2).is_err());
        for bomb in [Frame { bytes: most.bytes + 1, ..most }, Frame { size: 2 * most.size + 1, ..most }] {
            let refused = Manifest::read(&written(&manifest(bomb)), 1).unwrap_err();
            assert!(refused.to_string().contains("over the limit"), "{refused}");
        }
        let mut large = written(&good);
        let at = u64::try_from(FOOTER - 32).unwrap();
        io::Seek::seek(&mut large, io::SeekFrom::End(-i64::try_from(at).unwrap())).unwrap();
        large.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(Manifest::read(&large, 1).is_err(), "its length is over {MANIFEST_MAX}");
        assert!(Manifest::read(&tempfile::tempfile().unwrap(), 1).is_err(), "an empty file has none");
    }
}
