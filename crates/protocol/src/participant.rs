//! Participants on the wire.

use crate::words;
use model::{AgentName, Driver, HistoryBy, ParticipantId, ParticipantStatus, SessionId, Timestamp, Vendor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One agent's seat in a session, and what it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participant {
    #[schema(value_type = String)]
    pub id: ParticipantId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub agent: AgentName,
    #[schema(value_type = words::Driver)]
    pub driver: Driver,
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    pub model: String,
    /// Tokens the model can hold.
    pub context_window: u64,
    /// Tokens of the last model call.
    pub context_used: u64,
    #[schema(value_type = words::ParticipantStatus)]
    pub status: ParticipantStatus,
    /// What the status is about: a file, a tool, an error.
    pub detail: Option<String>,
    /// Since when the status holds.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
    /// In a fork: how the agent comes to know what was said before. `native`: the vendor forked its own session; `replay`: it is
    /// shown the transcript.
    #[serde(default)]
    #[schema(value_type = Option<words::HistoryBy>)]
    pub history: Option<HistoryBy>,
}

impl From<model::Participant> for Participant {
    /// A participant as it is right after it joined.
    fn from(participant: model::Participant) -> Self {
        Self {
            id: participant.id,
            session: participant.session,
            agent: participant.agent,
            driver: participant.driver,
            vendor: participant.vendor,
            model: participant.model,
            context_window: participant.context_window,
            context_used: 0,
            status: ParticipantStatus::Idle,
            detail: None,
            since: participant.joined_at,
            joined_at: participant.joined_at,
            history: participant.history,
        }
    }
}
