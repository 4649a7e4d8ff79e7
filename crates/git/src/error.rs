//! Why a git operation was not done.

use crate::Oid;
use model::{Refusal, RefusalKind, RepoPath};
use std::path::PathBuf;
use std::time::Duration;

/// Code of [`GitError::MergeConflict`].
pub const MERGE_CONFLICT: &str = "merge_conflict";
/// Code of [`GitError::NoBranch`].
pub const NO_BRANCH: &str = "no_branch";

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("there is no git on the search path; install git {needed} or newer")]
    GitMissing { needed: &'static str },
    #[error("git {found} is too old; install git {needed} or newer")]
    GitTooOld { found: String, needed: &'static str },
    #[error("`{0}` does not exist or is not a directory")]
    Missing(PathBuf),
    #[error("`{0}` is not inside a git repository")]
    NotARepo(PathBuf),
    #[error("`{0}` is a bare repository")]
    Bare(PathBuf),
    #[error(
        "`{git}` leads to `{target}`, which does not lead back; if that is wanted, set core.worktree there"
    )]
    Unlinked { git: PathBuf, target: PathBuf },
    #[error("the repository uses the extension `{0}`, which is not supported")]
    Extension(String),
    #[error("the branch moved: expected {}, found {}", word(.expected.as_ref()), word(.found.as_ref()))]
    Moved { expected: Option<Oid>, found: Option<Oid> },
    #[error("{commit} cannot be replayed: {} changed on the branch in another way", list(.paths))]
    ReplayConflict { commit: Oid, paths: Vec<RepoPath> },
    #[error("{commit} cannot be merged: both sides changed {}", list(.paths))]
    MergeConflict { commit: Oid, paths: Vec<RepoPath> },
    #[error("the checkout has something of its own in {}", list(.paths))]
    InTheWay { paths: Vec<RepoPath> },
    #[error("{0} has more than one parent and is no snapshot")]
    NotASnapshot(Oid),
    #[error("`{0}` lies behind a symbolic link")]
    BeyondSymlink(RepoPath),
    #[error("`{0}` is neither a file nor a symbolic link")]
    NotAFile(RepoPath),
    #[error("`{path}` has {bytes} bytes, more than the {max} a snapshot takes")]
    FileTooLarge { path: RepoPath, bytes: u64, max: u64 },
    #[error("{given} {what} are more than the {max} allowed")]
    TooMany { what: &'static str, given: usize, max: usize },
    #[error(
        "`{0}` is not a ref name this program writes: refs/coditect/… of letters, digits, `.`, `_`, `-`, `/`"
    )]
    BadRef(String),
    #[error("`{0}` is no name for a branch")]
    BadBranch(String),
    #[error("there is a branch `{0}` already")]
    BranchExists(String),
    #[error("there is no branch `{0}`")]
    NoBranch(String),
    #[error("the branch `{branch}` is checked out in {}", .path.display())]
    BranchInUse { branch: String, path: PathBuf },
    #[error("`{0}` is no branch, tag or commit of the repository")]
    NoCommit(String),
    #[error("`{}` is there already", .0.display())]
    PathTaken(PathBuf),
    #[error("the address cannot be cloned from: {reason}")]
    BadUrl { reason: &'static str },
    #[error("the address has a password or a token in it, which would be kept with it")]
    UrlSecret,
    #[error("the repository could not be cloned: {reason}")]
    CloneFailed { reason: String },
    #[error("the repository has more than {max} bytes")]
    CloneTooLarge { max: u64 },
    #[error("`{}` is no bundle of checkpoints", .0.display())]
    NotABundle(PathBuf),
    #[error("the bundle `{}` is cut or damaged", .0.display())]
    BundleDamaged(PathBuf),
    #[error("the bundle has {bytes} bytes, more than the {max} that are read")]
    BundleTooLarge { bytes: u64, max: u64 },
    #[error(
        "the bundle stands on {} commit(s) that are not in the repository, {} among them",
        .commits.len(), .commits.first().map_or("", Oid::as_str)
    )]
    BundleLacks { commits: Vec<Oid> },
    #[error("it was broken off")]
    Canceled,
    #[error("no object {0} in the repository")]
    NoObject(Oid),
    #[error("git {verb} took longer than {} s and was ended", .limit.as_secs())]
    TimedOut { verb: String, limit: Duration },
    #[error("git {verb} wrote more than {max} bytes")]
    OutputTooLarge { verb: String, max: usize },
    #[error("git {verb} failed with {code}: {stderr}")]
    Failed { verb: String, code: i32, stderr: String },
    #[error("git {verb} answered something unexpected")]
    Unexpected { verb: String },
    #[error("{what}: {error}")]
    Io { what: String, error: std::io::Error },
}

fn word(oid: Option<&Oid>) -> &str {
    oid.map_or("no commit", Oid::as_str)
}

fn list(paths: &[RepoPath]) -> String {
    paths.iter().map(RepoPath::as_str).collect::<Vec<_>>().join(", ")
}

impl GitError {
    pub(crate) fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }

    /// What a person can do about it.
    fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) => Some("give the path of a checkout that is there"),
            Self::NotARepo(_) => Some("run `git init` there, or give another path"),
            Self::Bare(_) => Some("give the path of a checkout of it"),
            Self::MergeConflict { .. } => Some(
                "ask the agent to merge your branch's changes to these files into its work, then land again",
            ),
            Self::InTheWay { .. } => {
                Some("commit, stash or move these files, then land again; nothing was changed")
            }
            Self::BranchExists(_) => {
                Some("give another name, or check it out as it is with --checkout BRANCH")
            }
            Self::NoBranch(_) => Some("leave --checkout out, and the branch is made"),
            Self::BranchInUse { .. } => Some("work there, or give another branch: a branch has one checkout"),
            Self::BadBranch(_) => Some(
                "a branch is letters, digits, `-`, `_`, `.` and `/`; names under coditect/ are for agents",
            ),
            Self::NoCommit(_) => Some("give a branch, a tag or a commit that `git log` shows"),
            Self::PathTaken(_) => Some("give another name, or move what is there"),
            Self::BadUrl { .. } => {
                Some("give https://HOST/PATH or user@HOST:PATH, or the path of a checkout")
            }
            Self::UrlSecret => Some(
                "give the address without it; where a password is needed clone it yourself and register the folder",
            ),
            Self::CloneFailed { .. } => Some(
                "mend it and add it again; nothing was kept. Or clone it yourself and register the folder",
            ),
            Self::GitMissing { .. } => Some(
                "install git (`apt install git`), see that it is on the PATH, and run `coditect daemon restart`",
            ),
            Self::GitTooOld { .. } => Some("install a newer git, and run `coditect daemon restart`"),
            Self::NotABundle(_) => {
                Some("give a file of the workspace's checkpoints/ folder, or a copy of one")
            }
            Self::BundleDamaged(_) => {
                Some("take another copy of the file, or another bundle; the repository was not changed")
            }
            Self::BundleLacks { .. } => Some(
                "import the bundles before it first: those of the same series, in their order; or it is another repository's",
            ),
            Self::CloneTooLarge { .. } => Some("clone it yourself and register the folder"),
            _ => None,
        }
    }

    /// Stable code of the error for faces and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::GitMissing { .. } => "git_missing",
            Self::GitTooOld { .. } => "git_too_old",
            Self::Missing(_) => "path_missing",
            Self::NotARepo(_) => "not_a_repo",
            Self::Bare(_) => "bare_repo",
            Self::Unlinked { .. } => "repo_unlinked",
            Self::Extension(_) => "repo_extension",
            Self::Moved { .. } => "branch_moved",
            Self::ReplayConflict { .. } => "replay_conflict",
            Self::MergeConflict { .. } => MERGE_CONFLICT,
            Self::InTheWay { .. } => "checkout_in_the_way",
            Self::NotASnapshot(_) => "not_a_snapshot",
            Self::BeyondSymlink(_) | Self::NotAFile(_) => "path_refused",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::TooMany { .. } => "too_many",
            Self::BadRef(_) => "bad_ref",
            Self::NoObject(_) => "no_object",
            Self::BadBranch(_) => "bad_branch",
            Self::BranchExists(_) => "branch_exists",
            Self::NoBranch(_) => NO_BRANCH,
            Self::BranchInUse { .. } => "branch_in_use",
            Self::NoCommit(_) => "no_commit",
            Self::PathTaken(_) => "path_taken",
            Self::BadUrl { .. } => "bad_url",
            Self::UrlSecret => "url_secret",
            Self::CloneFailed { .. } => "clone_failed",
            Self::CloneTooLarge { .. } => "clone_too_large",
            Self::NotABundle(_) => "not_a_bundle",
            Self::BundleDamaged(_) => "bundle_damaged",
            Self::BundleTooLarge { .. } => "bundle_too_large",
            Self::BundleLacks { .. } => "bundle_lacks_commits",
            Self::Canceled => "canceled",
            Self::TimedOut { .. } => "git_timed_out",
            Self::OutputTooLarge { .. } => "git_output_too_large",
            Self::Failed { .. } | Self::Unexpected { .. } => "git_failed",
            Self::Io { .. } => "io",
        }
    }
}

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Self {
        let kind = match &error {
            GitError::GitMissing { .. } | GitError::GitTooOld { .. } => RefusalKind::Unavailable,
            GitError::Moved { .. }
            | GitError::ReplayConflict { .. }
            | GitError::MergeConflict { .. }
            | GitError::BranchExists(_)
            | GitError::BranchInUse { .. }
            | GitError::PathTaken(_)
            | GitError::BundleLacks { .. }
            | GitError::Canceled
            | GitError::InTheWay { .. } => RefusalKind::Conflict,
            GitError::TimedOut { .. } => RefusalKind::Busy,
            GitError::CloneFailed { .. } => RefusalKind::Unavailable,
            GitError::Missing(_)
            | GitError::NotARepo(_)
            | GitError::Bare(_)
            | GitError::Unlinked { .. }
            | GitError::Extension(_)
            | GitError::NotASnapshot(_)
            | GitError::BeyondSymlink(_)
            | GitError::NotAFile(_)
            | GitError::FileTooLarge { .. }
            | GitError::TooMany { .. }
            | GitError::BadRef(_)
            | GitError::BadBranch(_)
            | GitError::NoBranch(_)
            | GitError::NoCommit(_)
            | GitError::BadUrl { .. }
            | GitError::UrlSecret
            | GitError::CloneTooLarge { .. }
            | GitError::NotABundle(_)
            | GitError::BundleDamaged(_)
            | GitError::BundleTooLarge { .. }
            | GitError::NoObject(_) => RefusalKind::Invalid,
            GitError::OutputTooLarge { .. }
            | GitError::Failed { .. }
            | GitError::Unexpected { .. }
            | GitError::Io { .. } => RefusalKind::Internal,
        };
        let refusal = Self::new(kind, error.code(), error.to_string());
        match error.next_step() {
            Some(step) => refusal.hint(step),
            None => refusal,
        }
    }
}
