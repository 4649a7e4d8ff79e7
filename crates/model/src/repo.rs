//! Registered git repositories.

use crate::{RepoId, Timestamp};
use serde::{Deserialize, Serialize};

/// A git repository the user registered. Adopted ones stay where they are.
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
}
