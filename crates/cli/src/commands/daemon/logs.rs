//! `coditect daemon logs`: the end of the log, and what comes after it.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::Args;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Bytes from the end of the log in which lines are counted.
const TAIL_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Lines from the end
    #[arg(short = 'n', long, default_value_t = 50)]
    lines: usize,
    /// Go on as the log grows
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let path = context.root.daemon_log();
        let unusable = |error: &std::io::Error| {
            Failure::file(&path, error)
                .hint("there is a log once a daemon was started in the background: `coditect up`")
        };
        let (text, mut at) = tail(&path, self.lines).map_err(|error| unusable(&error))?;
        let mut rest = String::new();
        print(context, &text, &mut rest)?;
        if !self.follow {
            // The last line may have no end yet.
            return if rest.is_empty() { Ok(Exit::Done) } else { one(context, &rest).map(|()| Exit::Done) };
        }
        loop {
            std::thread::sleep(LOOK_EVERY);
            let (text, next) = since(&path, at).map_err(|error| unusable(&error))?;
            at = next;
            print(context, &text, &mut rest)?;
        }
    }
}

/// Whole lines only; what comes after the last line break waits in `rest`.
fn print(context: &Context, text: &str, rest: &mut String) -> Result<(), Failure> {
    rest.push_str(text);
    while let Some(end) = rest.find('\n') {
        one(context, &rest[..end])?;
        rest.drain(..=end);
    }
    Ok(())
}

fn one(context: &Context, line: &str) -> Result<(), Failure> {
    match context.screen.json {
        true => context.screen.streamed(&serde_json::json!({ "line": line })),
        false => context.screen.text(line),
    }
}

/// The last lines, and the position after them.
fn tail(path: &Path, lines: usize) -> std::io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(end.saturating_sub(TAIL_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let starts: Vec<usize> = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        })
        .collect();
    let from =
        starts.len().checked_sub(lines).map_or(0, |first| starts.get(first).copied().unwrap_or(text.len()));
    Ok((text[from..].to_owned(), end))
}

/// What was written after `at`. A log that became shorter was put aside: it is read from its start.
fn since(path: &Path, at: u64) -> std::io::Result<(String, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((String::new(), 0)),
        Err(error) => return Err(error),
    };
    let from = if file.metadata()?.len() < at { 0 } else { at };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    let read = file.take(TAIL_MAX).read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), from + read as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_and_what_comes_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let (text, at) = tail(&path, 2).unwrap();
        assert_eq!((text.as_str(), at), ("two\nthree\n", 14));
        assert_eq!(tail(&path, 0).unwrap().0, "");
        assert_eq!(tail(&path, 9).unwrap().0, "one\ntwo\nthree\n");

        std::fs::write(&path, "one\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(since(&path, at).unwrap(), ("four\n".to_owned(), 19));
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(since(&path, 19).unwrap(), ("new\n".to_owned(), 4), "put aside meanwhile");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(since(&path, 19).unwrap(), (String::new(), 0));
    }
}
