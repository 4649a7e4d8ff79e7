//! Differences between trees as git's plumbing writes them, and private indexes made from them.

use crate::repository::oid;
use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::collections::BTreeMap;
use std::path::Path;

/// One side of a difference: what stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    /// `100644`, `100755`, `120000`, `160000`, or `000000` for nothing.
    pub mode: String,
    pub oid: Oid,
}

/// Old and new side of a path, by the path's bytes.
pub(crate) type Differences = BTreeMap<Vec<u8>, (Side, Side)>;

const RAW: [&str; 4] = ["--raw", "-z", "--no-renames", "--no-abbrev"];

impl Side {
    pub(crate) fn is_nothing(&self) -> bool {
        self.mode == "000000"
    }
}

impl Repository {
    /// What differs between two trees.
    pub(crate) fn compare_trees(&self, old: &str, new: &str) -> Result<Differences, GitError> {
        let answer = self.call("diff-tree").arg("-r").args(RAW).args([old, new]).run()?;
        Ok(parse_raw("diff-tree", &answer.stdout)?.remove(b"".as_slice()).unwrap_or_default())
    }

    /// What the user's index has differently from a tree.
    pub(crate) fn compare_index(&self, tree: &str) -> Result<Differences, GitError> {
        let answer = self.call("diff-index").arg("--cached").args(RAW).arg(tree).run()?;
        Ok(parse_raw("diff-index", &answer.stdout)?.remove(b"".as_slice()).unwrap_or_default())
    }

    /// What each of these commits changed against its first parent, by the commit's id.
    pub(crate) fn compare_commits(
        &self,
        commits: &[Oid],
    ) -> Result<BTreeMap<Vec<u8>, Differences>, GitError> {
        let list: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
        let answer = self.call("diff-tree").args(["--stdin", "--root", "-r"]).args(RAW).stdin(list).run()?;
        parse_raw("diff-tree", &answer.stdout)
    }

    /// A tree equal to `base` but for these paths.
    pub(crate) fn tree_with<'a>(
        &self,
        base: &str,
        sides: impl IntoIterator<Item = (&'a Vec<u8>, &'a Side)>,
        index: &Path,
    ) -> Result<Oid, GitError> {
        self.call("read-tree").arg(base).index(index).run()?;
        self.call("update-index").args(["-z", "--index-info"]).stdin(index_info(sides)).index(index).run()?;
        self.write_tree(index)
    }

    pub(crate) fn write_tree(&self, index: &Path) -> Result<Oid, GitError> {
        // Blobs of a partial clone may be absent; what we add was written just before.
        oid("write-tree", &self.call("write-tree").arg("--missing-ok").index(index).run()?.stdout)
    }
}

/// The input of `update-index -z --index-info`. Removals come first, so that a file can take the
/// place of a directory.
pub(crate) fn index_info<'a>(sides: impl IntoIterator<Item = (&'a Vec<u8>, &'a Side)>) -> Vec<u8> {
    let (mut removals, mut additions) = (Vec::new(), Vec::new());
    for (path, side) in sides {
        let out = if side.is_nothing() { &mut removals } else { &mut additions };
        out.extend_from_slice(format!("{} {}\t", side.mode, side.oid).as_bytes());
        out.extend_from_slice(path);
        out.push(0);
    }
    removals.extend(additions);
    removals
}

/// Paths we can name, of those git gave; RepoPath is stricter than git.
pub(crate) fn named<'a>(paths: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<RepoPath> {
    paths.into_iter().filter_map(|path| std::str::from_utf8(path).ok()?.parse().ok()).collect()
}

/// Parses raw differences, grouped by the commit line before them (empty without one). A token that starts with
/// `:` is an entry and takes the next token as its path, whatever that looks like; so no file name can pose as a commit.
fn parse_raw(verb: &str, stdout: &[u8]) -> Result<BTreeMap<Vec<u8>, Differences>, GitError> {
    let unexpected = || GitError::Unexpected { verb: verb.to_owned() };
    let mut groups: BTreeMap<Vec<u8>, Differences> = BTreeMap::new();
    let mut group = Vec::new();
    let mut tokens = stdout.split(|byte| *byte == 0).filter(|token| !token.is_empty());
    while let Some(token) = tokens.next() {
        let Some(entry) = token.strip_prefix(b":") else {
            group = token.to_vec();
            groups.entry(group.clone()).or_default();
            continue;
        };
        let entry = std::str::from_utf8(entry).map_err(|_| unexpected())?;
        let [old_mode, new_mode, old, new, _status] = entry.split(' ').collect::<Vec<_>>()[..] else {
            return Err(unexpected());
        };
        let side = |mode: &str, hex: &str| {
            Ok(Side { mode: mode.to_owned(), oid: hex.parse().map_err(|_| unexpected())? })
        };
        let path = tokens.next().ok_or_else(unexpected)?.to_vec();
        let sides = (side(old_mode, old)?, side(new_mode, new)?);
        groups.entry(group.clone()).or_default().insert(path, sides);
    }
    Ok(groups)
}
