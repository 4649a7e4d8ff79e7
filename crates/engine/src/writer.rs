//! The writer of a worktree: one thread that makes every change agents propose, one at a time.
//!
//! Invariant: a file changes only while its fencing token is good and its content is what the edit
//! was made from; the new content appears whole, by rename.

use bus::Bus;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use model::{Entropy, Refusal, RegistrationId, RepoPath};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Jobs that may wait for one worktree's writer.
const WRITER_QUEUE: usize = 64;
/// Largest file the writer writes or replaces, in bytes.
pub(crate) const FILE_MAX: u64 = 16 * 1024 * 1024;
/// Beginning of the names of files that are not finished; they go when the writer opens the worktree.
const UNFINISHED: &str = ".coditect-unfinished-";

type Job = Box<dyn FnOnce() + Send>;

/// One thread per worktree that is being written to.
#[derive(Default)]
pub(crate) struct Writers {
    queues: Mutex<HashMap<PathBuf, SyncSender<Job>>>,
}

/// What is to be written, and by what right.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) worktree: PathBuf,
    pub(crate) path: RepoPath,
    /// BLAKE3 (hex) of the content the edit was made from; none: the file must not exist.
    pub(crate) base: Option<String>,
    pub(crate) content: String,
    pub(crate) token: u64,
    pub(crate) holder: RegistrationId,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) before: Option<String>,
    pub(crate) after: String,
    pub(crate) lines_added: u32,
    pub(crate) lines_removed: u32,
}

impl Writers {
    /// Runs a job on the worktree's thread, after those before it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        worktree: &Path,
        job: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || drop(reply.send(job())));
        let full = self.queue(worktree)?.try_send(job).is_err();
        if full {
            return Err(Refusal::new(
                model::RefusalKind::Busy,
                "writer_busy",
                "too many edits wait for this worktree; try again",
            ));
        }
        answer.await.map_err(|_| Refusal::internal("the worktree's writer has ended"))?
    }

    fn queue(&self, worktree: &Path) -> Result<SyncSender<Job>, Refusal> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(worktree) {
            return Ok(queue.clone());
        }
        let (sender, jobs) = sync_channel::<Job>(WRITER_QUEUE);
        std::thread::Builder::new()
            .name("worktree-writer".to_owned())
            .spawn(move || jobs.into_iter().for_each(|job| job()))
            .map_err(Refusal::internal)?;
        queues.insert(worktree.to_owned(), sender.clone());
        Ok(sender)
    }
}

/// Checks token and base, writes beside, checks the token again and renames.
pub(crate) fn write(bus: &Bus, entropy: &dyn Entropy, edit: &Edit) -> Result<Written, Refusal> {
    let fenced = || {
        bus.check(edit.token, &edit.worktree.to_string_lossy(), edit.path.as_str(), edit.holder).map_err(
            |error| {
                let refusal = error.refusal();
                Refusal { code: "lock_lost".into(), ..refusal }
                    .hint("read the file again and take the lock again")
            },
        )
    };
    if edit.content.len() as u64 > FILE_MAX {
        return Err(Refusal::invalid("file_too_large", format!("a file may have at most {FILE_MAX} bytes")));
    }
    fenced()?;
    let root = Dir::open_ambient_dir(&edit.worktree, ambient_authority()).map_err(io)?;
    let (dir, name) = folder(&root, &edit.path)?;
    let old = read(&dir, name)?;
    let before = old.as_ref().map(|old| hash(old));
    if before != edit.base {
        return Err(stale(&edit.path, before.is_some(), edit.base.is_some()));
    }
    let unfinished = unfinished_name(entropy);
    let placed = place(&dir, &unfinished, name, edit, old.is_some()).and_then(|()| {
        fenced()?;
        dir.rename(&unfinished, &dir, name).map_err(io)
    });
    if placed.is_err() {
        // The file may not have come to be; either way nothing unfinished stays.
        let _ = dir.remove_file(&unfinished);
    }
    placed?;
    let old = old.unwrap_or_default();
    let (lines_removed, lines_added) = changed_lines(&String::from_utf8_lossy(&old), &edit.content);
    Ok(Written { before, after: hash(edit.content.as_bytes()), lines_added, lines_removed })
}

fn stale(path: &RepoPath, exists: bool, expected: bool) -> Refusal {
    let what = match (exists, expected) {
        (true, false) => format!("`{path}` exists already"),
        (false, _) => format!("`{path}` is gone"),
        (true, true) => format!("`{path}` has changed since it was read"),
    };
    Refusal::conflict("stale_base", what).hint("read the file again and make the edit from what it says now")
}

/// The folder the file is in, made when missing, through handles that cannot lead outside.
fn folder<'p>(root: &Dir, path: &'p RepoPath) -> Result<(Dir, &'p str), Refusal> {
    match path.as_str().rsplit_once('/') {
        None => Ok((root.try_clone().map_err(io)?, path.as_str())),
        Some((parent, name)) => {
            root.create_dir_all(parent).map_err(io)?;
            Ok((root.open_dir(parent).map_err(io)?, name))
        }
    }
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

fn place(dir: &Dir, unfinished: &str, name: &str, edit: &Edit, replaces: bool) -> Result<(), Refusal> {
    let mut file = dir.open_with(unfinished, OpenOptions::new().write(true).create_new(true)).map_err(io)?;
    file.write_all(edit.content.as_bytes()).map_err(io)?;
    if replaces {
        // An executable stays executable.
        let permissions = dir.symlink_metadata(name).map_err(io)?.permissions();
        file.set_permissions(permissions).map_err(io)?;
    }
    file.sync_all().map_err(io)
}

fn unfinished_name(entropy: &dyn Entropy) -> String {
    let mut random = [0u8; 8];
    entropy.fill(&mut random);
    format!("{UNFINISHED}{:016x}", u64::from_le_bytes(random))
}

pub(crate) fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

fn io(error: std::io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Refusal::new(model::RefusalKind::Full, "disk_full", "the disk is full; nothing was written")
        }
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
            Refusal::invalid("path_refused", error.to_string())
        }
        _ => Refusal::new(model::RefusalKind::Internal, "io", error.to_string()),
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
