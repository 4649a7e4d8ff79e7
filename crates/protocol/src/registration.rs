//! Registrations on the wire.

use crate::operation::{Access::Run, Method::Get, Operation};
use crate::words;
use model::{RegistrationId, RegistrationPhase, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A live session announced on the bus, ours or a vendor's own terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    #[schema(value_type = String)]
    pub id: RegistrationId,
    /// What it is called: an agent's name, or a terminal session's own.
    pub agent: String,
    pub vendor: String,
    pub model: Option<String>,
    /// Our session, when the registration is one of our runs.
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// Canonical path of the worktree it works in.
    pub worktree: Option<String>,
    pub pid: Option<u32>,
    #[schema(value_type = words::RegistrationPhase)]
    pub phase: RegistrationPhase,
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub heartbeat_at: Timestamp,
}

impl From<model::Registration> for Registration {
    fn from(registration: model::Registration) -> Self {
        let model::Registration {
            id,
            agent,
            vendor,
            model,
            session,
            worktree,
            pid,
            phase,
            registered_at,
            heartbeat_at,
        } = registration;
        Self { id, agent, vendor, model, session, worktree, pid, phase, registered_at, heartbeat_at }
    }
}

/// What can be done with registrations.
pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Lists the live sessions on the bus, ours and the vendors' own.";
    vec![
        Operation::new("registrations", "list_registrations", Get, "/registrations", Run, summary)
            .lists::<Registration>(),
    ]
}
