//! Text of many lines, each a JSON object that begins with the hash of all that comes before and of itself.
//!
//! `{"x":"<64 hex digits>",…}`: `x = BLAKE3(x of the line before ‖ the line from behind its x on)`. Who knows the last `x` knows the
//! text. Invariant: **a line is given out only when it continues what came before it**, so a text that was cut is told from one
//! that was edited: the first lacks its last line, the second has a line that does not fit.

use crate::hex;
use serde::Serialize;
use std::io::{self, BufRead, Read, Write};

/// Longest line, in bytes: the largest payload and what is around it.
pub const CHAINED_LINE_MAX: usize = crate::PAYLOAD_MAX + 64 * 1024;

const BEFORE: &[u8] = b"{\"x\":\"";
const BEHIND: &[u8] = b"\",";
const HEAD: usize = BEFORE.len() + 64 + BEHIND.len();

/// What stands before the first line of a kind of text, so that none passes for another.
fn root(kind: &str) -> [u8; 32] {
    *blake3::hash(kind.as_bytes()).as_bytes()
}

fn next(head: &[u8; 32], rest: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(head).update(rest).finalize().as_bytes()
}

/// Writes lines.
#[derive(Debug)]
pub struct Chain {
    head: [u8; 32],
    lines: u64,
}

impl Chain {
    pub fn new(kind: &str) -> Self {
        Self { head: root(kind), lines: 0 }
    }

    /// Appends the object as a line. It must have a field.
    pub fn put(&mut self, out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(object)?;
        let rest = text.strip_prefix(b"{").unwrap_or_default();
        self.head = next(&self.head, rest);
        self.lines += 1;
        out.write_all(BEFORE)?;
        out.write_all(self.head().as_bytes())?;
        out.write_all(BEHIND)?;
        out.write_all(rest)?;
        out.write_all(b"\n")
    }

    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The hash of the last line, in hex.
    pub fn head(&self) -> String {
        hex::encode(&self.head)
    }
}

/// Why there is no further line. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("line {line} does not end")]
    Cut { line: u64 },
    #[error("line {line} does not continue the lines before it")]
    Edited { line: u64 },
    #[error("line {line} has more than {CHAINED_LINE_MAX} bytes")]
    TooLong { line: u64 },
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads lines.
#[derive(Debug)]
pub struct Chained<R> {
    source: R,
    head: [u8; 32],
    lines: u64,
    bytes: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Chained<R> {
    pub fn new(kind: &str, source: R) -> Self {
        Self { source, head: root(kind), lines: 0, bytes: 0, line: Vec::new() }
    }

    /// The next line, whole; none at the end of the text.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, ChainError> {
        self.line.clear();
        let most = CHAINED_LINE_MAX as u64 + 1;
        self.source.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = self.lines + 1;
        if self.line.last() != Some(&b'\n') {
            let long = self.line.len() > CHAINED_LINE_MAX;
            return Err(if long { ChainError::TooLong { line } } else { ChainError::Cut { line } });
        }
        self.bytes += self.line.len() as u64;
        self.line.pop();
        let edited = || ChainError::Edited { line };
        let (head, rest) = self.line.split_at_checked(HEAD).ok_or_else(edited)?;
        let given =
            head.strip_prefix(BEFORE).and_then(|head| head.strip_suffix(BEHIND)).ok_or_else(edited)?;
        let given = std::str::from_utf8(given).ok().and_then(hex::decode::<32>).ok_or_else(edited)?;
        if given != next(&self.head, rest) {
            return Err(edited());
        }
        self.head = given;
        self.lines = line;
        Ok(Some(&self.line))
    }

    /// Whether the last line that was read begins as a line of such a text does, whatever its hash.
    pub fn looks_chained(&self) -> bool {
        self.line.starts_with(BEFORE)
    }

    /// Lines given out.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes of the lines given out.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of the last line, in hex.
    pub fn head(&self) -> String {
        hex::encode(&self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KIND: &str = "test";

    fn text() -> Vec<u8> {
        let mut out = Vec::new();
        let mut chain = Chain::new(KIND);
        for n in 0..5 {
            chain.put(&mut out, &json!({ "n": n, "text": "ä\n" })).unwrap();
        }
        assert_eq!(chain.lines(), 5);
        out
    }

    /// How many lines there are, and why there are no more.
    fn read(text: &[u8]) -> (u64, Option<ChainError>) {
        let mut chained = Chained::new(KIND, text);
        loop {
            match chained.next_line() {
                Ok(Some(_)) => {}
                Ok(None) => return (chained.lines(), None),
                Err(error) => return (chained.lines(), Some(error)),
            }
        }
    }

    #[test]
    fn what_was_written_reads_back_and_every_line_is_json() {
        let text = text();
        let mut chained = Chained::new(KIND, text.as_slice());
        let mut n = 0;
        while let Some(line) = chained.next_line().unwrap() {
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!((&value["n"], &value["text"]), (&json!(n), &json!("ä\n")));
            n += 1;
        }
        assert_eq!((n, chained.bytes()), (5, text.len() as u64));
        assert!(text.windows(64).any(|window| window == chained.head().as_bytes()), "the last x is the head");
        let mut other = Chained::new("another", text.as_slice());
        assert!(matches!(other.next_line(), Err(ChainError::Edited { line: 1 })));
    }

    #[test]
    fn a_cut_is_no_edit_and_every_changed_byte_is_one() {
        let text = text();
        let ends: Vec<usize> = (0..text.len()).filter(|&at| text[at] == b'\n').collect();
        for cut in 0..text.len() {
            let (lines, error) = read(&text[..cut]);
            assert_eq!(lines as usize, ends.iter().filter(|&&end| end < cut).count());
            let between = cut == 0 || text[cut - 1] == b'\n';
            assert_eq!(matches!(error, Some(ChainError::Cut { .. })), !between, "at {cut}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            let line = 1 + ends.iter().filter(|&&end| end < at).count() as u64;
            let (_, error) = read(&changed);
            let found = match error {
                Some(ChainError::Edited { line } | ChainError::Cut { line }) => line,
                other => panic!("byte {at}: {other:?}"),
            };
            assert!(found == line, "byte {at} is in line {line}, not {found}");
        }
        let without_second = [&text[..=ends[0]], &text[ends[1] + 1..]].concat();
        assert!(matches!(read(&without_second), (1, Some(ChainError::Edited { line: 2 }))));
    }

    #[test]
    fn a_line_has_a_limit() {
        let long = vec![b' '; CHAINED_LINE_MAX + 1];
        assert!(matches!(read(&long), (0, Some(ChainError::TooLong { line: 1 }))));
    }
}
