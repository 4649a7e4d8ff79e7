//! Registrations: live sessions announced on the bus, ours or a vendor's own terminal.

use crate::{RegistrationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub id: RegistrationId,
    /// What it is called: an agent's name, or a terminal session's own.
    pub agent: String,
    pub vendor: String,
    pub model: Option<String>,
    /// Our session, when the registration is one of our runs.
    pub session: Option<SessionId>,
    /// Canonical path of the worktree it works in.
    pub worktree: Option<String>,
    pub pid: Option<u32>,
    pub phase: RegistrationPhase,
    pub registered_at: Timestamp,
    pub heartbeat_at: Timestamp,
}

/// The seed's three words for where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPhase {
    Active,
    Idle,
    Terminated,
}

impl RegistrationPhase {
    pub const ALL: [Self; 3] = [Self::Active, Self::Idle, Self::Terminated];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Terminated => "terminated",
        }
    }
}
