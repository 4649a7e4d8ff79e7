//! What worktrees take on the disk.
//!
//! Counted aside, up to a limit, and remembered: a list shows what was counted last and has it counted again.

use crate::engine::Shared;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Files and folders that are counted in one worktree, at most.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;
/// Worktrees whose figures are remembered.
const REMEMBERED_MAX: usize = 4096;
/// A figure this old is counted again when it is asked for.
const FRESH: Duration = Duration::from_secs(60);
/// What `st_blocks` counts in.
const BLOCK: u64 = 512;

/// What a folder takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// As allocated; a file with several names counts once.
    pub bytes: u64,
    /// There was more than is counted.
    pub cut: bool,
}

#[derive(Default)]
pub(crate) struct Usages {
    known: Mutex<HashMap<PathBuf, Counted>>,
}

struct Counted {
    usage: Option<DiskUse>,
    at: Instant,
}

impl Usages {
    /// What was counted last. When that is old or never was, it is counted again beside whoever asks.
    pub(crate) fn last(shared: &Arc<Shared>, path: &Path) -> Option<DiskUse> {
        let mut known = shared.usages.known.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.get(path).and_then(|counted| counted.usage);
        let fresh = known.get(path).is_some_and(|counted| counted.at.elapsed() < FRESH);
        if !fresh && known.len() < REMEMBERED_MAX {
            // Noted before it is done, so that it is done once.
            known.insert(path.to_owned(), Counted { usage: last, at: Instant::now() });
            let (counting, path) = (Arc::clone(shared), path.to_owned());
            shared.tasks.spawn_blocking(move || Self::count(&counting, &path));
        }
        last
    }

    /// Counts now.
    pub(crate) fn count(shared: &Shared, path: &Path) -> DiskUse {
        let usage = count(path, ENTRIES_MAX);
        let mut known = shared.usages.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), Counted { usage: Some(usage), at: Instant::now() });
        usage
    }

    pub(crate) fn forget(&self, path: &Path) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

/// Walks without following links and without leaving the file system.
fn count(root: &Path, most: usize) -> DiskUse {
    let Ok(top) = std::fs::symlink_metadata(root) else { return DiskUse::default() };
    let mut usage = DiskUse { bytes: top.blocks() * BLOCK, cut: false };
    let mut seen: HashSet<(u64, u64)> = HashSet::new();
    let (mut folders, mut left) = (vec![root.to_owned()], most);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if left == 0 {
                return DiskUse { cut: true, ..usage };
            }
            left -= 1;
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev() {
                continue;
            }
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.nlink() > 1 && !seen.insert((meta.dev(), meta.ino())) {
                continue;
            }
            usage.bytes = usage.bytes.saturating_add(meta.blocks() * BLOCK);
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_as_allocated_and_once_for_all_their_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let empty = count(dir.path(), 100).bytes;
        std::fs::write(dir.path().join("sub/a"), vec![7u8; 100_000]).unwrap();
        let one = count(dir.path(), 100);
        assert!(one.bytes >= empty + 100_000 && !one.cut, "{one:?}");
        std::fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("out")).unwrap();
        let linked = count(dir.path(), 100);
        assert!(linked.bytes < one.bytes + 50_000 && !linked.cut, "{linked:?}");
        // A file with a hole takes what it takes.
        std::fs::File::create(dir.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!(count(dir.path(), 100).bytes < 1 << 30);
    }

    #[test]
    fn counting_ends_at_its_limit_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..10 {
            std::fs::write(dir.path().join(n.to_string()), "x").unwrap();
        }
        assert!(!count(dir.path(), 10).cut);
        assert!(count(dir.path(), 9).cut);
        assert_eq!(count(&dir.path().join("none"), 9), DiskUse::default());
    }
}
