//! Worktrees: where they are, who has which ports, and what is in the trash.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{RepoId, ScriptEnd, ScriptKind, SessionId, TrashedWorktree, Worktree, WorktreeId};

/// It can be worked in.
pub(crate) const LIVE: &str = "live";
/// It was put aside.
pub(crate) const TRASHED: &str = "trashed";

/// A worktree as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeRow {
    pub worktree: Worktree,
    /// Set while it is in the trash.
    pub trashed: Option<TrashedWorktree>,
}

/// The last time a script of a worktree was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRow {
    pub script: ScriptKind,
    pub hash: String,
    /// None while it runs.
    pub end: Option<ScriptEnd>,
}

statements! { QUERIES in Sessions {
    WORKTREES = "SELECT data, port_base, trash FROM worktrees WHERE state = ?1 ORDER BY path";
    WORKTREE = "SELECT data, port_base, trash FROM worktrees WHERE worktree_id = ?1";
    WORKTREES_BY_NAME = "SELECT data, port_base, trash FROM worktrees WHERE repo_id = ?1 AND name = ?2 ORDER BY seq";
    WORKTREES_BY_PATH = "SELECT data, port_base, trash FROM worktrees WHERE path = ?1 ORDER BY seq";
    WORKTREE_OF = "SELECT worktree_id FROM worktree_sessions WHERE session_id = ?1";
    SESSIONS_IN = "SELECT session_id FROM worktree_sessions WHERE worktree_id = ?1 ORDER BY session_id";
    SCRIPTS = "SELECT script, hash, data FROM worktree_scripts WHERE worktree_id = ?1 ORDER BY script";
} }

impl View<'_> {
    /// Those that can be worked in, by path.
    pub fn live_worktrees(&self) -> Result<Vec<WorktreeRow>, StoreError> {
        self.rows(&WORKTREES, [LIVE], read)
    }

    /// Those in the trash, by the paths they had.
    pub fn trashed_worktrees(&self) -> Result<Vec<WorktreeRow>, StoreError> {
        self.rows(&WORKTREES, [TRASHED], read)
    }

    pub fn worktree(&self, id: WorktreeId) -> Result<Option<WorktreeRow>, StoreError> {
        self.row(&WORKTREE, [id.to_string()], read)
    }

    /// Those of that name, the live one and what is in the trash.
    pub fn worktrees_named(&self, repo: RepoId, name: &str) -> Result<Vec<WorktreeRow>, StoreError> {
        self.rows(&WORKTREES_BY_NAME, [repo.to_string().as_str(), name], read)
    }

    /// The live one at a canonical path.
    pub fn worktree_at(&self, path: &str) -> Result<Option<WorktreeRow>, StoreError> {
        Ok(self.rows(&WORKTREES_BY_PATH, [path], read)?.into_iter().find(|row| row.trashed.is_none()))
    }

    /// The worktree that a session was told to work in; it may be in the trash, or gone.
    pub fn worktree_of(&self, session: SessionId) -> Result<Option<WorktreeId>, StoreError> {
        self.row(&WORKTREE_OF, [session.to_string()], |row| column::parsed(row, "worktree_id"))
    }

    /// The sessions that were told to work in a worktree.
    pub fn sessions_in(&self, id: WorktreeId) -> Result<Vec<SessionId>, StoreError> {
        self.rows(&SESSIONS_IN, [id.to_string()], |row| column::parsed(row, "session_id"))
    }

    pub fn worktree_scripts(&self, id: WorktreeId) -> Result<Vec<ScriptRow>, StoreError> {
        self.rows(&SCRIPTS, [id.to_string()], |row| {
            let (script, end) = (column::word(row, "script")?, column::json_or_none(row, "data")?);
            Ok(ScriptRow { script, hash: row.get("hash")?, end })
        })
    }
}

fn read(row: &Row<'_>) -> Result<WorktreeRow, StoreError> {
    let mut worktree: Worktree = column::json(row, "data")?;
    // It may have changed when it came back from the trash.
    worktree.port_base = u16::try_from(column::small(row, "port_base")?).unwrap_or(worktree.port_base);
    Ok(WorktreeRow { worktree, trashed: column::json_or_none(row, "trash")? })
}
