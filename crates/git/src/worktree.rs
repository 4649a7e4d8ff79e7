//! Worktrees that are lent to agents, each on a branch of its own.
//!
//! Invariant: a worktree is only taken away when its directory, its pointer and its lock say that it is one of ours.

use crate::site::LOCK_REASON;
use crate::{GitError, Oid, Repository};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Beginning of the names of branches that are lent.
pub const LENT_PREFIX: &str = "coditect/";
/// Longest part of a branch's name, in bytes.
const PART_MAX: usize = 64;

/// A worktree to be lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// Where it is; its folder is not there yet.
    pub path: PathBuf,
    /// Two parts of its branch: `coditect/<session>/<agent>`.
    pub session: String,
    pub agent: String,
}

impl Lent {
    /// Short name of its branch.
    pub fn branch(&self) -> String {
        format!("{LENT_PREFIX}{}/{}", self.session, self.agent)
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch())
    }

    /// Name of its folder among those of the repository.
    pub fn id(&self) -> String {
        format!("coditect-{}-{}", self.session, self.agent)
    }

    fn check(&self) -> Result<(), GitError> {
        let fine = |part: &str| {
            (1..=PART_MAX).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                && !part.starts_with('-')
        };
        if fine(&self.session) && fine(&self.agent) && self.path.is_absolute() {
            return Ok(());
        }
        Err(GitError::BadRef(self.branch()))
    }
}

impl Repository {
    /// Makes a worktree on a branch of its own, from `base` or, when the branch exists already, from there. One that was
    /// half made is made whole. Files behind content filters (LFS) are their pointers there, submodules are empty, and
    /// of what git does not know or ignores nothing is copied.
    pub fn lend(&self, lent: &Lent, base: &Oid) -> Result<Repository, GitError> {
        lent.check()?;
        self.refuse_reftable()?;
        let failed = |what: &Path| {
            let what = format!("make {}", what.display());
            move |error| GitError::io(what, error)
        };
        let admin = self.common_dir().join("worktrees").join(lent.id());
        fs::create_dir_all(&admin).map_err(failed(&admin))?;
        fs::create_dir_all(&lent.path).map_err(failed(&lent.path))?;
        let path = self.connect(&lent.path, &admin, &format!("ref: {}\n", lent.reference()))?;
        let worktree = self.git().open(&path)?;
        if worktree.head()?.is_none() {
            let reference = lent.reference();
            self.call("update-ref").args([reference.as_str(), base.as_str(), &self.zero()]).run()?;
        }
        // Of a half made one, too: nobody has worked in it.
        if !admin.join("index").exists() {
            worktree.patiently(|| worktree.call("read-tree").args(["--reset", "-u", "HEAD"]))?;
        }
        Ok(worktree)
    }

    /// The worktree when it is there and whole.
    pub fn lent(&self, lent: &Lent) -> Result<Option<Repository>, GitError> {
        lent.check()?;
        let admin = self.common_dir().join("worktrees").join(lent.id());
        if !admin.join("index").exists() || !lent.path.join(".git").exists() {
            return Ok(None);
        }
        self.git().open(&lent.path).map(Some)
    }

    /// Takes a worktree away: its folder with everything in it, and what git knows of it. Whoever calls has made sure
    /// that nothing is lost. Its branch goes too when `branch` says where it stands.
    pub fn take_away(&self, lent: &Lent, branch: Option<&Oid>) -> Result<(), GitError> {
        lent.check()?;
        let admin = self.common_dir().join("worktrees").join(lent.id());
        let ours = fs::read_to_string(admin.join("locked")).is_ok_and(|reason| reason == LOCK_REASON);
        let pointed = fs::read_to_string(admin.join("gitdir")).unwrap_or_default();
        if !ours || Path::new(pointed.trim_end()).parent() != Some(&real(&lent.path)) {
            return Err(GitError::Unlinked { git: lent.path.clone(), target: admin });
        }
        let gone = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(GitError::io(format!("remove {}", lent.path.display()), error)),
        };
        fs::remove_dir_all(&lent.path).or_else(gone)?;
        if let Some(at) = branch {
            self.call("update-ref").args(["-d", &lent.reference(), at.as_str()]).run()?;
        }
        fs::remove_dir_all(&admin).or_else(gone)
    }

    /// Names of branches and tags, of the repository itself or a remote, from which the commit can be reached; the
    /// branches that are lent do not count, and neither do refs of ours.
    pub fn reached_from(&self, commit: &Oid) -> Result<Vec<String>, GitError> {
        let contains = format!("--contains={commit}");
        let call = self.call("for-each-ref").args(["--format=%(refname)", &contains]);
        let answer = call.args(["refs/heads/", "refs/tags/", "refs/remotes/"]).run()?;
        let lent = format!("refs/heads/{LENT_PREFIX}");
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(text.lines().filter(|name| !name.starts_with(&lent)).map(str::to_owned).collect())
    }

    /// Whether everything in `older` is in `newer`, too.
    pub fn is_ancestor(&self, older: &Oid, newer: &Oid) -> Result<bool, GitError> {
        let call = self.call("merge-base").args(["--is-ancestor", older.as_str(), newer.as_str()]);
        Ok(call.codes(&[0, 1]).run()?.code == 0)
    }

    /// Commits that are in `newer` and not in `older`.
    pub fn count_between(&self, older: &Oid, newer: &Oid) -> Result<usize, GitError> {
        let answer = self.call("rev-list").args(["--count", &format!("{older}..{newer}")]).run()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        text.trim().parse().map_err(|_| GitError::Unexpected { verb: "rev-list".to_owned() })
    }
}

fn real(path: &Path) -> PathBuf {
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    match (parent, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}
