//! Looks: what a worktree holds, committed or not, as one commit that nobody sees.
//!
//! Invariant: a look leaves nothing behind in the repository: no ref, no object, and its index is as it was. What is
//! written for it goes into a folder of ours, which may be deleted at any time.

use crate::commit::{Commit, signature};
use crate::snapshot::PATHS_MAX;
use crate::{Author, GitError, Oid, Repository};
use model::{RepoPath, Timestamp};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file that is not committed and is looked into, in bytes. Of a larger one only the name counts.
pub const LOOK_FILE_MAX: u64 = 4 * 1024 * 1024;

/// What is not committed in a worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Changed, staged, removed or untracked; sorted. Ignored files do not count.
    pub paths: Vec<RepoPath>,
    /// Such files with names we cannot name.
    pub unnamable: usize,
}

/// A worktree at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its HEAD, or a commit on top of it with what is not committed.
    pub commit: Oid,
    /// Files that are not committed and whose content is not in it: they have a content filter, are too large, or too many.
    pub left_out: Vec<RepoPath>,
}

/// How the real index was when it was copied.
type Seen = (u64, u64, i64, i64);

impl Repository {
    /// The same repository, but what is written as an object goes into this folder and is not synced. Objects of the
    /// repository itself are read as ever.
    pub fn writing_aside(&self, folder: &Path) -> Result<Self, GitError> {
        let failed = |error| GitError::io(format!("make {}", folder.display()), error);
        let objects = self.common_dir().join("objects");
        let objects = objects.to_str().filter(|path| !path.contains('\n'));
        let objects = objects.ok_or_else(|| GitError::Missing(self.common_dir().to_owned()))?;
        fs::create_dir_all(folder.join("info")).map_err(failed)?;
        let (list, text) = (folder.join("info/alternates"), format!("{objects}\n"));
        if fs::read_to_string(&list).ok().as_ref() != Some(&text) {
            fs::write(&list, text).map_err(failed)?;
        }
        let mut same = self.clone();
        same.aside = Some(Arc::from(folder));
        Ok(same)
    }

    /// What is not committed. The index that git keeps up to date while it looks is a copy in `folder`, so files are
    /// read again only when they changed; the worktree's own is only read.
    pub fn dirty(&self, folder: &Path) -> Result<Dirty, GitError> {
        let index = self.copied_index(folder)?;
        let status = self.status_with(&[], index.as_deref())?;
        let paths = status.entries.into_iter().map(|entry| entry.path).collect();
        Ok(Dirty { paths, unnamable: status.unnamable })
    }

    /// The copy of the worktree's index, made anew when that has changed; none when there is no index yet.
    fn copied_index(&self, folder: &Path) -> Result<Option<PathBuf>, GitError> {
        let failed = |error| GitError::io(format!("copy an index to {}", folder.display()), error);
        let real = self.git_dir().join("index");
        // Whoever works there could have put a pipe in its place, which nobody would write to.
        let Some(meta) = fs::metadata(&real).ok().filter(fs::Metadata::is_file) else { return Ok(None) };
        let seen: Seen = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        let (copy, mark) = (folder.join("index"), folder.join("index-of"));
        let text = format!("{seen:?}");
        if copy.exists() && fs::read_to_string(&mark).ok().as_ref() == Some(&text) {
            return Ok(Some(copy));
        }
        fs::create_dir_all(folder).map_err(failed)?;
        let _ = fs::remove_file(&mark);
        let fresh = folder.join("index.fresh");
        fs::copy(&real, &fresh).map_err(failed)?;
        // Git takes a file for unchanged when it is older than the index that says so: a copy that looked newer than
        // its original would hide what changed just after that was written.
        let times = fs::FileTimes::new().set_modified(meta.modified().map_err(failed)?);
        let file = fs::File::options().write(true).open(&fresh).map_err(failed)?;
        file.set_times(times).map_err(failed)?;
        fs::rename(&fresh, &copy).map_err(failed)?;
        fs::write(&mark, text).map_err(failed)?;
        Ok(Some(copy))
    }

    /// The worktree as a commit: HEAD itself when nothing of `dirty` differs from it. The same content on the same HEAD
    /// is the same commit.
    pub fn held(&self, head: &Oid, dirty: &[RepoPath]) -> Result<Held, GitError> {
        let fits = |path: &&RepoPath| match self.top().join(path.as_str()).symlink_metadata() {
            Ok(meta) => meta.is_symlink() || (meta.is_file() && meta.len() <= LOOK_FILE_MAX),
            Err(_) => true,
        };
        let (taken, mut left_out): (Vec<RepoPath>, Vec<RepoPath>) = match dirty.len() > PATHS_MAX {
            true => (Vec::new(), dirty.to_vec()),
            false => {
                let (fitting, others): (Vec<&RepoPath>, Vec<&RepoPath>) = dirty.iter().partition(fits);
                (fitting.into_iter().cloned().collect(), others.into_iter().cloned().collect())
            }
        };
        if taken.is_empty() {
            return Ok(Held { commit: head.clone(), left_out });
        }
        let material = self.material(Some(head), &taken)?;
        left_out.extend(material.filtered);
        left_out.sort();
        if self.compare_trees(head.as_str(), material.tree.as_str())?.is_empty() {
            return Ok(Held { commit: head.clone(), left_out });
        }
        let line = signature(&Author::fallback(), Timestamp::from_millis(0));
        let commit = Commit {
            parents: vec![head.clone()],
            author: line.clone(),
            committer: line,
            message: b"What is not committed\n".to_vec(),
        };
        Ok(Held { commit: self.write_commit(&material.tree, &commit)?, left_out })
    }

    /// Where two histories parted; none when they have nothing in common.
    pub fn merge_base(&self, one: &Oid, other: &Oid) -> Result<Option<Oid>, GitError> {
        let call = self.call("merge-base").args([one.as_str(), other.as_str()]).codes(&[0, 1]);
        let answer = call.run()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        // Of several, any will do: it decides what is compared, and the merge itself looks at all.
        Ok(text.lines().next().and_then(|line| line.parse().ok()))
    }
}
