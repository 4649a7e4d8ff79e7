//! Looking an archive through before anything of it is believed.

use super::line::{BlobPiece, End, EventLine, Manifest, Sort, from_hex, hash_of, sort};
use super::{ARCHIVE_SESSIONS_MAX, KIND, VERSION};
use journal::{BLOB_MAX, ChainError, Chained};
use model::{
    Cursor, EVENT_VERSION, Event, EventError, ParticipantId, Refusal, RunId, SessionId, SessionSource,
    TaskId, TurnId,
};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
/// Tasks, turns, seats and runs of one archive.
const NOUNS_MAX: usize = 1_000_000;

/// Something an archive brings, and its events act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Noun {
    Participant(ParticipantId),
    Task(TaskId),
    Turn(TurnId),
    Run(RunId),
}

/// What an archive was found to be.
pub(super) struct Survey {
    pub(super) session: SessionId,
    pub(super) sessions: Vec<SessionId>,
    pub(super) source: SessionSource,
    pub(super) nouns: BTreeSet<Noun>,
    pub(super) end: End,
    pub(super) lines: u64,
}

/// A line whose hash is good, understood.
pub(super) enum Item {
    Event(Box<Happened>),
    /// A blob is whole.
    Blob(Vec<u8>),
    /// A blob is not whole yet.
    Piece,
    End(End),
}

pub(super) struct Happened {
    pub(super) past: store::Past,
    pub(super) event: Event,
    /// Of its line.
    pub(super) bytes: usize,
}

/// Goes through an archive, from its first line.
pub(super) struct Reading {
    chained: Chained<BufReader<File>>,
    blob: Option<(String, u64, Vec<u8>)>,
    pub(super) manifest: Manifest,
}

impl Reading {
    pub(super) fn begin(mut file: File) -> Result<Self, Refusal> {
        file.rewind().map_err(|error| unreadable(&error))?;
        let mut chained = Chained::new(KIND, BufReader::with_capacity(BUFFER, file));
        let first = match chained.next_line() {
            Ok(Some(line)) => Ok(understood::<Manifest>(line, 1)?),
            Ok(None) => return Err(unknown("it is empty")),
            Err(error) => Err(error),
        };
        let manifest = match first {
            Ok(manifest) => manifest,
            Err(ChainError::Io(error)) => return Err(unreadable(&error)),
            Err(_) if !chained.looks_chained() => return Err(unknown("its first line is no manifest")),
            Err(error) => return Err(broken(error)),
        };
        check(&manifest)?;
        Ok(Self { chained, blob: None, manifest })
    }

    /// Lines given out, the manifest included.
    pub(super) fn lines(&self) -> u64 {
        self.chained.lines()
    }

    /// The hash of the last line, in hex.
    pub(super) fn head(&self) -> String {
        self.chained.head()
    }

    /// The next thing. An archive that ends without an end was cut.
    pub(super) fn next(&mut self) -> Result<Item, Refusal> {
        let at = self.chained.lines() + 1;
        let Some(line) = self.chained.next_line().map_err(broken)? else {
            return Err(cut(at));
        };
        let malformed = |what: &dyn std::fmt::Display| malformed(at, what);
        match sort(line).map_err(|error| malformed(&error))? {
            Sort::Manifest => Err(malformed(&"a manifest in the middle")),
            Sort::Event => happened(line, at, &self.manifest.sessions).map(|one| Item::Event(Box::new(one))),
            Sort::Blob => {
                let piece: BlobPiece<'_> = understood(line, at)?;
                let data = from_hex(&piece.data).ok_or_else(|| malformed(&"data that is not hex"))?;
                let (hash, bytes, mut held) =
                    self.blob.take().unwrap_or_else(|| (piece.hash.into(), piece.bytes, Vec::new()));
                if held.len() as u64 != piece.at || bytes > BLOB_MAX as u64 || data.len() as u64 > bytes {
                    return Err(malformed(&"a piece of a blob that does not fit"));
                }
                held.extend(data);
                if (held.len() as u64) < bytes {
                    self.blob = Some((hash, bytes, held));
                    return Ok(Item::Piece);
                }
                if hash_of(&hash) != Some(*blake3::hash(&held).as_bytes()) {
                    return Err(malformed(&"a blob that is not what its name says"));
                }
                Ok(Item::Blob(held))
            }
            Sort::End => {
                let end = understood::<End>(line, at)?;
                match self.chained.next_line() {
                    Ok(None) => Ok(Item::End(end)),
                    _ => Err(edited(at + 1)),
                }
            }
        }
    }
}

/// Reads all of it, and says what it brings.
pub(super) fn survey(file: File) -> Result<Survey, Refusal> {
    let mut reading = Reading::begin(file)?;
    let (mut nouns, mut acted, mut events, mut blobs) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    loop {
        match reading.next()? {
            Item::Event(one) => {
                events += 1;
                nouns.extend(brought(&one.event));
                acted.extend(acted_on(&one.event));
                if nouns.len().max(acted.len()) > NOUNS_MAX {
                    let message =
                        format!("the archive has more than {NOUNS_MAX} tasks, turns, seats and runs");
                    return Err(Refusal::invalid("archive_too_large", message)
                        .hint("export the sessions of the family one by one"));
                }
            }
            Item::Blob(_) => blobs += 1,
            Item::Piece => {}
            Item::End(end) => {
                let lines = reading.lines();
                if (end.lines + 1, end.events, end.blobs) != (lines, events, blobs) {
                    return Err(malformed(lines, &"its last line counts other things"));
                }
                if let Some(noun) = acted.difference(&nouns).next() {
                    return Err(malformed(lines, &format!("it is about {noun:?}, which it does not bring")));
                }
                let through = end.through.parse::<Cursor>().map_err(|error| malformed(lines, &error))?;
                let archive = reading.head();
                let Manifest { workspace, session, sessions, exported_at, .. } = reading.manifest;
                let source = SessionSource { workspace, archive, exported_at, through };
                return Ok(Survey { session, sessions, source, nouns, end, lines });
            }
        }
    }
}

/// What an event brings that others act on.
pub(super) fn brought(event: &Event) -> Option<Noun> {
    match event {
        Event::ParticipantJoined(one) => Some(Noun::Participant(one.id)),
        Event::TaskSubmitted(task) => Some(Noun::Task(task.id)),
        Event::TurnStarted(turn) => Some(Noun::Turn(turn.id)),
        Event::RunStarted(run) => Some(Noun::Run(run.id)),
        _ => None,
    }
}

/// What a payload says it acts on.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Refers {
    participant: Option<ParticipantId>,
    task: Option<TaskId>,
    turn: Option<TurnId>,
    run: Option<RunId>,
}

/// What an event acts on and does not bring. Whoever wrote an archive by hand must not reach into what is here.
pub(super) fn acted_on(event: &Event) -> Vec<Noun> {
    const ACTS: [&str; 7] = ["participant.", "task.", "turn.", "message.", "model.", "file.", "edit."];
    let brings = matches!(event, Event::ParticipantJoined(_) | Event::TaskSubmitted(_));
    if brings || !ACTS.iter().any(|noun| event.kind().starts_with(noun)) {
        return Vec::new();
    }
    let payload = event.payload().unwrap_or_default();
    let refers: Refers = serde_json::from_str(&payload).unwrap_or_default();
    let nouns = [
        refers.participant.map(Noun::Participant),
        refers.task.map(Noun::Task),
        refers.turn.map(Noun::Turn),
        // A turn names the run that is about to start for it.
        refers.run.map(Noun::Run).filter(|_| event.kind().starts_with("model.")),
    ];
    nouns.into_iter().flatten().collect()
}

fn happened(line: &[u8], at: u64, sessions: &[SessionId]) -> Result<Happened, Refusal> {
    let given: EventLine<'_> = understood(line, at)?;
    if given.v > EVENT_VERSION {
        return Err(newer(at, &format!("version {} of {}", given.v, given.kind)));
    }
    let event = Event::parse(&given.kind, given.payload.get()).map_err(|error| match error {
        EventError::Kind(kind) => newer(at, &kind),
        error => malformed(at, &error),
    })?;
    let known = event.session().is_some_and(|session| sessions.contains(&session));
    if !known || event.session() != given.session {
        return Err(malformed(at, &"an event of a session the manifest does not name"));
    }
    Ok(Happened { past: store::Past { ts: given.ts, actor: given.actor }, event, bytes: line.len() })
}

fn check(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.format != KIND {
        return Err(unknown("its manifest is of something else"));
    }
    if manifest.version > VERSION {
        return Err(newer(1, &format!("version {} of the format", manifest.version)));
    }
    let sessions = &manifest.sessions;
    let sorted = sessions.windows(2).all(|two| two[0] < two[1]);
    if !sorted || !sessions.contains(&manifest.session) || sessions.len() > ARCHIVE_SESSIONS_MAX {
        return Err(malformed(1, &"the list of its sessions is none"));
    }
    Ok(())
}

/// Opens an archive: a plain file, because it is read twice.
pub(super) fn open(path: &Path) -> Result<File, Refusal> {
    let shown = path.display();
    let missing = |error: std::io::Error| {
        Refusal::invalid("archive_unreadable", format!("`{shown}` cannot be read: {error}"))
            .hint("name a file that `coditect session export` wrote")
    };
    // Before it is opened: a pipe would wait for somebody to write.
    if !path.metadata().map_err(missing)?.is_file() {
        let message = format!("`{shown}` is no file");
        return Err(Refusal::invalid("archive_unreadable", message)
            .hint("write what you have into a file and name that: an archive is read twice"));
    }
    File::open(path).map_err(missing)
}

fn understood<'a, T: Deserialize<'a>>(line: &'a [u8], at: u64) -> Result<T, Refusal> {
    serde_json::from_slice(line).map_err(|error| malformed(at, &error))
}

const AGAIN: &str = "get it again from where it was exported; nothing was read in";

fn broken(error: ChainError) -> Refusal {
    match error {
        ChainError::Cut { line } => cut(line),
        ChainError::Edited { line } => edited(line),
        ChainError::TooLong { line } => malformed(line, &"it is longer than any line of an archive"),
        ChainError::Io(error) => unreadable(&error),
    }
}

fn cut(line: u64) -> Refusal {
    Refusal::invalid(
        "archive_cut",
        format!("the archive ends before line {line}: the rest of it was cut off"),
    )
    .hint(AGAIN)
}

fn edited(line: u64) -> Refusal {
    let message =
        format!("line {line} of the archive does not continue what is before it: somebody edited it");
    Refusal::invalid("archive_edited", message).hint(AGAIN)
}

fn malformed(line: u64, what: &dyn std::fmt::Display) -> Refusal {
    Refusal::invalid("archive_malformed", format!("line {line} of the archive is malformed: {what}"))
        .hint(AGAIN)
}

fn newer(line: u64, what: &str) -> Refusal {
    let message = format!("line {line} of the archive is of a newer program: it says {what}");
    Refusal::invalid("archive_newer", message)
        .hint("read it in with the program that wrote it, or a later one")
}

fn unknown(what: &str) -> Refusal {
    Refusal::invalid("archive_unknown", format!("it is no session archive: {what}")).hint(
        "name a file that `coditect session export` wrote; transcripts of vendors are read with \
         `coditect session import claude FILE`",
    )
}

pub(super) fn unreadable(error: &std::io::Error) -> Refusal {
    Refusal::invalid("archive_unreadable", format!("the archive cannot be read: {error}")).hint(AGAIN)
}
