//! Registrations on the wire.

use crate::operation::{Access::Run, Method::Get, Operation};
use crate::words;
use model::{ParticipantStatus, RegistrationId, RegistrationPhase, SessionId, Timestamp, Vitality};
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

/// A registration as others see it now: whether it lives, what it does, where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presence {
    #[schema(value_type = String)]
    pub id: RegistrationId,
    /// What people type.
    pub short_id: String,
    pub agent: String,
    pub vendor: String,
    pub model: Option<String>,
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    pub worktree: Option<String>,
    pub pid: Option<u32>,
    #[schema(value_type = words::RegistrationPhase)]
    pub phase: RegistrationPhase,
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub heartbeat_at: Timestamp,
    /// `suspect`: nothing shows that it is dead, but it has given no sign of life for long.
    #[schema(value_type = words::Vitality)]
    pub vitality: Vitality,
    /// How long ago its last sign of life was.
    pub beat_age_ms: u64,
    #[schema(value_type = Option<words::ParticipantStatus>)]
    pub status: Option<ParticipantStatus>,
    pub tty: Option<String>,
    pub repo: Option<String>,
    pub task: Option<String>,
    /// The session this one was started from.
    pub parent: Option<String>,
    /// Which of its parent's agents it is.
    pub sub_agent: Option<String>,
    /// Paths and globs it has locked exclusively.
    pub active_files: Vec<String>,
    /// The other machine it lives on; none for this one.
    pub machine: Option<String>,
}

impl From<model::Presence> for Presence {
    fn from(presence: model::Presence) -> Self {
        let model::Presence {
            registration,
            vitality,
            beat_age,
            status,
            tty,
            repo,
            task,
            parent,
            sub_agent,
            active_files,
            machine,
        } = presence;
        Self {
            id: registration.id,
            short_id: registration.id.short(),
            agent: registration.agent,
            vendor: registration.vendor,
            model: registration.model,
            session: registration.session,
            worktree: registration.worktree,
            pid: registration.pid,
            phase: registration.phase,
            registered_at: registration.registered_at,
            heartbeat_at: registration.heartbeat_at,
            vitality,
            beat_age_ms: u64::try_from(beat_age.as_millis()).unwrap_or(u64::MAX),
            status,
            tty,
            repo,
            task,
            parent,
            sub_agent,
            active_files,
            machine,
        }
    }
}

/// What can be done with registrations.
pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Lists the live sessions on the bus, ours and the vendors' own, and how they are.";
    vec![
        Operation::new("registrations", "list_registrations", Get, "/registrations", Run, summary)
            .lists::<Presence>(),
    ]
}
