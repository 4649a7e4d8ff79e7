//! Landing: what was done in a lent worktree comes to the branch that is checked out, with its files.
//!
//! Invariant: either branch, index and files are as before, or all of them show the new commit; a file in which the user
//! has work of his own is never touched, it is a reason to refuse.

use crate::commit::{Commit, signature};
use crate::repository::oid;
use crate::tree::named;
use crate::{Author, GitError, Oid, Repository};
use model::{RepoPath, Timestamp};

/// A commit to be landed.
#[derive(Debug)]
pub struct Landing<'a> {
    pub commit: &'a Oid,
    /// Of the merge commit, where one is needed.
    pub message: &'a str,
    pub author: &'a Author,
    pub at: Timestamp,
    /// Only forward: refused with [`GitError::Moved`] where a merge commit would be needed.
    pub forward_only: bool,
}

/// What landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touchdown {
    /// Where the branch stands now.
    pub head: Oid,
    /// True when both sides had moved, so that a merge commit was made.
    pub merged: bool,
    /// Paths that changed in the checkout; empty when everything was there already.
    pub changed: Vec<RepoPath>,
}

impl Repository {
    /// Paths that a landing would change in the checkout, without changing anything.
    pub fn would_change(&self, landing: &Landing<'_>) -> Result<Vec<RepoPath>, GitError> {
        let head = self.head()?;
        let Some((target, _)) = self.target(head.as_ref(), landing)? else { return Ok(Vec::new()) };
        Ok(named(self.compare_trees(self.tree_of(head.as_ref()), target.as_str())?.keys()))
    }

    /// Brings a commit, and what it stands on, to the branch that is checked out: the branch is moved forward to it, or
    /// a merge commit is made. Refused with [`GitError::MergeConflict`] when both sides changed the same lines, with
    /// [`GitError::InTheWay`] when the checkout has something else in a file that would change.
    pub fn land(&self, landing: &Landing<'_>) -> Result<Touchdown, GitError> {
        self.finish_landing()?;
        let head = self.head()?;
        let Some((target, merged)) = self.target(head.as_ref(), landing)? else {
            let head = head.unwrap_or_else(|| landing.commit.clone());
            return Ok(Touchdown { head, merged: false, changed: Vec::new() });
        };
        let changed = self.step(head.as_ref(), &target, "coditect: land")?;
        Ok(Touchdown { head: target, merged, changed })
    }

    /// Brings a commit to a branch that no worktree has checked out. Nothing but the branch changes.
    pub fn land_on(&self, branch: &str, landing: &Landing<'_>) -> Result<Touchdown, GitError> {
        let old = self.branch_tip(branch)?.ok_or_else(|| GitError::NoBranch(branch.to_owned()))?;
        let Some((target, merged)) = self.target(Some(&old), landing)? else {
            return Ok(Touchdown { head: old, merged: false, changed: Vec::new() });
        };
        let changed = named(self.compare_trees(old.as_str(), target.as_str())?.keys());
        let args = [format!("refs/heads/{branch}"), target.to_string(), old.to_string()];
        if let Err(error) =
            self.patiently(|| self.call("update-ref").args(["-m", "coditect: land"]).args(&args))
        {
            let found = self.branch_tip(branch)?;
            return Err(match found.as_ref() == Some(&old) {
                true => error,
                false => GitError::Moved { expected: Some(old), found },
            });
        }
        Ok(Touchdown { head: target, merged, changed })
    }

    /// Moves the branch that is checked out, its index and its files from where they stand to a commit, wherever that is. All of it or
    /// nothing; gives the paths that changed.
    pub(crate) fn step(
        &self,
        head: Option<&Oid>,
        target: &Oid,
        why: &'static str,
    ) -> Result<Vec<RepoPath>, GitError> {
        let base = self.tree_of(head).to_owned();
        let differences = self.compare_trees(&base, target.as_str())?;
        let changed = named(differences.keys());
        self.refuse_what_is_in_the_way(&changed)?;
        // What git remembers of the files' times may be old; it takes such a file for a changed one.
        self.call("update-index").args(["-q", "--refresh"]).codes(&[0, 1]).run()?;
        let step = ["-m", "-u", base.as_str(), target.as_str()];
        self.call("read-tree").arg("-n").args(step).run().map_err(|error| in_the_way(error, &changed))?;
        self.note_landing(head, target)?;
        let zero = self.zero();
        let old = head.map_or(zero.as_str(), Oid::as_str);
        let moved = self.call("update-ref").args(["-m", why, "HEAD", target.as_str(), old]).run();
        if let Err(error) = moved {
            self.landing_is_over();
            let found = self.head()?;
            let expected = head.cloned();
            return Err(if found == expected { error } else { GitError::Moved { expected, found } });
        }
        if let Err(error) = self.call("read-tree").args(step).run() {
            // Somebody wrote in between; the branch goes back, and the files were not touched.
            let back = ["-m", "coditect: taken back", "HEAD", old, target.as_str()];
            self.call("update-ref").args(back).run()?;
            self.landing_is_over();
            return Err(in_the_way(error, &changed));
        }
        self.landing_is_over();
        Ok(changed)
    }

    /// Where the branch is to go, and whether that is a merge; none when it has the commit already.
    pub(crate) fn target(
        &self,
        head: Option<&Oid>,
        landing: &Landing<'_>,
    ) -> Result<Option<(Oid, bool)>, GitError> {
        let Some(head) = head else { return Ok(Some((landing.commit.clone(), false))) };
        if self.is_ancestor(landing.commit, head)? {
            return Ok(None);
        }
        if self.is_ancestor(head, landing.commit)? {
            return Ok(Some((landing.commit.clone(), false)));
        }
        if landing.forward_only {
            return Err(GitError::Moved { expected: None, found: Some(head.clone()) });
        }
        let call = self.call("merge-tree").args(["--write-tree", "-z", "--name-only", "--no-messages"]);
        let answer = call.args([head.as_str(), landing.commit.as_str()]).codes(&[0, 1]).run()?;
        let mut lines = answer.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let tree = oid("merge-tree", lines.next().unwrap_or_default())?;
        if answer.code == 1 {
            let mut paths = named(&lines.map(<[u8]>::to_vec).collect::<Vec<_>>());
            paths.dedup();
            return Err(GitError::MergeConflict { commit: landing.commit.clone(), paths });
        }
        let line = signature(landing.author, landing.at);
        let commit = Commit {
            parents: vec![head.clone(), landing.commit.clone()],
            author: line.clone(),
            committer: line,
            message: format!("{}\n", landing.message.trim()).into_bytes(),
        };
        Ok(Some((self.write_commit(&tree, &commit)?, true)))
    }

    /// A changed, staged, untracked or even ignored file at a path that would change, and files with a content filter,
    /// which is never run here.
    pub(crate) fn refuse_what_is_in_the_way(&self, changed: &[RepoPath]) -> Result<(), GitError> {
        let mut paths: Vec<RepoPath> = Vec::new();
        for some in changed.chunks(crate::DIFF_PATHS_MAX) {
            let status = self.status(some)?;
            paths.extend(status.entries.into_iter().map(|entry| entry.path));
            paths.extend(self.with_filter(some)?);
        }
        let known = self.known(changed)?;
        let there = |path: &&RepoPath| self.top().join(path.as_str()).symlink_metadata().is_ok();
        paths.extend(changed.iter().filter(|path| !known.contains(path)).filter(there).cloned());
        paths.sort();
        paths.dedup();
        if paths.is_empty() { Ok(()) } else { Err(GitError::InTheWay { paths }) }
    }

    /// Those of the paths that are in the index.
    fn known(&self, paths: &[RepoPath]) -> Result<std::collections::BTreeSet<RepoPath>, GitError> {
        let answer = self.call("ls-files").args(["-z", "--cached"]).run()?;
        let wanted: std::collections::BTreeSet<&str> = paths.iter().map(RepoPath::as_str).collect();
        let names = answer.stdout.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
        Ok(names.filter(|name| wanted.contains(name)).filter_map(|name| name.parse().ok()).collect())
    }
}

pub(crate) fn in_the_way(error: GitError, changed: &[RepoPath]) -> GitError {
    match error {
        // Git names the file in a sentence; we name all that would have changed.
        GitError::Failed { stderr, .. } if !stderr.contains("index.lock") => {
            let named = changed.iter().filter(|path| stderr.contains(path.as_str())).cloned();
            GitError::InTheWay { paths: named.collect() }
        }
        error => error,
    }
}
