//! Finds the work tree and the git directory behind a path, without asking git.
//!
//! Invariant: a pointer out of the work tree is followed only when its target points back. A forged
//! `.git` file or `commondir` could otherwise make us move a branch of somebody else's repository.

use crate::GitError;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest pointer file (`.git`, `commondir`, `gitdir`) read, in bytes.
const POINTER_MAX: u64 = 8 * 1024;

/// Canonical paths of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovered {
    pub top: PathBuf,
    pub git_dir: PathBuf,
    pub common_dir: PathBuf,
    /// True when a pointer was followed that only the target's `core.worktree` can confirm.
    pub unconfirmed: bool,
}

pub(crate) fn discover(path: &Path) -> Result<Discovered, GitError> {
    let missing = || GitError::Missing(path.to_owned());
    let start = path.canonicalize().map_err(|_| missing())?;
    if !start.is_dir() {
        return Err(missing());
    }
    for top in start.ancestors() {
        let dot_git = top.join(".git");
        if let Ok(found) = std::fs::symlink_metadata(&dot_git) {
            let discovered = if found.is_dir() { own(top, &dot_git)? } else { pointed(top, &dot_git)? };
            if let Some(discovered) = discovered {
                return Ok(discovered);
            }
        }
        if is_git_dir(top) {
            return Err(GitError::Bare(top.to_owned()));
        }
    }
    Err(GitError::NotARepo(path.to_owned()))
}

/// A `.git` directory: the usual main work tree.
fn own(top: &Path, git_dir: &Path) -> Result<Option<Discovered>, GitError> {
    if !is_git_dir(git_dir) {
        return Ok(None);
    }
    // Git writes `commondir` only into the directories of linked work trees. Here it would let a
    // repository borrow another one's refs and configuration.
    if git_dir.join("commondir").symlink_metadata().is_ok() {
        return Err(GitError::Unlinked { git: git_dir.to_owned(), target: git_dir.join("commondir") });
    }
    let (top, git_dir) = (top.to_owned(), git_dir.to_owned());
    Ok(Some(Discovered { top, common_dir: git_dir.clone(), git_dir, unconfirmed: false }))
}

/// A `.git` file or link: a linked work tree, a submodule, or a git directory kept elsewhere.
fn pointed(top: &Path, dot_git: &Path) -> Result<Option<Discovered>, GitError> {
    let target = if dot_git.is_dir() {
        dot_git.to_owned()
    } else {
        match read_pointer(dot_git).and_then(|text| Some(PathBuf::from(text.strip_prefix("gitdir:")?.trim())))
        {
            Some(target) => top.join(target),
            None => return Ok(None),
        }
    };
    let unlinked = |target: &Path| GitError::Unlinked { git: dot_git.to_owned(), target: target.to_owned() };
    let git_dir = target.canonicalize().map_err(|_| unlinked(&target))?;
    let top = top.to_owned();
    let Some(common) = read_pointer(&git_dir.join("commondir")) else {
        if !is_git_dir(&git_dir) {
            return Err(unlinked(&git_dir));
        }
        return Ok(Some(Discovered { top, common_dir: git_dir.clone(), git_dir, unconfirmed: true }));
    };
    let common_dir = git_dir.join(common).canonicalize().map_err(|_| unlinked(&git_dir))?;
    let back = read_pointer(&git_dir.join("gitdir")).map(|back| git_dir.join(back));
    let points_back = back.and_then(|back| Some(back.parent()?.canonicalize().ok()?.join(back.file_name()?)));
    if points_back.as_deref() != Some(dot_git)
        || git_dir.parent() != Some(common_dir.join("worktrees").as_path())
        || !is_git_dir(&common_dir)
    {
        return Err(unlinked(&git_dir));
    }
    Ok(Some(Discovered { top, git_dir, common_dir, unconfirmed: false }))
}

/// What git itself takes for a git directory.
fn is_git_dir(dir: &Path) -> bool {
    dir.join("HEAD").symlink_metadata().is_ok() && dir.join("objects").is_dir() && dir.join("refs").is_dir()
}

fn read_pointer(file: &Path) -> Option<String> {
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(file).ok()?.take(POINTER_MAX).read_to_string(&mut text).ok()?;
    Some(text.trim_end_matches(['\n', '\r']).to_owned())
}
