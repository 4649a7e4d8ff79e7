//! Registrations.

use super::{at, lock, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Registration, RegistrationEnd};

statements! { STATEMENTS in Sessions {
    // A terminal session that was thought dead may announce itself again.
    UPSERT_REGISTRATION = "INSERT INTO registrations (registration_id, session_id, agent, open, seq, registered_at,
            data)
        VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)
        ON CONFLICT (registration_id) DO UPDATE
        SET session_id = excluded.session_id, agent = excluded.agent, open = 1, reason = NULL, ended_at = NULL,
            data = excluded.data";
    END_REGISTRATION = "UPDATE registrations SET open = 0, reason = ?2, ended_at = ?3
        WHERE registration_id = ?1 AND open = 1";
} }

pub(super) fn announced(
    db: &Connection,
    record: &Record,
    registration: &Registration,
) -> Result<(), StoreError> {
    run(
        db,
        &UPSERT_REGISTRATION,
        params![
            registration.id.to_string(),
            optional(registration.session),
            registration.agent,
            seq(record),
            registration.registered_at.as_millis(),
            column::to_json(registration)?
        ],
    )?;
    Ok(())
}

pub(super) fn ended(db: &Connection, record: &Record, end: &RegistrationEnd) -> Result<(), StoreError> {
    run(db, &END_REGISTRATION, params![end.registration.to_string(), end.reason, at(record)])?;
    lock::holder_ended(db, end.registration)
}
