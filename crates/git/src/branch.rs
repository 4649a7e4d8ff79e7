//! Branches: their names, where they stand, and which one a checkout is on.

use crate::repository::oid;
use crate::{GitError, LENT_PREFIX, Oid, Repository, discover};
use std::io::Read;
use std::path::Path;

/// Longest `HEAD` file read, in bytes.
const HEAD_MAX: u64 = 4 * 1024;
/// Longest name of a branch or of what stands for a commit, in bytes.
pub const BRANCH_MAX: usize = 200;

/// Short name of the branch that the work tree holding `path` is on, born or not; none when HEAD is detached or
/// there is no repository to read. Reads files and runs nothing, so it may be asked for on every look.
pub fn branch_at(path: &Path) -> Option<String> {
    let found = discover::discover(path).ok()?;
    branch_in(&found.git_dir)
}

/// The branch that a git directory's `HEAD` names.
pub(crate) fn branch_in(git_dir: &Path) -> Option<String> {
    let mut head = String::new();
    std::fs::File::open(git_dir.join("HEAD")).ok()?.take(HEAD_MAX).read_to_string(&mut head).ok()?;
    let name = head.strip_prefix("ref:")?.trim();
    // Repositories with another store of refs keep a name here that cannot be.
    let name = name.strip_prefix("refs/heads/").filter(|name| *name != ".invalid")?;
    Some(name.to_owned())
}

/// Git's rules for branch names, and one more: names under [`LENT_PREFIX`] are for agents.
pub fn check_branch(name: &str) -> Result<(), GitError> {
    let fine = |part: &str| {
        !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
    };
    let clean = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    let well_formed = (1..=BRANCH_MAX).contains(&name.len())
        && name.split('/').all(fine)
        && name.chars().all(clean)
        && !name.contains("..")
        && !name.contains("@{")
        && !matches!(name, "@" | "HEAD")
        && !name.starts_with("refs/");
    if well_formed && !name.starts_with(LENT_PREFIX) {
        return Ok(());
    }
    Err(GitError::BadBranch(name.chars().take(BRANCH_MAX).collect()))
}

impl Repository {
    /// Where a branch stands; none when there is no such branch.
    pub fn branch_tip(&self, branch: &str) -> Result<Option<Oid>, GitError> {
        let name = format!("refs/heads/{branch}");
        let answer =
            self.call("show-ref").args(["--verify", "--hash", "--", &name]).codes(&[0, 1, 128]).run()?;
        if answer.code == 0 { oid("show-ref", &answer.stdout).map(Some) } else { Ok(None) }
    }

    /// The commit that a branch, tag, remote branch or id stands for.
    pub fn commit_at(&self, given: &str) -> Result<Oid, GitError> {
        let unknown = || GitError::NoCommit(given.chars().take(BRANCH_MAX).collect());
        let plain = |c: char| !c.is_control() && c != ' ';
        if !(1..=BRANCH_MAX).contains(&given.len()) || given.starts_with('-') || !given.chars().all(plain) {
            return Err(unknown());
        }
        let name = format!("{given}^{{commit}}");
        let call = self.call("rev-parse").args(["--quiet", "--verify", &name]).codes(&[0, 1, 128]).run()?;
        if call.code == 0 { oid("rev-parse", &call.stdout) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_git_would_not_take_or_take_for_something_else_are_refused() {
        for good in ["main", "feat/x", "fix-1.2", "ä", "a@b", "coditect"] {
            assert!(check_branch(good).is_ok(), "{good}");
        }
        let long = "x".repeat(BRANCH_MAX + 1);
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "../../x",
            "a..b",
            "a b",
            "a\nb",
            ".a",
            "a/.b",
            "a/-b",
            "a.lock",
            "a/",
            "/a",
            "a//b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "@",
            "HEAD",
            "a@{1}",
            "refs/heads/x",
            "a.",
            "coditect/k2x7/claude",
            "a\u{7f}",
            &long,
        ] {
            assert!(matches!(check_branch(bad), Err(GitError::BadBranch(_))), "{bad:?}");
        }
        assert!(check_branch(&"x".repeat(BRANCH_MAX)).is_ok());
    }
}
