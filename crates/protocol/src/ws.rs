//! The WebSocket: what a client says, what the daemon says, and the codes it closes with.
//!
//! A client connects, hears `hello`, sends one `subscribe` and then only listens. Events come in
//! order and without a gap. It resumes from the cursor of the last `event` or `position` it has
//! handled; after a `reset` it reads everything anew and goes on from `newest`.

use crate::event::{cursor_text, optional_cursor_text};
use crate::{Delta, EventRecord, Presences, Resource};
use model::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a client may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Starts the stream, or starts it again with other wishes.
    Subscribe(Subscription),
}

/// What a client wants to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Subscription {
    /// `epoch.seq` of the last event handled; none: only what happens from now on.
    #[serde(with = "optional_cursor_text")]
    #[schema(value_type = Option<String>)]
    pub after: Option<Cursor>,
    /// Only this session, by id or short id.
    pub session: Option<String>,
    /// Which feeds; empty: all of them.
    pub feeds: Vec<Feed>,
    /// The client that this connection stands for: it stays attached to `session`, or without one wherever it is attached, for as long
    /// as the connection lives.
    pub client: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    Events,
    Resources,
    Deltas,
    Presence,
}

impl Subscription {
    pub fn wants(&self, feed: Feed) -> bool {
        self.feeds.is_empty() || self.feeds.contains(&feed)
    }
}

/// What the daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// First, before anything was asked.
    Hello(Hello),
    Event(EventRecord),
    /// Comes before the `event` it follows from and carries the same cursor, so that a cursor is only
    /// handled when all of it has come.
    Resource(Resource),
    Delta(Delta),
    /// Somebody came to a session, left it, types, or has its input: who is there now.
    Presence(Presences),
    /// Everything up to here was sent; comes when the last of it was not an `event` message.
    Position(At),
    /// The cursor asked for is of history that was cut off or never was.
    Reset(Newest),
    /// Something the client said was not understood; or the last word before a close.
    Error(Complaint),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    pub version: String,
    pub api_revision: u32,
    /// The newest event at this moment.
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub newest: Cursor,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct At {
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub cursor: Cursor,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Newest {
    /// Where the stream goes on. What a client reads after this message is at least as new.
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub newest: Cursor,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Complaint {
    pub code: String,
    pub message: String,
}

/// Why the daemon closed. The codes below 4000 are those of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// 1001: the daemon stops; come back later and resume.
    Draining,
    /// 1002: not the WebSocket protocol.
    Protocol,
    /// 1007: text that is not UTF-8.
    NotText,
    /// 1009: a message or frame over the limit.
    TooBig,
    /// 1011: a fault of ours.
    Internal,
    /// 4400: a message that is not one of [`ClientMessage`].
    Malformed,
    /// 4401: the credential was taken away.
    Unauthorized,
    /// 4404: the session to watch does not exist.
    NotFound,
    /// 4408: the client does not read; resume from its cursor.
    SlowReader,
    /// 4410: no subscription came in time.
    NotSubscribed,
    /// 4412: not heard of for too long.
    Silent,
    /// 4429: more messages than a listener has to send.
    TooMany,
}

impl Close {
    pub const ALL: [Self; 12] = [
        Self::Draining,
        Self::Protocol,
        Self::NotText,
        Self::TooBig,
        Self::Internal,
        Self::Malformed,
        Self::Unauthorized,
        Self::NotFound,
        Self::SlowReader,
        Self::NotSubscribed,
        Self::Silent,
        Self::TooMany,
    ];

    pub const fn code(self) -> u16 {
        match self {
            Self::Draining => 1001,
            Self::Protocol => 1002,
            Self::NotText => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Malformed => 4400,
            Self::Unauthorized => 4401,
            Self::NotFound => 4404,
            Self::SlowReader => 4408,
            Self::NotSubscribed => 4410,
            Self::Silent => 4412,
            Self::TooMany => 4429,
        }
    }

    /// At most 123 bytes, as a close frame allows.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Draining => "the daemon stops; resume later",
            Self::Protocol => "not the WebSocket protocol",
            Self::NotText => "text that is not UTF-8",
            Self::TooBig => "the message is over the limit",
            Self::Internal => "the daemon failed",
            Self::Malformed => "not a message this daemon knows",
            Self::Unauthorized => "the credential was taken away",
            Self::NotFound => "no such session",
            Self::SlowReader => "too slow; resume from your cursor",
            Self::NotSubscribed => "no subscription came in time",
            Self::Silent => "not heard of for too long",
            Self::TooMany => "too many messages",
        }
    }

    /// Whether the client may come back and resume.
    pub const fn may_resume(self) -> bool {
        matches!(
            self,
            Self::Draining | Self::Internal | Self::SlowReader | Self::Silent | Self::NotSubscribed
        )
    }

    pub fn of_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|close| close.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_are_unique_and_their_reasons_fit() {
        let codes: std::collections::BTreeSet<u16> = Close::ALL.into_iter().map(Close::code).collect();
        assert_eq!(codes.len(), Close::ALL.len());
        for close in Close::ALL {
            assert!(close.reason().len() <= 123, "{close:?}");
            assert_eq!(Close::of_code(close.code()), Some(close));
        }
    }

    #[test]
    fn a_subscription_says_as_little_as_it_wants() {
        let read = |text: &str| serde_json::from_str::<ClientMessage>(text);
        let ClientMessage::Subscribe(all) = read(r#"{"type":"subscribe"}"#).unwrap();
        assert!(all.after.is_none() && all.wants(Feed::Deltas));
        let text = r#"{"type":"subscribe","after":"1.42","session":null,"feeds":["events"]}"#;
        let ClientMessage::Subscribe(some) = read(text).unwrap();
        assert_eq!(some.after, Some(Cursor { epoch: 1, seq: 42 }));
        assert!(some.wants(Feed::Events) && !some.wants(Feed::Deltas));
        for bad in [r#"{"type":"shout"}"#, r#"{"type":"subscribe","after":42}"#, "[]", r#"{"after":null}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_are_flat_and_named_by_type() {
        let cursor = Cursor { epoch: 1, seq: 2 };
        let text = serde_json::to_string(&ServerMessage::Reset(Newest { newest: cursor })).unwrap();
        assert_eq!(text, r#"{"type":"reset","newest":"1.2"}"#);
        let again: ServerMessage = serde_json::from_str(&text).unwrap();
        assert_eq!(again, ServerMessage::Reset(Newest { newest: cursor }));
    }
}
