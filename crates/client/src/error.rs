//! What can go wrong between a client and its daemon, in the words and exit codes of the CLI.

use protocol::{ErrorDetail, ExitClass};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no daemon of this data root, as far as files tell.
    #[error("no daemon runs for {}", data_root.display())]
    NotRunning { data_root: PathBuf },
    #[error("the daemon at {address} does not answer: {reason}")]
    Unreachable { address: String, reason: String },
    /// Whoever listens there could not show that it knows the token; it was told nothing.
    #[error("what listens at {address} is not your daemon: {reason}")]
    Unproven { address: String, reason: String },
    #[error("the daemon speaks revision {daemon} of the API and this is revision {client}")]
    Revision { daemon: u32, client: u32 },
    #[error("the token at {} cannot be used: {reason}", path.display())]
    Token { path: PathBuf, reason: String },
    /// An agent's command never acts as the user instead.
    #[error("the run's credential at {} cannot be used: {reason}", path.display())]
    RunToken { path: PathBuf, reason: String },
    /// The daemon understood and said no.
    #[error("{}", detail.message)]
    Refused { status: u16, detail: ErrorDetail },
    #[error("the daemon did not answer within {} s", limit.as_secs())]
    TimedOut { limit: Duration },
    #[error("the daemon's answer is not one this client understands: {reason}")]
    Malformed { reason: String },
}

impl ClientError {
    /// Stable, machine-readable, `snake_case`.
    pub fn code(&self) -> &str {
        match self {
            Self::NotRunning { .. } => "daemon_not_running",
            Self::Unreachable { .. } => "daemon_unreachable",
            Self::Unproven { .. } => "daemon_unproven",
            Self::Revision { .. } => "version_mismatch",
            Self::Token { .. } => "token_unusable",
            Self::RunToken { .. } => "run_token_unusable",
            Self::Refused { detail, .. } => &detail.code,
            Self::TimedOut { .. } => "timed_out",
            Self::Malformed { .. } => "answer_malformed",
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { detail, .. } => return detail.hint.clone(),
            Self::NotRunning { .. } => "start it with `coditect up`",
            Self::Unreachable { .. } => "see `coditect daemon status`, or start it again with `coditect up`",
            Self::Unproven { .. } => {
                "another program took the daemon's place; start the daemon again with `coditect up`"
            }
            Self::Revision { .. } | Self::Malformed { .. } => {
                "restart the daemon with this version: `coditect daemon restart`"
            }
            Self::Token { .. } => {
                "stop the daemon, remove the token file and run `coditect up` to make a new one"
            }
            Self::RunToken { .. } => {
                "the run has ended; outside of a run, unset CODITECT_RUN and CODITECT_TOKEN_FILE"
            }
            Self::TimedOut { .. } => {
                "it may still be done: ask again with the same command, or raise --timeout"
            }
        };
        Some(hint.to_owned())
    }

    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::NotRunning { .. } | Self::Unreachable { .. } | Self::Unproven { .. } => {
                ExitClass::Unreachable
            }
            Self::Revision { .. } | Self::Malformed { .. } => ExitClass::Failed,
            Self::Token { .. } | Self::RunToken { .. } => ExitClass::Authentication,
            Self::Refused { status, detail } => ExitClass::of(*status, &detail.code),
            Self::TimedOut { .. } => ExitClass::TimedOut,
        }
    }

    /// What the daemon's log knows the failed request by.
    pub fn correlation(&self) -> Option<&str> {
        match self {
            Self::Refused { detail, .. } => detail.correlation.as_deref(),
            _ => None,
        }
    }

    /// Whether the daemon may be there again in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NotRunning { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 503),
            Self::Unproven { .. }
            | Self::Revision { .. }
            | Self::Token { .. }
            | Self::RunToken { .. }
            | Self::Malformed { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_code_hint_and_exit_class() {
        let gone = ClientError::NotRunning { data_root: "/srv/data".into() };
        assert_eq!((gone.code(), gone.exit_class().code()), ("daemon_not_running", 6));
        assert!(gone.hint().is_some_and(|hint| hint.contains("coditect up")));
        let held = ClientError::Refused {
            status: 409,
            detail: ErrorDetail {
                code: "lock_held".to_owned(),
                message: "kimi holds src/lib.rs".to_owned(),
                hint: Some("wait".to_owned()),
                correlation: Some("c-9".to_owned()),
            },
        };
        assert_eq!((held.code(), held.exit_class().code()), ("lock_held", 5));
        assert_eq!((held.to_string().as_str(), held.correlation()), ("kimi holds src/lib.rs", Some("c-9")));
    }
}
