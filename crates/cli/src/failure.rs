//! What ends a command early, with the exit code it has for a shell.
//!
//! Invariant: every failure has a stable code, and says what to do next where there is something to do.

use bus::{BusError, WorktreeError};
use client::ClientError;
use model::Refusal;
use protocol::{ErrorBody, ErrorDetail, ExitClass, status};
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    NotFound,
    Authentication,
    Conflict,
    Unreachable,
    TimedOut,
    NeedsInput,
    Interrupted,
    /// What the binary's own part of a command ended with.
    Foreign(ExitCode),
}

impl Exit {
    /// Every code with what it means, for the manual.
    pub(crate) const ALL: [(Self, &'static str); 10] = [
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Usage, "the command line or the request is wrong"),
        (Self::NotFound, "what was named does not exist"),
        (Self::Authentication, "not allowed, or the token cannot be used"),
        (Self::Conflict, "conflict: a lock is held, a name is taken, a task has ended"),
        (Self::Unreachable, "the daemon cannot be reached"),
        (Self::TimedOut, "timed out"),
        (Self::NeedsInput, "an agent waits for an answer"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The number; none for what the binary decided.
    pub(crate) const fn code(self) -> Option<u8> {
        Some(match self {
            Self::Foreign(_) => return None,
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Authentication => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::TimedOut => 7,
            Self::NeedsInput => 8,
            Self::Interrupted => 130,
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Foreign(code) => code,
            own => own.code().map_or(Self::FAILURE, Self::from),
        }
    }
}

impl From<ExitClass> for Exit {
    fn from(class: ExitClass) -> Self {
        match class {
            ExitClass::Failed => Self::Failed,
            ExitClass::Usage => Self::Usage,
            ExitClass::NotFound => Self::NotFound,
            ExitClass::Authentication => Self::Authentication,
            ExitClass::Conflict => Self::Conflict,
            ExitClass::Unreachable => Self::Unreachable,
            ExitClass::TimedOut => Self::TimedOut,
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) detail: ErrorDetail,
    /// Nobody reads stdout any more: nothing is left to be said.
    pub(crate) silent: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: impl Into<String>, message: impl Into<String>) -> Self {
        let detail =
            ErrorDetail { code: code.into(), message: message.into(), hint: None, correlation: None };
        Self { exit, detail, silent: false }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    pub(crate) fn timed_out(what: &str, limit: std::time::Duration) -> Self {
        Self::new(Exit::TimedOut, "timed_out", format!("{what} took longer than {} s", limit.as_secs()))
            .hint("it may still go on; wait longer with --timeout")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.detail.hint = Some(hint.into());
        self
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        Self::new(exit, "file_unusable", format!("{}: {error}", path.display()))
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody { error: self.detail.clone() }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let detail = ErrorDetail {
            code: error.code().to_owned(),
            message: error.to_string(),
            hint: error.hint(),
            correlation: error.correlation().map(str::to_owned),
        };
        Self { exit: error.exit_class().into(), detail, silent: false }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.code.as_ref() {
            "lock_wait_timeout" => Exit::TimedOut,
            code => ExitClass::of(status(refusal.kind), code).into(),
        };
        let detail = ErrorDetail {
            code: refusal.code.into_owned(),
            message: refusal.message,
            hint: refusal.hint,
            correlation: None,
        };
        Self { exit, detail, silent: false }
    }
}

impl From<WorktreeError> for Failure {
    fn from(error: WorktreeError) -> Self {
        Self::from(error.refusal())
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        let hint = match &error {
            BusError::Contended(_) => Some(
                "wait for it with `coditect lock acquire --wait`; `coditect lock who PATH` shows who holds it and who waits",
            ),
            BusError::TimedOut(_) => Some("`coditect lock who PATH` shows who holds it and who waits"),
            BusError::WouldDeadlock { .. } => {
                Some("give back what the others wait for, then ask again; `coditect lock who PATH` shows it")
            }
            BusError::NotRegistered(_) | BusError::Ended(_) => {
                Some("leave --holder out (and CODITECT_HOLDER unset) to be registered anew")
            }
            _ => None,
        };
        let failure = Self::from(error.refusal());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Errors of our own output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { silent: true, ..Self::new(Exit::Done, "pipe_closed", "nobody reads any more") };
        }
        Self::failed("output_failed", format!("the output could not be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RefusalKind;

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        let codes: Vec<u8> = Exit::ALL.iter().filter_map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
    }

    #[test]
    fn refusals_keep_code_words_and_class() {
        for (kind, exit) in [
            (RefusalKind::Invalid, Exit::Usage),
            (RefusalKind::NotFound, Exit::NotFound),
            (RefusalKind::Conflict, Exit::Conflict),
            (RefusalKind::Forbidden, Exit::Authentication),
            (RefusalKind::Busy, Exit::Failed),
            (RefusalKind::Full, Exit::Failed),
        ] {
            let failure = Failure::from(Refusal::new(kind, "some_code", "words").hint("next"));
            assert_eq!(failure.exit, exit, "{kind:?}");
            assert_eq!(failure.detail.code, "some_code");
            assert_eq!(failure.detail.hint.as_deref(), Some("next"));
        }
    }

    #[test]
    fn a_lock_not_got_in_time_is_a_timeout_and_one_held_a_conflict() {
        let held = Failure::from(BusError::Contended(bus::Contended::default()));
        let late = Failure::from(BusError::TimedOut(bus::Contended::default()));
        assert_eq!((held.exit, held.detail.code.as_str()), (Exit::Conflict, "lock_held"));
        assert_eq!((late.exit, late.detail.code.as_str()), (Exit::TimedOut, "lock_wait_timeout"));
        assert!(held.detail.hint.is_some() && late.detail.hint.is_some());
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.silent);
        assert_eq!(failure.exit, Exit::Done);
    }
}
