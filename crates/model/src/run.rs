//! Runs: supervised operating-system processes behind participants.

use crate::{ParticipantId, RunId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub session: SessionId,
    pub participant: ParticipantId,
    /// Process id of the guard, which is also the process group.
    pub pid: u32,
    pub started_at: Timestamp,
}

/// How the process ended, from our own `wait`, never from what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunExit {
    pub run: RunId,
    pub session: SessionId,
    pub participant: ParticipantId,
    /// Exit code; none when a signal ended it or nobody was there to wait.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why, in words: `finished`, `deadline`, `canceled`, `crashed`, `daemon_restarted`.
    pub reason: String,
}
