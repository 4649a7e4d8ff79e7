//! The writer of a worktree: one thread that makes every change agents propose, one at a time.
//!
//! Invariant: a file changes only while its fencing token is good and its content is what the edit
//! was made from; the new content appears whole, by rename, and never without a word of whose it is.

#[cfg(test)]
mod tests;

use bus::{Bus, BusError};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use model::{Entropy, FileChange, Refusal, RegistrationId, RepoPath};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Jobs that may wait for one worktree's writer.
pub(crate) const WRITER_QUEUE: usize = 64;
/// Between two looks for a place among them.
const PLACE_NAP: Duration = Duration::from_millis(20);
/// Largest file the writer writes or replaces, in bytes.
pub(crate) const FILE_MAX: u64 = 16 * 1024 * 1024;
/// Beginning of the names of files that are not finished; they go when the writer opens the worktree.
pub(crate) const UNFINISHED: &str = git::UNFINISHED;
/// Entries of a worktree that are looked at for unfinished files, at most.
const SWEEP_ENTRIES_MAX: usize = 200_000;

/// Name, in the run's own folder, of the file that holds a change until it is recorded.
pub(crate) const INTENT: &str = "edit.json";

type Job = Box<dyn FnOnce() + Send>;

/// One thread per worktree that is being written to.
#[derive(Default)]
pub(crate) struct Writers {
    queues: Mutex<HashMap<PathBuf, SyncSender<Job>>>,
    /// How often a job that waits for a place found none.
    #[cfg(test)]
    pub(crate) turned_away: std::sync::atomic::AtomicUsize,
}

/// What is to be written, and by what right.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) worktree: PathBuf,
    pub(crate) holder: RegistrationId,
    pub(crate) content: String,
    /// What will be recorded. `before` is the content the edit was made from (none: the file must not
    /// exist); `after` and the lines are filled in by the writer.
    pub(crate) change: FileChange,
    /// File that holds the change from before the rename until it is recorded, so that a start after
    /// a crash in between knows of it.
    pub(crate) intent: PathBuf,
}

impl Writers {
    /// Runs a job on the worktree's thread, after those before it. Refused at once when too many wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        worktree: &Path,
        job: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.run_within(worktree, Duration::ZERO, job).await
    }

    /// The same for what has begun and had better come to its end: it waits so long for a place among those that wait.
    pub(crate) async fn run_within<T: Send + 'static>(
        &self,
        worktree: &Path,
        patience: Duration,
        job: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let mut job: Job = Box::new(move || drop(reply.send(job())));
        let deadline = Instant::now() + patience;
        loop {
            match self.queue(worktree)?.try_send(job) {
                Ok(()) => return answer.await.map_err(|_| ended())?,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => job = back,
                Err(TrySendError::Full(_)) => return Err(busy()),
                Err(TrySendError::Disconnected(_)) => return Err(ended()),
            }
            #[cfg(test)]
            self.turned_away.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(PLACE_NAP).await;
        }
    }

    fn queue(&self, worktree: &Path) -> Result<SyncSender<Job>, Refusal> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(worktree) {
            return Ok(queue.clone());
        }
        let (sender, jobs) = sync_channel::<Job>(WRITER_QUEUE);
        let root = worktree.to_owned();
        std::thread::Builder::new()
            .name("worktree-writer".to_owned())
            .spawn(move || {
                sweep(&root);
                for job in jobs {
                    // A job that panics is a bug in that job: its caller hears of it, the others go on.
                    drop(catch_unwind(AssertUnwindSafe(job)));
                }
            })
            .map_err(Refusal::internal)?;
        queues.insert(worktree.to_owned(), sender.clone());
        Ok(sender)
    }
}

fn busy() -> Refusal {
    let message = "too many edits wait for this worktree; try again";
    Refusal::new(model::RefusalKind::Busy, "writer_busy", message)
}

fn ended() -> Refusal {
    Refusal::internal("the edit was not carried out: its writer failed")
}

/// Checks token and base, writes beside, checks the token again and renames.
pub(crate) fn write(bus: &Bus, entropy: &dyn Entropy, edit: Edit) -> Result<FileChange, Refusal> {
    let (path, token) = (edit.change.path.clone(), edit.change.token);
    let fenced =
        || bus.check(token, &edit.worktree.to_string_lossy(), path.as_str(), edit.holder).map_err(lost);
    if edit.content.len() as u64 > FILE_MAX {
        return Err(Refusal::invalid("file_too_large", format!("a file may have at most {FILE_MAX} bytes")));
    }
    fenced()?;
    let root = Dir::open_ambient_dir(&edit.worktree, ambient_authority()).map_err(io)?;
    let (dir, name) = folder(&root, &path)?;
    let old = read(&dir, name)?;
    let before = old.as_ref().map(|old| hash(old));
    if before != edit.change.before {
        return Err(stale(&path, before.is_some(), edit.change.before.is_some()));
    }
    let replaces = old.is_some();
    let (lines_removed, lines_added) =
        changed_lines(&String::from_utf8_lossy(&old.unwrap_or_default()), &edit.content);
    let change =
        FileChange { after: hash(edit.content.as_bytes()), lines_added, lines_removed, ..edit.change };
    let unfinished = unfinished_name(entropy);
    let placed = place(&dir, &unfinished, name, &edit.content, replaces).and_then(|()| {
        intend(&edit.intent, &change)?;
        fenced()?;
        dir.rename(&unfinished, &dir, name).map_err(io)
    });
    if placed.is_err() {
        // Neither file may have come to be; either way nothing unfinished stays.
        let _ = dir.remove_file(&unfinished);
        let _ = std::fs::remove_file(&edit.intent);
    }
    placed?;
    // The new name is to outlive a power cut as the event that tells of it does.
    if let Err(error) = dir.open(".").and_then(|dir| dir.sync_all()) {
        tracing::warn!(%error, %path, "an edit is done but may not outlive a power cut");
    }
    Ok(change)
}

/// Says what is about to be done, durably: a rename that survives a crash must not be nobody's.
fn intend(intent: &Path, change: &FileChange) -> Result<(), Refusal> {
    let text = serde_json::to_vec(change).map_err(Refusal::internal)?;
    let mut file = std::fs::File::create(intent).map_err(io)?;
    file.write_all(&text).and_then(|()| file.sync_data()).map_err(io)
}

/// The change a crash left behind after its rename and before it was recorded; none when it never
/// came to the rename.
pub(crate) fn unrecorded(intent: &Path, worktree: &Path) -> Option<FileChange> {
    let change: FileChange = serde_json::from_slice(&std::fs::read(intent).ok()?).ok()?;
    let root = Dir::open_ambient_dir(worktree, ambient_authority()).ok()?;
    let content = root.read(change.path.as_str()).ok()?;
    (hash(&content) == change.after).then_some(change)
}

/// A lock that protects nothing any more, whatever the reason, is `lock_lost`; other faults of the bus are what they are.
fn lost(error: BusError) -> Refusal {
    match error {
        BusError::Lost(_) => Refusal { code: "lock_lost".into(), ..error.refusal() }
            .hint("read the file again and take the lock again"),
        error => error.refusal(),
    }
}

fn stale(path: &RepoPath, exists: bool, expected: bool) -> Refusal {
    let what = match (exists, expected) {
        (true, false) => format!("`{path}` exists already"),
        (false, _) => format!("`{path}` is gone"),
        (true, true) => format!("`{path}` has changed since it was read"),
    };
    Refusal::conflict("stale_base", what).hint("read the file again and make the edit from what it says now")
}

/// The folder the file is in, made when missing. Every component is a folder and no link: under an
/// alias the lock on the name would not be a lock on the file.
fn folder<'p>(root: &Dir, path: &'p RepoPath) -> Result<(Dir, &'p str), Refusal> {
    let mut dir = root.try_clone().map_err(io)?;
    let mut rest = path.as_str();
    while let Some((name, below)) = rest.split_once('/') {
        dir = step(&dir, name, path)?;
        rest = below;
    }
    Ok((dir, rest))
}

pub(crate) fn step(dir: &Dir, name: &str, path: &RepoPath) -> Result<Dir, Refusal> {
    match dir.create_dir(name) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(io(error)),
        _ => {}
    }
    let refused = || Refusal::invalid("path_refused", format!("`{name}` in `{path}` is not a folder"));
    if !dir.symlink_metadata(name).map_err(io)?.is_dir() {
        return Err(refused());
    }
    let below = dir.open_dir(name).map_err(io)?;
    // What was opened must be what has the name: it may have been swapped for a link in between.
    let (opened, named) = (below.dir_metadata().map_err(io)?, dir.symlink_metadata(name).map_err(io)?);
    if !named.is_dir() || (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(refused());
    }
    Ok(below)
}

fn read(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let meta = match dir.symlink_metadata(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
        Ok(meta) => meta,
    };
    if !meta.is_file() {
        return Err(Refusal::invalid("path_refused", format!("`{name}` is not a regular file")));
    }
    if meta.len() > FILE_MAX {
        return Err(Refusal::invalid("file_too_large", format!("a file may have at most {FILE_MAX} bytes")));
    }
    let mut content = Vec::new();
    dir.open(name).and_then(|mut file| file.read_to_end(&mut content)).map_err(io)?;
    Ok(Some(content))
}

fn place(dir: &Dir, unfinished: &str, name: &str, content: &str, replaces: bool) -> Result<(), Refusal> {
    // Nobody reads of it what the file's own mode would not let them.
    let mode = if replaces { 0o600 } else { 0o666 };
    let mut options = OpenOptions::new();
    let mut file = dir.open_with(unfinished, options.write(true).create_new(true).mode(mode)).map_err(io)?;
    file.write_all(content.as_bytes()).map_err(io)?;
    if replaces {
        // An executable stays executable.
        let permissions = dir.symlink_metadata(name).map_err(io)?.permissions();
        file.set_permissions(permissions).map_err(io)?;
    }
    file.sync_all().map_err(io)
}

pub(crate) fn unfinished_name(entropy: &dyn Entropy) -> String {
    let mut random = [0u8; 8];
    entropy.fill(&mut random);
    format!("{UNFINISHED}{:016x}", u64::from_le_bytes(random))
}

pub(crate) fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

pub(crate) fn io(error: std::io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Refusal::new(model::RefusalKind::Full, "disk_full", "the disk is full; nothing was written")
                .hint("free some space on the disk of the worktree and try again")
        }
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
            Refusal::invalid("path_refused", error.to_string())
        }
        _ => Refusal::new(model::RefusalKind::Internal, "io", error.to_string()),
    }
}

/// Removes what a writer that was killed left unfinished. Links are not followed, git's own folder is not looked at.
fn sweep(worktree: &Path) {
    let Ok(root) = Dir::open_ambient_dir(worktree, ambient_authority()) else { return };
    let mut folders = vec![root];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = folder.entries() else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > SWEEP_ENTRIES_MAX {
                tracing::info!(worktree = %worktree.display(), "not all of the worktree was looked at for unfinished files");
                return;
            }
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && name != ".git" {
                folders.extend(entry.open_dir());
            } else if kind.is_file()
                && name.to_string_lossy().starts_with(UNFINISHED)
                && let Err(error) = entry.remove_file()
            {
                tracing::warn!(%error, "an unfinished file stays behind");
            }
        }
    }
}

/// Lines removed and added, counted between the common beginning and the common end. A line moved
/// far counts as removed and added; a diff says more, this is a figure.
fn changed_lines(old: &str, new: &str) -> (u32, u32) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let count = |lines: usize| u32::try_from(lines - same_start - same_end).unwrap_or(u32::MAX);
    (count(old.len()), count(new.len()))
}
