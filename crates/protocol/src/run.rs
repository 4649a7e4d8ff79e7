//! Runs on the wire.

use model::{ParticipantId, RunId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A supervised operating-system process behind a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    #[schema(value_type = String)]
    pub id: RunId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// Process id of the guard, which is also the process group.
    pub pid: u32,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

impl From<model::Run> for Run {
    fn from(run: model::Run) -> Self {
        let model::Run { id, session, participant, pid, started_at } = run;
        Self { id, session, participant, pid, started_at }
    }
}

/// How the process behind a participant ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunExit {
    #[schema(value_type = String)]
    pub run: RunId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// Exit code; none when a signal ended it or nobody was there to wait.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// `finished`, `deadline`, `canceled`, `crashed` or `daemon_restarted`.
    pub reason: String,
}

impl From<model::RunExit> for RunExit {
    fn from(exit: model::RunExit) -> Self {
        let model::RunExit { run, session, participant, code, signal, reason } = exit;
        Self { run, session, participant, code, signal, reason }
    }
}
