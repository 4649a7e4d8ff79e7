//! What differs between HEAD, index and work tree.

use crate::diff::DIFF_PATHS_MAX;
use crate::{GitError, Repository};
use model::RepoPath;

/// How names of our own files begin that are on their way to their names. They are nobody's change.
pub const UNFINISHED: &str = ".coditect-unfinished-";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Sorted by path.
    pub entries: Vec<StatusEntry>,
    /// Files with names we do not handle (not UTF-8, a backslash, a line break).
    pub unnamable: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    pub path: RepoPath,
    /// Index against HEAD; what is staged.
    pub staged: Option<Change>,
    /// Work tree against index.
    pub unstaged: Option<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Added,
    Modified,
    Removed,
    /// A file became a symbolic link, or the like.
    Retyped,
    Untracked,
    Unmerged,
}

impl Repository {
    /// No paths means the whole work tree; ignored files and the inside of submodules never show.
    pub fn status(&self, paths: &[RepoPath]) -> Result<Status, GitError> {
        self.status_with(paths, None)
    }

    /// By a copy of the index, which git may bring up to date while it looks; or by the worktree's own, which it may not.
    pub(crate) fn status_with(
        &self,
        paths: &[RepoPath],
        copy: Option<&std::path::Path>,
    ) -> Result<Status, GitError> {
        if paths.len() > DIFF_PATHS_MAX {
            return Err(GitError::TooMany { what: "paths", given: paths.len(), max: DIFF_PATHS_MAX });
        }
        let call =
            self.call("status").args(["--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]);
        let call = call.args(["--ignore-submodules=all", "--"]).args(paths.iter().map(RepoPath::as_str));
        let call = match copy {
            Some(copy) => call.index(copy).environment("GIT_OPTIONAL_LOCKS", "1"),
            None => call,
        };
        let answer = call.run()?;
        let mut status = Status::default();
        for entry in answer.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let ([x, y, _, path @ ..], 4..) = (entry, entry.len()) else {
                return Err(GitError::Unexpected { verb: "status".to_owned() });
            };
            // A file of ours that is on its way to its name.
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if (*x, *y) == (b'?', b'?') && name.starts_with(UNFINISHED.as_bytes()) {
                continue;
            }
            match std::str::from_utf8(path).ok().and_then(|path| path.parse().ok()) {
                Some(path) => {
                    let (staged, unstaged) = changes(*x, *y);
                    status.entries.push(StatusEntry { path, staged, unstaged });
                }
                None => status.unnamable += 1,
            }
        }
        status.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(status)
    }
}

fn changes(x: u8, y: u8) -> (Option<Change>, Option<Change>) {
    if x == b'U' || y == b'U' || (x == y && matches!(x, b'A' | b'D')) {
        return (None, Some(Change::Unmerged));
    }
    let change = |letter| match letter {
        b'A' => Some(Change::Added),
        b'M' => Some(Change::Modified),
        b'D' => Some(Change::Removed),
        b'T' => Some(Change::Retyped),
        _ => None,
    };
    if x == b'?' { (None, Some(Change::Untracked)) } else { (change(x), change(y)) }
}
