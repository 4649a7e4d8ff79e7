//! Differences as unified text.

use crate::{GitError, Oid, Repository};
use model::RepoPath;

/// Longest text of a difference, in bytes; the rest is cut.
pub const DIFF_MAX: usize = 1024 * 1024;
/// Most paths one call takes: they travel on git's command line.
pub const DIFF_PATHS_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Bytes that are no UTF-8 are replaced.
    pub text: String,
    /// True when the text was cut at [`DIFF_MAX`].
    pub cut: bool,
}

impl Repository {
    /// From one commit (none: nothing) to another; no paths means all.
    pub fn diff(&self, from: Option<&Oid>, to: &Oid, paths: &[RepoPath]) -> Result<Diff, GitError> {
        if paths.len() > DIFF_PATHS_MAX {
            return Err(GitError::TooMany { what: "paths", given: paths.len(), max: DIFF_PATHS_MAX });
        }
        let call =
            self.call("diff-tree").args(["-r", "-p", "--no-ext-diff", "--no-textconv", "--no-renames"]);
        let call =
            call.args(["--no-color", "--ignore-submodules=all", self.tree_of(from), to.as_str(), "--"]);
        let answer = call.args(paths.iter().map(RepoPath::as_str)).cut_at(DIFF_MAX).run()?;
        Ok(Diff { text: String::from_utf8_lossy(&answer.stdout).into_owned(), cut: answer.cut })
    }

    /// From a commit to the work tree at these paths, new and removed files included; ignored and filtered ones are not.
    pub fn diff_work_tree(&self, from: Option<&Oid>, paths: &[RepoPath]) -> Result<Diff, GitError> {
        let material = self.material(from, paths)?;
        self.diff(from, &material.tree, &[])
    }
}
