//! Notices: bus messages on a channel.

use crate::{RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest payload of a notice, in bytes.
pub const NOTICE_PAYLOAD_MAX: usize = 64 * 1024;
/// Longest channel name, in characters.
pub const CHANNEL_MAX: usize = 64;

/// Where a notice goes: the seed's four channels and named ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

impl Channel {
    pub fn state() -> Self {
        Self("state".to_owned())
    }

    pub fn file_conflict() -> Self {
        Self("file_conflict".to_owned())
    }

    pub fn task_broadcast() -> Self {
        Self("task_broadcast".to_owned())
    }

    pub fn heartbeat() -> Self {
        Self("heartbeat".to_owned())
    }

    /// Seconds a notice on this channel lives unless its sender says otherwise (the seed's table).
    pub fn default_ttl_seconds(&self) -> u32 {
        match self.0.as_str() {
            "state" => 60,
            "heartbeat" => 30,
            "task_broadcast" => 600,
            _ => 300,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let ok = !given.is_empty()
            && given.len() <= CHANNEL_MAX
            && given.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
        if ok {
            Ok(Self(given.to_owned()))
        } else {
            Err(format!("a channel is 1 to {CHANNEL_MAX} letters, digits, `_`, `-`, `.` or `:`"))
        }
    }
}

impl TryFrom<String> for Channel {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        given.parse()
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Position on the bus: rises with commit order within one generation of messaging.db.
    pub id: i64,
    pub sender: RegistrationId,
    /// The sender's label.
    pub agent: String,
    pub channel: Channel,
    /// None: everybody on the channel.
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    pub created_at: Timestamp,
    pub ttl_seconds: u32,
    #[serde(default, skip_serializing_if = "Envelope::is_plain")]
    pub envelope: Envelope,
}

/// What a notice may carry beside its payload. Most carry nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// Its recipients, when it goes to a set of them; `recipient` is none then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<RegistrationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Higher comes first in an inbox; 0 is usual.
    pub priority: i32,
    /// The notice this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
    /// Seconds each recipient has to acknowledge it, per attempt; none asks for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_seconds: Option<u32>,
    /// How often it is handed to each of them before it is a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_attempts: Option<u32>,
}

impl Envelope {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
