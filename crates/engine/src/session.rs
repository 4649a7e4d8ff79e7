//! Sessions: create, rename, archive, look up.

use crate::{Call, Engine, ParticipantView, SessionView};
use model::{AgentName, BoardId, Refusal, RepoId, SessionId};

#[derive(Debug, Clone, Default)]
pub struct NewSession {
    pub title: String,
    pub repo: Option<RepoId>,
    pub agents: Vec<AgentName>,
    pub board: Option<BoardId>,
    pub parent: Option<SessionId>,
}

#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub include_archived: bool,
    /// Newest first; only sessions older than this one.
    pub before: Option<SessionId>,
    /// At most 200.
    pub limit: usize,
}

impl Engine {
    pub async fn create_session(&self, call: &Call, new: NewSession) -> Result<SessionView, Refusal> {
        todo!()
    }

    pub async fn rename_session(
        &self,
        call: &Call,
        session: SessionId,
        title: String,
    ) -> Result<SessionView, Refusal> {
        todo!()
    }

    pub async fn archive_session(&self, call: &Call, session: SessionId) -> Result<SessionView, Refusal> {
        todo!()
    }

    pub fn sessions(&self, filter: SessionFilter) -> Result<Vec<SessionView>, Refusal> {
        todo!()
    }

    pub fn session(&self, session: SessionId) -> Result<SessionView, Refusal> {
        todo!()
    }

    pub fn participants(&self, session: SessionId) -> Result<Vec<ParticipantView>, Refusal> {
        todo!()
    }

    pub fn resolve_session(&self, given: &str) -> Result<SessionId, Refusal> {
        todo!()
    }
}
