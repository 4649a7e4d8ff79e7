//! Worktrees that are put aside instead of removed, brought back, or thrown away for good.
//!
//! A worktree's folder is renamed, and so is what git keeps of it, which leaves `worktrees` for a folder of ours beside
//! it: git then knows of no such worktree, and its branch is free. What it stood on is kept by refs of ours.
//!
//! Invariant: nothing is deleted but what was put aside before, under the name it was put aside by.

use crate::commit::{Commit, signature};
use crate::site::check_id;
use crate::{Author, GitError, Oid, REF_PREFIX, Repository};
use model::Timestamp;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Folder in the repository's own for what git kept of worktrees that were put aside.
const ASIDE: &str = "coditect-trash";

/// A worktree and where it goes, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discard {
    /// What it is kept under; unique for good.
    pub key: String,
    /// Name of its folder among those of the repository.
    pub id: String,
    pub path: PathBuf,
    /// Where its folder goes; not there yet. On the file system of `path`.
    pub to: PathBuf,
}

/// How a worktree came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutBack {
    /// Its branch is elsewhere by now, so HEAD stands on the commit and on no branch.
    pub detached: bool,
}

impl Repository {
    /// Keeps where a worktree stands, and what is staged in it, under refs of ours; gives the ref of the former.
    pub fn keep_standing(
        &self,
        worktree: &Repository,
        key: &str,
        at: Timestamp,
    ) -> Result<Option<String>, GitError> {
        let Some(head) = worktree.head()? else { return Ok(None) };
        let name = format!("{REF_PREFIX}trash/{key}/head");
        self.update_ref(&name, &head)?;
        // An index that is in the middle of something has no tree; the folder keeps it as it is.
        if let Ok(tree) = worktree.write_tree(&worktree.git_dir().join("index")) {
            let line = signature(&Author::new("Coditect", "coditect@localhost.invalid"), at);
            let commit = Commit {
                parents: vec![head],
                author: line.clone(),
                committer: line,
                message: b"Keep what was staged\n".to_vec(),
            };
            let staged = self.write_commit(&tree, &commit)?;
            self.update_ref(&format!("{REF_PREFIX}trash/{key}/staged"), &staged)?;
        }
        Ok(Some(name))
    }

    /// Puts a worktree aside. Can be repeated when it was cut off. One that does not lead to its folder in this
    /// repository and back is refused, and so is the main one.
    pub fn put_aside(&self, discard: &Discard) -> Result<(), GitError> {
        discard.check()?;
        let (admin, kept) = (self.admin(&discard.id), self.aside(&discard.key));
        if discard.path.symlink_metadata().is_ok() {
            if discard.to.symlink_metadata().is_ok() {
                return Err(GitError::PathTaken(discard.to.clone()));
            }
            let opened = self.git().open(&discard.path)?;
            if opened.git_dir() != admin || opened.top() != discard.path {
                return Err(GitError::Unlinked { git: discard.path.clone(), target: admin });
            }
            rename(&discard.path, &discard.to)?;
        }
        if admin.symlink_metadata().is_ok() {
            rename(&admin, &kept)?;
        }
        Ok(())
    }

    /// Brings a worktree back that was put aside. `head` is where it stood. Can be repeated when it was cut off.
    pub fn put_back(&self, discard: &Discard, head: &Oid, branch: Option<&str>) -> Result<PutBack, GitError> {
        discard.check()?;
        let (admin, kept) = (self.admin(&discard.id), self.aside(&discard.key));
        if discard.to.symlink_metadata().is_ok() {
            if discard.path.symlink_metadata().is_ok() {
                return Err(GitError::PathTaken(discard.path.clone()));
            }
            if kept.symlink_metadata().is_ok() && admin.symlink_metadata().is_ok() {
                return Err(GitError::PathTaken(admin));
            }
        }
        let attached = match branch {
            None => None,
            Some(branch) => self.claim(branch, head)?.then_some(branch),
        };
        if discard.to.symlink_metadata().is_ok() {
            rename(&discard.to, &discard.path)?;
        }
        if kept.symlink_metadata().is_ok() {
            rename(&kept, &admin)?;
        }
        let said = match attached {
            Some(branch) => format!("ref: refs/heads/{branch}\n"),
            None => format!("{head}\n"),
        };
        self.connect(&discard.path, &admin, &said)?;
        Ok(PutBack { detached: branch.is_some() && attached.is_none() })
    }

    /// Whether the branch stands at `head` and is nobody else's; it is made again when it is gone.
    fn claim(&self, branch: &str, head: &Oid) -> Result<bool, GitError> {
        let taken = crate::branch_at(&self.main_top()).as_deref() == Some(branch);
        if taken || !self.on_branch(branch)?.is_empty() {
            return Ok(false);
        }
        match self.branch_tip(branch)? {
            Some(tip) => Ok(tip == *head),
            None => {
                let args = [format!("refs/heads/{branch}"), head.to_string(), self.zero()];
                self.patiently(|| self.call("update-ref").args(&args)).map(|()| true)
            }
        }
    }

    /// Deletes what was put aside, for good. What its refs keep stays.
    pub fn throw_away(&self, discard: &Discard) -> Result<(), GitError> {
        discard.check()?;
        remove(&discard.to)?;
        remove(&self.aside(&discard.key))
    }

    /// Takes a branch away that stands at `at`; one that moved stays.
    pub fn drop_branch(&self, branch: &str, at: &Oid) -> Result<(), GitError> {
        crate::branch::check_branch(branch)?;
        let args = [format!("refs/heads/{branch}"), at.to_string()];
        self.patiently(|| self.call("update-ref").arg("-d").args(&args))
    }

    fn aside(&self, key: &str) -> PathBuf {
        self.common_dir().join(ASIDE).join(key)
    }
}

impl Discard {
    fn check(&self) -> Result<(), GitError> {
        check_id(&self.id)?;
        check_id(&self.key)?;
        match self.path.is_absolute() && self.to.is_absolute() && self.path != self.to {
            true => Ok(()),
            false => Err(GitError::Missing(self.path.clone())),
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), GitError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| GitError::io(format!("make {}", parent.display()), error))?;
    }
    if to.symlink_metadata().is_ok() {
        return Err(GitError::PathTaken(to.to_owned()));
    }
    let what = format!("move {} to {}", from.display(), to.display());
    fs::rename(from, to).map_err(|error| GitError::io(what, error))
}

fn remove(path: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(GitError::io(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}
