//! Files of worktrees on the wire: found by their names and words, and brought back.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use model::{RepoPath, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is looked for, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// Words that must all be in a file's path or text, each whole or as the beginning of one; case does not matter. A name is
    /// found by its parts, too: `checkRoom` and `check_room` by `room`. At most 16 words and 512 bytes.
    pub query: String,
    /// Name, id or short id of a repository; without it, all. Agents leave it out.
    pub repo: Option<String>,
    /// Path of a folder in a worktree, `repo/name`, name or id; without it, all. An agent finds files of its own.
    pub worktree: Option<String>,
    /// As in `rust`, `typescript`, `markdown`.
    pub language: Option<String>,
    /// This file, or what is in this folder; relative to the worktree's root.
    pub under: Option<String>,
    /// `true`: only files that differ from what is committed.
    pub changed: Option<bool>,
    /// At most 99; 20 without it.
    pub limit: Option<usize>,
}

/// How a file differs from what is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GitStatus {
    Clean,
    Modified,
    Staged,
    Untracked,
}

impl GitStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Modified => "modified",
            Self::Staged => "staged",
            Self::Untracked => "untracked",
        }
    }
}

/// A line of a file that has some of the words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundLine {
    /// From 1.
    pub number: usize,
    /// Without the blanks around it; at most 200 characters.
    pub text: String,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundFile {
    /// Relative to the worktree's root.
    #[schema(value_type = String)]
    pub path: RepoPath,
    /// Where the worktree is. Of several that have the file with this content, the repository's own checkout.
    pub worktree: String,
    /// How many more worktrees have it with this content.
    pub also_in: u64,
    /// Name of the repository.
    pub repo: String,
    pub language: Option<String>,
    pub bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    pub modified_at: Timestamp,
    /// BLAKE3 (hex); none of what is too long to be read.
    pub content_hash: Option<String>,
    pub git_status: GitStatus,
    /// The agent that has it locked for writing.
    pub agent_lock: Option<String>,
    /// The session that left it so, if that is known.
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// At most 5, of the file as it is now; empty when only the path has the words.
    pub lines: Vec<FoundLine>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesFound {
    /// The best first.
    pub items: Vec<FoundFile>,
    /// There are more than that.
    pub more: bool,
    /// The worktrees are still being looked at: what was changed lately may be missing.
    pub behind: bool,
}

/// Body of `POST /files/index`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexOrder {
    /// Name, id or short id of a repository; without it, all.
    #[serde(default)]
    pub repo: Option<String>,
    /// From nothing.
    #[serde(default)]
    pub anew: bool,
}

/// What is in the file index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexReport {
    pub worktrees: u64,
    pub files: u64,
    /// The same content at the same path counts once, in however many worktrees it is.
    pub documents: u64,
    /// Files that cannot be named, and those beyond 100,000 of one worktree.
    pub left_out: u64,
    /// That workspace_idx.db takes.
    pub bytes: u64,
}

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
    let search = "Finds files of the worktrees by their names and the words in them.";
    let index = "Looks at the files of the worktrees now, and says what the file index holds.";
    vec![
        Operation::new("files", "search_files", Get, "/files", Run, search)
            .query::<FileQuery>()
            .returns::<FilesFound>(),
        Operation::new("files", "index_files", Post, "/files/index", User, index)
            .body::<IndexOrder>()
            .returns::<IndexReport>(),
        Operation::new("files", "restore_file", Post, "/repos/{id}/restore", User, summary)
            .body::<NewRestore>()
            .returns::<RestoredFile>(),
    ]
}
