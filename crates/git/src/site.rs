//! Sites: worktrees of ours, made and taken apart file by file.
//!
//! They are made here and not by `git worktree`, which would write into the sealed common directory. The layout is
//! git's own, so the user's git sees them; they are locked, so that it does not prune them. What each one needs of its
//! own has a name of its own, so any number of them can be made at once.
//!
//! Invariant: what was there before is never written over: folder, branch and git's own folder are made, or it is refused.

use crate::branch::check_branch;
use crate::process::Call;
use crate::{GitError, Oid, Repository};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What stands in the lock of a worktree of ours.
pub(crate) const LOCK_REASON: &str = "lent to an agent by coditect; see `coditect worktree list`\n";
/// Longest name of a folder among those of a repository's worktrees, in bytes.
const ID_MAX: usize = 200;
/// How long another git may hold a lock file before a step of ours gives up.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(25);

/// A worktree to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where it is to be. Absolute; the folder is not there yet.
    pub path: PathBuf,
    /// Name of its folder among those of the repository. Unique for good.
    pub id: String,
    /// Short name of its branch.
    pub branch: String,
}

/// What a worktree begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// A branch that is made, from this commit.
    New(&'a Oid),
    /// The branch as it is.
    Existing,
}

impl Site {
    fn check(&self) -> Result<(), GitError> {
        check_branch(&self.branch)?;
        check_id(&self.id)?;
        if self.path.is_absolute() { Ok(()) } else { Err(GitError::Missing(self.path.clone())) }
    }

    pub(crate) fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }
}

pub(crate) fn check_id(id: &str) -> Result<(), GitError> {
    let plain = Path::new(id).components().count() == 1 && !id.contains(['/', '\0', '\n']) && id != "..";
    if plain && id != "." && (1..=ID_MAX).contains(&id.len()) {
        return Ok(());
    }
    Err(GitError::BadRef(id.chars().take(ID_MAX).collect()))
}

impl Repository {
    /// Makes a worktree. Refused with [`GitError::PathTaken`] when its folder is there, with
    /// [`GitError::BranchExists`] when a new branch is, with [`GitError::NoBranch`] when an existing one is not, and with
    /// [`GitError::BranchInUse`] when another worktree is on it. When it fails nothing of it stays.
    /// Files behind content filters (LFS) are their pointers there, and submodules are empty.
    pub fn make_worktree(&self, site: &Site, start: Start<'_>) -> Result<Repository, GitError> {
        site.check()?;
        self.refuse_reftable()?;
        // A new branch is decided by git; who gets one that is there, by this lock, which ends with its holder.
        let _held = match start {
            Start::Existing => Some(self.hold_branches()?),
            Start::New(_) => None,
        };
        match (start, self.branch_tip(&site.branch)?) {
            (Start::New(_), Some(_)) => return Err(GitError::BranchExists(site.branch.clone())),
            (Start::Existing, None) => return Err(GitError::NoBranch(site.branch.clone())),
            (Start::Existing, Some(_)) => self.refuse_branch_in_use(site)?,
            (Start::New(_), None) => {}
        }
        if let Some(parent) = site.path.parent() {
            fs::create_dir_all(parent).map_err(|error| made(parent, error))?;
        }
        fs::create_dir(&site.path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => GitError::PathTaken(site.path.clone()),
            _ => made(&site.path, error),
        })?;
        let admin = self.admin(&site.id);
        let mut branch_made = None;
        let furnished = self.furnish(site, &admin, start, &mut branch_made);
        if furnished.is_err() {
            // Nobody has been told of it; all of it is what was made just now.
            let _ = fs::remove_dir_all(&site.path);
            let _ = fs::remove_dir_all(&admin);
            if let Some(at) = branch_made {
                self.patiently(|| self.call("update-ref").args(["-d", &site.reference(), at])).ok();
            }
        }
        furnished
    }

    fn furnish<'a>(
        &self,
        site: &Site,
        admin: &Path,
        start: Start<'a>,
        branch_made: &mut Option<&'a str>,
    ) -> Result<Repository, GitError> {
        let worktrees = self.common_dir().join("worktrees");
        fs::create_dir_all(&worktrees).map_err(|error| made(&worktrees, error))?;
        fs::create_dir(admin).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => GitError::PathTaken(admin.to_owned()),
            _ => made(admin, error),
        })?;
        let path = self.connect(&site.path, admin, &format!("ref: {}\n", site.reference()))?;
        if let Start::New(base) = start {
            let args = [site.reference(), base.to_string(), self.zero()];
            if let Err(error) = self.patiently(|| self.call("update-ref").args(&args)) {
                let there = self.branch_tip(&site.branch)?.is_some();
                return Err(if there { GitError::BranchExists(site.branch.clone()) } else { error });
            }
            *branch_made = Some(base.as_str());
        }
        let worktree = self.git().open(&path)?;
        worktree.patiently(|| worktree.call("read-tree").args(["--reset", "-u", "HEAD"]))?;
        Ok(worktree)
    }

    /// Writes what leads from the one to the other and back; gives the folder's canonical path.
    pub(crate) fn connect(&self, path: &Path, admin: &Path, head: &str) -> Result<PathBuf, GitError> {
        let path = path.canonicalize().map_err(|error| made(path, error))?;
        let pointer = path.join(".git");
        let line = |path: &Path, prefix: &str| {
            let text = path.to_str().filter(|text| !text.contains('\n'));
            text.map(|text| format!("{prefix}{text}\n")).ok_or_else(|| GitError::Missing(path.to_owned()))
        };
        // The lock first: the user's git may prune at any moment.
        for (file, text) in [
            (admin.join("locked"), LOCK_REASON.to_owned()),
            (admin.join("HEAD"), head.to_owned()),
            (admin.join("commondir"), "../..\n".to_owned()),
            (admin.join("gitdir"), line(&pointer, "")?),
            (pointer.clone(), line(admin, "gitdir: ")?),
        ] {
            place(&file, &text).map_err(|error| made(&file, error))?;
        }
        Ok(path)
    }

    pub(crate) fn refuse_reftable(&self) -> Result<(), GitError> {
        if self.common_dir().join("reftable").is_dir() {
            return Err(GitError::Extension("refstorage=reftable, for worktrees".to_owned()));
        }
        Ok(())
    }

    /// Waits until no other maker of worktrees is between looking and making.
    fn hold_branches(&self) -> Result<fs::File, GitError> {
        let path = self.common_dir().join("coditect-branches.lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| made(&path, error))?;
        file.lock().map_err(|error| made(&path, error))?;
        Ok(file)
    }

    fn refuse_branch_in_use(&self, site: &Site) -> Result<(), GitError> {
        let main = crate::branch_at(&self.main_top()).filter(|branch| *branch == site.branch);
        if main.is_some() {
            return Err(GitError::BranchInUse { branch: site.branch.clone(), path: self.main_top() });
        }
        match self.on_branch(&site.branch)?.into_iter().next() {
            Some(other) => Err(GitError::BranchInUse { branch: site.branch.clone(), path: other.path }),
            None => Ok(()),
        }
    }

    /// Its folder among those of the repository.
    pub(crate) fn admin(&self, id: &str) -> PathBuf {
        self.common_dir().join("worktrees").join(id)
    }

    /// Runs a verb again while another git holds a lock file it needs.
    pub(crate) fn patiently<'a>(&'a self, call: impl Fn() -> Call<'a>) -> Result<(), GitError> {
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match call().run() {
                Ok(_) => return Ok(()),
                Err(GitError::Failed { stderr, .. }) if held(&stderr) && Instant::now() < deadline => {
                    std::thread::sleep(LOCK_RETRY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes a file anew. What stands there may be a link that somebody who worked there has made; it is not followed.
pub(crate) fn place(file: &Path, text: &str) -> std::io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".coditect");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).open(&fresh)?.write_all(text.as_bytes())?;
    fs::rename(&fresh, file)
}

/// Whether git failed because another one holds a lock file.
fn held(stderr: &str) -> bool {
    stderr.contains(".lock") && (stderr.contains("File exists") || stderr.contains("Unable to create"))
}

fn made(what: &Path, error: std::io::Error) -> GitError {
    GitError::io(format!("make {}", what.display()), error)
}
