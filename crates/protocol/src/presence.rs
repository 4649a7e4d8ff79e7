//! Who is attached to a session, and who of them has its input. On the wire only: nothing of it is kept.

use crate::operation::{
    Access::User,
    Method::{Get, Post},
    Operation,
};
use model::SessionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /sessions/{id}/attach`: a client says that it is there. It says so again within 45 s, or it is gone; a watcher that
/// named the client in its subscription does that by being connected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    /// Made at random by the client, and kept: 1 to 64 printable ASCII characters.
    pub client: String,
    /// What people see, as in `page on the laptop`.
    pub name: String,
    /// Somebody types there now; it passes after 6 s.
    #[serde(default)]
    pub typing: bool,
    #[serde(default)]
    pub input: InputWish,
}

/// What a client wants of the session's input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputWish {
    /// As it is.
    #[default]
    Keep,
    /// Have it; refused with `input_owned` when another client has it.
    Claim,
    /// Have it, whoever has it now.
    TakeOver,
    /// Have it no more.
    Release,
}

/// Body of `POST /sessions/{id}/detach`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Detachment {
    pub client: String,
}

/// A client that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachedClient {
    pub client: String,
    pub name: String,
    /// Other attached clients give no words to the session's agents, and move nothing in its queue.
    pub owns_input: bool,
    pub typing: bool,
}

/// Who is at a session now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presences {
    #[schema(value_type = String)]
    pub session: SessionId,
    /// In the order they came.
    pub clients: Vec<AttachedClient>,
}

/// What can be done with clients.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("sessions", id, method, path, access, summary);
    vec![
        op(
            "attach_client",
            Post,
            "/sessions/{id}/attach",
            User,
            "Says that a client is at a session, and what it wants of the input.",
        )
        .body::<NewAttachment>()
        .returns::<Presences>(),
        op("detach_client", Post, "/sessions/{id}/detach", User, "Says that a client has left a session.")
            .body::<Detachment>()
            .returns::<Presences>(),
        op("list_clients", Get, "/sessions/{id}/clients", User, "Shows who is at a session.")
            .returns::<Presences>(),
    ]
}
