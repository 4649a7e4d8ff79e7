//! An opened repository: one work tree and its git directory, pinned when it was opened.
//!
//! Invariant: after `open` nothing in the work tree decides which repository is worked on.

use crate::conversion::LineEnds;
use crate::process::{Call, Git, Place};
use crate::sealed::{Sealed, seal};
use crate::{GitError, Oid, discover};
use model::RepoPath;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The only namespace [`Repository::update_ref`] writes.
pub const REF_PREFIX: &str = "refs/coditect/";
/// Longest ref name, in bytes.
const REF_MAX: usize = 200;

/// Clone is cheap; every method that returns a `Result` runs git and blocks until it ends.
#[derive(Debug, Clone)]
pub struct Repository {
    inner: Arc<Inner>,
    /// Where objects are written instead of the repository's own folder.
    pub(crate) aside: Option<Arc<Path>>,
}

#[derive(Debug)]
struct Inner {
    git: Git,
    top: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    sealed: Sealed,
}

impl Git {
    /// The repository whose work tree holds `path`.
    pub fn open(&self, path: &Path) -> Result<Repository, GitError> {
        self.version()?;
        let found = discover::discover(path)?;
        let sealed = seal(self, &found.common_dir)?;
        if sealed.bare && found.git_dir == found.common_dir {
            return Err(GitError::Bare(found.top));
        }
        if found.unconfirmed {
            let said = sealed.work_tree.as_deref().map(|said| found.git_dir.join(said));
            if said.and_then(|said| said.canonicalize().ok()).as_deref() != Some(&found.top) {
                return Err(GitError::Unlinked { git: found.top.join(".git"), target: found.git_dir });
            }
        }
        let (top, git_dir, common_dir) = (found.top, found.git_dir, found.common_dir);
        let inner = Inner { git: self.clone(), top, git_dir, common_dir, sealed };
        Ok(Repository { inner: Arc::new(inner), aside: None })
    }
}

impl Repository {
    /// Canonical path of the work tree's top level.
    pub fn top(&self) -> &Path {
        &self.inner.top
    }

    /// The repository's own folder, which its worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.inner.common_dir
    }

    /// The work tree's own git folder: that of the repository, or one among its worktrees.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git_dir
    }

    pub(crate) fn line_ends(&self) -> LineEnds {
        self.inner.sealed.line_ends
    }

    /// Whether what the file system says of a file is what git would store of it, but for its content.
    pub(crate) fn is_faithful(&self) -> bool {
        self.inner.sealed.faithful
    }

    pub(crate) fn git(&self) -> &Git {
        &self.inner.git
    }

    /// The commit HEAD stands on; none on an unborn branch.
    pub fn head(&self) -> Result<Option<Oid>, GitError> {
        let answer =
            self.call("rev-parse").args(["--quiet", "--verify", "HEAD^{commit}"]).codes(&[0, 1]).run()?;
        if answer.code == 1 { Ok(None) } else { oid("rev-parse", &answer.stdout).map(Some) }
    }

    /// Short name of the current branch, born or not; none when HEAD is detached.
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        let answer = self.call("symbolic-ref").args(["--quiet", "HEAD"]).codes(&[0, 1]).run()?;
        let name = String::from_utf8_lossy(&answer.stdout).trim_end().to_owned();
        Ok((answer.code == 0).then(|| name.strip_prefix("refs/heads/").map_or(name.clone(), str::to_owned)))
    }

    /// The content of a file in a commit; none when it is not there. Of a symbolic link it is the target.
    pub fn blob(&self, at: &Oid, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let listed = self.call("ls-tree").args(["-z", "--full-tree", at.as_str(), "--", path.as_str()]).run();
        let listed = match listed {
            Ok(answer) => answer.stdout,
            Err(error) => return Err(self.or_no_object(error, at)),
        };
        let line = String::from_utf8_lossy(&listed);
        let Some(blob) = line.split_once('\t').and_then(|(entry, _)| entry.split_once(" blob ")) else {
            return Ok(None);
        };
        self.call("cat-file").args(["blob", blob.1]).run().map(|answer| Some(answer.stdout))
    }

    /// Keeps bytes as an object, and gives its id. Without a ref to it git may drop it after some weeks; use
    /// [`Repository::keep_blob`] for what must stay.
    fn write_blob(&self, bytes: &[u8]) -> Result<Oid, GitError> {
        let call = self.call("hash-object").args(["-t", "blob", "-w", "--stdin"]).stdin(bytes);
        oid("hash-object", &call.run()?.stdout)
    }

    /// Keeps bytes as an object under a ref below [`REF_PREFIX`].
    pub fn keep_blob(&self, name: &str, bytes: &[u8]) -> Result<Oid, GitError> {
        let blob = self.write_blob(bytes)?;
        self.update_ref(name, &blob)?;
        Ok(blob)
    }

    /// The bytes that [`Repository::keep_blob`] kept.
    pub fn kept_blob(&self, blob: &Oid) -> Result<Vec<u8>, GitError> {
        match self.call("cat-file").args(["blob", blob.as_str()]).run() {
            Ok(answer) => Ok(answer.stdout),
            Err(error) => Err(self.or_no_object(error, blob)),
        }
    }

    /// Points a ref under [`REF_PREFIX`] at a commit, to keep it alive.
    pub fn update_ref(&self, name: &str, to: &Oid) -> Result<(), GitError> {
        check_ref(name)?;
        match self.call("update-ref").args(["--no-deref", name, to.as_str()]).run() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.or_no_object(error, to)),
        }
    }

    /// Points several refs under [`REF_PREFIX`] at commits: all of them or none.
    pub fn update_refs(&self, moves: &[(&str, &Oid)]) -> Result<(), GitError> {
        let mut lines = String::new();
        for (name, to) in moves {
            check_ref(name)?;
            lines.push_str(&format!("update {name} {to}\n"));
        }
        self.call("update-ref").args(["--no-deref", "--stdin"]).stdin(lines).run().map(drop)
    }

    /// The commit a ref under [`REF_PREFIX`] points at.
    pub fn resolve_ref(&self, name: &str) -> Result<Option<Oid>, GitError> {
        check_ref(name)?;
        let answer =
            self.call("for-each-ref").args(["--format=%(objectname) %(refname)", "--", name]).run()?;
        let listed = String::from_utf8_lossy(&answer.stdout);
        // The pattern also matches refs below a directory of that name.
        let found = listed.lines().filter_map(|line| line.split_once(' ')).find(|(_, given)| *given == name);
        found.map(|(hex, _)| oid("for-each-ref", hex.as_bytes())).transpose()
    }

    pub(crate) fn call(&self, verb: &'static str) -> Call<'_> {
        self.call_in(&self.inner.sealed.dir, verb)
    }

    /// With the repository's real configuration; only for the verb `config`, which reads and runs nothing.
    pub(crate) fn call_unsealed_config(&self) -> Call<'_> {
        self.call_in(&self.inner.common_dir, "config")
    }

    fn call_in<'a>(&'a self, common_dir: &'a Path, verb: &'static str) -> Call<'a> {
        let inner = &self.inner;
        let place = Place { git_dir: &inner.git_dir, common_dir, work_tree: &inner.top };
        let call = inner.git.call(Some(place), verb);
        match &self.aside {
            None => call,
            // What can be made again at any time need not outlive a power cut.
            Some(folder) => {
                call.setting("core.fsync=none").environment("GIT_OBJECT_DIRECTORY", folder.as_os_str())
            }
        }
    }

    /// A directory of ours for one operation, gone when dropped.
    pub(crate) fn workshop(&self) -> Result<tempfile::TempDir, GitError> {
        let dir = self.inner.git.scratch("work")?;
        tempfile::tempdir_in(&dir)
            .map_err(|error| GitError::io(format!("make a directory in {}", dir.display()), error))
    }

    /// The argument that stands for "no object" in `update-ref`.
    pub(crate) fn zero(&self) -> String {
        "0".repeat(self.inner.sealed.width)
    }

    /// The tree without entries, which every git knows without storing it.
    pub(crate) fn empty_tree(&self) -> &'static str {
        match self.inner.sealed.width {
            64 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
            _ => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        }
    }

    /// The tree to compare with: a commit's, or the empty one.
    pub(crate) fn tree_of<'a>(&self, commit: Option<&'a Oid>) -> &'a str {
        commit.map_or(self.empty_tree(), Oid::as_str)
    }

    /// Replaces a git failure by [`GitError::NoObject`] when that is the reason.
    pub(crate) fn or_no_object(&self, error: GitError, oid: &Oid) -> GitError {
        let there = self.call("cat-file").args(["-e", oid.as_str()]).codes(&[0, 1, 128]).run();
        match there {
            Ok(answer) if answer.code != 0 => GitError::NoObject(oid.clone()),
            _ => error,
        }
    }
}

/// Reads an object id from a verb's output.
pub(crate) fn oid(verb: &str, stdout: &[u8]) -> Result<Oid, GitError> {
    let text = String::from_utf8_lossy(stdout);
    text.trim_end().parse().map_err(|_| GitError::Unexpected { verb: verb.to_owned() })
}

pub(crate) fn check_ref(name: &str) -> Result<(), GitError> {
    let fine = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['-', '.'])
            && !part.ends_with('.')
            && !part.ends_with(".lock")
            && !part.contains("..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    match name.strip_prefix(REF_PREFIX) {
        Some(rest) if name.len() <= REF_MAX && rest.split('/').all(fine) => Ok(()),
        _ => Err(GitError::BadRef(name.chars().take(REF_MAX).collect())),
    }
}
