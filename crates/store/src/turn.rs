//! Turns.

use crate::{StoreError, View};
use model::{ParticipantId, TaskId, Timestamp, Turn, TurnId, TurnOutcome, Usage};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRow {
    pub turn: Turn,
    /// None while the turn runs.
    pub outcome: Option<TurnOutcome>,
    pub ended_at: Option<Timestamp>,
    /// Zero while the turn runs.
    pub usage: Usage,
    pub iterations: u32,
}

impl View<'_> {
    pub fn turn(&self, id: TurnId) -> Result<Option<TurnRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Oldest first.
    pub fn turns(&self, task: TaskId) -> Result<Vec<TurnRow>, StoreError> {
        crate::store::unfinished(task)
    }

    /// Of all sessions, oldest first.
    pub fn running_turns(&self) -> Result<Vec<TurnRow>, StoreError> {
        crate::store::unfinished(())
    }

    pub fn running_turn_of(&self, participant: ParticipantId) -> Result<Option<TurnRow>, StoreError> {
        crate::store::unfinished(participant)
    }
}
