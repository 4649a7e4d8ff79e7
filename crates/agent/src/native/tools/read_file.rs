//! `read_file`: text of the worktree, a window of it when it is long.

use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::confine::Tree;
use super::{FILE_MAX, Outcome, Parsed, ToolError, Toolbox, in_background};
use crate::run::wire::Request;
use model::{ParticipantStatus, RepoPath};

/// Text given to the model at a time, in bytes.
pub(super) const WINDOW_MAX: usize = 64 * 1024;
/// How far into a file lines are counted, in bytes.
pub(super) const SCAN_MAX: u64 = 64 * 1024 * 1024;
/// Where a NUL byte makes a file binary, in bytes from its beginning.
const SNIFF: usize = 8 * 1024;

#[derive(Deserialize)]
pub(super) struct Arguments {
    path: String,
    offset: Option<u64>,
    limit: Option<u64>,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Read a text file of the repository. Long files come in windows of up to 64 KiB: the end of the \
         result says where to go on.",
        json!({
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "relative to the repository's root"},
                "offset": {"type": "integer", "minimum": 1, "description": "first line, from 1"},
                "limit": {"type": "integer", "minimum": 1, "description": "number of lines"}
            },
            "required": ["path"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { path, offset, limit } = arguments?;
    let path: RepoPath = path.parse()?;
    let doing = format!("read_file {path}");
    let arguments = json!({"path": path, "offset": offset, "limit": limit});
    let request = Request::to_read("read_file", &doing, arguments, vec![path.clone()]);
    toolbox.permitted(request, "the file was not read").await?;
    toolbox.status(ParticipantStatus::RunningTool, &doing).await;
    let (tree, wanted) = (toolbox.tree.clone(), path.clone());
    let (text, hash) =
        in_background(move |stop| read(&tree, &wanted, offset.unwrap_or(1), limit.unwrap_or(u64::MAX), stop))
            .await?;
    if let Some(hash) = hash {
        toolbox.seen.borrow_mut().insert(path, hash);
    }
    Ok(Outcome::ok(text))
}

/// The text of a window, and the hash of the whole file unless it is too large to be edited.
fn read(
    tree: &Tree,
    path: &RepoPath,
    offset: u64,
    limit: u64,
    stop: &AtomicBool,
) -> Result<(String, Option<String>), ToolError> {
    let (offset, limit) = (offset.max(1), limit.max(1));
    let (file, bytes) = tree.file(path)?;
    if bytes > FILE_MAX {
        let text = window(BufReader::new(file.take(SCAN_MAX)), offset, limit, stop)?.describe(bytes)?;
        return Ok((text, None));
    }
    let content = tree.read(path, FILE_MAX)?;
    let hash = blake3::hash(&content).to_hex().to_string();
    let bytes = content.len() as u64;
    let text = window(Cursor::new(content), offset, limit, stop)?.describe(bytes)?;
    Ok((text, Some(hash)))
}

/// Some lines of a file.
#[derive(Debug, Default)]
struct Window {
    text: Vec<u8>,
    binary: bool,
    first: u64,
    /// Lines before and in the window.
    lines: u64,
    /// The window ends inside a line.
    cut: bool,
    /// There is more after the window.
    more: bool,
}

fn window(mut reader: impl BufRead, offset: u64, limit: u64, stop: &AtomicBool) -> Result<Window, ToolError> {
    let failed = |error: std::io::Error| ToolError::Failed(format!("cannot read: {error}"));
    let mut window = Window { first: offset, ..Window::default() };
    let mut position = 0;
    // The line we are in, from 1; the bytes of it that were passed.
    let (mut line, mut in_line) = (1u64, false);
    loop {
        let piece = reader.fill_buf().map_err(failed)?;
        if piece.is_empty() || stop.load(Ordering::Relaxed) {
            break;
        }
        if position < SNIFF {
            window.binary |= piece[..piece.len().min(SNIFF - position)].contains(&0);
        }
        if line >= offset && (line - offset >= limit || window.text.len() >= WINDOW_MAX) {
            window.more = true;
            window.cut = in_line;
            break;
        }
        let end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
        let mut taken = end;
        if line >= offset {
            taken = end.min(WINDOW_MAX - window.text.len());
            window.text.extend_from_slice(&piece[..taken]);
        }
        in_line = !(taken == end && piece[end - 1] == b'\n');
        if !in_line {
            line += 1;
        }
        position = position.saturating_add(taken);
        reader.consume(taken);
    }
    window.lines = line - u64::from(!in_line);
    // A window ends with a line, unless it is one line that does not fit.
    if window.cut
        && let Some(end) = window.text.iter().rposition(|byte| *byte == b'\n')
    {
        window.text.truncate(end + 1);
        window.lines -= 1;
        window.cut = false;
    }
    Ok(window)
}

impl Window {
    fn describe(self, bytes: u64) -> Result<String, ToolError> {
        if self.binary || self.text.contains(&0) {
            return Err(ToolError::Failed(format!("this is a binary file of {bytes} bytes, not text")));
        }
        let mut text = match String::from_utf8(self.text) {
            Ok(text) => text,
            Err(broken) => {
                let cut_only = self.cut && broken.utf8_error().error_len().is_none();
                let mut text = String::from_utf8_lossy(broken.as_bytes()).into_owned();
                if !cut_only {
                    text.push_str("\n[this file is not UTF-8; some characters are shown as \u{fffd}]");
                }
                text
            }
        };
        let lines = self.lines;
        if bytes == 0 {
            return Ok("[the file is empty]".to_owned());
        }
        if self.first > lines {
            let scanned = if bytes > SCAN_MAX { " within the 64 MiB this tool looks at" } else { "" };
            return Ok(format!("[the file has {lines} lines{scanned}]"));
        }
        if self.cut {
            text.push_str(&format!("\n[cut in line {lines}; the file has {bytes} bytes]"));
        } else if self.more {
            let (first, next) = (self.first, lines + 1);
            text.push_str(&format!(
                "[lines {first} to {lines} of a file of {bytes} bytes; go on with offset {next}]"
            ));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8], offset: u64, limit: u64) -> Result<String, ToolError> {
        // A tiny buffer, so that every edge falls between two pieces once.
        let reader = BufReader::with_capacity(3, content);
        window(reader, offset, limit, &AtomicBool::new(false))?.describe(content.len() as u64)
    }

    #[test]
    fn windows_are_lines() {
        let text = b"one\ntwo\nthree\nfour";
        assert_eq!(lines(text, 1, u64::MAX).unwrap(), "one\ntwo\nthree\nfour");
        assert_eq!(
            lines(text, 2, 2).unwrap(),
            "two\nthree\n[lines 2 to 3 of a file of 18 bytes; go on with offset 4]"
        );
        assert_eq!(lines(text, 4, 9).unwrap(), "four");
        assert_eq!(lines(text, 5, 1).unwrap(), "[the file has 4 lines]");
        assert_eq!(lines(b"a\n", 2, 1).unwrap(), "[the file has 1 lines]");
        assert_eq!(lines(b"", 1, 1).unwrap(), "[the file is empty]");
        assert_eq!(lines(b"a\r\nb\r\n", 1, 9).unwrap(), "a\r\nb\r\n");
    }

    #[test]
    fn a_line_longer_than_the_window_is_cut() {
        let content = vec![b'x'; WINDOW_MAX + 10];
        let text = lines(&content, 1, u64::MAX).unwrap();
        assert!(text.starts_with("xxx") && text.len() < WINDOW_MAX + 100);
        assert!(text.ends_with(&format!("\n[cut in line 1; the file has {} bytes]", WINDOW_MAX + 10)));
        let exactly = vec![b'x'; WINDOW_MAX];
        assert_eq!(lines(&exactly, 1, u64::MAX).unwrap().len(), WINDOW_MAX);
    }

    #[test]
    fn binary_is_refused_and_foreign_text_shown_as_far_as_it_goes() {
        assert!(lines(b"ab\0cd", 1, 9).unwrap_err().to_string().contains("binary file of 5 bytes"));
        let latin = lines(b"caf\xe9", 1, 9).unwrap();
        assert!(latin.starts_with("caf\u{fffd}\n[this file is not UTF-8"), "{latin}");
    }

    #[test]
    fn a_huge_file_is_read_through_a_window() {
        let root = tempfile::tempdir().unwrap();
        let size = usize::try_from(FILE_MAX).unwrap();
        std::fs::write(root.path().join("large"), "line\n".repeat(size / 5 + 1)).unwrap();
        // A sparse file larger than any memory.
        std::fs::File::create(root.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let read = |path: &str, offset, limit| {
            read(&tree, &path.parse().unwrap(), offset, limit, &AtomicBool::new(false))
        };
        let (text, hash) = read("large", 3, 2).unwrap();
        assert_eq!(text, "line\nline\n[lines 3 to 4 of a file of 1048580 bytes; go on with offset 5]");
        assert_eq!(hash, None);
        let (text, _) = read("large", 1, u64::MAX).unwrap();
        assert!(text.len() < WINDOW_MAX + 100 && text.contains("go on with offset 13108"), "{}", text.len());
        assert!(read("hole", 1, 1).unwrap_err().to_string().contains("binary file of 1099511627776 bytes"));
    }
}
