//! What files held when they were locked, and after each edit under the lock: so that what a shell wrote over them can be
//! taken back, and is told from what their holder wrote.
//!
//! Invariant: a content lies whole under its hash, whoever keeps it and however many do at once; of a file's page the last
//! word counts. What is kept is bounded in bytes, and what a living lock is about is never what goes.

#[cfg(test)]
mod tests;
mod thinning;

pub use thinning::{CONTENTS_BYTES_MAX, GROWTH_UNSEEN_MAX};

use crate::pattern::Pattern;
use model::{Lock, LockMode};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest file whose content is kept, in bytes.
pub const KEPT_FILE_MAX: u64 = 16 * 1024 * 1024;

/// Tells apart what several threads of a process write at once.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// What is known of one file of one worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub worktree: PathBuf,
    pub path: String,
    /// The lock it is about; 0 in pages of before this was written down.
    #[serde(default)]
    pub token: u64,
    /// Hash of what it held when the lock was granted; none when it was not there, or is too large.
    pub before_lock: Option<String>,
    /// Hash of what its holder left in it last.
    pub last_known: Option<String>,
    /// Hash of what somebody else wrote over it; both sides have been told.
    #[serde(default)]
    pub told: Option<String>,
}

/// The folder in which contents are kept, of one workspace.
#[derive(Debug, Clone)]
pub struct Contents {
    dir: PathBuf,
    /// Bytes since somebody looked whether it is too much; at first nobody has.
    grown: Arc<AtomicU64>,
}

impl Contents {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, grown: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// A lock was granted. Asked for again, it is held already: what was there before stays. Globs and shared locks have no page.
    pub fn granted(&self, lock: &Lock) -> std::io::Result<()> {
        let plain = Pattern::parse(&lock.path).is_ok_and(|pattern| !pattern.is_glob());
        if lock.mode != LockMode::Exclusive || !plain || lock.path.ends_with('/') {
            return Ok(());
        }
        self.locked(Path::new(&lock.worktree), &lock.path, lock.token)
    }

    /// The same for a lock of one file.
    pub fn locked(&self, worktree: &Path, path: &str, token: u64) -> std::io::Result<()> {
        if token != 0 && self.page(worktree, path).is_some_and(|page| page.token == token) {
            return Ok(());
        }
        let held = self.keep(worktree, path)?;
        let (worktree, path) = (worktree.to_owned(), path.to_owned());
        let page = Page { worktree, path, token, before_lock: held.clone(), last_known: held, told: None };
        self.write_page(&page)
    }

    /// The holder has written it.
    pub fn edited(&self, worktree: &Path, path: &str) -> std::io::Result<()> {
        let Some(page) = self.page(worktree, path) else { return self.locked(worktree, path, 0) };
        let last_known = self.keep(worktree, path)?;
        if last_known == page.last_known && page.told.is_none() {
            return Ok(());
        }
        self.write_page(&Page { last_known, told: None, ..page })
    }

    /// Somebody else wrote over it, and both sides have been told: nobody is to be blamed for it again.
    pub fn told(&self, worktree: &Path, path: &str) -> std::io::Result<()> {
        let Some(page) = self.page(worktree, path) else { return Ok(()) };
        let told = hash_of(&worktree.join(path));
        self.write_page(&Page { told, ..page })
    }

    pub fn page(&self, worktree: &Path, path: &str) -> Option<Page> {
        serde_json::from_slice(&fs::read(self.page_file(worktree, path)).ok()?).ok()
    }

    /// The content of that hash; none when it is not there, or is not that content any more.
    pub fn content(&self, hash: &str) -> Option<Vec<u8>> {
        let content = fs::read(self.content_file(hash)).ok()?;
        (name_of(&content) == hash).then_some(content)
    }

    pub fn content_file(&self, hash: &str) -> PathBuf {
        self.dir.join("content").join(hash)
    }

    /// Keeps what a file holds now, and gives its hash; none when there is no file, or one too large.
    pub fn keep(&self, worktree: &Path, path: &str) -> std::io::Result<Option<String>> {
        let file = worktree.join(path);
        if !is_kept(&file) {
            return Ok(None);
        }
        let content = fs::read(&file)?;
        let hash = name_of(&content);
        let at = self.content_file(&hash);
        if !at.exists() {
            place(&at, &content)?;
            let more = |grown: u64| Some(grown.saturating_add(content.len() as u64));
            let _ = self.grown.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
        Ok(Some(hash))
    }

    fn write_page(&self, page: &Page) -> std::io::Result<()> {
        place(&self.page_file(&page.worktree, &page.path), &serde_json::to_vec(page)?)
    }

    fn page_file(&self, worktree: &Path, path: &str) -> PathBuf {
        let name = format!("{}\0{path}", worktree.display());
        self.dir.join("files").join(format!("{}.json", name_of(name.as_bytes())))
    }
}

impl Page {
    /// Whether that is what the lock's holder left in the file, or what everybody knows to be somebody else's.
    pub fn explains(&self, hash: Option<&str>) -> bool {
        self.last_known.as_deref() == hash || (hash.is_some() && self.told.as_deref() == hash)
    }

    /// Hash of what the holder of this lock had in the file, and that in words; none when nothing of it is kept.
    pub fn held_by(&self, lock: &Lock) -> Option<(&str, String)> {
        let hash = self.last_known.as_deref().filter(|_| self.token == lock.token)?;
        let agent = &lock.agent;
        Some(match self.last_known == self.before_lock {
            true => (hash, format!("what it held when {agent} locked it")),
            false => (hash, format!("what {agent} had in it")),
        })
    }

    /// How the file is brought back in a repository the studio knows. Only what is kept is promised.
    pub fn way_back(&self, lock: &Lock) -> Option<String> {
        let (_, what) = self.held_by(lock)?;
        Some(format!("`coditect file restore {}` brings back {what}", self.path))
    }
}

/// The name of what a file holds; none when there is no file, or one too large.
pub fn hash_of(file: &Path) -> Option<String> {
    is_kept(file).then(|| fs::read(file).ok().map(|content| name_of(&content)))?
}

fn is_kept(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() <= KEPT_FILE_MAX)
}

fn name_of(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

/// Writes a file as a whole, for nobody else's eyes. The name it has until then is nobody else's.
fn place(at: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = at.parent().unwrap_or(at);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut name = at.as_os_str().to_owned();
    name.push(format!(".new.{}.{}", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    let fresh = PathBuf::from(name);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    let placed = file.write_all(content).and_then(|()| fs::rename(&fresh, at));
    if placed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    placed
}
