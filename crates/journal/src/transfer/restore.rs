//! Reads an archive into a new place.

use super::{ARCHIVE_FORMAT, Contents, ENTRY_MAX, Entry, LINES_BYTES};
use crate::blob::{BLOB_MAX, Blobs};
use crate::epochs::Epochs;
use crate::line::{LINE_MAX, Line};
use crate::segment;
use crate::{JournalError, Options, Position, Reader, disk};
use model::Cursor;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Blobs stored together: one directory sync for many of them.
const BLOB_BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Largest window a zstd stream may ask for, as a power of two: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreReport {
    pub records: u64,
    pub blobs: u64,
    pub head: Position,
    /// The epoch the restored journal goes on in.
    pub epoch: u64,
}

/// Restores an export into an empty (or absent) place. The archive is verified first; until then
/// nothing appears under `dir` or `blobs`, and a refused one leaves nothing behind.
pub fn restore(archive: impl Read, dir: &Path, blobs: &Path) -> Result<RestoreReport, JournalError> {
    for place in [dir, blobs] {
        if fs::read_dir(place).is_ok_and(|mut inside| inside.next().is_some()) || place.is_file() {
            return Err(JournalError::NotEmpty(place.to_owned()));
        }
    }
    let staged = Staged { dir: beside(dir), blobs: beside(blobs) };
    staged.clear()?;
    let report = staged.fill(archive).and_then(|report| staged.put_in_place(dir, blobs).map(|()| report));
    if report.is_err() {
        staged.clear()?;
    }
    report
}

/// Where the archive is unpacked: in the same folder, so that putting it in place is one rename.
struct Staged {
    dir: PathBuf,
    blobs: PathBuf,
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    place.with_file_name(name)
}

impl Staged {
    fn clear(&self) -> Result<(), JournalError> {
        for place in [&self.dir, &self.blobs] {
            match fs::remove_dir_all(place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::io("remove", place, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn fill(&self, archive: impl Read) -> Result<RestoreReport, JournalError> {
        disk::create_dirs(&self.dir)?;
        disk::create_dirs(&self.blobs)?;
        let mut archive = Unpacking::new(archive).map_err(refused)?;
        let contents = archive.contents()?;
        require_room(&self.dir, contents.bytes)?;
        self.unpack(&mut archive, &contents)?;
        let mut epochs = Epochs::from_records(contents.epochs.clone());
        epochs.save(&self.dir)?;
        let head =
            Position { cursor: Cursor { epoch: contents.epoch, seq: contents.records }, hash: contents.head };
        self.verify(head)?;
        // What comes next must not look like what the original wrote after the export.
        epochs.raise(head, 0);
        epochs.save(&self.dir)?;
        Ok(RestoreReport { records: contents.records, blobs: contents.blobs, head, epoch: epochs.current() })
    }

    fn unpack(&self, archive: &mut Unpacking<impl Read>, contents: &Contents) -> Result<(), JournalError> {
        let blobs = Blobs::at(&self.blobs);
        let mut segments = SegmentWriter::new(&self.dir);
        let mut waiting: Vec<Vec<u8>> = Vec::new();
        let mut found = 0;
        loop {
            match archive.entry()? {
                Entry::Journal(_) => return Err(archive_error("it has two beginnings")),
                Entry::Lines { bytes } => {
                    let lines = archive.bytes(bytes, LINES_BYTES + LINE_MAX + 1, contents.bytes)?;
                    segments.add(&lines)?;
                }
                Entry::Blob { hash, bytes } => {
                    let content = archive.bytes(bytes, BLOB_MAX, contents.bytes)?;
                    if blake3::hash(&content) != hash {
                        return Err(archive_error("a blob does not match its name"));
                    }
                    found += 1;
                    waiting.push(content);
                    if waiting.iter().map(Vec::len).sum::<usize>() >= BLOB_BATCH_BYTES {
                        store(&blobs, &mut waiting)?;
                    }
                }
                Entry::End { hash } => {
                    archive.end(hash)?;
                    break;
                }
            }
        }
        store(&blobs, &mut waiting)?;
        if found != contents.blobs {
            return Err(archive_error("it holds another number of blobs than it says"));
        }
        segments.finish()
    }

    fn verify(&self, head: Position) -> Result<(), JournalError> {
        let reader = Reader::open(&self.dir, &self.blobs)?;
        let report = reader.verify()?;
        if let Some(problem) = report.problems.first() {
            return Err(archive_error(&problem.to_string()));
        }
        if report.head != head || report.records != head.cursor.seq {
            return Err(archive_error("its records do not end where it says"));
        }
        Ok(())
    }

    /// Blobs first: a journal is never there without them.
    fn put_in_place(&self, dir: &Path, blobs: &Path) -> Result<(), JournalError> {
        for (from, to) in [(&self.blobs, blobs), (&self.dir, dir)] {
            // Over an empty directory a rename is a replacement.
            fs::rename(from, to).map_err(|error| JournalError::io("put in place", to, error))?;
            to.parent().map_or(Ok(()), disk::sync_dir)?;
        }
        Ok(())
    }
}

fn store(blobs: &Blobs, waiting: &mut Vec<Vec<u8>>) -> Result<(), JournalError> {
    let contents: Vec<&[u8]> = waiting.iter().map(Vec::as_slice).collect();
    blobs.put(&contents)?;
    waiting.clear();
    Ok(())
}

fn require_room(dir: &Path, bytes: u64) -> Result<(), JournalError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| JournalError::io("measure", dir, error.into()))?;
    if found.f_bavail.saturating_mul(found.f_frsize) < bytes {
        return Err(JournalError::Full);
    }
    Ok(())
}

fn archive_error(what: &str) -> JournalError {
    JournalError::Archive(what.to_owned())
}

fn refused(error: io::Error) -> JournalError {
    JournalError::Archive(format!("it cannot be unpacked: {error}"))
}

/// The archive being read; hashes what comes out and never lets out more than was announced.
struct Unpacking<R: Read> {
    archive: BufReader<zstd::stream::read::Decoder<'static, BufReader<R>>>,
    hasher: blake3::Hasher,
    unpacked: u64,
}

impl<R: Read> Unpacking<R> {
    fn new(archive: R) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::new(archive)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { archive: BufReader::new(decoder), hasher: blake3::Hasher::new(), unpacked: 0 })
    }

    fn contents(&mut self) -> Result<Contents, JournalError> {
        let Entry::Journal(contents) = self.entry()? else {
            return Err(archive_error("it does not begin like an archive of a journal"));
        };
        if contents.format > ARCHIVE_FORMAT {
            return Err(JournalError::TooNew {
                what: "the archive".to_owned(),
                found: contents.format.into(),
                known: ARCHIVE_FORMAT.into(),
            });
        }
        Ok(contents)
    }

    fn entry(&mut self) -> Result<Entry, JournalError> {
        let mut json = Vec::new();
        self.archive.by_ref().take(ENTRY_MAX).read_until(b'\n', &mut json).map_err(refused)?;
        let entry = json.strip_suffix(b"\n").ok_or_else(|| archive_error("it is cut off"))?;
        let entry = serde_json::from_slice(entry)
            .map_err(|error| archive_error(&format!("an entry is malformed: {error}")))?;
        if !matches!(entry, Entry::End { .. }) {
            self.hasher.update(&json);
        }
        Ok(entry)
    }

    fn bytes(&mut self, bytes: u64, limit: usize, total: u64) -> Result<Vec<u8>, JournalError> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        let size = usize::try_from(bytes).ok().filter(|&size| size <= limit && self.unpacked <= total);
        let size = size.ok_or_else(|| archive_error("it holds more than it announced"))?;
        let mut content = vec![0; size];
        self.archive.read_exact(&mut content).map_err(refused)?;
        self.hasher.update(&content);
        Ok(content)
    }

    fn end(&mut self, hash: [u8; 32]) -> Result<(), JournalError> {
        if self.hasher.finalize() != hash {
            return Err(archive_error("it does not match its hash"));
        }
        // Reading on checks the stream's own checksum, too.
        match self.archive.read(&mut [0]).map_err(refused)? {
            0 => Ok(()),
            _ => Err(archive_error("something follows its end")),
        }
    }
}

/// Writes lines into segments as the journal would have.
struct SegmentWriter<'a> {
    dir: &'a Path,
    file: Option<(BufWriter<File>, u64)>,
}

impl<'a> SegmentWriter<'a> {
    fn new(dir: &'a Path) -> Self {
        Self { dir, file: None }
    }

    fn add(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        let mut rest = lines;
        while !rest.is_empty() {
            let end = rest.iter().position(|&c| c == b'\n');
            let end = end.ok_or_else(|| archive_error("a record is cut off"))?;
            let (line, after) = rest.split_at(end + 1);
            self.line(line)?;
            rest = after;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), JournalError> {
        // Nonsense is refused here already, long before the whole of it is verified.
        let parsed =
            Line::parse(&line[..line.len() - 1]).map_err(|fault| archive_error(&fault.to_string()))?;
        let (mut file, written) = match self.file.take() {
            Some(open) => open,
            None => {
                let path = segment::plain_path(self.dir, parsed.seq());
                let file = match path.exists() {
                    true => return Err(archive_error("it holds a record twice")),
                    false => disk::create_new(&path)?,
                };
                (BufWriter::new(file), 0)
            }
        };
        file.write_all(line).map_err(|error| JournalError::io("write", self.dir, error))?;
        let written = written + line.len() as u64;
        if written >= Options::default().segment_bytes && parsed.more() == 0 {
            return self.close(file);
        }
        self.file = Some((file, written));
        Ok(())
    }

    fn close(&self, file: BufWriter<File>) -> Result<(), JournalError> {
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(|error| JournalError::io("sync", self.dir, error))
    }

    fn finish(mut self) -> Result<(), JournalError> {
        self.file.take().map_or(Ok(()), |(file, _)| self.close(file))
    }
}
