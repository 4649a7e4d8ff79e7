//! The per-session JSONL archive: a projection of the journal in the seed's record format.
//!
//! One file per session, `YYYY/MM/DD/session_YYYY-MM-DD_<short id>.jsonl`, one line per happening:
//! `{"ts","type","agent","payload","seq","ids"}`. **What counts is the saved position:** lines up to it are durable,
//! and lines behind it are cut when their file is next opened, because they will be written again.

mod mapping;
mod session_file;

use crate::disk::{self, Checked, Keep};
use crate::{JournalError, Position, Reader, Record, hex};
use mapping::Cast;
use model::{Cursor, Event, SessionId};
use serde::{Deserialize, Serialize};
use session_file::SessionFile;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Session files held open at once.
pub const OPEN_FILES_MAX: usize = 64;
/// Session files whose end and cast are known without reading them, some hundred bytes each. More sessions than these in
/// turns are read anew for each line.
pub const KNOWN_FILES_MAX: usize = 4_096;
/// `catch_up` saves its position after this many records, so that an interrupted one goes on there.
const SAVE_EVERY: usize = 50_000;
const POSITION_FILE: &str = "position.json";

/// Writes one JSONL file per session.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    position: Position,
    /// The journal's epoch at the last save; 0 before the first.
    epoch: u64,
    files: HashMap<SessionId, SessionFile>,
    /// How many of them are open.
    open: usize,
    /// Where names of files may not be durable yet.
    directories: BTreeSet<PathBuf>,
    /// Records of a write whose last one has not come yet.
    unfinished: Vec<Record>,
    unsaved: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    epoch: u64,
    seq: u64,
    #[serde(with = "hex::hash")]
    hash: [u8; 32],
    journal_epoch: u64,
}

impl Archive {
    /// Opens the archive in `dir` (`session-logs`), making it if needed. An archive without a
    /// trustworthy position begins at the start.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        disk::create_dirs(dir)?;
        let saved = match disk::read_checked(&dir.join(POSITION_FILE))? {
            Checked::Good(json) => serde_json::from_str::<Saved>(&json).ok(),
            Checked::Missing | Checked::Damaged => None,
        };
        let position = saved.as_ref().map_or(Position::START, |saved| Position {
            cursor: Cursor { epoch: saved.epoch, seq: saved.seq },
            hash: saved.hash,
        });
        Ok(Self {
            dir: dir.to_owned(),
            position,
            epoch: saved.map_or(0, |saved| saved.journal_epoch),
            files: HashMap::new(),
            open: 0,
            directories: BTreeSet::new(),
            unfinished: Vec::new(),
            unsaved: false,
        })
    }

    /// The last record taken in with all others of its write.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Takes in one record; records must come in order. One at or before [`Self::position`] changes
    /// nothing. Lines are written when the last record of a write has come, and durable after
    /// [`Self::sync`]. After an error, go on with the record after [`Self::position`].
    pub fn apply(&mut self, record: &Record) -> Result<(), JournalError> {
        let seen = self.unfinished.last().map_or(self.position, |last| last.position);
        if record.position.cursor.seq <= seen.cursor.seq {
            return Ok(());
        }
        self.unfinished.push(record.clone());
        if record.more > 0 {
            return Ok(());
        }
        let records = std::mem::take(&mut self.unfinished);
        let written = self.write(&records);
        if written.is_err() {
            // Some files may hold lines of this write already, which are to be cut.
            self.files.values_mut().for_each(SessionFile::doubt);
            self.open = 0;
            return written;
        }
        self.position = record.position;
        self.unsaved = true;
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let mut agents: HashMap<SessionId, Vec<String>> = HashMap::new();
        for record in records {
            if let Event::ParticipantJoined(joined) = &record.event {
                agents.entry(joined.session).or_default().push(joined.agent.to_string());
            }
        }
        let mut lines: BTreeMap<SessionId, Vec<u8>> = BTreeMap::new();
        for record in records {
            let Some(session) = record.session else { continue };
            let cast = self.cast(session)?;
            let joined = agents.get(&session).map_or(&[][..], Vec::as_slice);
            let rendered = mapping::render(record, cast, joined, lines.entry(session).or_default());
            rendered.map_err(|source| JournalError::Encode { kind: record.event.kind(), source })?;
        }
        for (session, lines) in lines {
            if !lines.is_empty() {
                self.opened(session)?.append(&lines)?;
            }
        }
        Ok(())
    }

    fn cast(&mut self, session: SessionId) -> Result<&mut Cast, JournalError> {
        self.opened(session).map(|file| &mut file.cast)
    }

    /// The session's file, open.
    fn opened(&mut self, session: SessionId) -> Result<&mut SessionFile, JournalError> {
        let known = self.files.get(&session);
        if !known.is_some_and(SessionFile::is_open) {
            // Which ones are in use changes slowly; starting over is cheap and needs no order.
            if known.is_none() && self.files.len() >= KNOWN_FILES_MAX {
                self.forget()?;
            }
            if self.open >= OPEN_FILES_MAX {
                self.files.values_mut().for_each(SessionFile::close);
                self.open = 0;
            }
            let new = || SessionFile::new(self.dir.join(session_path(session)));
            let file = self.files.entry(session).or_insert_with(new);
            self.directories.insert(file.directory().to_owned());
            file.open(self.position.cursor.seq)?;
            self.open += 1;
        }
        self.files.get_mut(&session).ok_or_else(|| JournalError::Archive("no file".to_owned()))
    }

    /// Makes all lines durable, and knows no file any more.
    fn forget(&mut self) -> Result<(), JournalError> {
        self.sync_files()?;
        self.files.clear();
        self.open = 0;
        Ok(())
    }

    fn sync_files(&mut self) -> Result<(), JournalError> {
        self.files.values_mut().try_for_each(SessionFile::sync)?;
        // One that somebody has deleted holds no names.
        let mut there = self.directories.iter().filter(|directory| directory.is_dir());
        there.try_for_each(|directory| disk::sync_dir(directory))?;
        self.directories.clear();
        Ok(())
    }

    /// Makes what was applied durable and saves the position.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if !self.unsaved {
            return Ok(());
        }
        self.sync_files()?;
        let saved = Saved {
            epoch: self.position.cursor.epoch,
            seq: self.position.cursor.seq,
            hash: self.position.hash,
            journal_epoch: self.epoch,
        };
        let json = serde_json::to_string(&saved)
            .map_err(|source| JournalError::Encode { kind: "archive position", source })?;
        disk::replace_checked(&self.dir.join(POSITION_FILE), &json, Keep::Durably)?;
        self.unsaved = false;
        Ok(())
    }

    /// Applies and syncs everything the reader has after [`Self::position`]. When the journal does
    /// not know that position, the archive is set aside under another name and made anew: it may
    /// hold the only trace of records the journal lost. When the journal's epoch has risen, lines of
    /// records that were cut off are set aside, too.
    pub fn catch_up(&mut self, reader: &Reader) -> Result<(), JournalError> {
        let epoch = reader.epoch();
        if reader.position_at(self.position.cursor.seq)? != Some(self.position) {
            self.set_aside()?;
        } else if self.epoch != 0 && self.epoch != epoch {
            self.forget()?;
            let after = self.position.cursor.seq;
            each_file(&self.dir, &mut |path| session_file::set_aside_after(path, after))?;
        }
        self.unsaved |= self.epoch != epoch;
        self.epoch = epoch;
        for (at, record) in reader.replay(self.position.cursor)?.enumerate() {
            self.apply(&record?)?;
            if at % SAVE_EVERY == SAVE_EVERY - 1 {
                self.sync()?;
            }
        }
        self.sync()
    }

    fn set_aside(&mut self) -> Result<(), JournalError> {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let free = (1..).map(|n| self.dir.with_file_name(format!("{name}.set-aside-{n}")));
        let aside = free.into_iter().find(|place: &PathBuf| !place.exists());
        let aside = aside.ok_or_else(|| JournalError::Archive("no name is free".to_owned()))?;
        fs::rename(&self.dir, &aside).map_err(|error| JournalError::io("set aside", &aside, error))?;
        *self = Self::open(&self.dir)?;
        Ok(())
    }
}

/// Where a session's file is, relative to the archive. A function of the id alone.
pub fn session_path(session: SessionId) -> PathBuf {
    let made_at = session.made_at().to_string();
    // An id that was not made from a clock may lie behind the calendar's end.
    let date = made_at.get(..10).filter(|date| date.bytes().filter(|&c| c == b'-').count() == 2);
    let date = date.unwrap_or("1970-01-01");
    let mut path: PathBuf = date.split('-').collect();
    path.push(format!("session_{date}_{}.jsonl", session.short()));
    path
}

fn each_file(
    dir: &Path,
    visit: &mut dyn FnMut(&Path) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let failed = |error: io::Error| JournalError::io("list", dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            each_file(&path, visit)?;
        } else if path.extension().is_some_and(|end| end == "jsonl") {
            visit(&path)?;
        }
    }
    Ok(())
}
