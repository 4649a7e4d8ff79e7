//! What repositories tell agents, kept between turns: read again only when one of the files may be another one.
//!
//! Invariant: what is given is what the files say at that moment. A file that was written so short a time before it was read that
//! its time could not tell the next change is read again.

use super::context_files::{self, FILES, Reads};
use model::Timestamp;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Worktrees that are remembered; with one more, all are forgotten.
const KEPT_MAX: usize = 256;
/// Times of files are no finer than this on any file system, in milliseconds.
const SETTLED_MS: i64 = 2_000;

/// For a loop that is told what it does not read by itself.
#[derive(Debug, Default)]
pub struct ContextFiles {
    kept: Mutex<HashMap<PathBuf, Kept>>,
    read: AtomicU64,
}

#[derive(Debug, Clone)]
struct Kept {
    marks: Vec<Option<Mark>>,
    text: Arc<str>,
    /// When it was read, no file had changed for a while.
    settled: bool,
}

/// What tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    place: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    /// Of the file a link leads to; none when there is no file.
    fn of(path: &Path) -> Option<Self> {
        let meta = path.metadata().ok()?;
        Some(Self {
            place: (meta.dev(), meta.ino()),
            bytes: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        let newest = self.modified.0.max(self.changed.0).saturating_mul(1_000);
        newest.saturating_add(SETTLED_MS) < now.as_millis()
    }
}

impl ContextFiles {
    /// The system prompt after what the files at the worktree's root ask of agents.
    pub fn before(&self, system: &str, root: &Path, now: Timestamp) -> String {
        context_files::preceded(&self.asked(root, now), system)
    }

    /// How often files were read.
    pub fn reads(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn asked(&self, root: &Path, now: Timestamp) -> Arc<str> {
        let Ok(root) = root.canonicalize() else { return Arc::from("") };
        let marks: Vec<Option<Mark>> = FILES.iter().map(|name| Mark::of(&root.join(name))).collect();
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&root).cloned();
        if let Some(kept) = known.filter(|kept| kept.settled && kept.marks == marks) {
            return kept.text;
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        let text: Arc<str> = context_files::asked(&root, &Reads::default()).into();
        let settled = marks.iter().flatten().all(|mark| mark.is_settled(now));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(&root) {
            kept.clear();
        }
        kept.insert(root, Kept { marks, text: Arc::clone(&text), settled });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Long after anything that a test writes.
    const LATER: Timestamp = Timestamp::from_millis(i64::MAX / 4);

    fn repo(files: &[(&str, &str)]) -> tempfile::TempDir {
        let repo = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(repo.path().join(name), text).unwrap());
        repo
    }

    #[test]
    fn what_did_not_change_is_not_read_again_and_what_did_is() {
        let repo = repo(&[("CLAUDE.md", "Indent by four.")]);
        let files = ContextFiles::default();
        let asked = || files.before("Rules.", repo.path(), LATER);
        for _ in 0..3 {
            assert!(asked().contains("Indent by four.") && asked().ends_with("\n\nRules."));
        }
        assert_eq!(files.reads(), 1);
        // As long as before, and put in its place as editors do.
        std::fs::write(repo.path().join("new"), "Indent by tabs.").unwrap();
        std::fs::rename(repo.path().join("new"), repo.path().join("CLAUDE.md")).unwrap();
        assert!(asked().contains("Indent by tabs."));
        assert_eq!(files.reads(), 2);
        std::fs::write(repo.path().join("AGENTS.md"), "Test first.").unwrap();
        assert!(asked().contains("Test first."));
        std::fs::remove_file(repo.path().join("AGENTS.md")).unwrap();
        assert!(!asked().contains("Test first."));
        assert_eq!(files.reads(), 4);
        asked();
        assert_eq!(files.reads(), 4);
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again() {
        let repo = repo(&[("CLAUDE.md", "one")]);
        let files = ContextFiles::default();
        let written = std::fs::metadata(repo.path().join("CLAUDE.md")).unwrap().mtime() * 1_000;
        for late in [0, SETTLED_MS, SETTLED_MS + 1, SETTLED_MS + 1] {
            files.before("", repo.path(), Timestamp::from_millis(written + late));
        }
        assert_eq!(files.reads(), 3, "once it is settled it is read a last time");
    }

    #[test]
    fn where_nothing_is_asked_nothing_is_told_and_links_are_followed_to_their_file() {
        let empty = repo(&[]);
        let files = ContextFiles::default();
        assert_eq!(files.before("Rules.", empty.path(), LATER), "Rules.");
        assert_eq!(files.before("Rules.", &empty.path().join("gone"), LATER), "Rules.");
        let linked = repo(&[("one.md", "one"), ("two.md", "two")]);
        let link = linked.path().join("AGENTS.md");
        for name in ["one", "two"] {
            let _ = std::fs::remove_file(&link);
            symlink(format!("{name}.md"), &link).unwrap();
            assert!(files.before("", linked.path(), LATER).contains(name));
        }
    }

    #[test]
    fn no_more_worktrees_are_remembered_than_there_is_room_for() {
        let files = ContextFiles::default();
        for _ in 0..=KEPT_MAX {
            files.before("", repo(&[("AGENTS.md", "a")]).path(), LATER);
        }
        assert_eq!(files.kept.lock().unwrap().len(), 1);
    }
}
