//! Registered git repositories.

use crate::{RepoId, Timestamp};
use serde::{Deserialize, Serialize};

/// A git repository the user registered. Adopted ones stay where they are, managed ones were cloned into the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    pub id: RepoId,
    /// Short name, unique in the workspace.
    pub slug: String,
    /// Canonical absolute path of the main worktree.
    pub path: String,
    pub default_branch: Option<String>,
    /// Command that runs the repository's tests, as argv. Only the user sets it; repo bytes never do.
    pub test_command: Option<Vec<String>>,
    pub added_at: Timestamp,
    /// What it was cloned from; none for one that was adopted. Never with a secret.
    #[serde(default)]
    pub url: Option<String>,
    /// Hashes of the scripts of its worktrees that the user trusts.
    #[serde(default)]
    pub trusted: Vec<String>,
}

/// A repository begins to be cloned. It ends with `repo.added` or `repo.clone_failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneStart {
    pub repo: RepoId,
    /// The name it is to have; taken from now on.
    pub slug: String,
    pub url: String,
    pub started_at: Timestamp,
}

/// How far a clone is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneStep {
    pub repo: RepoId,
    /// As git calls it.
    pub phase: String,
    /// Of the phase.
    pub percent: Option<u8>,
    /// What has come.
    pub bytes: u64,
}

/// A clone came to nothing, and left nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneFailure {
    pub repo: RepoId,
    /// As in a refusal; `canceled` when somebody ended it.
    pub code: String,
    pub message: String,
}
