//! History of registrations as the journal knows it. Who lives now is the bus's to say.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{Registration, RegistrationId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationRow {
    pub registration: Registration,
    /// `finished`, `died` or `expired`, once ended.
    pub reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

statements! { QUERIES in Sessions {
    REGISTRATION = "SELECT data, reason, ended_at FROM registrations WHERE registration_id = ?1";
    OPEN_REGISTRATIONS = "SELECT data, reason, ended_at FROM registrations WHERE open = 1 ORDER BY seq";
} }

impl View<'_> {
    pub fn registration(&self, id: RegistrationId) -> Result<Option<RegistrationRow>, StoreError> {
        self.row(&REGISTRATION, [id.to_string()], read_registration)
    }

    /// Announced and not ended, oldest first.
    pub fn open_registrations(&self) -> Result<Vec<RegistrationRow>, StoreError> {
        self.rows(&OPEN_REGISTRATIONS, [], read_registration)
    }
}

fn read_registration(row: &Row<'_>) -> Result<RegistrationRow, StoreError> {
    Ok(RegistrationRow {
        registration: column::json(row, "data")?,
        reason: row.get("reason")?,
        ended_at: column::time_or_none(row, "ended_at")?,
    })
}
