//! What a client says, and what its mistakes are called.

use protocol::ws::{ClientMessage, Close, Subscription};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What one frame meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Subscribe(Subscription),
    /// A sign of life and no more.
    Alive,
    /// The client is gone, or says so.
    Gone,
    /// The client broke a rule.
    Wrong(Close),
}

pub(crate) fn heard(frame: Option<Result<Message, Error>>) -> Heard {
    match frame {
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(ClientMessage::Subscribe(subscription)) => Heard::Subscribe(subscription),
            Err(_) => Heard::Wrong(Close::Malformed),
        },
        Some(Ok(Message::Binary(_))) => Heard::Wrong(Close::Malformed),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Alive,
        Some(Ok(Message::Close(_))) | None => Heard::Gone,
        Some(Err(error)) => of(&error),
    }
}

fn of(error: &Error) -> Heard {
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        Error::Capacity(_) => Heard::Wrong(Close::TooBig),
        Error::Utf8(_) => Heard::Wrong(Close::NotText),
        // It just went away.
        Error::Protocol(ResetWithoutClosingHandshake) => Heard::Gone,
        Error::Protocol(_) | Error::AttackAttempt => Heard::Wrong(Close::Protocol),
        _ => Heard::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Heard {
        heard(Some(Ok(Message::text(text))))
    }

    #[test]
    fn a_subscription_and_signs_of_life_are_all_there_is_to_say() {
        assert!(matches!(text(r#"{"type":"subscribe","after":"1.2"}"#), Heard::Subscribe(_)));
        assert_eq!(heard(Some(Ok(Message::Pong(Default::default())))), Heard::Alive);
        assert_eq!(heard(None), Heard::Gone);
        for wrong in ["", "{}", "null", r#"{"type":"event"}"#, &"[".repeat(100_000)] {
            assert_eq!(text(wrong), Heard::Wrong(Close::Malformed), "{}", wrong.len());
        }
        assert_eq!(heard(Some(Ok(Message::binary(vec![1])))), Heard::Wrong(Close::Malformed));
    }
}
