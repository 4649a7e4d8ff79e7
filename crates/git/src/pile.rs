//! Piles: work put on top of a branch without the branch moving, and a place where that can be tried.
//!
//! Invariant: nothing of the user's moves. What is made are commits nobody points at, and a worktree of ours.

use crate::commit::{Commit, signature};
use crate::repository::oid;
use crate::tree::named;
use crate::{GitError, Landing, Lent, Oid, Repository};
use model::RepoPath;
use std::fs;
use std::io::ErrorKind;

/// Most commits that are made again in one rebase.
pub const REBASE_MAX: usize = 1_000;

/// Work made again on top of something else, as far as they go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pile {
    /// All of it, or what comes before that which is stuck.
    pub top: Oid,
    pub stuck: Option<Stuck>,
}

/// A commit that does not go on top of what it was to be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub commit: Oid,
    pub paths: Vec<RepoPath>,
}

impl Repository {
    /// Where a branch that stands at `tip` would stand with the work: there already, forward, or at a merge commit. Refused
    /// with [`GitError::MergeConflict`].
    pub fn merged_onto(&self, tip: &Oid, work: &Landing<'_>) -> Result<Oid, GitError> {
        Ok(self.target(Some(tip), work)?.map_or_else(|| tip.clone(), |(target, _)| target))
    }

    /// The same with the work's commits made again, one by one, with their authors and words. Merge commits among them go,
    /// and so do commits that change nothing there. Refused with [`GitError::MergeConflict`], which names the commit.
    pub fn rebased_onto(&self, tip: &Oid, work: &Landing<'_>) -> Result<Oid, GitError> {
        if self.is_ancestor(work.commit, tip)? {
            return Ok(tip.clone());
        }
        if self.is_ancestor(tip, work.commit)? {
            return Ok(work.commit.clone());
        }
        let Pile { top, stuck } = self.piled_onto(tip, tip, work)?;
        match stuck {
            None => Ok(top),
            Some(Stuck { commit, paths }) => Err(GitError::MergeConflict { commit, paths }),
        }
    }

    /// Makes the work's commits after `after` again on top of `tip`, in the way of [`Self::rebased_onto`], up to the first that does
    /// not go on top of those before it. What `tip` has is left out.
    pub fn piled_onto(&self, tip: &Oid, after: &Oid, work: &Landing<'_>) -> Result<Pile, GitError> {
        let call = self.call("rev-list").args(["--reverse", "--topo-order", "--no-merges"]);
        let answer = call.args([format!("{after}..{}", work.commit), format!("^{tip}")]).run()?;
        let commits = listed(&answer.stdout);
        if commits.len() > REBASE_MAX {
            return Err(GitError::TooMany { what: "commits", given: commits.len(), max: REBASE_MAX });
        }
        let mut top = tip.clone();
        for (at, commit) in commits.iter().zip(self.read_commits(&commits)?) {
            let (tree, paths) = self.picked(at, commit.parents.first(), &top)?;
            if let Some(paths) = paths {
                return Ok(Pile { top, stuck: Some(Stuck { commit: at.clone(), paths }) });
            }
            if self.compare_trees(top.as_str(), tree.as_str())?.is_empty() {
                continue;
            }
            let committer = signature(work.author, work.at);
            let Commit { author, message, .. } = commit;
            top = self.write_commit(&tree, &Commit { parents: vec![top], author, committer, message })?;
        }
        Ok(Pile { top, stuck: None })
    }

    /// The tree of what a commit changes on top of another one; with the files in which both sides stand between marks, when they do
    /// not go together.
    pub(crate) fn picked(
        &self,
        commit: &Oid,
        parent: Option<&Oid>,
        top: &Oid,
    ) -> Result<(Oid, Option<Vec<RepoPath>>), GitError> {
        let before = self.tree_of(parent);
        let call = self.call("merge-tree").args(["--write-tree", "-z", "--name-only", "--no-messages"]);
        let call = call.arg(format!("--merge-base={before}")).args([top.as_str(), commit.as_str()]);
        let answer = call.codes(&[0, 1]).run()?;
        let mut lines = answer.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let tree = oid("merge-tree", lines.next().unwrap_or_default())?;
        if answer.code == 0 {
            return Ok((tree, None));
        }
        let mut paths = named(&lines.map(<[u8]>::to_vec).collect::<Vec<_>>());
        paths.dedup();
        Ok((tree, Some(paths)))
    }

    /// Whether the commit, or one that it was made from or that was made from it, is among those of `tip` that `base` has not: by its
    /// author, its time and its words.
    pub fn has_again(&self, base: &Oid, tip: &Oid, commit: &Oid) -> Result<bool, GitError> {
        let call = self.call("rev-list").args(["--no-merges", &format!("--max-count={REBASE_MAX}")]);
        let answer = call.arg(format!("{base}..{tip}")).run()?;
        let mut commits = listed(&answer.stdout);
        commits.push(commit.clone());
        let mut read = self.read_commits(&commits)?;
        let Some(wanted) = read.pop() else { return Ok(false) };
        Ok(read.iter().any(|one| (&one.author, &one.message) == (&wanted.author, &wanted.message)))
    }

    /// A worktree of ours at exactly this commit, with nothing else in it. What was there before goes.
    pub fn lay_out(&self, place: &Lent, at: &Oid) -> Result<Repository, GitError> {
        self.clear_away(place)?;
        let laid = self.lend(place, at)?;
        if laid.head()?.as_ref() != Some(at) {
            return Err(GitError::Moved { expected: Some(at.clone()), found: laid.head()? });
        }
        Ok(laid)
    }

    /// Takes such a worktree away, whole or half made, and its branch with it.
    pub fn clear_away(&self, place: &Lent) -> Result<(), GitError> {
        let admin = self.admin(&place.id());
        let tip = self.branch_tip(&place.branch())?;
        if admin.join("locked").exists() && self.take_away(place, tip.as_ref()).is_ok() {
            return Ok(());
        }
        for folder in [&place.path, &admin] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(GitError::io(format!("remove {}", folder.display()), error));
                }
                _ => {}
            }
        }
        match self.branch_tip(&place.branch())? {
            None => Ok(()),
            Some(tip) => {
                let args = [format!("refs/heads/{}", place.branch()), tip.to_string()];
                self.patiently(|| self.call("update-ref").arg("-d").args(&args))
            }
        }
    }
}

fn listed(answer: &[u8]) -> Vec<Oid> {
    String::from_utf8_lossy(answer).lines().filter_map(|line| line.parse().ok()).collect()
}
