//! Why a call came to nothing.

use std::time::Duration;
use tokio_postgres::Error;

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The URL, or what it names on this machine, is of no use.
    #[error("{0}")]
    Address(String),
    #[error("the connection to PostgreSQL cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// The server or the connection said so.
    #[error("{}", told(.0))]
    Told(#[from] Error),
    /// No answer came for so long.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// A call before this one got no answer.
    #[error("the connection is closed")]
    Over,
}

/// What the server said, or the error and its causes. It may quote a user's name, never a password.
pub fn told(error: &Error) -> String {
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

impl Trouble {
    /// The server's code for it, five characters; none when it was not the server that said so.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Told(error) => error.code().map(|state| state.code()),
            _ => None,
        }
    }

    /// True when there is no server to talk to for now: lost, silent, starting, ending, a standby, or full of connections.
    pub fn is_away(&self) -> bool {
        match (self, self.code()) {
            (_, Some("57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" | "25P03" | "25P04")) => true,
            (_, Some(code)) => code.starts_with("08"),
            (Self::Told(error), None) => error.is_closed() || is_io(error),
            (Self::Silent(_) | Self::Over, None) => true,
            (Self::Address(_) | Self::Start(_), None) => false,
        }
    }
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
