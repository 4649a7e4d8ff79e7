//! Registrations: live sessions announced on the bus, ours or a vendor's own terminal.

use crate::{ParticipantStatus, RegistrationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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

/// What the bus makes of a session's signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vitality {
    Alive,
    /// Nothing shows that it is dead, but it has given no sign of life for long.
    Suspect,
    /// It is gone and not cleared away yet.
    Dead,
}

impl Vitality {
    pub const ALL: [Self; 3] = [Self::Alive, Self::Suspect, Self::Dead];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
        }
    }
}

/// A session on the bus as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    pub registration: Registration,
    pub vitality: Vitality,
    /// How long ago its last sign of life was.
    pub beat_age: Duration,
    pub status: Option<ParticipantStatus>,
    pub tty: Option<String>,
    pub repo: Option<String>,
    pub task: Option<String>,
    /// The session this one was started from, by its vendor's id or ours.
    pub parent: Option<String>,
    /// Which of its parent's agents it is.
    pub sub_agent: Option<String>,
    /// Paths and globs it has locked exclusively.
    pub active_files: Vec<String>,
    /// The other machine it lives on, as the bridge that brought it names it.
    pub machine: Option<String>,
}
