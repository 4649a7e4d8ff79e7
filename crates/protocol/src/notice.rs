//! Notices on the wire.

use crate::operation::{
    Access::Run,
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
    /// None: everybody on the channel.
    #[schema(value_type = Option<String>)]
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub ttl_seconds: u32,
}

impl From<model::Notice> for Notice {
    fn from(notice: model::Notice) -> Self {
        let model::Notice { id, sender, agent, channel, recipient, payload, created_at, ttl_seconds, .. } =
            notice;
        Self { id, sender, agent, channel, recipient, payload, created_at, ttl_seconds }
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
    ]
}
