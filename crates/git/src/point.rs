//! Points: the files of a whole work tree at a moment, kept beside HEAD, branch and index.
//!
//! Where nothing differs from HEAD it costs git's look at the files and no more. Points of a work tree stand one on the
//! other in a line of their own, apart from the user's history, and a line begins anew every [`LINE_MAX`] points: so each
//! of them stands on files alone, and what keeps a line alive is never much more than what differs in it.
//!
//! Invariant: whatever a point does not hold is counted, and nothing that it does not hold is ever taken for a removal.

use crate::commit::{Commit, parse_signature, signature};
use crate::repository::oid;
use crate::snapshot::presence;
use crate::status::{Change, Status, StatusEntry};
use crate::tree::named;
use crate::{Author, GitError, Oid, Repository};
use cap_std::fs::Dir;
use model::{RepoPath, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Points in a line; the next one begins another.
pub const LINE_MAX: u32 = 32;
/// Changed and new files that a point takes in; what is more is left out.
pub const POINT_FILES_MAX: usize = 20_000;
/// Largest file that git does not know yet and a point takes in, in bytes. Of those it knows it is [`crate::FILE_MAX`].
pub const UNTRACKED_FILE_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of files that git does not know yet, all of them together.
pub const UNTRACKED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How often it is looked again when files go away while they are read.
const LOOKS: u32 = 3;

/// The files of a work tree at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub tree: Oid,
    /// What HEAD stood on.
    pub head: Option<Oid>,
    /// Files it does not hold.
    pub left_out: usize,
    /// What git said of the files, for whoever would ask it again.
    pub status: Status,
}

/// A point to be kept.
#[derive(Debug)]
pub struct Keep<'a> {
    pub survey: &'a Survey,
    /// The point before it, of the same work tree, and how many come before that one.
    pub last: Option<(&'a Oid, u32)>,
    pub message: &'a str,
    pub at: Timestamp,
}

/// A point that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub commit: Oid,
    pub parent: Option<Oid>,
    pub depth: u32,
    /// What differs from the point before; of the first, from HEAD.
    pub changed: Vec<RepoPath>,
    /// No new commit was needed: the point before has these files.
    pub same: bool,
}

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub message: String,
    pub at: Timestamp,
    pub parents: Vec<Oid>,
}

impl Repository {
    /// Looks at every file. Nothing but objects is written, and where nothing differs from HEAD, nothing at all.
    pub fn survey(&self) -> Result<Survey, GitError> {
        let mut looks = 1;
        loop {
            match self.survey_once() {
                // Somebody works here: a file that was listed may be gone when it is read.
                Err(GitError::Io { .. } | GitError::NotAFile(_) | GitError::BeyondSymlink(_))
                    if looks < LOOKS =>
                {
                    looks += 1;
                }
                surveyed => return surveyed,
            }
        }
    }

    fn survey_once(&self) -> Result<Survey, GitError> {
        let status = self.status(&[])?;
        let head = self.head()?;
        if status.entries.is_empty()
            && let Some(at) = &head
        {
            let tree = self.tree_at(at)?;
            return Ok(Survey { tree, head, left_out: status.unnamable, status });
        }
        let fitting = fitting(&self.work_tree()?, &status.entries)?;
        let material = self.gather_listed(head.as_ref(), &fitting.there, &fitting.gone)?;
        let left_out = status.unnamable + fitting.left_out + material.filtered.len();
        Ok(Survey { tree: material.tree, head, left_out, status })
    }

    /// The tree of a commit.
    pub fn tree_at(&self, commit: &Oid) -> Result<Oid, GitError> {
        let name = format!("{commit}^{{tree}}");
        let answer = self.call("rev-parse").args(["--quiet", "--verify", &name]).codes(&[0, 1, 128]).run()?;
        if answer.code == 0 {
            oid("rev-parse", &answer.stdout)
        } else {
            Err(GitError::NoObject(commit.clone()))
        }
    }

    /// Keeps a point: as a commit on the one before it, or as that one when nothing differs. It needs a ref to stay.
    pub fn keep(&self, keep: &Keep<'_>) -> Result<Kept, GitError> {
        let Keep { survey, last, message, at } = keep;
        // A line whose last point is gone begins anew.
        let last = last.and_then(|(last, depth)| Some((last, depth, self.tree_at(last).ok()?)));
        if let Some((last, depth, tree)) = &last
            && *tree == survey.tree
        {
            let parent = self.parent(last)?;
            return Ok(Kept {
                commit: (*last).clone(),
                parent,
                depth: *depth,
                changed: Vec::new(),
                same: true,
            });
        }
        let before = last.as_ref().map_or(self.tree_of(survey.head.as_ref()), |(_, _, tree)| tree.as_str());
        let changed = named(self.compare_trees(before, survey.tree.as_str())?.keys());
        let on = last.filter(|(_, depth, _)| depth + 1 < LINE_MAX);
        let parent = on.as_ref().map(|(last, ..)| (*last).clone());
        let depth = on.map_or(0, |(_, depth, _)| depth + 1);
        let line = signature(&Author::fallback(), *at);
        let commit = Commit {
            parents: parent.iter().cloned().collect(),
            author: line.clone(),
            committer: line,
            message: format!("{}\n", message.trim()).into_bytes(),
        };
        let commit = self.write_commit(&survey.tree, &commit)?;
        Ok(Kept { commit, parent, depth, changed, same: false })
    }

    /// What commits say of themselves, in the order given.
    pub fn facts(&self, commits: &[Oid]) -> Result<Vec<Facts>, GitError> {
        let read = self.read_commits(commits)?.into_iter();
        let facts = read.map(|commit| Facts {
            message: String::from_utf8_lossy(&commit.message).into_owned(),
            at: parse_signature(&commit.committer).1,
            parents: commit.parents,
        });
        Ok(facts.collect())
    }

    /// Refs below a folder of [`crate::REF_PREFIX`], and where they stand.
    pub fn refs_below(&self, folder: &str) -> Result<BTreeMap<String, Oid>, GitError> {
        crate::repository::check_ref(folder.trim_end_matches('/'))?;
        let call = self.call("for-each-ref").args(["--format=%(objectname) %(refname)", "--", folder]);
        let answer = call.run()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let refs = text.lines().filter_map(|line| line.split_once(' '));
        refs.map(|(hex, name)| Ok((name.to_owned(), oid("for-each-ref", hex.as_bytes())?))).collect()
    }

    /// Of these commits, those that are not in the repository.
    pub fn missing(&self, commits: &[Oid]) -> Result<Vec<Oid>, GitError> {
        let list: String = commits.iter().map(|commit| format!("{commit}^{{commit}}\n")).collect();
        let answer = self.call("cat-file").arg("--batch-check=%(objecttype)").stdin(list).run()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let lines = commits.iter().zip(text.lines());
        Ok(lines.filter(|(_, said)| said.trim() != "commit").map(|(commit, _)| commit.clone()).collect())
    }

    /// Takes a ref below [`crate::REF_PREFIX`] away, when it stands at `at`.
    pub fn drop_ref(&self, name: &str, at: &Oid) -> Result<(), GitError> {
        crate::repository::check_ref(name)?;
        self.patiently(|| self.call("update-ref").args(["--no-deref", "-d", name, at.as_str()]))
    }
}

/// What a point takes in.
#[derive(Default)]
struct Fitting {
    there: BTreeSet<RepoPath>,
    gone: BTreeSet<RepoPath>,
    /// What it does not.
    left_out: usize,
}

fn fitting(dir: &Dir, entries: &[StatusEntry]) -> Result<Fitting, GitError> {
    let (mut fitting, mut new_bytes) = (Fitting::default(), 0u64);
    // What git knows goes first: it is work, while much of what it does not know may be anything.
    let (new, known): (Vec<&StatusEntry>, Vec<&StatusEntry>) =
        entries.iter().partition(|entry| entry.unstaged == Some(Change::Untracked));
    for (entry, new) in
        known.into_iter().map(|entry| (entry, false)).chain(new.into_iter().map(|e| (e, true)))
    {
        let there = match presence(dir, &entry.path) {
            // A folder, or a name below what is a link now, is no file of this name any more.
            Err(GitError::NotAFile(_) | GitError::BeyondSymlink(_)) => false,
            found => found?,
        };
        if !there {
            // What is new and not there was none, or is one that is no file.
            if !new {
                fitting.gone.insert(entry.path.clone());
            }
            continue;
        }
        let size = dir.symlink_metadata(entry.path.as_str()).map_or(0, |meta| meta.len());
        let most = if new { UNTRACKED_FILE_MAX } else { crate::FILE_MAX };
        let crowded = new && new_bytes.saturating_add(size) > UNTRACKED_BYTES_MAX;
        if size > most || crowded || fitting.there.len() >= POINT_FILES_MAX {
            fitting.left_out += 1;
            continue;
        }
        new_bytes += if new { size } else { 0 };
        fitting.there.insert(entry.path.clone());
    }
    Ok(fitting)
}
