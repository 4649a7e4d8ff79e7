//! Worktrees of ours between tasks: moved to what others have landed, or given work to settle that does not go together with it.
//!
//! Invariant: only what is committed is moved from, and what is not committed is never written over.

use crate::land::in_the_way;
use crate::repository::oid;
use crate::tree::named;
use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

/// First line of what two sides made of one place, as git writes it when they are called by their commits.
const MARK: &str = "^<<<<<<< [0-9a-f]{40,64}[[:space:]]*$";

impl Repository {
    /// Moves this worktree with its branch, index and files to a commit, wherever that is; gives the paths that changed. Refused with
    /// [`GitError::InTheWay`], and nothing changed, when something that is not committed is in the way.
    pub fn move_to(&self, to: &Oid) -> Result<Vec<RepoPath>, GitError> {
        self.finish_landing()?;
        let head = self.head()?;
        if head.as_ref() == Some(to) {
            return Ok(Vec::new());
        }
        self.step(head.as_ref(), to, "coditect: move")
    }

    /// Lays the commits of this worktree on top of `tip` as changes that nobody has committed: its branch stands on `tip`, and its
    /// files hold what it has. Where both sides changed the same lines a file holds both between marks; such files are given. Nothing
    /// points at its commits any more, so the caller keeps them first. What is not committed is refused as in [`Self::move_to`].
    pub fn lay_on(&self, tip: &Oid) -> Result<Vec<RepoPath>, GitError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        let call = self.call("merge-tree").args(["--write-tree", "-z", "--name-only", "--no-messages"]);
        let answer = call.args([tip.as_str(), head.as_str()]).codes(&[0, 1]).run()?;
        let mut lines = answer.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let tree = oid("merge-tree", lines.next().unwrap_or_default())?;
        let mut both = named(&lines.map(<[u8]>::to_vec).collect::<Vec<_>>());
        both.dedup();
        self.put_down(&head, &tree, tip)?;
        Ok(both)
    }

    /// Lays what one commit changes on top of where this worktree stands, in the way of [`Self::lay_on`]. A commit is in the
    /// repository already, so nothing is lost with these files.
    pub fn lay_commit(&self, commit: &Oid) -> Result<Vec<RepoPath>, GitError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        let (tree, both) = self.picked(commit, self.parent(commit)?.as_ref(), &head)?;
        self.put_down(&head, &tree, &head)?;
        Ok(both.unwrap_or_default())
    }

    /// Brings what [`Self::lay_commit`] began here, and was cut off, to its end. False, and nothing changed, when something else is in
    /// these files: each has to be as it was, as it is laid, a beginning of that, or not there.
    pub fn lay_again(&self, commit: &Oid) -> Result<bool, GitError> {
        let Some(head) = self.head()? else { return Ok(false) };
        let (tree, _) = self.picked(commit, self.parent(commit)?.as_ref(), &head)?;
        let changed = named(self.compare_trees(head.as_str(), tree.as_str())?.keys());
        let status = self.status(&[])?;
        if status.unnamable > 0 || !status.entries.iter().all(|entry| changed.contains(&entry.path)) {
            return Ok(false);
        }
        for some in changed.chunks(crate::DIFF_PATHS_MAX) {
            if !self.with_filter(some)?.is_empty() {
                return Ok(false);
            }
        }
        for path in &changed {
            if !self.is_on_its_way(path, &head, &tree)? {
                return Ok(false);
            }
        }
        self.call("read-tree").args(["--reset", "-u", tree.as_str()]).run()?;
        self.show_as_changes(&head)?;
        Ok(true)
    }

    /// Whether nothing is lost when this file becomes what it is in `tree`.
    fn is_on_its_way(&self, path: &RepoPath, head: &Oid, tree: &Oid) -> Result<bool, GitError> {
        let file = self.top().join(path.as_str());
        let there = match file.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => Err(error),
            Ok(meta) if meta.is_file() => fs::read(&file),
            Ok(meta) if meta.is_symlink() => {
                fs::read_link(&file).map(|to| to.into_os_string().into_encoded_bytes())
            }
            Ok(_) => return Ok(false),
        };
        let there = there.map_err(|error| GitError::io(format!("read {}", file.display()), error))?;
        let laid = self.blob(tree, path)?;
        Ok(laid.is_some_and(|laid| laid.starts_with(&there))
            || self.blob(head, path)?.as_ref() == Some(&there))
    }

    /// Files as in `tree`, with the branch on `tip`.
    fn put_down(&self, head: &Oid, tree: &Oid, tip: &Oid) -> Result<(), GitError> {
        let changed = named(self.compare_trees(head.as_str(), tree.as_str())?.keys());
        self.refuse_what_is_in_the_way(&changed)?;
        self.call("update-index").args(["-q", "--refresh"]).codes(&[0, 1]).run()?;
        let step = ["-m", "-u", head.as_str(), tree.as_str()];
        self.call("read-tree").args(step).run().map_err(|error| in_the_way(error, &changed))?;
        // Cut off from here on, the worktree holds all of it as changes to where it stood, which lands as well as on top of `tip`.
        let moved = ["-m", "coditect: lay", "HEAD", tip.as_str(), head.as_str()];
        self.call("update-ref").args(moved).run()?;
        self.show_as_changes(tip)
    }

    /// The index as in `tip`: what else the files hold is not committed.
    fn show_as_changes(&self, tip: &Oid) -> Result<(), GitError> {
        self.call("read-tree").arg(tip.as_str()).run()?;
        self.call("update-index").args(["-q", "--refresh"]).codes(&[0, 1]).run()?;
        Ok(())
    }

    /// Files of a commit in which marks of [`Self::lay_on`] stand. Whoever quotes such marks in a file has them, too: compare with what
    /// was there before.
    pub fn marked(&self, commit: &Oid) -> Result<BTreeSet<RepoPath>, GitError> {
        let call = self.call("grep").args(["-l", "-z", "-I", "-E", "--full-name", "-e", MARK]);
        let answer = call.arg(commit.as_str()).codes(&[0, 1]).run()?;
        let names = answer.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        // Each is `<commit>:<path>`.
        let paths: Vec<Vec<u8>> =
            names.map(|name| name.get(commit.as_str().len() + 1..).unwrap_or_default().to_vec()).collect();
        Ok(named(&paths).into_iter().collect())
    }
}
