//! The merge queue: what waits, what is tried, and how it ended.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{MergeChange, MergeEntry, MergeId, MergeMode, MergeState, RepoId, Timestamp};

/// An entry as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRow {
    /// With the priority and the mode it has now.
    pub entry: MergeEntry,
    pub state: MergeState,
    /// Among equals of priority the lower goes first.
    pub rank: u64,
    /// How often it was tried.
    pub attempt: u32,
    /// What was said of it last.
    pub change: Option<MergeChange>,
    pub updated_at: Timestamp,
}

statements! { QUERIES in Sessions {
    MERGE = "SELECT data, state, priority, rank, attempt, mode, updated_at, change FROM merges WHERE merge_id = ?1";
    OPEN_MERGES = "SELECT data, state, priority, rank, attempt, mode, updated_at, change FROM merges
        WHERE is_open = 1 ORDER BY priority DESC, rank";
    ENDED_MERGES = "SELECT data, state, priority, rank, attempt, mode, updated_at, change FROM merges
        WHERE is_open = 0 ORDER BY seq DESC LIMIT ?1";
    ENDED_MERGES_OF = "SELECT data, state, priority, rank, attempt, mode, updated_at, change FROM merges
        WHERE repo_id = ?1 AND is_open = 0 ORDER BY seq DESC LIMIT ?2";
} }

impl View<'_> {
    pub fn merge(&self, id: MergeId) -> Result<Option<MergeRow>, StoreError> {
        self.row(&MERGE, [id.to_string()], read)
    }

    /// Of all repos, in the order in which they will be tried.
    pub fn open_merges(&self) -> Result<Vec<MergeRow>, StoreError> {
        self.rows(&OPEN_MERGES, [], read)
    }

    /// Those that are over, of one repo or of all, the one that was added last first.
    pub fn ended_merges(&self, repo: Option<RepoId>, most: usize) -> Result<Vec<MergeRow>, StoreError> {
        match repo {
            None => self.rows(&ENDED_MERGES, params![limit(most)], read),
            Some(repo) => self.rows(&ENDED_MERGES_OF, params![repo.to_string(), limit(most)], read),
        }
    }
}

fn read(row: &Row<'_>) -> Result<MergeRow, StoreError> {
    let mut entry: MergeEntry = column::json(row, "data")?;
    entry.priority = row.get("priority")?;
    let mode: MergeMode = column::word(row, "mode")?;
    entry.mode = mode;
    Ok(MergeRow {
        entry,
        state: column::word(row, "state")?,
        rank: column::unsigned(row, "rank")?,
        attempt: column::small(row, "attempt")?,
        change: column::json_or_none(row, "change")?,
        updated_at: column::time(row, "updated_at")?,
    })
}
