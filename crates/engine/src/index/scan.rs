//! Looks at the files of a worktree: what changed since the last look is read, everything else is left.
//!
//! Invariant: nothing outside of the worktree is read, whatever links lie in it, and nothing that git is told to ignore.

use super::{Fault, Place, language};
use crate::engine::Shared;
use bus::Pattern;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use git::{Change, Repository, StatusEntry};
use model::{LockMode, Refusal, RepoPath, SessionId, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use store::{FileIndex, GitStatus, IndexedWorktree, KnownFile, SeenFile};

/// Longest file that is read, in bytes. Of a longer one only the name is known.
pub(super) const TEXT_MAX: u64 = 1024 * 1024;
/// Files of one worktree, at most; more are counted.
pub(super) const FILES_MAX: usize = 100_000;
/// Files that are put into the index in one transaction.
const BATCH_FILES: usize = 256;
/// Bytes of them.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// A file that was changed so short a time before it was read may be changed once more without a trace, in milliseconds.
const UNSETTLED: i64 = 2_000;

/// A worktree that is looked at.
pub(super) struct Ground<'a> {
    shared: &'a Shared,
    repository: Repository,
    root: Dir,
    worktree: IndexedWorktree,
    /// What is locked for writing, and by whom.
    locks: Vec<(Pattern, String)>,
    known: HashMap<String, KnownFile>,
    batch: Vec<SeenFile>,
    batched: usize,
}

impl<'a> Ground<'a> {
    pub(super) fn open(shared: &'a Shared, index: &FileIndex, place: &Place) -> Result<Self, Fault> {
        let repository = shared.git.open(&place.top).map_err(Refusal::from)?;
        let root = Dir::open_ambient_dir(&place.top, ambient_authority()).map_err(Refusal::internal)?;
        let top = place.top.display().to_string();
        let worktree = index.worktree(&top, place.repo, place.is_main)?;
        let known = index.known(worktree)?;
        let locks = locks(shared, &top);
        Ok(Self { shared, repository, root, worktree, locks, known, batch: Vec::new(), batched: 0 })
    }

    /// Looks at all of it.
    pub(super) fn whole(&mut self, index: &mut FileIndex) -> Result<(), Fault> {
        let files = self.repository.files().map_err(Refusal::from)?;
        let status = self.repository.status(&[]).map_err(Refusal::from)?;
        let statuses = statuses(status.entries);
        let left_out = files.paths.len().saturating_sub(FILES_MAX) + files.unnamable;
        let mut gone: BTreeSet<String> = self.known.keys().cloned().collect();
        let mut marks = Vec::new();
        for path in files.paths.iter().take(FILES_MAX) {
            if self.shared.stopping.is_cancelled() {
                return Err(Refusal::internal("the daemon stops, and looks at no more files").into());
            }
            let status = statuses.get(path.as_str()).copied().unwrap_or_default();
            let Some(meta) = self.meta(path) else { continue };
            gone.remove(path.as_str());
            let (lock, print) = (self.lock(path), self.print(&meta));
            match self.known.get(path.as_str()) {
                Some(known) if !print.is_empty() && known.print == print => {
                    if known.status != status || known.lock != lock {
                        marks.push((path.to_string(), status, lock));
                    }
                }
                _ => self.take(index, path, &meta, status, None)?,
            }
        }
        self.flush(index)?;
        index.mark(self.worktree, &marks)?;
        index.forget(self.worktree, &gone.into_iter().collect::<Vec<_>>())?;
        Ok(index.scanned(self.worktree, self.shared.now(), left_out)?)
    }

    /// Looks at these, each with who changed it.
    pub(super) fn some(
        &mut self,
        index: &mut FileIndex,
        named: &HashMap<RepoPath, Option<SessionId>>,
    ) -> Result<(), Fault> {
        let asked: Vec<RepoPath> = named.keys().cloned().collect();
        // What git ignores is found by nobody: it is in neither list.
        let status = self.repository.status(&asked).map_err(Refusal::from)?;
        let statuses = statuses(status.entries);
        let mut gone = Vec::new();
        for (path, by) in named {
            let known = self.known.contains_key(path.as_str());
            let status = statuses.get(path.as_str()).copied();
            match self.meta(path) {
                Some(meta) if known || status.is_some() => {
                    self.take(index, path, &meta, status.unwrap_or_default(), *by)?;
                }
                Some(_) => {}
                None => gone.push(path.to_string()),
            }
        }
        self.flush(index)?;
        index.forget(self.worktree, &gone)?;
        self.known = index.known(self.worktree)?;
        Ok(())
    }

    /// None for what is no regular file.
    fn meta(&self, path: &RepoPath) -> Option<Metadata> {
        self.root.symlink_metadata(path.as_str()).ok().filter(Metadata::is_file)
    }

    /// Empty, and so like no other, while the file may still be changed without a trace.
    fn print(&self, meta: &Metadata) -> String {
        let settled = modified_at(meta).as_millis().saturating_add(UNSETTLED) < self.shared.now().as_millis();
        match settled {
            true => format!("{} {} {} {}", meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino()),
            false => String::new(),
        }
    }

    fn lock(&self, path: &RepoPath) -> Option<String> {
        holder(&self.locks, path)
    }

    fn take(
        &mut self,
        index: &mut FileIndex,
        path: &RepoPath,
        meta: &Metadata,
        status: GitStatus,
        session: Option<SessionId>,
    ) -> Result<(), Fault> {
        // The print is from before the reading: what is written meanwhile differs from it.
        let print = self.print(meta);
        let content = content(&self.root, path);
        let hash = content.as_deref().map(|content| blake3::hash(content).to_hex().to_string());
        let text = content.and_then(text);
        self.batched += text.as_ref().map_or(0, String::len);
        self.batch.push(SeenFile {
            path: path.clone(),
            print,
            bytes: meta.len(),
            modified_at: modified_at(meta),
            hash,
            text,
            language: language::of(path.as_str()),
            status,
            session,
            lock: self.lock(path),
        });
        if self.batch.len() >= BATCH_FILES || self.batched >= BATCH_BYTES {
            self.flush(index)?;
        }
        Ok(())
    }

    fn flush(&mut self, index: &mut FileIndex) -> Result<(), Fault> {
        self.batched = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        Ok(index.put(self.worktree, &batch)?)
    }
}

/// What is locked for writing in a worktree, and by whom.
pub(super) fn locks(shared: &Shared, worktree: &str) -> Vec<(Pattern, String)> {
    let locks = shared.bus.locks(Some(worktree)).unwrap_or_default().into_iter();
    let exclusive = locks.filter(|lock| lock.mode == LockMode::Exclusive);
    exclusive.filter_map(|lock| Some((Pattern::parse(&lock.path).ok()?, lock.agent))).collect()
}

pub(super) fn holder(locks: &[(Pattern, String)], path: &RepoPath) -> Option<String> {
    locks.iter().find(|(pattern, _)| pattern.matches(path.as_str())).map(|(_, agent)| agent.clone())
}

/// What a file holds; none of what is too long, is no regular file or leads out of the worktree.
pub(super) fn content(root: &Dir, path: &RepoPath) -> Option<Vec<u8>> {
    // Without O_NONBLOCK a pipe put there after the look would hold us for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = root.open_with(path.as_str(), OpenOptions::new().read(true).custom_flags(flags)).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > TEXT_MAX {
        return None;
    }
    let mut content = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(TEXT_MAX + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= TEXT_MAX).then_some(content)
}

/// None for what is no text.
pub(super) fn text(content: Vec<u8>) -> Option<String> {
    if content.contains(&0) {
        return None;
    }
    String::from_utf8(content).ok()
}

fn modified_at(meta: &Metadata) -> Timestamp {
    Timestamp::from_millis(meta.mtime().saturating_mul(1_000).saturating_add(meta.mtime_nsec() / 1_000_000))
}

fn statuses(entries: Vec<StatusEntry>) -> HashMap<String, GitStatus> {
    let word = |entry: &StatusEntry| match (entry.unstaged, entry.staged) {
        (Some(Change::Untracked), _) => GitStatus::Untracked,
        (Some(_), _) => GitStatus::Modified,
        (None, Some(_)) => GitStatus::Staged,
        (None, None) => GitStatus::Clean,
    };
    entries.iter().map(|entry| (entry.path.to_string(), word(entry))).collect()
}
