//! What can go wrong with a request, and what it means to whoever asked.

use super::address::Address;
use crate::error::BusError;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};

/// Why a request did not do what it should.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Somebody else changed it first.
    Overtaken,
    /// A stream is not there any more.
    Missing,
    /// More than the server takes in one message.
    TooLarge,
    /// The server's disk, or the account's share of it, is full.
    Full,
    /// The server does not let us, or cannot.
    Refused(String),
    /// There is no connection: nothing was sent.
    Down(String),
    /// It was sent, and no answer came.
    Lost(String),
}

impl Fault {
    pub(crate) fn lost(error: impl std::fmt::Display) -> Self {
        Self::Lost(error.to_string())
    }

    pub(crate) fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        match error.kind() {
            PublishErrorKind::WrongLastSequence => Self::Overtaken,
            PublishErrorKind::StreamNotFound => Self::Missing,
            PublishErrorKind::MaxPayloadExceeded => Self::TooLarge,
            PublishErrorKind::Other => {
                // The server's own words are the cause of the library's error.
                let text =
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                let full = ["error code 10023", "error code 10047", "error code 10077", "maximum bytes"];
                if full.iter().any(|sign| text.contains(sign)) { Self::Full } else { Self::Refused(text) }
            }
            _ => Self::lost(error),
        }
    }
}

pub(crate) fn told(address: &Address, fault: Fault) -> BusError {
    let refused = |detail: String| BusError::Refused { backend: "nats", detail };
    match fault {
        Fault::Full => BusError::Full,
        Fault::Overtaken => BusError::Busy(crate::WRITE_WAIT_MAX),
        Fault::Missing => refused("the streams of this workspace are gone; open the bus again".to_owned()),
        Fault::TooLarge => refused("a message is larger than the server takes (max_payload)".to_owned()),
        Fault::Refused(detail) => refused(address.scrub(&detail)),
        Fault::Down(detail) | Fault::Lost(detail) => {
            BusError::Unreachable { backend: "nats", detail: address.scrub(&detail) }
        }
    }
}

/// For a request that changes something: sent and not answered, it may have.
pub(crate) fn unanswered(address: &Address, fault: Fault) -> BusError {
    match fault {
        Fault::Lost(_) => BusError::Unanswered { backend: "nats" },
        fault => told(address, fault),
    }
}
