//! Paths inside a repository: relative, forward slashes, no way out.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest path inside a repository, in bytes.
pub const REPO_PATH_MAX: usize = 1024;

/// A path relative to a worktree's root. It never starts with `/`, holds no `..`, `.` or empty
/// component, no NUL and no backslash, and never enters `.git`. It is a name only: opening it still goes through a
/// directory handle, because a component may be a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoPathError {
    #[error("the path is empty")]
    Empty,
    #[error("the path is longer than {REPO_PATH_MAX} bytes")]
    TooLong,
    #[error("`{0}` is absolute; give it relative to the repository's root")]
    Absolute(String),
    #[error("`{0}` leaves the repository or has an empty, `.` or `..` part")]
    Escapes(String),
    #[error("`{0}` is inside .git, which agents do not touch")]
    GitDir(String),
    #[error("the path has a character no repository path may have")]
    Character,
}

impl RepoPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepoPath {
    type Err = RepoPathError;

    fn from_str(given: &str) -> Result<Self, RepoPathError> {
        let given = given.strip_prefix("./").unwrap_or(given);
        if given.is_empty() {
            return Err(RepoPathError::Empty);
        }
        if given.len() > REPO_PATH_MAX {
            return Err(RepoPathError::TooLong);
        }
        if given.contains(['\0', '\\', '\n', '\r']) {
            return Err(RepoPathError::Character);
        }
        if given.starts_with('/') {
            return Err(RepoPathError::Absolute(given.to_owned()));
        }
        for part in given.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return Err(RepoPathError::Escapes(given.to_owned()));
            }
            if part.eq_ignore_ascii_case(".git") {
                return Err(RepoPathError::GitDir(given.to_owned()));
            }
        }
        Ok(Self(given.to_owned()))
    }
}

impl TryFrom<String> for RepoPath {
    type Error = RepoPathError;

    fn try_from(given: String) -> Result<Self, RepoPathError> {
        given.parse()
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_inside_the_repository_are_paths() {
        for good in ["a", "src/lib.rs", "./src/lib.rs", ".github/x.yml", "a b/c"] {
            assert!(good.parse::<RepoPath>().is_ok(), "{good}");
        }
        assert_eq!("./src/a".parse::<RepoPath>().unwrap().as_str(), "src/a");
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/.",
            ".git/config",
            "sub/.GIT/hooks",
            "a\0b",
            "a\\b",
        ] {
            assert!(bad.parse::<RepoPath>().is_err(), "{bad}");
        }
        assert!("a".repeat(REPO_PATH_MAX + 1).parse::<RepoPath>().is_err());
    }
}
