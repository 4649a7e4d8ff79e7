//! What differs between HEAD, index and work tree.

use crate::{GitError, Repository};
use model::RepoPath;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Sorted by path.
    pub entries: Vec<StatusEntry>,
    /// Files with names we do not handle (not UTF-8, a backslash, a line break).
    pub unnamable: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    pub path: RepoPath,
    /// Index against HEAD; what is staged.
    pub staged: Option<Change>,
    /// Work tree against index.
    pub unstaged: Option<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Added,
    Modified,
    Removed,
    /// A file became a symbolic link, or the like.
    Retyped,
    Untracked,
    Unmerged,
}

impl Repository {
    /// No paths means the whole work tree; ignored files and the inside of submodules never show.
    pub fn status(&self, paths: &[RepoPath]) -> Result<Status, GitError> {
        let _ = paths;
        todo!()
    }
}
