//! What a session's hooks remember from one to the next: a file per registration in the bus's runtime folder.
//!
//! A hook lives for milliseconds and several run at once, so the file is changed under a lock of its own and appears
//! whole, by rename. Whoever finds it missing or torn begins with nothing: it is memory, not truth.

use model::{RegistrationId, WorkspaceDir};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for another hook of the same session.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Largest memory that is read, in bytes.
const MEMORY_MAX: u64 = 4 * 1024 * 1024;
/// Most calls that are under way at once; older ones are forgotten.
pub(super) const UNDER_WAY_MAX: usize = 32;
/// Most texts that wait to be told to the model.
pub(super) const PENDING_MAX: usize = 8;
/// Files of memories that nobody has touched for this long are removed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most files one sweep looks at.
const SWEEP_MAX: usize = 256;

/// How a file was when it was looked at; none when it was not there.
pub(super) type Mark = Option<(i64, u64, u64)>;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The model has been told who it is.
    pub(super) introduced: bool,
    /// Notices up to here were told, in this generation of the bus.
    pub(super) told: i64,
    pub(super) generation: String,
    /// Calls that may write and have not come back.
    pub(super) under_way: Vec<UnderWay>,
    /// The files it holds, as its last call left them, by worktree and path.
    pub(super) own: BTreeMap<String, Mark>,
    /// Files of others that changed while their holder was at work: who it was shows later.
    pub(super) doubts: BTreeMap<String, Seen>,
    /// For the model, at the next chance.
    pub(super) pending: Vec<String>,
}

/// A call that may write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) call: String,
    /// Files that others held when it began, by worktree and path.
    pub(super) seen: BTreeMap<String, Seen>,
}

/// A file somebody else holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) mark: Mark,
    pub(super) holder: RegistrationId,
    /// The lock that says so.
    pub(super) token: u64,
    /// What changed it, once it has changed.
    #[serde(default)]
    pub(super) by: String,
}

/// The memory of one session, for as long as this hook has its turn.
pub(super) struct Turn {
    pub(super) memory: Memory,
    path: PathBuf,
    /// None: the turn never came, and nothing is kept.
    lock: Option<File>,
    before: Memory,
}

/// The name of a file in a memory.
pub(super) fn key(worktree: &str, path: &str) -> String {
    format!("{worktree}\n{path}")
}

/// The worktree and path of such a name.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.split_once('\n').unwrap_or(("", key))
}

/// How a file is now.
pub(super) fn mark(path: &Path) -> Mark {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((
        meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        meta.size(),
        meta.ino(),
    ))
}

fn folder(workspace: &WorkspaceDir) -> PathBuf {
    workspace.bus().join("rt").join("hooks")
}

fn file(workspace: &WorkspaceDir, id: RegistrationId) -> PathBuf {
    folder(workspace).join(format!("{id}.json"))
}

/// What another session's hooks remember; none when it has no hooks.
pub(super) fn of(workspace: &WorkspaceDir, id: RegistrationId) -> Option<Memory> {
    read(&file(workspace, id))
}

fn read(path: &Path) -> Option<Memory> {
    let meta = std::fs::metadata(path).ok()?;
    (meta.len() <= MEMORY_MAX).then(|| serde_json::from_slice(&std::fs::read(path).ok()?).ok())?
}

impl Turn {
    /// Waits for this hook's turn and reads what is remembered.
    pub(super) fn take(workspace: &WorkspaceDir, id: RegistrationId) -> Self {
        let path = file(workspace, id);
        let lock = lock(&path.with_extension("lock"));
        let memory = read(&path).unwrap_or_default();
        Self { before: memory.clone(), memory, path, lock }
    }

    /// Keeps what has changed. A failure costs memory, never the answer.
    pub(super) fn keep(mut self) {
        if self.memory == self.before || self.lock.is_none() {
            return;
        }
        let over = self.memory.under_way.len().saturating_sub(UNDER_WAY_MAX);
        self.memory.under_way.drain(..over);
        self.memory.pending.truncate(PENDING_MAX);
        let fresh = self.path.with_extension(format!("new.{}", std::process::id()));
        let written = serde_json::to_vec(&self.memory).map_err(std::io::Error::from).and_then(|text| {
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&text)?;
            std::fs::rename(&fresh, &self.path)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
    }

    /// The session is over. The lock's file stays for a sweep: another hook may be waiting at it.
    pub(super) fn forget(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn lock(path: &Path) -> Option<File> {
    let open = || File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = match open() {
        Ok(file) => file,
        Err(_) => {
            DirBuilder::new().recursive(true).mode(0o700).create(path.parent()?).ok()?;
            open().ok()?
        }
    };
    let begun = Instant::now();
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if begun.elapsed() >= TURN_MAX {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(file)
}

/// Removes what sessions left that ended without a word.
pub(super) fn sweep(workspace: &WorkspaceDir) {
    let Ok(entries) = std::fs::read_dir(folder(workspace)) else { return };
    for entry in entries.flatten().take(SWEEP_MAX) {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > FORGOTTEN_AFTER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DataRoot;

    fn scene() -> (tempfile::TempDir, WorkspaceDir, RegistrationId) {
        let dir = tempfile::tempdir().unwrap();
        let workspace = DataRoot::new(dir.path()).workspace("default");
        (dir, workspace, format!("reg_{:032x}", 5).parse().unwrap())
    }

    #[test]
    fn what_was_kept_is_remembered_and_a_torn_file_is_nothing() {
        let (_dir, workspace, id) = scene();
        assert_eq!(of(&workspace, id), None);
        let mut turn = Turn::take(&workspace, id);
        turn.memory.introduced = true;
        turn.memory.own.insert(key("/w", "a"), Some((1, 2, 3)));
        turn.keep();
        assert!(of(&workspace, id).unwrap().introduced);
        assert_eq!(Turn::take(&workspace, id).memory.own[&key("/w", "a")], Some((1, 2, 3)));
        std::fs::write(file(&workspace, id), "{\"introduced\":tr").unwrap();
        assert_eq!(Turn::take(&workspace, id).memory, Memory::default());
        Turn::take(&workspace, id).forget();
        assert_eq!(of(&workspace, id), None);
    }

    #[test]
    fn hooks_of_one_session_at_once_lose_nothing() {
        let (_dir, workspace, id) = scene();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let workspace = &workspace;
                scope.spawn(move || {
                    let mut turn = Turn::take(workspace, id);
                    turn.memory.own.insert(key("/w", &n.to_string()), None);
                    turn.keep();
                });
            }
        });
        assert_eq!(of(&workspace, id).unwrap().own.len(), 8);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (_dir, workspace, id) = scene();
        let mut turn = Turn::take(&workspace, id);
        for n in 0..UNDER_WAY_MAX + 5 {
            turn.memory.under_way.push(UnderWay { call: n.to_string(), seen: BTreeMap::new() });
        }
        turn.memory.pending = vec![String::new(); PENDING_MAX + 1];
        turn.keep();
        let kept = of(&workspace, id).unwrap();
        assert_eq!((kept.under_way.len(), kept.pending.len()), (UNDER_WAY_MAX, PENDING_MAX));
        assert_eq!(kept.under_way[0].call, "5", "the oldest go");
    }
}
