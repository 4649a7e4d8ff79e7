//! Differences as unified text.

use crate::{GitError, Oid, Repository};
use model::RepoPath;

/// Longest text of a difference, in bytes; the rest is cut.
pub const DIFF_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    pub text: String,
    /// True when the text was cut at [`DIFF_MAX`].
    pub cut: bool,
}

impl Repository {
    /// From one commit (none: nothing) to another; no paths means all.
    pub fn diff(&self, from: Option<&Oid>, to: &Oid, paths: &[RepoPath]) -> Result<Diff, GitError> {
        let _ = (from, to, paths);
        todo!()
    }

    /// From a commit to the work tree at these paths, new and removed files included.
    pub fn diff_work_tree(&self, from: Option<&Oid>, paths: &[RepoPath]) -> Result<Diff, GitError> {
        let _ = (from, paths);
        todo!()
    }
}
