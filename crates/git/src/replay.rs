//! Replay: snapshots made again on another parent.
//!
//! Invariant: a replayed commit never takes back what somebody else committed at its paths.

use crate::commit::Commit;
use crate::tree::named;
use crate::{GitError, Oid, Repository};

/// One commit of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub from: Oid,
    /// None when everything it changed is already on the new parent.
    pub to: Option<Oid>,
}

impl Repository {
    /// Makes each snapshot again, in order, on top of `onto`: same message, author and time, and the
    /// same content at the paths it changed. Refused with [`GitError::ReplayConflict`] when one of these
    /// paths is neither as before nor as after the snapshot there.
    pub fn replay(&self, commits: &[Oid], onto: Option<&Oid>) -> Result<Vec<Replayed>, GitError> {
        let mut parent = onto.cloned();
        let mut replayed = Vec::with_capacity(commits.len());
        for (from, read) in commits.iter().zip(self.read_commits(commits)?) {
            let to = self.replay_one(from, read, parent.as_ref())?;
            if to.is_some() {
                parent.clone_from(&to);
            }
            replayed.push(Replayed { from: from.clone(), to });
        }
        Ok(replayed)
    }

    fn replay_one(&self, from: &Oid, commit: Commit, onto: Option<&Oid>) -> Result<Option<Oid>, GitError> {
        if commit.parents.len() > 1 {
            return Err(GitError::NotASnapshot(from.clone()));
        }
        let before = self.tree_of(commit.parents.first()).to_owned();
        let base = self.tree_of(onto).to_owned();
        let changes = self.compare_trees(&before, from.as_str())?;
        let moved = self.compare_trees(&before, &base)?;
        let (mut conflicts, mut wanted) = (Vec::new(), Vec::new());
        for (path, (_, after)) in &changes {
            match moved.get(path) {
                None => wanted.push((path, after)),
                Some((_, now)) if now == after => {}
                Some(_) => conflicts.push(path),
            }
        }
        if !conflicts.is_empty() {
            return Err(GitError::ReplayConflict { commit: from.clone(), paths: named(conflicts) });
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let workshop = self.workshop()?;
        let tree = self.tree_with(&base, wanted, &workshop.path().join("index"))?;
        let commit = Commit { parents: onto.into_iter().cloned().collect(), ..commit };
        self.write_commit(&tree, &commit).map(Some)
    }
}
