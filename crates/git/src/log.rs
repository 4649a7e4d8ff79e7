//! The history of the current branch.

use crate::{Author, GitError, Oid, Repository};
use model::{RepoPath, Timestamp};

/// Most entries one call gives.
pub const LOG_MAX: usize = 1_000;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub oid: Oid,
    pub parents: Vec<Oid>,
    pub author: Author,
    /// Time of the commit.
    pub at: Timestamp,
    pub subject: String,
    pub co_authors: Vec<Author>,
    /// Files it changed against its first parent, sorted; empty for merges.
    pub files: Vec<RepoPath>,
}

impl Repository {
    /// The newest `limit` commits (at most [`LOG_MAX`]) reachable from HEAD, newest first.
    pub fn log(&self, limit: usize) -> Result<Vec<LogEntry>, GitError> {
        let _ = limit;
        todo!()
    }
}
