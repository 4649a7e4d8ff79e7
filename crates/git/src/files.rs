//! Which files a work tree has that are its own: tracked ones, and those that git is not told to ignore.

use crate::status::UNFINISHED;
use crate::{GitError, Repository};
use model::RepoPath;
use std::collections::BTreeSet;

/// The files of a work tree, by name; those that were removed and not committed are among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Sorted.
    pub paths: BTreeSet<RepoPath>,
    /// Such files with names we cannot name.
    pub unnamable: usize,
}

impl Repository {
    /// The inside of submodules does not count, and neither do ignored files.
    pub fn files(&self) -> Result<Files, GitError> {
        let answer =
            self.call("ls-files").args(["-z", "--cached", "--others", "--exclude-standard", "--"]).run()?;
        let mut files = Files::default();
        for name in answer.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            // A file of ours that is on its way to its name, or a folder that is a repository of its own.
            if last.is_empty() || last.starts_with(UNFINISHED.as_bytes()) {
                continue;
            }
            match std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()) {
                Some(path) => drop(files.paths.insert(path)),
                None => files.unnamable += 1,
            }
        }
        Ok(files)
    }
}
