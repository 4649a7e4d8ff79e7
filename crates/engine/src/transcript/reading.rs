//! One transcript, from where it was read to, piece by piece into the journal.

use super::piece::{MOVED, OURS, Piece, messages, session_id};
use super::{Job, Tally};
use crate::engine::Shared;
use agent::transcript::{Lines, Place, RAW_MAX, Said, Step, Transcript, Understanding};
use cap_std::fs::Dir;
use model::{
    Actor, FileMark, RawLine, RawReason, Refusal, RefusalKind, Role, SessionId, TouchedFile, Usage, Vendor,
};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use store::{Commit, CommitError, Receipt, TranscriptRow};

/// Bytes of a transcript that become one commit.
const PIECE_BYTES: u64 = 2 * 1024 * 1024;
/// Lines that become one commit, at most.
const PIECE_LINES: u64 = 4096;
/// Bytes held back while there is no word of a conversation yet.
const HOLD_BYTES: u64 = 16 * 1024 * 1024;
/// Commits on their way while the next piece is read.
const AHEAD: usize = 2;
/// Bytes before the position that tell whether a file is still the one that was read.
const TAIL: u64 = 256;
/// Times a file is begun again because somebody else read on or the store is busy.
const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

type Verdict = Result<Receipt, CommitError>;

/// Why a file was left.
#[derive(Debug)]
pub(super) enum Trouble {
    /// To be begun again from what is known then.
    Again(Refusal),
    Refused(Refusal),
    Io(std::io::Error),
    Canceled,
    /// A participant of ours led it: its session has all of it.
    Ours,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal.code.as_ref() {
            MOVED => Self::Again(refusal),
            OURS => Self::Ours,
            _ if refusal.kind == RefusalKind::Busy => Self::Again(refusal),
            _ => Self::Refused(refusal),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<store::StoreError> for Trouble {
    fn from(error: store::StoreError) -> Self {
        Refusal::from(error).into()
    }
}

/// What is kept of a file between two looks at it.
pub(super) struct Reading {
    transcript: Transcript,
    lines: Lines<File>,
    mark: FileMark,
    /// The last bytes before the position.
    tail: Vec<u8>,
    session: Option<SessionId>,
    /// As the journal knows it.
    row: Option<(u64, String)>,
    again: bool,
    sift: bool,
    titled: Option<String>,
    /// The journal has a piece of it that was not the last.
    open: bool,
}

/// What one look at a file came to.
pub(super) enum Look {
    Unchanged,
    /// Nothing of a conversation in it.
    Empty,
    Read(Box<Reading>),
}

/// What was gathered for the next commit.
#[derive(Default)]
struct Gathered {
    from: u64,
    lines: u64,
    passed: u64,
    unknown: Vec<RawLine>,
    raw: usize,
    said: Vec<Said>,
    usage: Usage,
    files: Vec<TouchedFile>,
}

/// Looks at one file and reads what is new in it.
pub(super) fn look(
    shared: &Shared,
    job: &Job,
    vendor: Vendor,
    folder: &Path,
    place: &Place,
    before: Option<Box<Reading>>,
) -> Result<Look, Trouble> {
    let mut before = before;
    for _ in 0..TRIES {
        match Pass::over(shared, job, vendor, folder, place, before.take()) {
            Err(Trouble::Again(refusal)) => {
                tracing::debug!(%refusal, path = %place.path.display(), "a transcript is begun again");
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
        if job.cancel.is_cancelled() {
            return Err(Trouble::Canceled);
        }
    }
    Err(Trouble::Refused(
        Refusal::new(RefusalKind::Busy, "import_busy", "the store is too busy for this import")
            .hint("try again later; it goes on where it stopped"),
    ))
}

/// One pass over one file.
struct Pass<'a> {
    shared: &'a Shared,
    job: &'a Job,
    vendor: Vendor,
    source: String,
    reading: Reading,
    gathered: Gathered,
    verdicts: (SyncSender<Verdict>, Receiver<Verdict>),
    on_their_way: usize,
}

impl<'a> Pass<'a> {
    fn over(
        shared: &'a Shared,
        job: &'a Job,
        vendor: Vendor,
        folder: &Path,
        place: &Place,
        before: Option<Box<Reading>>,
    ) -> Result<Look, Trouble> {
        let source =
            place.path.to_str().ok_or_else(|| Refusal::invalid("import_path", "the path is not UTF-8"))?;
        let row = shared.store.0.read(|view| view.transcript(source))?;
        let file = open(folder, &place.path)?;
        let mark = mark_of(&file)?;
        if row.as_ref().is_some_and(|row| row.file == mark) {
            return Ok(Look::Unchanged);
        }
        let reading = match before.map(|before| before.resume(&file, mark, row.as_ref())) {
            Some(Ok(Some(reading))) => reading,
            _ => Reading::begin(vendor, place, file, mark, row.as_ref(), job)?,
        };
        let from = reading.lines.offset();
        let mut pass = Pass {
            shared,
            job,
            vendor,
            source: source.to_owned(),
            reading,
            gathered: Gathered { from, ..Gathered::default() },
            verdicts: sync_channel(AHEAD + 1),
            on_their_way: 0,
        };
        let result = pass.read();
        // Whatever happened, nobody may be on his way when the file is begun again.
        while pass.on_their_way > 0 {
            let settled = pass.settle();
            if result.is_ok() {
                settled?;
            }
        }
        if result? == Ended::Torn {
            job.count(|tally| tally.torn += 1);
        }
        let Pass { mut reading, .. } = pass;
        if reading.row.is_none() {
            return Ok(Look::Empty);
        }
        reading.keep()?;
        Ok(Look::Read(Box::new(reading)))
    }

    fn read(&mut self) -> Result<Ended, Trouble> {
        loop {
            if self.job.cancel.is_cancelled() {
                return Err(Trouble::Canceled);
            }
            let at = self.reading.lines.offset();
            match self.reading.lines.next_line()? {
                Step::End => break,
                Step::Line => self.line(at),
                Step::TooLong { bytes, hash } => self.gathered.too_long(at, bytes, hash),
            }
            let bytes = self.reading.lines.offset() - self.gathered.from;
            if bytes >= PIECE_BYTES || self.gathered.lines >= PIECE_LINES || self.gathered.raw >= RAW_MAX {
                self.flush(bytes >= HOLD_BYTES || self.gathered.raw >= RAW_MAX, false)?;
            }
        }
        self.flush(false, true)?;
        let rest = self.reading.mark.size > self.reading.lines.offset();
        Ok(if rest { Ended::Torn } else { Ended::Whole })
    }

    fn line(&mut self, at: u64) {
        let bytes = self.reading.lines.line();
        self.gathered.lines += 1;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            self.gathered.passed += 1;
            return;
        }
        match std::str::from_utf8(bytes) {
            Err(_) => self.gathered.raw_line(at, bytes, RawReason::NotUtf8),
            Ok(text) => match self.reading.transcript.read(text) {
                Understanding::Said => {}
                Understanding::Passed => self.gathered.passed += 1,
                Understanding::Unknown => {
                    let json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                    let reason = if json { RawReason::UnknownRecord } else { RawReason::NotJson };
                    self.gathered.raw_line(at, bytes, reason);
                }
            },
        }
    }

    /// Sends off what was gathered. Before the first word of a conversation it is held back, so that no session comes to be
    /// of a file in which nothing was said.
    fn flush(&mut self, now: bool, last: bool) -> Result<(), Trouble> {
        let (said, usage, files) = self.reading.transcript.page().take();
        self.gathered.said.extend(said);
        agent::transcript::add(&mut self.gathered.usage, &usage);
        self.gathered.files.extend(files);
        let spoken = self.gathered.said.iter().any(|said| said.role != Role::System);
        let news = self.gathered.lines > 0 || (last && self.reading.open);
        if !news || (self.reading.row.is_none() && !spoken && !now) {
            return Ok(());
        }
        let piece = self.piece(last)?;
        self.submit(piece)
    }

    fn piece(&mut self, last: bool) -> Result<Piece, Trouble> {
        let header = self.reading.transcript.page().header.clone();
        let session = self.session(&header)?;
        let offset = self.reading.lines.offset();
        let prefix_hash = self.reading.lines.prefix_hash();
        let gathered =
            std::mem::replace(&mut self.gathered, Gathered { from: offset, ..Gathered::default() });
        self.reading.open = !last;
        let title = header.title.clone().filter(|_| self.reading.titled != header.title);
        self.reading.titled = header.title.clone();
        Ok(Piece {
            workspace: self.shared.options.workspace.clone(),
            vendor: self.vendor,
            source: self.source.clone(),
            // Only with the last piece the file is known as it is: until then there is more to read in it.
            file: if last { self.reading.mark } else { FileMark::default() },
            after: self.reading.row.replace((offset, prefix_hash.clone())),
            from: gathered.from,
            offset,
            prefix_hash,
            lines: gathered.lines,
            passed: gathered.passed,
            unknown: gathered.unknown,
            session,
            messages: messages(session, gathered.said),
            usage: gathered.usage,
            files: gathered.files,
            again: std::mem::take(&mut self.reading.again),
            sift: self.reading.sift,
            title,
            header,
        })
    }

    fn session(&mut self, header: &agent::transcript::Header) -> Result<SessionId, Trouble> {
        if let Some(session) = self.reading.session {
            return Ok(session);
        }
        let known = self.shared.store.0.read(|view| view.transcript_session(self.vendor, &header.session))?;
        // What was read of it from another file is not to be read again.
        self.reading.sift |= known.is_some();
        let session = known.unwrap_or_else(|| session_id(self.vendor, header));
        self.reading.session = Some(session);
        Ok(session)
    }

    fn submit(&mut self, piece: Piece) -> Result<(), Trouble> {
        while self.on_their_way >= AHEAD {
            self.settle()?;
        }
        let reply = self.verdicts.0.clone();
        let commit = Commit::new(Actor::System, move |view| piece.decide(view));
        self.on_their_way += 1;
        self.shared.store.0.submit(commit, move |verdict| drop(reply.send(verdict)));
        Ok(())
    }

    /// Waits for the oldest piece under way.
    fn settle(&mut self) -> Result<(), Trouble> {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        let verdict = self.verdicts.1.recv().map_err(Refusal::internal)?;
        let receipt = self.shared.judge(verdict)?;
        self.job.count(|tally| count(tally, &receipt));
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    /// A line is still being written.
    Torn,
}

fn count(tally: &mut Tally, receipt: &Receipt) {
    for record in &receipt.records {
        match &record.event {
            model::Event::SessionCreated(_) => tally.sessions += 1,
            model::Event::TranscriptImported(import) => {
                tally.messages += import.messages;
                tally.lines += import.lines;
                tally.passed += import.passed;
                tally.unknown += import.unknown.len() as u64;
                tally.again += u64::from(import.again);
                tally.bytes_done += import.offset.saturating_sub(import.from);
            }
            _ => {}
        }
    }
}

impl Gathered {
    fn raw_line(&mut self, at: u64, bytes: &[u8], reason: RawReason) {
        if bytes.len() > RAW_MAX {
            self.lines -= 1;
            return self.too_long(at, bytes.len() as u64, *blake3::hash(bytes).as_bytes());
        }
        self.raw += bytes.len();
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let hex = text.is_none().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        self.unknown.push(RawLine { at, bytes: bytes.len() as u64, reason, text, hex, hash: None });
    }

    fn too_long(&mut self, at: u64, bytes: u64, hash: [u8; 32]) {
        self.lines += 1;
        let hash = Some(blake3::Hash::from_bytes(hash).to_hex().to_string());
        self.unknown.push(RawLine { at, bytes, reason: RawReason::TooLong, text: None, hex: None, hash });
    }
}

impl Reading {
    /// From the file's first byte, past what the journal has of it. If that is not what the file begins with, it is another file
    /// by now, and all of it is read.
    fn begin(
        vendor: Vendor,
        place: &Place,
        file: File,
        mark: FileMark,
        row: Option<&TranscriptRow>,
        job: &Job,
    ) -> Result<Self, Trouble> {
        let mut reading = Self::fresh(vendor, place, file, mark, row);
        let Some(row) = row else { return Ok(reading) };
        while reading.lines.offset() < row.offset {
            if job.cancel.is_cancelled() {
                return Err(Trouble::Canceled);
            }
            match reading.lines.next_line()? {
                Step::End => break,
                Step::TooLong { .. } => {}
                Step::Line => {
                    if let Ok(text) = std::str::from_utf8(reading.lines.line()) {
                        reading.transcript.read(text);
                    }
                }
            }
        }
        reading.transcript.page().take();
        reading.titled = reading.transcript.page().header.title.clone();
        if reading.lines.offset() == row.offset && reading.lines.prefix_hash() == row.prefix_hash {
            reading.session = Some(row.session);
            return Ok(reading);
        }
        let file = open(place.path.parent().unwrap_or(&place.path), &place.path)?;
        let mut reading = Self::fresh(vendor, place, file, mark, Some(row));
        (reading.again, reading.sift) = (true, true);
        Ok(reading)
    }

    fn fresh(vendor: Vendor, place: &Place, file: File, mark: FileMark, row: Option<&TranscriptRow>) -> Self {
        Self {
            transcript: Transcript::new(vendor, place.header(vendor)),
            lines: Lines::new(file),
            mark,
            tail: Vec::new(),
            session: None,
            row: row.map(|row| (row.offset, row.prefix_hash.clone())),
            again: false,
            sift: false,
            titled: None,
            open: row.is_some_and(|row| row.file == FileMark::default()),
        }
    }

    /// Goes on where the last look ended, if the file is the same still and nobody else has read on.
    fn resume(
        mut self: Box<Self>,
        file: &File,
        mark: FileMark,
        row: Option<&TranscriptRow>,
    ) -> Result<Option<Self>, std::io::Error> {
        let offset = self.lines.offset();
        let same = (mark.device, mark.inode) == (self.mark.device, self.mark.inode) && mark.size >= offset;
        if !same || row.map(|row| (row.offset, row.prefix_hash.clone())) != self.row {
            return Ok(None);
        }
        let mut tail = vec![0; self.tail.len()];
        file.read_exact_at(&mut tail, offset - self.tail.len() as u64)?;
        if tail != self.tail {
            return Ok(None);
        }
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        self.lines.renew(file);
        self.mark = mark;
        Ok(Some(*self))
    }

    /// Keeps what is needed to go on and lets go of the rest.
    fn keep(&mut self) -> Result<(), Trouble> {
        let offset = self.lines.offset();
        if let Some(file) = self.lines.input() {
            let from = offset.saturating_sub(TAIL);
            let mut tail = vec![0; usize::try_from(offset - from).unwrap_or_default()];
            file.read_exact_at(&mut tail, from)?;
            self.tail = tail;
        }
        self.lines.pause();
        Ok(())
    }
}

/// Opens a regular file below the folder; nothing leads out of it.
fn open(folder: &Path, path: &Path) -> std::io::Result<File> {
    let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority())?;
    let below = path.strip_prefix(folder).map_err(std::io::Error::other)?;
    // A named pipe would be waited for.
    if !dir.symlink_metadata(below)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    Ok(dir.open(below)?.into_std())
}

fn mark_of(file: &File) -> std::io::Result<FileMark> {
    let meta = file.metadata()?;
    let modified = meta.mtime().saturating_mul(1000) + meta.mtime_nsec() / 1_000_000;
    Ok(FileMark { device: meta.dev(), inode: meta.ino(), size: meta.len(), modified })
}
