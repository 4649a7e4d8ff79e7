//! Dry merges: what would conflict if two commits came together. Nothing but objects is written.

use crate::repository::oid;
use crate::tree::named;
use crate::{GitError, Oid, Repository};
use model::RepoPath;

/// Most merges that one call tries.
pub const DRY_MERGES_MAX: usize = 10_000;

/// How a merge would come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryMerge {
    /// The merged tree; with conflicts in it, both sides stand between marks.
    pub tree: Oid,
    /// False when a person would have to decide, also about files we cannot name.
    pub clean: bool,
    /// Files in which both sides are in each other's way, sorted.
    pub conflicts: Vec<RepoPath>,
}

impl Repository {
    /// Tries to merge each pair, in one process for all of them. The repository's own merge drivers do not run: whatever
    /// its attributes say, lines are merged as git does by itself.
    pub fn dry_merges(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<DryMerge>, GitError> {
        if pairs.len() > DRY_MERGES_MAX {
            return Err(GitError::TooMany { what: "merges", given: pairs.len(), max: DRY_MERGES_MAX });
        }
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let list: String = pairs.iter().map(|(one, other)| format!("{one} {other}\n")).collect();
        let call = self.call("merge-tree").args(["--write-tree", "--name-only", "--no-messages"]);
        let answer = call.args(["--allow-unrelated-histories", "--stdin"]).stdin(list).run()?;
        let merges = parse(&answer.stdout)?;
        if merges.len() == pairs.len() { Ok(merges) } else { Err(unexpected()) }
    }
}

fn unexpected() -> GitError {
    GitError::Unexpected { verb: "merge-tree".to_owned() }
}

/// Of each merge: `1` when it is clean, the tree, the files in conflict, and an empty name behind them.
fn parse(stdout: &[u8]) -> Result<Vec<DryMerge>, GitError> {
    let mut merges = Vec::new();
    let mut tokens = stdout.split(|byte| *byte == 0);
    while let Some(status) = tokens.next().filter(|status| !status.is_empty()) {
        let clean = match status {
            b"1" => true,
            b"0" => false,
            _ => return Err(unexpected()),
        };
        let tree = oid("merge-tree", tokens.next().unwrap_or_default())?;
        let paths: Vec<Vec<u8>> =
            tokens.by_ref().take_while(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
        let mut conflicts = named(&paths);
        conflicts.sort();
        conflicts.dedup();
        merges.push(DryMerge { tree, clean, conflicts });
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_merge_is_read_with_its_own_files() {
        let tree = "d332acd7b86152dbcd5c692c371696f1b75facb4";
        let text = format!("0\0{tree}\0f\0a b\0\x001\0{tree}\0\0");
        let found = parse(text.as_bytes()).unwrap();
        let paths: Vec<Vec<&str>> =
            found.iter().map(|one| one.conflicts.iter().map(RepoPath::as_str).collect()).collect();
        assert_eq!(paths, [vec!["a b", "f"], vec![]]);
        assert_eq!(found.iter().map(|one| one.clean).collect::<Vec<_>>(), [false, true]);
        assert!(parse(b"7\0x\0\0").is_err());
    }
}
