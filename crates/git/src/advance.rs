//! Advance: the current branch moves to a commit, the user's other work stays as it is.

use crate::{GitError, Oid, Repository};
use model::RepoPath;

/// The branch stands on the new commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    pub index: IndexRefresh,
}

/// What became of the user's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexRefresh {
    /// All paths show the new commit, but `kept`, where the user had staged something else.
    Done { kept: Vec<RepoPath> },
    /// Another git held the index all the time; until the next [`Repository::advance`] to the same
    /// commit, `git status` shows the paths as staged back.
    Locked,
}

impl Repository {
    /// Moves the current branch (or a detached HEAD) from `expected_old` to `new` in one atomic step and
    /// refreshes the index at `paths` where nothing else was staged. Refused with
    /// [`GitError::Moved`] when the branch is elsewhere; one that is already at `new` only gets the refresh.
    pub fn advance(
        &self,
        new: &Oid,
        expected_old: Option<&Oid>,
        paths: &[RepoPath],
    ) -> Result<Advanced, GitError> {
        let _ = (new, expected_old, paths);
        todo!()
    }
}
