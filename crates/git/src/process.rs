//! The git program: found once, run in one way.

use crate::{GitError, Repository};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest a git process may run.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes read from a git process's standard output.
pub const OUTPUT_MAX: usize = 32 * 1024 * 1024;

/// A git installation. Cheap to make and to clone: git is looked for at the first use and again until it was found.
#[derive(Debug, Clone)]
pub struct Git {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    search_path: OsString,
    scratch: PathBuf,
}

impl Git {
    /// `search_path` is the user's `PATH`; only its absolute entries count. `scratch` is a directory of
    /// ours (made with mode 0700 when missing) for private indexes and sealed configurations.
    pub fn new(search_path: impl Into<OsString>, scratch: impl Into<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { search_path: search_path.into(), scratch: scratch.into() }) }
    }

    /// The version of git, as in `2.47.3`.
    pub fn version(&self) -> Result<String, GitError> {
        let _ = (&self.inner.search_path, &self.inner.scratch);
        todo!()
    }

    /// The repository whose work tree holds `path`.
    pub fn open(&self, path: &Path) -> Result<Repository, GitError> {
        let _ = path;
        todo!()
    }
}
