//! The worktrees that a repository has, whoever made them: what `git worktree list` shows, read from the files it reads.
//!
//! Invariant: reading changes nothing and runs nothing.

use crate::branch::branch_in;
use crate::site::LOCK_REASON;
use crate::{GitError, Repository};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Worktrees of one repository that are read, at most.
pub const WORKTREES_MAX: usize = 4096;
/// Longest file read for it, in bytes.
const FILE_MAX: u64 = 8 * 1024;

/// A worktree beside the main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name of its folder among those of the repository.
    pub id: String,
    /// Where it is, or was.
    pub path: PathBuf,
    /// None when HEAD is detached.
    pub branch: Option<String>,
    /// Why git must not prune it; somebody said so.
    pub locked: Option<String>,
    /// It was made here.
    pub ours: bool,
    /// Its folder is away, or leads elsewhere.
    pub missing: bool,
    /// Why nobody can say what is in it, though its folder is there and is no repository of its own.
    pub broken: Option<String>,
}

impl Repository {
    /// All worktrees but the main one, by their paths.
    pub fn worktrees(&self) -> Result<Vec<Listed>, GitError> {
        let entries = match fs::read_dir(self.common_dir().join("worktrees")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(GitError::io("read the repository's worktrees", error)),
        };
        let mut listed: Vec<Listed> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .take(WORKTREES_MAX)
            .filter_map(|entry| listed(&entry.path()))
            .collect();
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// Those that are on a branch.
    pub(crate) fn on_branch(&self, branch: &str) -> Result<Vec<Listed>, GitError> {
        let all = self.worktrees()?.into_iter();
        Ok(all.filter(|one| !one.missing && one.branch.as_deref() == Some(branch)).collect())
    }

    /// Top level of the main work tree, whichever of them this one is.
    pub(crate) fn main_top(&self) -> PathBuf {
        match self.git_dir() == self.common_dir() {
            true => self.top().to_owned(),
            false => self.common_dir().parent().unwrap_or(self.common_dir()).to_owned(),
        }
    }
}

pub(crate) fn listed(admin: &Path) -> Option<Listed> {
    let pointer = PathBuf::from(OsStr::from_bytes(&line(&admin.join("gitdir"))?));
    // Newer gits may write it relative to the folder it is in.
    let pointer = admin.join(pointer);
    let path = pointer.parent()?.to_owned();
    let back = line(&pointer).and_then(|text| text.strip_prefix(b"gitdir:").map(<[u8]>::to_vec));
    let back = back.and_then(|text| path.join(OsStr::from_bytes(text.trim_ascii())).canonicalize().ok());
    let locked = read(&admin.join("locked")).map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let missing = back.is_none() || back != admin.canonicalize().ok();
    Some(Listed {
        id: admin.file_name()?.to_str()?.to_owned(),
        branch: branch_in(admin),
        ours: locked.as_deref() == Some(LOCK_REASON.trim()),
        locked,
        missing,
        broken: if missing { broken(&pointer, &path) } else { None },
        path: path.canonicalize().unwrap_or(path),
    })
}

/// What is wrong with a work tree whose pointer does not lead to where it is known. None when its folder is away, or is a
/// repository of its own by now: then it is gone.
fn broken(pointer: &Path, top: &Path) -> Option<String> {
    if !top.is_dir() || pointer.is_dir() {
        return None;
    }
    let Some(text) = line(pointer) else { return Some("it has no `.git` that can be read".to_owned()) };
    let Some(target) = text.strip_prefix(b"gitdir:") else {
        return Some("its `.git` names no repository".to_owned());
    };
    let target = top.join(OsStr::from_bytes(target.trim_ascii()));
    let what = if target.exists() { "is another's" } else { "is not there" };
    Some(format!("its `.git` leads to {}, which {what}", target.display()))
}

/// A file's one line; a path in it may have line breaks of its own.
fn line(file: &Path) -> Option<Vec<u8>> {
    let mut text = read(file)?;
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Some(text)
}

fn read(file: &Path) -> Option<Vec<u8>> {
    if !fs::symlink_metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    fs::File::open(file).ok()?.take(FILE_MAX).read_to_end(&mut text).ok()?;
    Some(text)
}
