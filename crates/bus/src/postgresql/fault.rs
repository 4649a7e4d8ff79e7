//! What the server's errors mean to whoever asked.

use super::BACKEND;
use crate::bus::WRITE_WAIT_MAX;
use crate::error::BusError;
use postgresql::Trouble;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

impl From<Trouble> for BusError {
    fn from(trouble: Trouble) -> Self {
        match &trouble {
            Trouble::Address(why) => return Self::BadAddress(why.clone()),
            Trouble::Start(_) => {
                return Self::Refused { backend: BACKEND, detail: trouble.to_string() };
            }
            away if away.is_away() => {
                return Self::Unreachable { backend: BACKEND, detail: away.to_string() };
            }
            _ => {}
        }
        let detail = trouble.to_string();
        match trouble.code() {
            Some("53100") => Self::Full,
            // Text with a zero byte, and the like.
            Some(code) if code.starts_with("22") => {
                Self::Invalid(format!("PostgreSQL cannot store it: {detail}"))
            }
            // Serialization, deadlock, a lock or a statement that took too long.
            Some("40001" | "40P01" | "55P03" | "57014") => Self::Busy(WRITE_WAIT_MAX),
            _ => Self::Refused { backend: BACKEND, detail },
        }
    }
}

/// A column of another shape than ours, and the like.
impl From<Error> for BusError {
    fn from(error: Error) -> Self {
        Trouble::from(error).into()
    }
}

/// True when the same may go well a moment later.
pub(crate) fn is_passing(error: &BusError) -> bool {
    matches!(error, BusError::Unreachable { .. } | BusError::Busy(_))
}

/// True for what a schema that is not there any more says.
pub(crate) fn is_gone(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|state| *state == SqlState::UNDEFINED_TABLE || *state == SqlState::UNDEFINED_FUNCTION)
}
