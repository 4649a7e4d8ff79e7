//! Errors on the wire, and what each kind means as an HTTP status and as an exit code.
//!
//! Invariant: what is inside a fault of ours stays inside. `internal` carries a constant message and
//! the correlation id; the log has the rest.

use model::{Refusal, RefusalKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every response that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What went wrong, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable, machine-readable, `snake_case`.
    pub code: String,
    pub message: String,
    /// The next step, as a sentence or a command.
    pub hint: Option<String>,
    /// Ties the error to the daemon's log.
    #[serde(default)]
    pub correlation: Option<String>,
}

/// Message of every fault of ours; what really happened is in the log.
pub const INTERNAL_MESSAGE: &str =
    "the daemon failed to do this; nothing was changed that was not acknowledged";

/// Code of the answer a daemon gives while it stops.
pub const DRAINING: &str = "draining";

/// HTTP status of a refusal.
pub const fn status(kind: RefusalKind) -> u16 {
    match kind {
        RefusalKind::Invalid => 400,
        RefusalKind::Forbidden => 403,
        RefusalKind::NotFound => 404,
        RefusalKind::Conflict => 409,
        RefusalKind::Busy => 429,
        RefusalKind::Internal => 500,
        RefusalKind::Unavailable => 503,
        RefusalKind::Full => 507,
    }
}

impl ErrorBody {
    /// What a client is told of a refusal.
    pub fn of(refusal: &Refusal, correlation: &str) -> Self {
        let internal = refusal.kind == RefusalKind::Internal;
        let (message, hint) = if internal {
            let hint = format!("look for {correlation} in the daemon's log, or run `coditect doctor`");
            (INTERNAL_MESSAGE.to_owned(), Some(hint))
        } else {
            (refusal.message.clone(), refusal.hint.clone())
        };
        Self {
            error: ErrorDetail {
                code: refusal.code.clone().into_owned(),
                message,
                hint,
                correlation: Some(correlation.to_owned()),
            },
        }
    }
}

/// What an error is to a shell. The codes are those of every command of the CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitClass {
    Failed,
    Usage,
    NotFound,
    Authentication,
    Conflict,
    Unreachable,
    TimedOut,
}

impl ExitClass {
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Authentication => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::TimedOut => 7,
        }
    }

    /// The class of an HTTP error.
    pub fn of(status: u16, code: &str) -> Self {
        match status {
            _ if code == DRAINING => Self::Unreachable,
            400 | 405 | 413 | 414 | 415 | 422 => Self::Usage,
            401 | 403 => Self::Authentication,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            408 | 504 => Self::TimedOut,
            502 => Self::Unreachable,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_does_not_say_where_it_happened() {
        let refusal = Refusal::internal("/home/ada/.coditect-data/journal: permission denied");
        let body = serde_json::to_string(&ErrorBody::of(&refusal, "c-17")).unwrap();
        assert!(!body.contains("/home"), "{body}");
        assert!(body.contains("c-17"), "{body}");
    }

    #[test]
    fn other_refusals_keep_their_words() {
        let refusal = Refusal::conflict("lock_held", "src/lib.rs is held by kimi").hint("wait");
        let body = ErrorBody::of(&refusal, "c-1").error;
        assert_eq!((body.code.as_str(), body.hint.as_deref()), ("lock_held", Some("wait")));
    }

    #[test]
    fn every_kind_has_a_status_of_its_own() {
        use RefusalKind::{Busy, Conflict, Forbidden, Full, Internal, Invalid, NotFound, Unavailable};
        let all = [Invalid, NotFound, Conflict, Forbidden, Busy, Full, Unavailable, Internal];
        let statuses: std::collections::BTreeSet<u16> = all.into_iter().map(status).collect();
        assert_eq!(statuses.len(), all.len());
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        for (status, code) in [(400, 2), (404, 3), (401, 4), (403, 4), (409, 5), (504, 7), (500, 1), (503, 1)]
        {
            assert_eq!(ExitClass::of(status, "").code(), code, "{status}");
        }
        assert_eq!(ExitClass::of(503, DRAINING).code(), 6);
    }
}
