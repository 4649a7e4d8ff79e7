//! Compactions of sessions: the newest one that a reader may go by, and what went wrong.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{Compaction, CompactionFailure, SessionId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionRow {
    pub compaction: Compaction,
    /// Number of the last message it stands for.
    pub upto: u64,
}

statements! { QUERIES in Messages {
    NEWEST_COMPACTION = "SELECT data, upto_seq FROM compactions
        WHERE session_id = ?1 AND failed = 0 AND upto_seq <= ?2 ORDER BY upto_seq DESC, seq DESC LIMIT 1";
    COMPACTIONS_OF_SESSION = "SELECT data, upto_seq FROM compactions
        WHERE session_id = ?1 AND failed = 0 ORDER BY upto_seq DESC, seq DESC LIMIT ?2";
    LAST_COMPACTION_FAILURE = "SELECT data, upto_seq FROM compactions
        WHERE session_id = ?1 AND failed = 1 ORDER BY upto_seq DESC, seq DESC LIMIT 1";
} }

impl View<'_> {
    /// The compaction of the session that stands for the most, and for nothing after the event of that number.
    pub fn compaction_upto(
        &self,
        session: SessionId,
        upto: Option<u64>,
    ) -> Result<Option<CompactionRow>, StoreError> {
        let upto = upto.map_or(i64::MAX, |upto| i64::try_from(upto).unwrap_or(i64::MAX));
        self.row(&NEWEST_COMPACTION, params![session.to_string(), upto], read_compaction)
    }

    /// Those of the session, the one that stands for the most first.
    pub fn compactions(&self, session: SessionId, most: usize) -> Result<Vec<CompactionRow>, StoreError> {
        self.rows(&COMPACTIONS_OF_SESSION, params![session.to_string(), limit(most)], read_compaction)
    }

    /// What went wrong last, and the number of the last message there was then.
    pub fn compaction_failure(
        &self,
        session: SessionId,
    ) -> Result<Option<(CompactionFailure, u64)>, StoreError> {
        self.row(&LAST_COMPACTION_FAILURE, [session.to_string()], |row| {
            Ok((column::json(row, "data")?, column::unsigned(row, "upto_seq")?))
        })
    }
}

fn read_compaction(row: &Row<'_>) -> Result<CompactionRow, StoreError> {
    Ok(CompactionRow { compaction: column::json(row, "data")?, upto: column::unsigned(row, "upto_seq")? })
}
