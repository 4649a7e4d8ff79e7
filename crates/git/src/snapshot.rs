//! Snapshots: commits of chosen paths, made beside the user's HEAD and index.

use crate::{Author, GitError, Oid, Repository};
use model::{RepoPath, Timestamp};

/// Most paths in one snapshot.
pub const PATHS_MAX: usize = 2_000;
/// Largest file a snapshot takes, in bytes.
pub const FILE_MAX: u64 = 64 * 1024 * 1024;
/// Longest commit message, in bytes; longer ones are cut at a character.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// What to commit.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub parent: Option<&'a Oid>,
    /// Their content is taken from the work tree; a file that is not there is a removal.
    pub paths: &'a [RepoPath],
    pub message: &'a str,
    /// Author and committer.
    pub author: &'a Author,
    pub co_authors: &'a [Author],
    pub at: Timestamp,
}

/// What was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// None when the paths are as in the parent, so that there is nothing to commit.
    pub commit: Option<Oid>,
    /// Paths that differ from the parent, sorted.
    pub changed: Vec<RepoPath>,
    /// Untracked paths the repository ignores; left out, as `git add` would.
    pub ignored: Vec<RepoPath>,
    /// Paths with a content filter (such as LFS), which is never run here; left out, because the
    /// user's git would store something else.
    pub filtered: Vec<RepoPath>,
}

impl Repository {
    /// Makes a commit of the given paths on top of `parent`. Touches neither HEAD, nor a branch, nor
    /// the user's index, nor a file of the work tree.
    pub fn snapshot(&self, snapshot: &Snapshot<'_>) -> Result<Taken, GitError> {
        let _ = snapshot;
        todo!()
    }
}
