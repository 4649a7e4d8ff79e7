//! From what people type to the id they mean.

use crate::{StoreError, View};

/// Candidates listed when a prefix is ambiguous.
pub const RESOLVE_MAX: usize = 10;

/// What a full id or a prefix of a short id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<I> {
    One(I),
    None,
    /// The newest [`RESOLVE_MAX`] candidates, newest first.
    Many(Vec<I>),
}

/// Ids that can be looked up by their short form.
pub trait ShortId: Sized + std::str::FromStr {
    /// Singular, for messages.
    const NOUN: &'static str;
}

impl ShortId for model::SessionId {
    const NOUN: &'static str = "session";
}

impl ShortId for model::TaskId {
    const NOUN: &'static str = "task";
}

impl ShortId for model::TurnId {
    const NOUN: &'static str = "turn";
}

impl ShortId for model::ParticipantId {
    const NOUN: &'static str = "participant";
}

impl ShortId for model::MessageId {
    const NOUN: &'static str = "message";
}

impl ShortId for model::PlanId {
    const NOUN: &'static str = "plan";
}

impl ShortId for model::RepoId {
    const NOUN: &'static str = "repo";
}

impl ShortId for model::BoardId {
    const NOUN: &'static str = "board";
}

impl ShortId for model::CheckpointId {
    const NOUN: &'static str = "checkpoint";
}

impl View<'_> {
    /// A full id, or at least [`model::SHORT_ID_MIN`] characters of a short one, in either case. Ids that do not exist are `None`.
    pub fn resolve<I: ShortId>(&self, given: &str) -> Result<Resolved<I>, StoreError> {
        crate::store::unfinished(given)
    }
}
