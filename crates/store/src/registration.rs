//! History of registrations as the journal knows it. Who lives now is the bus's to say.

use crate::{StoreError, View};
use model::{Registration, RegistrationId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationRow {
    pub registration: Registration,
    /// `finished`, `died` or `expired`, once ended.
    pub reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

impl View<'_> {
    pub fn registration(&self, id: RegistrationId) -> Result<Option<RegistrationRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Announced and not ended, oldest first.
    pub fn open_registrations(&self) -> Result<Vec<RegistrationRow>, StoreError> {
        crate::store::unfinished(())
    }
}
