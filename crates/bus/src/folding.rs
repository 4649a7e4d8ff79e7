//! Which spelling names a file: on a file system that takes `A.rs` and `a.rs` for one file, a lock is named in lower case, so
//! that two spellings are one lock. Two normal forms of one accented letter stay two names.

use crate::bus::Inner;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::PoisonError;

/// True when the folder's file system does not tell upper from lower case. Found by looking for the folder, or one above
/// it, under another spelling; nothing is written. A folder that is not there tells.
pub(crate) fn folds(folder: &Path) -> bool {
    let Ok(own) = std::fs::metadata(folder.join(".git")).or_else(|_| std::fs::metadata(folder)) else {
        return false;
    };
    // Inside the folder first: the file system may begin there.
    if let Ok(other) = std::fs::metadata(folder.join(".GIT")) {
        return (other.dev(), other.ino()) == (own.dev(), own.ino());
    }
    if folder.join(".git").exists() {
        return false;
    }
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return false };
    let swapped: String = name
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let other = std::fs::metadata(folder.with_file_name(&swapped));
    swapped != name && other.is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino()))
}

impl Inner {
    /// The path as locks of this worktree name it.
    pub(crate) fn spelled(&self, worktree: &str, path: &str) -> String {
        if self.folds(worktree) { path.to_lowercase() } else { path.to_owned() }
    }

    /// Looked up once per worktree and process.
    pub(crate) fn folds(&self, worktree: &str) -> bool {
        if let Some(given) = self.folding {
            return given;
        }
        let mut known = self.foldings.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(worktree.to_owned()).or_insert_with(|| folds(Path::new(worktree)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_system_is_asked_without_writing() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let expected = dir.path().join("TREE").exists();
        assert_eq!(folds(&tree), expected);
        std::fs::create_dir(tree.join(".git")).unwrap();
        assert_eq!(folds(&tree), expected);
        assert!(!folds(&dir.path().join("nowhere")));
    }
}
