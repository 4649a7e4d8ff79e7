//! Segments: the files the journal is cut into, named by the number of their first record.
//!
//! A segment is plain (`….jsonl`) until it is closed and compressed (`….jsonl.zst`). The compressed
//! form is complete before the plain one goes, so **whoever finds neither form has found damage.**

use crate::line::{LINE_MAX, Line, peek_seq};
use crate::sealed::{Frames, Manifest};
use crate::{JournalError, Position};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

const PLAIN: &str = ".jsonl";
const SEALED: &str = ".jsonl.zst";
/// Bytes between two entries of the index, and what a search reads through at most.
pub(crate) const INDEX_EVERY: u64 = 64 * 1024;
const READ_BUFFER: usize = 256 * 1024;

/// One segment as readers and the writer share it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    /// (number, offset) of some of the records, ascending; of the plain form.
    index: RwLock<Vec<(u64, u64)>>,
    manifest: OnceLock<Arc<Manifest>>,
}

impl Segment {
    pub(crate) fn new(first: u64) -> Self {
        Self { first, index: RwLock::new(vec![(first, 0)]), manifest: OnceLock::new() }
    }

    pub(crate) fn plain(&self, dir: &Path) -> PathBuf {
        plain_path(dir, self.first)
    }

    pub(crate) fn sealed(&self, dir: &Path) -> PathBuf {
        sealed_path(dir, self.first)
    }

    /// Remembers where a record starts, when the last remembered one is far enough behind.
    pub(crate) fn note(&self, seq: u64, offset: u64) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.last().is_none_or(|&(_, last)| last + INDEX_EVERY <= offset) {
            index.push((seq, offset));
        }
    }

    /// Offsets between which a record starts: a remembered one at or before it, and the next one.
    fn bracket(&self, seq: u64) -> (u64, Option<u64>) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|&(known, _)| known <= seq);
        let low = after.checked_sub(1).map_or(0, |at| index[at].1);
        (low, index.get(after).map(|&(_, offset)| offset))
    }

    pub(crate) fn manifest(&self, dir: &Path) -> Result<Arc<Manifest>, JournalError> {
        if let Some(known) = self.manifest.get() {
            return Ok(Arc::clone(known));
        }
        let path = self.sealed(dir);
        let file = File::open(&path).map_err(|error| JournalError::io("open", &path, error))?;
        let manifest = Manifest::read(&file, self.first)?;
        Ok(Arc::clone(self.manifest.get_or_init(|| Arc::new(manifest))))
    }

    /// The segment's lines, from somewhere at or before the given record.
    pub(crate) fn lines(&self, dir: &Path, from: u64) -> Result<Lines, JournalError> {
        let path = self.plain(dir);
        match File::open(&path) {
            Ok(mut file) => {
                let offset = self.search(&file, from).map_err(|e| JournalError::io("read", &path, e))?;
                file.seek(SeekFrom::Start(offset)).map_err(|e| JournalError::io("read", &path, e))?;
                Ok(Lines::Plain { reader: BufReader::with_capacity(READ_BUFFER, file), path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = self.sealed(dir);
                let file = File::open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => self.damaged(from, "the file is missing"),
                    _ => JournalError::io("open", &path, error),
                })?;
                Ok(Lines::Sealed(Frames::new(file, self.manifest(dir)?, from)))
            }
            Err(error) => Err(JournalError::io("open", &path, error)),
        }
    }

    pub(crate) fn damaged(&self, seq: u64, what: impl Into<String>) -> JournalError {
        JournalError::Damaged { segment: name(self.first), seq, what: what.into() }
    }

    /// Narrows the bracket by halving until it is small enough to read through. What cannot be read
    /// as a record counts as behind the goal; reading on from before it will say what it is.
    fn search(&self, file: &File, seq: u64) -> io::Result<u64> {
        let (mut low, high) = self.bracket(seq);
        let mut high = match high {
            Some(high) => high,
            None => file.metadata()?.len(),
        };
        let mut window = vec![0; usize::try_from(INDEX_EVERY).unwrap_or(usize::MAX)];
        while high.saturating_sub(low) > 2 * INDEX_EVERY {
            let middle = low + (high - low) / 2;
            let got = read_at(file, &mut window, middle)?;
            let start = window[..got].iter().position(|&c| c == b'\n').map(|at| at + 1);
            match start.and_then(|start| peek_seq(&window[start..got]).map(|found| (start, found))) {
                Some((start, found)) if found <= seq => low = middle + start as u64,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// The lines of a segment, one after the other.
#[derive(Debug)]
pub(crate) enum Lines {
    Plain { reader: BufReader<File>, path: PathBuf },
    Sealed(Frames),
}

impl Lines {
    /// Reads the next line into the buffer, without its newline. False at the end of the segment.
    /// A line without an end, or over the limit, comes with the flag in [`Taken`] unset.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> Result<Taken, JournalError> {
        match self {
            Self::Plain { reader, path } => take_line(reader, line, LINE_MAX as u64)
                .map_err(|error| JournalError::io("read", path, error)),
            Self::Sealed(frames) => frames.next(line),
        }
    }
}

/// What was found where a line should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Line,
    /// Bytes with no newline behind them, or more than the limit.
    Unfinished,
    End,
}

pub(crate) fn take_line(reader: &mut impl BufRead, line: &mut Vec<u8>, limit: u64) -> io::Result<Taken> {
    line.clear();
    let got = reader.take(limit + 1).read_until(b'\n', line)?;
    if got == 0 {
        return Ok(Taken::End);
    }
    Ok(if line.pop_if(|last| *last == b'\n').is_some() { Taken::Line } else { Taken::Unfinished })
}

/// The record whose line ends at the offset, when there is a sound one.
pub(crate) fn record_ending_at(file: &File, offset: u64) -> io::Result<Option<Position>> {
    let mut window = INDEX_EVERY.min(offset);
    loop {
        let start = offset - window;
        let mut bytes = vec![0; usize::try_from(window).unwrap_or(usize::MAX)];
        let got = read_at(file, &mut bytes, start)?;
        if got != bytes.len() {
            return Ok(None);
        }
        let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(None) };
        let newline = line.iter().rposition(|&c| c == b'\n');
        if newline.is_some() || start == 0 {
            let line = &line[newline.map_or(0, |at| at + 1)..];
            return Ok(Line::parse(line).ok().map(|line| line.position));
        }
        if window > LINE_MAX as u64 {
            return Ok(None);
        }
        window = (2 * LINE_MAX as u64).min(offset);
    }
}

pub(crate) fn name(first: u64) -> String {
    format!("{first:020}{PLAIN}")
}

pub(crate) fn plain_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(name(first))
}

pub(crate) fn sealed_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}{SEALED}"))
}

/// Which segments a folder holds, by first number.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) plain: Vec<u64>,
    pub(crate) sealed: Vec<u64>,
}

impl Listing {
    pub(crate) fn read(dir: &Path) -> Result<Self, JournalError> {
        let failed = |error| JournalError::io("list", dir, error);
        let mut found = Self::default();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(first) = name.strip_suffix(SEALED).and_then(number) {
                found.sealed.push(first);
            } else if let Some(first) = name.strip_suffix(PLAIN).and_then(number) {
                found.plain.push(first);
            }
        }
        found.plain.sort_unstable();
        found.sealed.sort_unstable();
        Ok(found)
    }

    /// Every segment in order, whatever its form.
    pub(crate) fn firsts(&self) -> Vec<u64> {
        let mut firsts: Vec<u64> = self.plain.iter().chain(&self.sealed).copied().collect();
        firsts.sort_unstable();
        firsts.dedup();
        firsts
    }

    /// Those whose compression was finished but whose plain form is still there.
    pub(crate) fn doubled(&self) -> impl Iterator<Item = u64> {
        self.sealed.iter().copied().filter(|first| self.plain.binary_search(first).is_ok())
    }
}

/// A number no journal reaches is no segment's: what follows it can always be counted.
fn number(digits: &str) -> Option<u64> {
    let number = (digits.len() == 20).then(|| digits.parse().ok()).flatten();
    number.filter(|first| (1..u64::MAX / 2).contains(first))
}
