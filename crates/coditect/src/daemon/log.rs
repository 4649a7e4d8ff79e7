//! The daemon's log: JSON lines in `daemon.log`, turned over when it is full.
//!
//! Lines are handed to a thread that writes what has gathered, so no request waits for the disk. The file
//! never grows past [`FILE_MAX`] and [`FILES_KEPT`] are kept.
//!
//! Invariant: logging never blocks and never fails what is logged; lines that could not be kept are counted,
//! and the count is a line itself.

use model::Clock;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Environment variable with another filter, as in `engine=debug,info`.
pub(crate) const FILTER_VARIABLE: &str = "CODITECT_LOG";
const FILTER_DEFAULT: &str = "info";
/// Says what it sends and gets, keys and conversations among it; never to be heard, whatever the filter says.
const SILENCED: &str = "genai";
/// Largest log file, in bytes.
const FILE_MAX: u64 = 8 * 1024 * 1024;
/// Files kept beside the one that is written: `daemon.log.1` is the last one, and so on.
const FILES_KEPT: u32 = 3;
/// Longest line, in bytes; the rest of a longer one is left out.
const LINE_MAX: usize = 16 * 1024;
/// Lines that may wait for the disk.
const QUEUE: usize = 1024;
/// Bytes gathered before they are written.
const BATCH: usize = 64 * 1024;

enum Word {
    Line(Vec<u8>),
    End,
}

/// Ends the log when dropped: everything said until then is in the file.
pub(crate) struct LogGuard {
    words: SyncSender<Word>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if self.words.send(Word::End).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Begins to log for the whole process. Without a file there is no log, and the daemon runs all the same.
pub(crate) fn begin(path: &Path, clock: Arc<dyn Clock>, filter: Option<&String>) -> Option<LogGuard> {
    let (lines, guard) = open(path.to_owned(), FILE_MAX).ok()?;
    let subscriber = subscriber(lines, clock, filter.map_or(FILTER_DEFAULT, String::as_str));
    // A second one in this process would be a test's; the first one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "a part of the daemon panicked");
        let _ = writeln!(io::stderr(), "{panic}");
    }));
    Some(guard)
}

/// The one layer of the log. What is silenced is so beside the filter: among its directives a more specific one
/// would win.
fn subscriber<W>(writer: W, clock: Arc<dyn Clock>, filter: &str) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let chosen = EnvFilter::builder().parse_lossy(filter);
    let heard = filter_fn(|about| about.target().split("::").next() != Some(SILENCED));
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_timer(Time(clock))
        .with_writer(writer)
        .with_filter(chosen.and(heard));
    tracing_subscriber::registry().with(layer)
}

struct Time(Arc<dyn Clock>);

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", self.0.now())
    }
}

/// Hands lines over to the thread that writes.
#[derive(Clone)]
struct Lines {
    words: SyncSender<Word>,
    lost: Arc<AtomicU64>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// Takes one whole line, which is how the subscriber writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = line[..line.len().min(LINE_MAX)].to_vec();
        if kept.len() < line.len() {
            kept.push(b'\n');
        }
        if self.words.try_send(Word::Line(kept)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: PathBuf, file_max: u64) -> io::Result<(Lines, LogGuard)> {
    let lost = Arc::new(AtomicU64::new(0));
    let (words, incoming) = sync_channel(QUEUE);
    let mut log = LogFile::open(path, file_max)?;
    let counted = Arc::clone(&lost);
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || log.keep(&incoming, &counted))?;
    let guard = LogGuard { words: words.clone(), thread: Some(thread) };
    Ok((Lines { words, lost }, guard))
}

struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    file_max: u64,
}

impl LogFile {
    fn open(path: PathBuf, file_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, file_max })
    }

    fn keep(&mut self, incoming: &Receiver<Word>, lost: &AtomicU64) {
        let mut batch = Vec::new();
        while let Ok(word) = incoming.recv() {
            let mut ended = gather(&mut batch, word);
            while !ended && batch.len() < BATCH {
                match incoming.try_recv() {
                    Ok(word) => ended = gather(&mut batch, word),
                    Err(_) => break,
                }
            }
            let missing = lost.swap(0, Ordering::Relaxed);
            if missing > 0 {
                let line =
                    format!("{{\"level\":\"WARN\",\"message\":\"{missing} lines of the log were lost\"}}\n");
                batch.extend_from_slice(line.as_bytes());
            }
            if self.write(&batch).is_err() {
                lost.fetch_add(missing + 1, Ordering::Relaxed);
            }
            batch.clear();
            if ended {
                return;
            }
        }
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + batch.len() as u64 > self.file_max {
            self.turn_over()?;
        }
        self.file.write_all(batch)?;
        self.size += batch.len() as u64;
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        for n in (1..FILES_KEPT).rev() {
            // A gap in the row is no harm.
            let _ = std::fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1));
        }
        std::fs::rename(&self.path, numbered(&self.path, 1))?;
        *self = Self::open(self.path.clone(), self.file_max)?;
        Ok(())
    }
}

/// True at the end.
fn gather(batch: &mut Vec<u8>, word: Word) -> bool {
    match word {
        Word::Line(line) => {
            batch.extend_from_slice(&line);
            false
        }
        Word::End => true,
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_turns_over_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let mut log = LogFile::open(path.clone(), 100).unwrap();
        for n in 0..50 {
            log.write(format!("{n:039}\n").as_bytes()).unwrap();
        }
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(files.len(), 1 + FILES_KEPT as usize);
        for file in files {
            assert!(file.metadata().unwrap().len() <= 100);
        }
        let newest = std::fs::read_to_string(&path).unwrap();
        assert!(newest.trim_end().ends_with("49"), "{newest}");
        assert!(std::fs::read_to_string(numbered(&path, 1)).unwrap().contains("47"));
    }

    #[test]
    fn no_filter_lets_the_one_through_that_says_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let (lines, guard) = open(path.clone(), FILE_MAX).unwrap();
        let subscriber =
            subscriber(lines, Arc::new(bus::system::SystemClock), "trace,genai=trace,genai::webc=trace");
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "genai", "one key");
            tracing::error!(target: "genai::webc::web_client", "another key");
            tracing::trace!(target: "genaiology", "a neighbour");
        });
        drop(guard);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("a neighbour") && !text.contains("key"), "{text}");
    }

    #[test]
    fn what_was_said_before_the_end_is_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let (mut lines, guard) = open(path.clone(), FILE_MAX).unwrap();
        for n in 0..100 {
            lines.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        lines.write_all(&vec![b'x'; LINE_MAX * 2]).unwrap();
        drop(guard);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("line ")).count(), 100);
        assert_eq!(text.lines().last().map(str::len), Some(LINE_MAX));
        // Nobody writes any more; nothing breaks.
        lines.write_all(b"late\n").unwrap();
    }

    #[test]
    fn lines_that_found_no_place_are_counted() {
        let (words, incoming) = sync_channel(2);
        let lost = Arc::new(AtomicU64::new(0));
        let mut lines = Lines { words, lost: Arc::clone(&lost) };
        for _ in 0..5 {
            lines.write_all(b"{}\n").unwrap();
        }
        drop(lines);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        LogFile::open(path.clone(), FILE_MAX).unwrap().keep(&incoming, &lost);
        assert!(std::fs::read_to_string(path).unwrap().contains("3 lines of the log were lost"));
    }
}
