//! Notices on the wire.

use crate::operation::{
    Access::Run,
    Answer,
    Method::{Get, Post},
    Operation,
};
use model::{Channel, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One bus message on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Position on the bus: rises with commit order.
    pub id: i64,
    #[schema(value_type = String)]
    pub sender: RegistrationId,
    /// The sender's label.
    pub agent: String,
    #[schema(value_type = String)]
    pub channel: Channel,
    /// None: those in `audience`, or everybody on the channel.
    #[schema(value_type = Option<String>)]
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub ttl_seconds: u32,
    /// Its recipients, when it goes to a set of them.
    #[schema(value_type = Vec<String>)]
    pub audience: Vec<RegistrationId>,
    pub thread: Option<String>,
    /// Higher comes first in an inbox; 0 is usual.
    pub priority: i32,
    /// The notice this one answers.
    pub reply_to: Option<i64>,
    /// Seconds each recipient has to acknowledge it, per attempt; none asks for nothing.
    pub ack_seconds: Option<u32>,
    /// How often it is handed to each of them before it is a dead letter.
    pub ack_attempts: Option<u32>,
}

impl From<model::Notice> for Notice {
    fn from(notice: model::Notice) -> Self {
        let model::Notice {
            id,
            sender,
            agent,
            channel,
            recipient,
            payload,
            created_at,
            ttl_seconds,
            envelope: model::Envelope { audience, thread, priority, reply_to, ack_seconds, ack_attempts },
        } = notice;
        Self {
            id,
            sender,
            agent,
            channel,
            recipient,
            payload,
            created_at,
            ttl_seconds,
            audience,
            thread,
            priority,
            reply_to,
            ack_seconds,
            ack_attempts,
        }
    }
}

/// Body of `POST /notices`. The sender is whoever the credential says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNotice {
    /// 1 to 64 letters, digits, `_`, `-`, `.` or `:`.
    #[schema(value_type = String)]
    pub channel: Channel,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub recipient: Option<RegistrationId>,
    /// At most 64 KiB as JSON.
    pub payload: serde_json::Value,
    /// Without it the channel decides.
    #[serde(default)]
    pub ttl_seconds: Option<u32>,
    /// A set of recipients, at most 256, instead of one.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub recipients: Vec<RegistrationId>,
    /// 1 to 128 bytes; ties notices together.
    #[serde(default)]
    pub thread: Option<String>,
    /// Higher comes first in an inbox; 0 is usual.
    #[serde(default)]
    pub priority: i32,
    /// The notice this one answers.
    #[serde(default)]
    pub reply_to: Option<i64>,
    /// What is expected of each recipient; nothing without it.
    #[serde(default)]
    pub ack: Option<AckRule>,
    #[serde(default)]
    pub durability: Durability,
}

impl NewNotice {
    /// The usual for everything beside channel and payload.
    pub fn new(channel: Channel, payload: serde_json::Value) -> Self {
        Self {
            channel,
            recipient: None,
            payload,
            ttl_seconds: None,
            recipients: Vec::new(),
            thread: None,
            priority: 0,
            reply_to: None,
            ack: None,
            durability: Durability::default(),
        }
    }
}

/// By when a notice is to be acknowledged, and how often it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRule {
    /// Seconds an attempt has, 1 to 604,800.
    pub seconds: u32,
    /// How often it is handed out before it is a dead letter, 1 to 10.
    #[serde(default = "three")]
    pub attempts: u32,
}

fn three() -> u32 {
    3
}

/// What a notice survives once it was accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The death of any process.
    #[default]
    Process,
    /// A power cut too: it waits for the disk.
    Power,
}

/// Who was given, saw and acknowledged a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    #[schema(value_type = String)]
    pub registration: RegistrationId,
    /// The bus has given it to the session.
    pub delivered: bool,
    /// It entered the model's context.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// The agent accepted it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acked_at: Option<Timestamp>,
    /// How often it was handed out.
    pub attempts: u32,
    /// Its last attempt is over, or the recipient has ended: nobody will answer.
    pub dead: bool,
}

/// A channel with living notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelCount {
    #[schema(value_type = String)]
    pub channel: Channel,
    pub notices: u64,
}

/// Whose inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct InboxQuery {
    /// Without it the caller's own; another's is for the user only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub registration: Option<RegistrationId>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which notices to list: the newest page, or those after one. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct NoticeQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub channel: Option<Channel>,
    /// Only notices after this one, 0 being the start; without it, the newest page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with notices.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("notices", id, method, path, access, summary);
    vec![
        op(
            "list_notices",
            Get,
            "/notices",
            Run,
            "Lists the newest notices or those after one, oldest first; an agent sees those meant for it.",
        )
        .query::<NoticeQuery>()
        .lists::<Notice>(),
        op("publish_notice", Post, "/notices", Run, "Sends a notice on a channel.")
            .body::<NewNotice>()
            .creates::<Notice>(),
        op(
            "list_inbox",
            Get,
            "/notices/inbox",
            Run,
            "Lists what was addressed to a session and is not acknowledged, the most urgent first.",
        )
        .query::<InboxQuery>()
        .lists::<Notice>(),
        op("ack_notice", Post, "/notices/{id}/ack", Run, "Accepts a notice: it is not handed out again.")
            .answers(204, Answer::Nothing),
        op(
            "list_receipts",
            Get,
            "/notices/{id}/receipts",
            Run,
            "Shows who was given, saw and acknowledged a notice; an agent asks about its own.",
        )
        .lists::<Receipt>(),
        Operation::new(
            "notices",
            "list_channels",
            Get,
            "/channels",
            Run,
            "Lists channels with living notices.",
        )
        .lists::<ChannelCount>(),
    ]
}
