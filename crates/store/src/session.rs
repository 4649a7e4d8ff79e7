//! Sessions and their participants.

use crate::{StoreError, View};
use model::{
    AgentName, Participant, ParticipantId, ParticipantStatus, Session, SessionId, SessionState, Timestamp,
    Usage,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: Session,
    /// Derived from the session's tasks.
    pub state: SessionState,
    /// The agent that joined first.
    pub agent: Option<AgentName>,
    pub archived_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// Which sessions to list; newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFilter {
    pub include_archived: bool,
    /// Only sessions created before this one.
    pub before: Option<SessionId>,
    pub limit: usize,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self { include_archived: false, before: None, limit: 50 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    pub status: ParticipantStatus,
    pub detail: Option<String>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRow {
    pub participant: Participant,
    pub status: ParticipantStatus,
    pub detail: Option<String>,
    pub since: Timestamp,
    /// Tokens in the context at the last model call, the answer included.
    pub context_used: u64,
}

/// A relative of a session in the genealogy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    pub session: SessionId,
    pub title: String,
    pub parent: Option<SessionId>,
    pub forked_from: Option<SessionId>,
    /// Steps away; 1 is a parent or a child.
    pub depth: u32,
}

/// A session as the seed's `active_sessions` shows it; the JSON columns as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    pub session_id: SessionId,
    pub workspace_id: String,
    pub agent_states: serde_json::Value,
    pub current_task: serde_json::Value,
    pub file_locks: serde_json::Value,
    pub context_snapshot: serde_json::Value,
    pub last_activity: Timestamp,
    pub checkpoint_ref: Option<String>,
}

impl View<'_> {
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Newest first.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
        crate::store::unfinished(filter)
    }

    /// `Idle` for a session that is not there.
    pub fn session_state(&self, id: SessionId) -> Result<SessionState, StoreError> {
        crate::store::unfinished(id)
    }

    pub fn session_usage(&self, id: SessionId) -> Result<Usage, StoreError> {
        crate::store::unfinished(id)
    }

    pub fn active_session(&self, id: SessionId) -> Result<Option<ActiveSession>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Sessions this one comes from, nearest first.
    pub fn ancestors(&self, id: SessionId) -> Result<Vec<Kin>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Sessions that come from this one, nearest first.
    pub fn descendants(&self, id: SessionId) -> Result<Vec<Kin>, StoreError> {
        crate::store::unfinished(id)
    }

    /// In the order they joined.
    pub fn participants(&self, session: SessionId) -> Result<Vec<ParticipantRow>, StoreError> {
        crate::store::unfinished(session)
    }

    pub fn participant(&self, id: ParticipantId) -> Result<Option<ParticipantRow>, StoreError> {
        crate::store::unfinished(id)
    }

    pub fn participant_by_agent(
        &self,
        session: SessionId,
        agent: &AgentName,
    ) -> Result<Option<ParticipantRow>, StoreError> {
        crate::store::unfinished((session, agent))
    }

    pub fn participant_status(&self, id: ParticipantId) -> Result<Option<StatusRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Participants, of all sessions, whose status says that a live process stands behind them.
    pub fn live_participants(&self) -> Result<Vec<ParticipantRow>, StoreError> {
        crate::store::unfinished(())
    }
}
