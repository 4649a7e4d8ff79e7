//! Files of a checkout, on the wire.

use crate::operation::{Access::User, Method::Post, Operation};
use model::RepoPath;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which of the known contents of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestorePoint {
    /// What the file held when its lock was granted.
    BeforeLock,
    /// What the lock's holder left in it last.
    #[default]
    LastKnown,
}

/// Body of `POST /repos/{id}/restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRestore {
    /// Relative to the repository's root.
    #[schema(value_type = String)]
    pub path: RepoPath,
    #[serde(default)]
    pub to: RestorePoint,
}

/// A file that holds again what was known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoredFile {
    #[schema(value_type = String)]
    pub path: RepoPath,
    /// BLAKE3 (hex) of what it holds now.
    pub restored: String,
    /// The same of what it held before; none when there was no file.
    pub overwritten: Option<String>,
    /// The file in which that is kept.
    pub kept_at: Option<String>,
    /// Under whose lock it was written; none when nobody held one.
    pub holder: Option<String>,
}

/// What can be done with files.
pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Writes what a file held back to it, and keeps what it holds now.";
    vec![
        Operation::new("files", "restore_file", Post, "/repos/{id}/restore", User, summary)
            .body::<NewRestore>()
            .returns::<RestoredFile>(),
    ]
}
