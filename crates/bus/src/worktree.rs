//! Which worktree the user stands in, and what a path means in it.
//!
//! Locks are keyed on the canonical path of a worktree and on paths relative to it; the user gives
//! paths relative to where he stands.

use model::{Refusal, RefusalKind};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a path names nothing in a worktree.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    #[error("{} is in no git repository", .0.display())]
    NoWorktree(PathBuf),
    #[error("{}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the path {} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    #[error("an empty path names nothing")]
    Empty,
    #[error("`{given}` is outside {}", .top.display())]
    Outside { given: String, top: PathBuf },
}

impl WorktreeError {
    /// The error as every face shows it.
    pub fn refusal(&self) -> Refusal {
        let (code, hint) = match self {
            Self::NoWorktree(_) => {
                ("no_worktree", Some("go into a repository, or name one with --worktree PATH"))
            }
            Self::Unreadable { .. } => ("file_unusable", None),
            Self::NotUtf8(_) => ("path_not_utf8", None),
            Self::Empty => {
                ("path_empty", Some("give a file, a folder or a glob; `.` is the folder you stand in"))
            }
            Self::Outside { .. } => (
                "path_outside",
                Some("give paths inside the repository, or name another one with --worktree PATH"),
            ),
        };
        let kind = match self {
            Self::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                RefusalKind::NotFound
            }
            Self::Unreadable { .. } => RefusalKind::Internal,
            _ => RefusalKind::Invalid,
        };
        let refusal = Refusal::new(kind, code, self.to_string());
        match hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}

/// Whether git itself would take it for a repository's. Sandboxes of agents' programs lay empty folders of that name into what
/// they guard, and leave them there when they are killed.
fn is_git(dot_git: &Path) -> bool {
    dot_git.metadata().is_ok_and(|meta| meta.is_file() || dot_git.join("HEAD").symlink_metadata().is_ok())
}

/// A worktree, and where in it the user stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Canonical.
    pub top: PathBuf,
    /// From the top to where paths are given from.
    inside: PathBuf,
}

impl Worktree {
    /// The worktree around `place`, by its `.git`; git itself is not asked, so that this costs nothing.
    pub fn around(place: &Path) -> Result<Self, WorktreeError> {
        let unreadable = |error| WorktreeError::Unreadable { path: place.to_owned(), error };
        let here = place.canonicalize().map_err(unreadable)?;
        let found = here.ancestors().find(|dir| is_git(&dir.join(".git")));
        let top = found.ok_or_else(|| WorktreeError::NoWorktree(here.clone()))?;
        let inside = here.strip_prefix(top).unwrap_or(Path::new("")).to_owned();
        Ok(Self { top: top.to_owned(), inside })
    }

    pub fn name(&self) -> Result<String, WorktreeError> {
        self.top.to_str().map(str::to_owned).ok_or_else(|| WorktreeError::NotUtf8(self.top.clone()))
    }

    /// The checkout the worktree belongs to: itself, or the one it was made from.
    pub fn repo(&self) -> Option<String> {
        let link = self.top.join(".git");
        let main = match std::fs::read_to_string(&link) {
            // A linked worktree's `.git` is a file that names `<main>/.git/worktrees/<name>`.
            Ok(text) => {
                let private = self.top.join(text.trim().strip_prefix("gitdir:")?.trim());
                private.ancestors().find(|dir| dir.ends_with(".git"))?.parent()?.to_owned()
            }
            Err(_) => self.top.clone(),
        };
        main.to_str().map(str::to_owned)
    }

    /// A path or glob as the user gave it, relative to the top. `..` is resolved by name; what it means is
    /// checked by the bus.
    pub fn path(&self, given: &str) -> Result<String, WorktreeError> {
        if given.is_empty() {
            return Err(WorktreeError::Empty);
        }
        let outside = || WorktreeError::Outside { given: given.to_owned(), top: self.top.clone() };
        let given_path = Path::new(given);
        let from_top = match given_path.strip_prefix(&self.top) {
            Ok(rest) => rest.to_owned(),
            Err(_) if given_path.is_absolute() => return Err(outside()),
            Err(_) => self.inside.join(given_path),
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in from_top.components() {
            match part {
                Component::Normal(name) => parts.push(name.to_str().ok_or_else(outside)?),
                Component::CurDir => {}
                Component::ParentDir => {
                    parts.pop().ok_or_else(outside)?;
                }
                Component::RootDir | Component::Prefix(_) => return Err(outside()),
            }
        }
        if parts.is_empty() {
            return Ok("**".to_owned());
        }
        let path = parts.join("/");
        // A folder means everything below it.
        let tail = if given.ends_with('/') || self.top.join(&path).is_dir() { "/" } else { "" };
        Ok(format!("{path}{tail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worktree() -> (tempfile::TempDir, Worktree) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("crates/cli")).unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        std::fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let worktree = Worktree::around(&dir.path().join("crates")).unwrap();
        (dir, worktree)
    }

    #[test]
    fn paths_are_given_from_where_the_user_stands() {
        let (dir, worktree) = worktree();
        assert_eq!(worktree.top, dir.path().canonicalize().unwrap());
        let absolute = worktree.top.join("docs/a.md");
        for (given, expected) in [
            ("lib.rs", "crates/lib.rs"),
            ("./cli/*.rs", "crates/cli/*.rs"),
            ("../README.md", "README.md"),
            ("cli/", "crates/cli/"),
            (".", "crates/"),
            ("cli", "crates/cli/"),
            ("..", "**"),
            (absolute.to_str().unwrap(), "docs/a.md"),
        ] {
            assert_eq!(worktree.path(given).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn a_linked_worktree_belongs_to_the_checkout_it_was_made_from() {
        let (dir, worktree) = worktree();
        assert_eq!(worktree.repo().as_deref(), worktree.top.to_str());
        let linked = tempfile::tempdir().unwrap();
        let main = dir.path().join("main");
        std::fs::write(linked.path().join(".git"), format!("gitdir: {}/.git/worktrees/w\n", main.display()))
            .unwrap();
        assert_eq!(Worktree::around(linked.path()).unwrap().repo().as_deref(), main.to_str());
    }

    #[test]
    fn a_path_cannot_leave_the_worktree() {
        let (_dir, worktree) = worktree();
        for given in ["../../x", "/etc/passwd"] {
            assert_eq!(worktree.path(given).unwrap_err().refusal().code, "path_outside", "{given}");
        }
    }

    #[test]
    fn an_empty_path_is_not_the_whole_tree() {
        let (dir, worktree) = worktree();
        let refused = worktree.path("").unwrap_err().refusal();
        assert_eq!(refused.code, "path_empty");
        assert!(refused.hint.is_some());
        assert_eq!(Worktree::around(dir.path()).unwrap().path(".").unwrap(), "**");
    }

    #[test]
    fn outside_of_a_repository_there_is_no_worktree() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Worktree::around(dir.path()).unwrap_err().refusal().code, "no_worktree");
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(Worktree::around(dir.path()).unwrap_err().refusal().code, "no_worktree");
    }
}
