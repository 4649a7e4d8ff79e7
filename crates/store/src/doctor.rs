//! Figures for a person who looks whether all is well.

use crate::statement::statements;
use crate::{StoreError, View, watermark};
use model::Cursor;

/// Rows ever made, by noun; nothing but boards and repos is ever removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub sessions: u64,
    pub participants: u64,
    pub tasks: u64,
    pub open_tasks: u64,
    pub turns: u64,
    pub running_turns: u64,
    pub runs: u64,
    pub messages: u64,
    pub plans: u64,
    pub checkpoints: u64,
    pub repos: u64,
}

// Rows of these tables are never removed and are numbered without gaps, so the last number is the count; `count(*)`
// would walk through all of them.
statements! { SESSION_QUERIES in Sessions {
    COUNT_SESSIONS = "SELECT max(rowid) FROM sessions";
    COUNT_PARTICIPANTS = "SELECT max(rowid) FROM participants";
    COUNT_TASKS = "SELECT max(rowid) FROM tasks";
    COUNT_OPEN_TASKS = "SELECT count(*) FROM tasks WHERE open = 1";
    COUNT_TURNS = "SELECT max(rowid) FROM turns";
    COUNT_RUNNING_TURNS = "SELECT count(*) FROM turns WHERE running = 1";
    COUNT_RUNS = "SELECT max(rowid) FROM runs";
    COUNT_PLANS = "SELECT max(rowid) FROM plans";
    COUNT_CHECKPOINTS = "SELECT max(rowid) FROM checkpoints";
    COUNT_REPOS = "SELECT count(*) FROM repos";
} }

statements! { MESSAGE_QUERIES in Messages {
    COUNT_MESSAGES = "SELECT max(rowid) FROM agent_messages";
} }

impl View<'_> {
    pub fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts {
            sessions: self.count(&COUNT_SESSIONS, [])?,
            participants: self.count(&COUNT_PARTICIPANTS, [])?,
            tasks: self.count(&COUNT_TASKS, [])?,
            open_tasks: self.count(&COUNT_OPEN_TASKS, [])?,
            turns: self.count(&COUNT_TURNS, [])?,
            running_turns: self.count(&COUNT_RUNNING_TURNS, [])?,
            runs: self.count(&COUNT_RUNS, [])?,
            messages: self.count(&COUNT_MESSAGES, [])?,
            plans: self.count(&COUNT_PLANS, [])?,
            checkpoints: self.count(&COUNT_CHECKPOINTS, [])?,
            repos: self.count(&COUNT_REPOS, [])?,
        })
    }

    /// The last event this view knows of. Inside a command: the last one before its batch.
    pub fn position(&self) -> Result<Cursor, StoreError> {
        Ok(watermark::of_view(self)?.cursor)
    }
}
