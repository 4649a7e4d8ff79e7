//! How sessions descend from each other. A session comes out of one other at most: it was forked from it, or spawned by it.
//!
//! Invariant: whatever the size of a family, no look at it reads more of it than it was asked for.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{SessionId, SessionState};

/// Farthest relative that is looked for.
pub const GENEALOGY_DEPTH: u32 = 64;

/// A relative of a session in the genealogy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    pub session: SessionId,
    pub title: String,
    pub state: SessionState,
    pub archived: bool,
    pub parent: Option<SessionId>,
    pub forked_from: Option<SessionId>,
    /// Steps away; 1 is a parent or a child.
    pub depth: u32,
    seq: i64,
}

statements! { QUERIES in Sessions {
    KIN = "SELECT session_id, title, status, parent_session_id AS parent, forked_from_session_id AS fork,
        archived_at AS archived, seq, 0 AS depth FROM sessions WHERE session_id = ?1 AND removed_at IS NULL";
    // The columns travel inside the recursion and CROSS JOIN fixes its order. Joining `sessions` once more at the end
    // reads the whole table. Nothing is sorted here: so no more is walked than is asked for, and it comes nearest first.
    ANCESTORS = "WITH RECURSIVE up (session_id, title, status, parent, fork, source, archived, removed, seq, depth) AS (
            SELECT session_id, title, status, parent_session_id, forked_from_session_id, source_id, archived_at,
                removed_at, seq, 0
            FROM sessions WHERE session_id = ?1
            UNION ALL
            SELECT s.session_id, s.title, s.status, s.parent_session_id, s.forked_from_session_id, s.source_id,
                s.archived_at, s.removed_at, s.seq, up.depth + 1
            FROM up CROSS JOIN sessions s
            WHERE up.depth < ?2 AND s.session_id = up.source
        )
        SELECT session_id, title, status, parent, fork, archived, seq, depth FROM up
        WHERE depth > 0 AND removed IS NULL LIMIT ?3";
    DESCENDANTS = "WITH RECURSIVE down (session_id, title, status, parent, fork, archived, removed, seq, depth) AS (
            SELECT session_id, title, status, parent_session_id, forked_from_session_id, archived_at, removed_at,
                seq, 0
            FROM sessions WHERE session_id = ?1
            UNION ALL
            SELECT s.session_id, s.title, s.status, s.parent_session_id, s.forked_from_session_id, s.archived_at,
                s.removed_at, s.seq, down.depth + 1
            FROM down CROSS JOIN sessions s
            WHERE down.depth < ?2 AND s.source_id = down.session_id
        )
        SELECT session_id, title, status, parent, fork, archived, seq, depth FROM down
        WHERE depth > 0 AND removed IS NULL LIMIT ?3";
} }

impl View<'_> {
    /// The session as its relatives are shown.
    pub fn kin(&self, id: SessionId) -> Result<Option<Kin>, StoreError> {
        self.row(&KIN, [id.to_string()], read_kin)
    }

    /// Sessions this one comes from, nearest first, at most [`GENEALOGY_DEPTH`] steps away.
    pub fn ancestors(&self, id: SessionId) -> Result<Vec<Kin>, StoreError> {
        let most = limit(GENEALOGY_DEPTH as usize);
        self.rows(&ANCESTORS, params![id.to_string(), GENEALOGY_DEPTH, most], read_kin)
    }

    /// Sessions that come from this one, nearest first and then in the order of their making: at most `most` of them, and at
    /// most `depth` steps away.
    pub fn descendants(&self, id: SessionId, depth: u32, most: usize) -> Result<Vec<Kin>, StoreError> {
        let depth = depth.min(GENEALOGY_DEPTH);
        let mut found = self.rows(&DESCENDANTS, params![id.to_string(), depth, limit(most)], read_kin)?;
        found.sort_by_key(|kin| (kin.depth, kin.seq));
        Ok(found)
    }
}

fn read_kin(row: &Row<'_>) -> Result<Kin, StoreError> {
    Ok(Kin {
        session: column::parsed(row, "session_id")?,
        title: row.get("title")?,
        state: column::word(row, "status")?,
        archived: row.get::<_, Option<i64>>("archived")?.is_some(),
        parent: column::parsed_or_none(row, "parent")?,
        forked_from: column::parsed_or_none(row, "fork")?,
        depth: column::small(row, "depth")?,
        seq: row.get("seq")?,
    })
}
