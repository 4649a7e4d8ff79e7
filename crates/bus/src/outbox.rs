//! The outbox: what happened here, for the daemon to put into the journal. Each row is written in
//! the transaction of the change it tells of.

use crate::bus::Bus;
use crate::error::BusError;
use model::Event;

/// Most rows in one read.
pub const OUTBOX_PAGE_MAX: usize = 1000;

#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Rises with commit order within one generation; with it, the idempotency key of the event.
    pub id: i64,
    pub event: Event,
}

impl Bus {
    /// Rows after `after`, oldest first, and the generation they belong to.
    pub fn outbox(&self, after: i64, limit: usize) -> Result<(String, Vec<OutboxRow>), BusError> {
        let _ = (after, limit);
        todo!()
    }

    /// The rows up to and including this one are in the journal and can go.
    pub fn outbox_done(&self, upto: i64) -> Result<(), BusError> {
        let _ = upto;
        todo!()
    }
}
