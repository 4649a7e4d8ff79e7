//! Lines over a pipe, bounded: the NDJSON framing of both directions.
//!
//! Invariant: a reader holds one line of at most its limit, whatever the other side writes.

use serde::Serialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Longest line a run may say, in bytes. A written file of the largest size (1 MiB) fits even when
/// JSON has to escape every byte of it.
pub(crate) const EVENT_LINE_MAX: usize = 8 * 1024 * 1024;
/// Longest line the daemon may say, in bytes: a start with a whole conversation in it.
pub(crate) const COMMAND_LINE_MAX: usize = 32 * 1024 * 1024;
/// How much of a line on stderr is kept, in bytes.
pub(crate) const STDERR_LINE_MAX: usize = 4 * 1024;
/// How much of a line that is too long or means nothing is kept, in bytes.
pub(crate) const EXCERPT_MAX: usize = 200;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// Longer than the limit: its beginning and its length. The rest was read and thrown away.
    TooLong {
        head: Vec<u8>,
        bytes: u64,
    },
}

pub(crate) struct Lines<R> {
    reader: R,
    max: usize,
    /// How much is kept of a line that is too long.
    keep: usize,
    line: Vec<u8>,
    /// Length of the present line so far, kept or not.
    bytes: u64,
    /// Whether a line is given as too long before it has an end.
    at_once: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, max: usize, keep: usize) -> Self {
        Self { reader, max, keep: keep.min(max), line: Vec::new(), bytes: 0, at_once: false }
    }

    /// Lines of which one that is too long is the last that is wanted: it may have no end, so none is waited for.
    pub(crate) fn judged_at_once(reader: R, max: usize, keep: usize) -> Self {
        Self { at_once: true, ..Self::new(reader, max, keep) }
    }

    /// The next line, none at the end. A last line without an end counts. Nothing is lost when the
    /// future is dropped: what was read stays here.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let piece = self.reader.fill_buf().await?;
            if piece.is_empty() {
                return Ok((self.bytes > 0).then(|| self.finish()));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let content = &piece[..end.unwrap_or(piece.len())];
            self.bytes += content.len() as u64;
            if self.bytes <= self.max as u64 {
                self.line.extend_from_slice(content);
            } else {
                let missing = self.keep.saturating_sub(self.line.len()).min(content.len());
                self.line.extend_from_slice(&content[..missing]);
                self.line.truncate(self.keep);
                self.line.shrink_to(self.keep);
            }
            let consumed = content.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if end.is_some() || (self.at_once && self.bytes > self.max as u64) {
                return Ok(Some(self.finish()));
            }
        }
    }

    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    /// What follows the lines read so far.
    pub(crate) fn into_rest(self) -> R {
        self.reader
    }

    fn finish(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > self.max as u64 { Line::TooLong { head: line, bytes } } else { Line::Whole(line) }
    }
}

/// The line would be longer than the other side reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message of {bytes} bytes does not fit the run's pipe (limit {max})")]
pub struct LineTooLong {
    pub bytes: usize,
    pub max: usize,
}

/// One line with its end.
pub(crate) fn encode(what: &impl Serialize, max: usize) -> Result<Vec<u8>, LineTooLong> {
    // The wire types have string keys and no maps that can fail; an empty line is skipped by readers.
    let mut line = serde_json::to_vec(what).unwrap_or_default();
    if line.len() > max {
        return Err(LineTooLong { bytes: line.len(), max });
    }
    line.push(b'\n');
    Ok(line)
}

/// The beginning of a line, fit for people.
pub(crate) fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_MAX)]).into_owned();
    if line.len() > EXCERPT_MAX { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::BufReader;

    fn read(input: &[u8], buffer: usize, max: usize, keep: usize) -> Vec<Line> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(BufReader::with_capacity(buffer, input), max, keep);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                assert!(lines.line.capacity() <= max.max(8) * 2);
                found.push(line);
            }
            found
        })
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_over_is_not() {
        assert_eq!(read(b"12345\n", 2, 5, 3), [Line::Whole(b"12345".to_vec())]);
        assert_eq!(
            read(b"123456\nab\n\nc", 2, 5, 3),
            [
                Line::TooLong { head: b"123".to_vec(), bytes: 6 },
                Line::Whole(b"ab".to_vec()),
                Line::Whole(Vec::new()),
                Line::Whole(b"c".to_vec()),
            ]
        );
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_judged_when_it_is_too_long() {
        let (endless, mut writer) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"123456").await.unwrap();
        let mut lines = Lines::judged_at_once(BufReader::new(endless), 5, 3);
        assert_eq!(lines.next().await.unwrap(), Some(Line::TooLong { head: b"123".to_vec(), bytes: 6 }));
    }

    #[test]
    fn what_is_too_long_is_not_written() {
        assert_eq!(encode(&"abc", 5).unwrap(), b"\"abc\"\n");
        assert_eq!(encode(&"abcd", 5), Err(LineTooLong { bytes: 6, max: 5 }));
    }

    #[test]
    fn an_excerpt_never_cuts_into_a_panic() {
        let long = "ä".repeat(EXCERPT_MAX);
        assert!(excerpt(&long.as_bytes()[1..]).ends_with('…'));
        assert_eq!(excerpt(b"short"), "short");
    }

    proptest! {
        #[test]
        fn lines_are_what_splitting_gives(
            parts in proptest::collection::vec("[a-z]{0,12}", 0..20), buffer in 1usize..9, max in 1usize..12,
        ) {
            let input = parts.iter().map(|part| format!("{part}\n")).collect::<String>();
            let found = read(input.as_bytes(), buffer, max, 3);
            prop_assert_eq!(found.len(), parts.len());
            for (line, part) in found.into_iter().zip(parts) {
                let part = part.into_bytes();
                let expected = if part.len() <= max {
                    Line::Whole(part)
                } else {
                    Line::TooLong { head: part[..3.min(max)].to_vec(), bytes: part.len() as u64 }
                };
                prop_assert_eq!(line, expected);
            }
        }
    }
}
