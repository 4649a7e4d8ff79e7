//! Advance: the current branch moves to a commit, the user's other work stays as it is.
//!
//! Invariant: an index entry is replaced only when it was the old commit's; a staged change is never lost.

use crate::tree::{index_info, named};
use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long another git may hold the user's index before it is left as it is.
pub const INDEX_WAIT: Duration = Duration::from_secs(3);
/// How often the index is tried meanwhile.
const INDEX_RETRY: Duration = Duration::from_millis(50);

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
    /// [`GitError::Moved`] when the branch is elsewhere; one that is already at `new` only gets the
    /// refresh, so that the call can be repeated after a crash.
    pub fn advance(
        &self,
        new: &Oid,
        expected_old: Option<&Oid>,
        paths: &[RepoPath],
    ) -> Result<Advanced, GitError> {
        let zero = self.zero();
        let old = expected_old.map_or(zero.as_str(), Oid::as_str);
        let moved =
            self.call("update-ref").args(["-m", "coditect: checkpoint", "HEAD", new.as_str(), old]).run();
        if let Err(error) = moved {
            let found = self.head()?;
            if found.as_ref() != Some(new) {
                let stands = found.as_ref() == expected_old;
                let expected = expected_old.cloned();
                return Err(if stands {
                    self.or_no_object(error, new)
                } else {
                    GitError::Moved { expected, found }
                });
            }
        }
        self.refresh_index(new, expected_old, paths).map(|index| Advanced { index })
    }

    /// Git's own lock guards the write. A change staged between the comparison and the write, within
    /// milliseconds and at the very paths an agent holds, is the one thing that could be replaced; its content stays in the work tree.
    fn refresh_index(
        &self,
        new: &Oid,
        old: Option<&Oid>,
        paths: &[RepoPath],
    ) -> Result<IndexRefresh, GitError> {
        let deadline = Instant::now() + INDEX_WAIT;
        let old = self.tree_of(old);
        let wanted: BTreeSet<&[u8]> = paths.iter().map(|path| path.as_str().as_bytes()).collect();
        let mut commits = self.compare_trees(old, new.as_str())?;
        commits.retain(|path, _| wanted.contains(path.as_slice()));
        loop {
            let staged = self.compare_index(old)?;
            let (mut fresh, mut kept) = (Vec::new(), Vec::new());
            for (path, (_, after)) in &commits {
                match staged.get(path) {
                    None => fresh.push((path, after)),
                    Some((_, index)) if index == after => {}
                    Some(_) => kept.push(path),
                }
            }
            let kept = named(kept);
            if fresh.is_empty() {
                return Ok(IndexRefresh::Done { kept });
            }
            match self.call("update-index").args(["-z", "--index-info"]).stdin(index_info(fresh)).run() {
                Ok(_) => return Ok(IndexRefresh::Done { kept }),
                Err(GitError::Failed { stderr, .. }) if stderr.contains("index.lock") => {
                    if Instant::now() >= deadline {
                        return Ok(IndexRefresh::Locked);
                    }
                    std::thread::sleep(INDEX_RETRY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
