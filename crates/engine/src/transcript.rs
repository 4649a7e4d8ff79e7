//! Transcripts: history that was made outside the studio is read into the journal.
//!
//! The daemon reads the files itself: it is the user's own process, and nothing has to travel. An import that is under way is in
//! memory only; what it has read is in the journal, so whoever asks again goes on from there.
//!
//! Invariant: **a piece of a transcript and the position behind it are one commit**, and it is refused unless it begins where the last
//! one ended. So nothing is read twice and nothing is left out, whoever is killed and however many read at once.

mod mirror;
mod piece;
mod reading;
#[cfg(test)]
mod tests;

pub(crate) use mirror::Mirror;

use crate::engine::Shared;
use crate::{Call, Engine};
use agent::transcript::{Place, PlaceError, program};
use model::{Refusal, RefusalKind, Timestamp, Vendor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Imports under way at once.
pub const IMPORTS_MAX: usize = 4;
/// Imports remembered, those that are over included.
const REMEMBERED_MAX: usize = 32;
/// Troubles told of one import; the others are counted.
const TROUBLES_MAX: usize = 50;
/// An import that nobody has asked about for this long is over: who began it is gone.
pub const WATCH_LEASE: Duration = Duration::from_secs(30);

/// What to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    pub vendor: Vendor,
    /// Absolute: a transcript, or a folder below which all are meant.
    pub path: PathBuf,
    /// Go on when all is read, and read what is added.
    pub watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    Reading,
    /// Everything is read; what is added is read as it comes.
    Watching,
    Done,
    Canceled,
    /// It could not be begun or not go on.
    Failed,
}

impl ImportState {
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Canceled | Self::Failed)
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub files: u64,
    /// Files that were looked at, for whatever reason.
    pub files_done: u64,
    /// Bytes of the files that were looked at or are to be.
    pub bytes: u64,
    pub bytes_done: u64,
    /// Sessions that came to be.
    pub sessions: u64,
    pub messages: u64,
    pub lines: u64,
    /// Lines that say nothing of the conversation.
    pub passed: u64,
    /// Lines nobody understood; they are kept as they are.
    pub unknown: u64,
    /// Files with nothing new.
    pub unchanged: u64,
    /// Files that were rewritten or exchanged, and read from their start again.
    pub again: u64,
    /// Files that end in a line still being written.
    pub torn: u64,
    /// Files of sessions that were led from here: their sessions have it all.
    pub linked: u64,
    /// Files without a conversation.
    pub empty: u64,
    /// Files that could not be read.
    pub failed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportTrouble {
    pub path: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportView {
    /// In the order they began; gone with the daemon.
    pub id: u64,
    pub vendor: Vendor,
    pub path: PathBuf,
    pub watch: bool,
    pub state: ImportState,
    pub tally: Tally,
    pub troubles: Vec<ImportTrouble>,
    pub started_at: Timestamp,
}

/// One import under way, shared by who reads and who asks.
pub(crate) struct Job {
    view: Mutex<ImportView>,
    pub(crate) cancel: CancellationToken,
    asked: Mutex<Instant>,
    /// Ends when nobody asks any more.
    leased: bool,
}

/// The imports of this daemon's life.
#[derive(Default)]
pub(crate) struct Imports {
    jobs: Mutex<BTreeMap<u64, Arc<Job>>>,
}

impl Engine {
    /// Begins to read transcripts; [`Self::import`] says how far it is.
    pub async fn start_import(&self, call: &Call, new: NewImport) -> Result<ImportView, Refusal> {
        call.only_user()?;
        let path = check_path(&new)?;
        begin(&self.shared, NewImport { path, ..new }, true)
    }

    /// How far an import is. Asking keeps a watch alive.
    pub fn import(&self, id: u64) -> Result<ImportView, Refusal> {
        Ok(self.job(id)?.look())
    }

    /// Ends an import. What it has read stays.
    pub fn cancel_import(&self, call: &Call, id: u64) -> Result<ImportView, Refusal> {
        call.only_user()?;
        let job = self.job(id)?;
        job.cancel.cancel();
        Ok(job.look())
    }

    fn job(&self, id: u64) -> Result<Arc<Job>, Refusal> {
        let known = self.shared.imports.lock().get(&id).cloned();
        known.ok_or_else(|| {
            Refusal::not_found("import", id)
                .hint("imports are forgotten when the daemon stops; begin it again")
        })
    }
}

/// Starts a job on a thread of its own.
pub(crate) fn begin(shared: &Arc<Shared>, new: NewImport, leased: bool) -> Result<ImportView, Refusal> {
    let job = shared.imports.enter(shared, new, leased)?;
    let (view, reader) = (job.look(), Arc::clone(shared));
    shared.tasks.spawn_blocking(move || mirror::run(&reader, &job));
    Ok(view)
}

/// The path without links, once it is something to read.
fn check_path(new: &NewImport) -> Result<PathBuf, Refusal> {
    let shown = new.path.display();
    if !new.path.is_absolute() {
        return Err(Refusal::invalid("import_path", format!("`{shown}` is not an absolute path"))
            .hint("name the file or the folder from the root on"));
    }
    let missing = |error: std::io::Error| {
        Refusal::invalid("import_path", format!("`{shown}` cannot be read: {error}")).hint(format!(
            "name a transcript of {name} or a folder of them; `--all` takes {name}'s own",
            name = program(new.vendor)
        ))
    };
    let path = new.path.canonicalize().map_err(missing)?;
    let kind = path.metadata().map_err(missing)?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(Refusal::invalid("import_path", format!("`{shown}` is neither a file nor a folder"))
            .hint("name a transcript, or a folder of them"));
    }
    if path.to_str().is_none() {
        return Err(Refusal::invalid("import_path", format!("`{shown}` is not UTF-8"))
            .hint("copy it to a name of plain letters"));
    }
    Ok(path)
}

/// The transcripts an import is about, and the folder nothing is read outside of.
pub(crate) fn places_of(vendor: Vendor, path: &Path) -> Result<(PathBuf, Vec<Place>), PlaceError> {
    if path.is_dir() {
        return Ok((path.to_owned(), agent::transcript::places(vendor, path)?));
    }
    let folder = path.parent().unwrap_or(path).to_owned();
    Ok((folder, vec![Place::of(vendor, path.to_owned())]))
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, shared: &Shared, new: NewImport, leased: bool) -> Result<Arc<Job>, Refusal> {
        let mut jobs = self.lock();
        let live = jobs.values().filter(|job| job.leased && !job.state().is_over()).count();
        if leased && live >= IMPORTS_MAX {
            let message = format!("{live} imports are under way, which is as many as there may be");
            return Err(Refusal::new(RefusalKind::Busy, "imports_busy", message)
                .hint("wait for one of them to end, or end it"));
        }
        while jobs.len() >= REMEMBERED_MAX {
            let Some(over) = jobs.iter().find(|(_, job)| job.state().is_over()).map(|(id, _)| *id) else {
                break;
            };
            jobs.remove(&over);
        }
        let id = jobs.last_key_value().map_or(1, |(id, _)| id + 1);
        let view = ImportView {
            id,
            vendor: new.vendor,
            path: new.path,
            watch: new.watch,
            state: ImportState::Reading,
            tally: Tally::default(),
            troubles: Vec::new(),
            started_at: shared.now(),
        };
        let cancel = shared.stopping.child_token();
        let job = Job { view: Mutex::new(view), cancel, asked: Mutex::new(Instant::now()), leased };
        let job = Arc::new(job);
        jobs.insert(id, Arc::clone(&job));
        Ok(job)
    }
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, ImportView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For somebody who asks.
    fn look(&self) -> ImportView {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.lock().clone()
    }

    fn state(&self) -> ImportState {
        self.lock().state
    }

    fn enter(&self, state: ImportState) {
        self.lock().state = state;
    }

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.lock().tally);
    }

    fn trouble(&self, path: &Path, message: impl ToString) {
        let mut view = self.lock();
        view.tally.failed += 1;
        if view.troubles.len() < TROUBLES_MAX {
            let path = path.display().to_string();
            view.troubles.push(ImportTrouble { path, message: message.to_string() });
        }
    }

    /// What could not be read before is read now.
    fn mended(&self, path: &Path) {
        let mut view = self.lock();
        view.tally.failed = view.tally.failed.saturating_sub(1);
        let path = path.display().to_string();
        view.troubles.retain(|trouble| trouble.path != path);
    }

    /// True when there is nobody to go on for. What is read once is read to its end, whoever asks.
    fn is_over(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.cancel.is_cancelled() || (self.leased && asked.elapsed() > WATCH_LEASE)
    }
}
