//! What becomes due: deadlines, further attempts, leases of claimed tasks, ends of vendors' pauses.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{SessionId, TaskId, Timestamp, VendorPause};

statements! { QUERIES in Sessions {
    LATE_TASKS = "SELECT task_id, session_id FROM tasks
        WHERE open = 1 AND deadline IS NOT NULL AND deadline <= ?1 ORDER BY deadline LIMIT ?2";
    NEXT_DEADLINE = "SELECT deadline AS at FROM tasks
        WHERE open = 1 AND deadline IS NOT NULL ORDER BY deadline LIMIT 1";
    AGAIN_BETWEEN = "SELECT task_id, session_id FROM tasks
        WHERE open = 1 AND not_before IS NOT NULL AND not_before > ?1 AND not_before <= ?2 ORDER BY not_before LIMIT ?3";
    NEXT_AGAIN = "SELECT not_before AS at FROM tasks
        WHERE open = 1 AND not_before IS NOT NULL AND not_before > ?1 ORDER BY not_before LIMIT 1";
    LOST_CLAIMS = "SELECT task_id, session_id FROM tasks
        WHERE claim_expires_at IS NOT NULL AND claim_expires_at <= ?1 ORDER BY claim_expires_at LIMIT ?2";
    NEXT_LOST_CLAIM = "SELECT claim_expires_at AS at FROM tasks
        WHERE claim_expires_at IS NOT NULL ORDER BY claim_expires_at LIMIT 1";
    VENDOR_PAUSES = "SELECT vendor, until, reason FROM vendor_pauses ORDER BY vendor";
} }

/// A task something is due of.
pub type DueTask = (TaskId, SessionId);

impl View<'_> {
    /// Tasks whose deadline has passed, the latest first.
    pub fn late_tasks(&self, now: Timestamp, most: usize) -> Result<Vec<DueTask>, StoreError> {
        self.rows(&LATE_TASKS, params![now.as_millis(), limit(most)], read_due)
    }

    pub fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.row(&NEXT_DEADLINE, [], |row| column::time(row, "at"))
    }

    /// Tasks that may be tried again since then.
    pub fn tasks_again(
        &self,
        since: Timestamp,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueTask>, StoreError> {
        self.rows(&AGAIN_BETWEEN, params![since.as_millis(), now.as_millis(), limit(most)], read_due)
    }

    pub fn next_again(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.row(&NEXT_AGAIN, params![now.as_millis()], |row| column::time(row, "at"))
    }

    /// Claimed tasks whose lease was not renewed.
    pub fn lost_claims(&self, now: Timestamp, most: usize) -> Result<Vec<DueTask>, StoreError> {
        self.rows(&LOST_CLAIMS, params![now.as_millis(), limit(most)], read_due)
    }

    pub fn next_lost_claim(&self) -> Result<Option<Timestamp>, StoreError> {
        self.row(&NEXT_LOST_CLAIM, [], |row| column::time(row, "at"))
    }

    /// The last pause of each vendor, over or not.
    pub fn vendor_pauses(&self) -> Result<Vec<VendorPause>, StoreError> {
        self.rows(&VENDOR_PAUSES, [], |row| {
            Ok(VendorPause {
                vendor: column::word(row, "vendor")?,
                until: column::time(row, "until")?,
                reason: row.get("reason")?,
            })
        })
    }
}

fn read_due(row: &Row<'_>) -> Result<DueTask, StoreError> {
    Ok((column::parsed(row, "task_id")?, column::parsed(row, "session_id")?))
}
