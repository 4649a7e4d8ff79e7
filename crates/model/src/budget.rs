//! Budgets: what work may cost, and the moment it comes near that.

use crate::{AgentName, ParticipantId, SessionId, TaskId, TurnId};
use serde::{Deserialize, Serialize};

/// What a budget is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetKind {
    Task,
    Session,
    /// One day of one agent, in UTC.
    AgentDay,
    /// One day of the whole workspace, in UTC.
    Day,
}

impl BudgetKind {
    pub const ALL: [Self; 4] = [Self::Task, Self::Session, Self::AgentDay, Self::Day];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Session => "session",
            Self::AgentDay => "agent_day",
            Self::Day => "day",
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetUnit {
    /// Millionths of a US dollar.
    Usd,
    Tokens,
}

impl BudgetUnit {
    pub const ALL: [Self; 2] = [Self::Usd, Self::Tokens];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
        }
    }
}

/// With this answer, the share of a budget was passed from which on one is warned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetWarning {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub agent: AgentName,
    pub budget: BudgetKind,
    pub unit: BudgetUnit,
    /// With the answer, in the unit.
    pub spent: u64,
    /// In the unit.
    pub limit: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_serde_words() {
        for kind in BudgetKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.as_str()));
        }
        for unit in BudgetUnit::ALL {
            assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{}\"", unit.as_str()));
        }
    }
}
