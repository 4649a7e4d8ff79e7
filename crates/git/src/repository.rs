//! An opened repository: one work tree and its git directory, pinned when it was opened.

use crate::{GitError, Oid};
use model::RepoPath;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The only namespace [`Repository::update_ref`] writes.
pub const REF_PREFIX: &str = "refs/coditect/";

/// Clone is cheap; every method runs git and blocks until it ends.
#[derive(Debug, Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    top: PathBuf,
}

impl Repository {
    /// Canonical path of the work tree's top level.
    pub fn top(&self) -> &Path {
        &self.inner.top
    }

    /// The commit HEAD stands on; none on an unborn branch.
    pub fn head(&self) -> Result<Option<Oid>, GitError> {
        todo!()
    }

    /// Short name of the current branch, born or not; none when HEAD is detached.
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        todo!()
    }

    /// The content of a file in a commit; none when it is not there.
    pub fn blob(&self, at: &Oid, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let _ = (at, path);
        todo!()
    }

    /// Points a ref under [`REF_PREFIX`] at a commit, to keep it alive.
    pub fn update_ref(&self, name: &str, to: &Oid) -> Result<(), GitError> {
        let _ = (name, to);
        todo!()
    }

    /// The commit a ref under [`REF_PREFIX`] points at.
    pub fn resolve_ref(&self, name: &str) -> Result<Option<Oid>, GitError> {
        let _ = name;
        todo!()
    }
}
