//! Turns.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{GitState, ParticipantId, TaskId, Timestamp, Turn, TurnId, TurnOutcome, Usage};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRow {
    pub turn: Turn,
    /// None while the turn runs.
    pub outcome: Option<TurnOutcome>,
    pub ended_at: Option<Timestamp>,
    /// Zero while the turn runs.
    pub usage: Usage,
    pub iterations: u32,
    /// Where its checkout stood when it had ended.
    pub git_end: Option<GitState>,
}

statements! { ANSWER_QUERIES in Messages {
    ANSWERS_OF_TURN = "SELECT usage FROM model_calls WHERE turn_id = ?1 AND usage IS NOT NULL ORDER BY seq";
} }

statements! { QUERIES in Sessions {
    TURN = "SELECT data, outcome, ended_at, usage, iterations, git_end FROM turns WHERE turn_id = ?1";
    TURNS_OF_TASK =
        "SELECT data, outcome, ended_at, usage, iterations, git_end FROM turns WHERE task_id = ?1 ORDER BY seq";
    RUNNING_TURNS =
        "SELECT data, outcome, ended_at, usage, iterations, git_end FROM turns WHERE running = 1 ORDER BY seq";
    RUNNING_TURN_OF = "SELECT data, outcome, ended_at, usage, iterations, git_end FROM turns
        WHERE participant_id = ?1 AND running = 1 ORDER BY seq DESC LIMIT 1";
    LAST_TURN_OF = "SELECT data, outcome, ended_at, usage, iterations, git_end FROM turns
        WHERE participant_id = ?1 ORDER BY seq DESC LIMIT 1";
    TURN_NUMBER = "SELECT seq FROM turns WHERE turn_id = ?1";
} }

impl View<'_> {
    pub fn turn(&self, id: TurnId) -> Result<Option<TurnRow>, StoreError> {
        self.row(&TURN, [id.to_string()], read_turn)
    }

    /// Oldest first.
    pub fn turns(&self, task: TaskId) -> Result<Vec<TurnRow>, StoreError> {
        self.rows(&TURNS_OF_TASK, [task.to_string()], read_turn)
    }

    /// What the models have answered the turn so far, also while it runs.
    pub fn turn_usage(&self, turn: TurnId) -> Result<Usage, StoreError> {
        let answers = self.rows(&ANSWERS_OF_TURN, [turn.to_string()], |row| column::json(row, "usage"))?;
        Ok(answers.into_iter().sum())
    }

    /// Of all sessions, oldest first.
    pub fn running_turns(&self) -> Result<Vec<TurnRow>, StoreError> {
        self.rows(&RUNNING_TURNS, [], read_turn)
    }

    /// The participant's newest turn, running or ended.
    pub fn last_turn_of(&self, participant: ParticipantId) -> Result<Option<TurnRow>, StoreError> {
        self.row(&LAST_TURN_OF, [participant.to_string()], read_turn)
    }

    /// The number of the event that started the turn; none when there is no such turn.
    pub fn turn_number(&self, id: TurnId) -> Result<Option<u64>, StoreError> {
        self.row(&TURN_NUMBER, [id.to_string()], |row| column::unsigned(row, "seq"))
    }

    pub fn running_turn_of(&self, participant: ParticipantId) -> Result<Option<TurnRow>, StoreError> {
        self.row(&RUNNING_TURN_OF, [participant.to_string()], read_turn)
    }
}

fn read_turn(row: &Row<'_>) -> Result<TurnRow, StoreError> {
    Ok(TurnRow {
        turn: column::json(row, "data")?,
        outcome: column::json_or_none(row, "outcome")?,
        ended_at: column::time_or_none(row, "ended_at")?,
        usage: column::json_or_none(row, "usage")?.unwrap_or_default(),
        iterations: column::small(row, "iterations")?,
        git_end: column::json_or_none(row, "git_end")?,
    })
}
