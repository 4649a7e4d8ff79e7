//! Figures for a person who looks whether all is well.

use crate::{StoreError, View};
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

impl View<'_> {
    pub fn counts(&self) -> Result<Counts, StoreError> {
        crate::store::unfinished(())
    }

    /// The last event this view knows of.
    pub fn position(&self) -> Result<Cursor, StoreError> {
        crate::store::unfinished(())
    }
}
