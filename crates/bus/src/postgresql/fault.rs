//! What the server's errors mean to whoever asked.

use super::BACKEND;
use crate::bus::WRITE_WAIT_MAX;
use crate::error::BusError;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

impl From<Error> for BusError {
    fn from(error: Error) -> Self {
        let Some(state) = error.code() else {
            return if error.is_closed() || is_io(&error) {
                unreachable(&error)
            } else {
                Self::Refused { backend: BACKEND, detail: chain(&error) }
            };
        };
        match state.code() {
            // Connection lost, server shutting down or starting, a standby, too many connections, a transaction ended
            // because its client was silent.
            "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" | "25P03" | "25P04" => {
                unreachable(&error)
            }
            code if code.starts_with("08") => unreachable(&error),
            "53100" => Self::Full,
            // Text with a zero byte, and the like.
            code if code.starts_with("22") => {
                Self::Invalid(format!("PostgreSQL cannot store it: {}", chain(&error)))
            }
            // Serialization, deadlock, a lock or a statement that took too long.
            "40001" | "40P01" | "55P03" | "57014" => Self::Busy(WRITE_WAIT_MAX),
            _ => Self::Refused { backend: BACKEND, detail: chain(&error) },
        }
    }
}

fn unreachable(error: &Error) -> BusError {
    BusError::Unreachable { backend: BACKEND, detail: chain(error) }
}

/// The server took what was sent, and says nothing.
pub(crate) fn silent(waited: Duration) -> BusError {
    BusError::Unreachable { backend: BACKEND, detail: format!("no answer within {waited:?}") }
}

/// Nothing more can be asked on this connection.
pub(crate) fn closed() -> BusError {
    BusError::Unreachable { backend: BACKEND, detail: "the connection is closed".to_owned() }
}

fn is_io(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.is::<std::io::Error>() {
            return true;
        }
        source = inner.source();
    }
    false
}

/// The error and its causes. What the server says may quote a user's name, never a password.
fn chain(error: &Error) -> String {
    if let Some(told) = error.as_db_error() {
        return told.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
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
