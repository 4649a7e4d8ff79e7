//! What files held when they were locked, and after each edit under the lock: so that what a shell wrote over them can be
//! taken back.
//!
//! Invariant: a content once kept stays under its hash; what is forgotten is only which of them was the last known.
//! Everything is called on the worktree's writer, so nothing is half written.

use crate::writer::{self, FILE_MAX};
use model::RepoPath;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is known of one file of one worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) worktree: PathBuf,
    pub(crate) path: String,
    /// Hash of what it held when the lock was granted; none when it was not there.
    pub(crate) before_lock: Option<String>,
    /// Hash of what its holder left in it last.
    pub(crate) last_known: Option<String>,
}

pub(crate) struct Known {
    dir: PathBuf,
}

impl Known {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// A lock was granted.
    pub(crate) fn locked(&self, worktree: &Path, path: &RepoPath) -> std::io::Result<()> {
        let held = self.content_of(worktree, path)?;
        let page = Page {
            worktree: worktree.to_owned(),
            path: path.to_string(),
            before_lock: held.clone(),
            last_known: held,
        };
        self.write_page(&page)
    }

    /// The holder has written it.
    pub(crate) fn edited(&self, worktree: &Path, path: &RepoPath) -> std::io::Result<()> {
        let Some(page) = self.page(worktree, path) else { return self.locked(worktree, path) };
        let last_known = self.content_of(worktree, path)?;
        self.write_page(&Page { last_known, ..page })
    }

    pub(crate) fn page(&self, worktree: &Path, path: &RepoPath) -> Option<Page> {
        serde_json::from_slice(&fs::read(self.page_file(worktree, path)).ok()?).ok()
    }

    /// The content of that hash; none when it is not there, or is not that content any more.
    pub(crate) fn content(&self, hash: &str) -> Option<Vec<u8>> {
        let content = fs::read(self.content_file(hash)).ok()?;
        (writer::hash(&content) == hash).then_some(content)
    }

    pub(crate) fn content_file(&self, hash: &str) -> PathBuf {
        self.dir.join("content").join(hash)
    }

    /// Keeps what a file holds now, and gives its hash; none when there is no file, or one too large.
    pub(crate) fn content_of(&self, worktree: &Path, path: &RepoPath) -> std::io::Result<Option<String>> {
        let file = worktree.join(path.as_str());
        match fs::symlink_metadata(&file) {
            Ok(meta) if meta.is_file() && meta.len() <= FILE_MAX => {}
            _ => return Ok(None),
        }
        let content = fs::read(&file)?;
        let hash = writer::hash(&content);
        let at = self.content_file(&hash);
        if !at.exists() {
            place(&at, &content)?;
        }
        Ok(Some(hash))
    }

    fn write_page(&self, page: &Page) -> std::io::Result<()> {
        let path: RepoPath = page.path.parse().map_err(std::io::Error::other)?;
        place(&self.page_file(&page.worktree, &path), &serde_json::to_vec(page)?)
    }

    fn page_file(&self, worktree: &Path, path: &RepoPath) -> PathBuf {
        let name = format!("{}\0{path}", worktree.display());
        self.dir.join("files").join(format!("{}.json", writer::hash(name.as_bytes())))
    }
}

/// Writes a file as a whole, for nobody else's eyes.
fn place(at: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = at.parent().unwrap_or(at);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut name = at.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    fs::rename(&fresh, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_and_what_was_made_of_it_are_known_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, known) = (dir.path().join("tree"), Known::new(dir.path().join("known")));
        fs::create_dir(&tree).unwrap();
        let path: RepoPath = "a".parse().unwrap();
        let hash = |text: &str| Some(writer::hash(text.as_bytes()));
        known.locked(&tree, &path).unwrap();
        assert_eq!(known.page(&tree, &path).unwrap().before_lock, None, "it was not there");
        fs::write(tree.join("a"), "one").unwrap();
        known.locked(&tree, &path).unwrap();
        fs::write(tree.join("a"), "two").unwrap();
        known.edited(&tree, &path).unwrap();
        let page = known.page(&tree, &path).unwrap();
        assert_eq!((page.before_lock.clone(), page.last_known.clone()), (hash("one"), hash("two")));
        assert_eq!(known.content(&page.before_lock.unwrap()).unwrap(), b"one");
        let changed = known.content_file(&page.last_known.clone().unwrap());
        fs::write(changed, "damaged").unwrap();
        assert_eq!(known.content(&page.last_known.unwrap()), None, "damage is not passed off as content");
        assert!(known.page(&dir.path().join("other"), &path).is_none());
    }

    #[test]
    fn links_and_giants_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::new(dir.path().join("known"));
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let giant = fs::File::create(dir.path().join("giant")).unwrap();
        giant.set_len(FILE_MAX + 1).unwrap();
        for name in ["link", "giant"] {
            assert_eq!(known.content_of(dir.path(), &name.parse().unwrap()).unwrap(), None, "{name}");
        }
    }
}
