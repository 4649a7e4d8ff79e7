//! The lines of a transcript that may still be written, one after the other.
//!
//! Invariant: the offset stands behind whole lines only, and the hash is that of all bytes before it.

use blake3::Hasher;
use std::io::{self, BufRead, BufReader, Read};

/// Longest line that is read, in bytes. Of a longer one only its length and its hash are taken.
pub const LINE_MAX: usize = 8 * 1024 * 1024;
/// Longest line that is kept raw, in bytes: in the worst case JSON needs six for each.
pub const RAW_MAX: usize = 4 * 1024 * 1024;
const BUFFER: usize = 1024 * 1024;

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole line is in [`Lines::line`].
    Line,
    /// A line over [`LINE_MAX`]: its length and its hash.
    TooLong { bytes: u64, hash: [u8; 32] },
    /// No more whole lines. What follows, if anything, is still being written.
    End,
}

/// Reads lines and knows what it has read.
pub struct Lines<R> {
    input: Option<BufReader<R>>,
    line: Vec<u8>,
    offset: u64,
    hasher: Hasher,
}

impl<R> std::fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input: Some(BufReader::with_capacity(BUFFER, input)),
            line: Vec::new(),
            offset: 0,
            hasher: Hasher::new(),
        }
    }

    /// Goes on in the same file, opened again at [`Self::offset`].
    pub fn renew(&mut self, input: R) {
        self.input = Some(BufReader::with_capacity(BUFFER, input));
    }

    /// Lets go of the file and of all memory but what is needed to go on; until [`Self::renew`] there are no more lines.
    pub fn pause(&mut self) {
        self.input = None;
        self.line = Vec::new();
    }

    /// What is read from; none while it is paused.
    pub fn input(&self) -> Option<&R> {
        self.input.as_ref().map(BufReader::get_ref)
    }

    /// The line without its line break.
    pub fn line(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Bytes behind the last whole line.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// BLAKE3 of all bytes before the offset, in hex.
    pub fn prefix_hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Goes to the next line.
    pub fn next_line(&mut self) -> io::Result<Step> {
        self.line.clear();
        let limit = LINE_MAX as u64 + 1;
        let Some(input) = &mut self.input else { return Ok(Step::End) };
        input.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if self.line.ends_with(b"\n") {
            self.consume();
            return Ok(Step::Line);
        }
        if self.line.len() > LINE_MAX {
            return self.pass_over();
        }
        // A last line without its line break is whole when it is whole JSON: the head of an object is none.
        if self.line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(&self.line).is_ok()
        {
            self.consume();
            return Ok(Step::Line);
        }
        Ok(Step::End)
    }

    fn consume(&mut self) {
        self.hasher.update(&self.line);
        self.offset += self.line.len() as u64;
    }

    /// Reads on to the line's end, and forgets it again if there is none yet.
    fn pass_over(&mut self) -> io::Result<Step> {
        let (mut hasher, mut own) = (self.hasher.clone(), Hasher::new());
        let mut bytes = 0;
        loop {
            hasher.update(&self.line);
            own.update(&self.line);
            bytes += self.line.len() as u64;
            if self.line.ends_with(b"\n") {
                break;
            }
            self.line.clear();
            let Some(input) = &mut self.input else { return Ok(Step::End) };
            if input.by_ref().take(BUFFER as u64).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(Step::End);
            }
        }
        self.line = Vec::new();
        self.hasher = hasher;
        self.offset += bytes;
        Ok(Step::TooLong { bytes, hash: *own.finalize().as_bytes() })
    }
}
