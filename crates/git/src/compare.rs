//! Two trees side by side.

use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::collections::BTreeMap;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    File,
    Executable,
    Link,
    /// A submodule's commit: its files are another repository's.
    Submodule,
}

/// A path at which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: RepoPath,
    /// None: nothing.
    pub before: Option<Standing>,
    pub after: Option<Standing>,
    /// Lines; none of what is no text.
    pub added: Option<u32>,
    pub removed: Option<u32>,
}

/// Where two trees differ, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    pub files: Vec<Difference>,
    /// Such paths that we cannot name, or would not write to.
    pub unnamable: Vec<String>,
}

impl Repository {
    /// What differs from one tree to another.
    pub fn compare(&self, from: &Oid, to: &Oid) -> Result<Comparison, GitError> {
        let lines = self.lines_between(from, to)?;
        let mut comparison = Comparison::default();
        for (path, (old, new)) in self.compare_trees(from.as_str(), to.as_str())? {
            let Some(name) = std::str::from_utf8(&path).ok().and_then(|path| path.parse().ok()) else {
                comparison.unnamable.push(String::from_utf8_lossy(&path).into_owned());
                continue;
            };
            let (added, removed) = lines.get(&path).copied().unwrap_or_default();
            let (before, after) = (standing(&old.mode), standing(&new.mode));
            comparison.files.push(Difference { path: name, before, after, added, removed });
        }
        Ok(comparison)
    }

    fn lines_between(&self, from: &Oid, to: &Oid) -> Result<Lines, GitError> {
        let call = self.call("diff-tree").args(["-r", "-z", "--numstat", "--no-renames", "--no-ext-diff"]);
        let answer = call.args(["--no-textconv", from.as_str(), to.as_str()]).run()?;
        let entries = answer.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        let read = entries.map(|entry| {
            let mut parts = entry.splitn(3, |byte| *byte == b'\t');
            let mut count = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
            let counts = (count(), count());
            let path = parts.next().ok_or(GitError::Unexpected { verb: "diff-tree".to_owned() })?;
            Ok((path.to_vec(), counts))
        });
        read.collect()
    }

    /// Every path of a tree.
    pub fn paths_of(&self, tree: &Oid) -> Result<Comparison, GitError> {
        let empty =
            self.empty_tree().parse().map_err(|_| GitError::Unexpected { verb: "empty".to_owned() })?;
        let mut comparison = Comparison::default();
        for (path, (_, side)) in self.compare_trees(Oid::as_str(&empty), tree.as_str())? {
            match std::str::from_utf8(&path).ok().and_then(|path| path.parse().ok()) {
                Some(path) => comparison.files.push(Difference {
                    path,
                    before: None,
                    after: standing(&side.mode),
                    added: None,
                    removed: None,
                }),
                None => comparison.unnamable.push(String::from_utf8_lossy(&path).into_owned()),
            }
        }
        Ok(comparison)
    }
}

/// Lines added and removed, by path.
type Lines = BTreeMap<Vec<u8>, (Option<u32>, Option<u32>)>;

pub(crate) fn standing(mode: &str) -> Option<Standing> {
    match mode {
        "000000" => None,
        "100755" => Some(Standing::Executable),
        "120000" => Some(Standing::Link),
        "160000" => Some(Standing::Submodule),
        _ => Some(Standing::File),
    }
}
