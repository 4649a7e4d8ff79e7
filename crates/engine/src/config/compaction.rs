//! When what was said is condensed, and by whom.

use crate::AgentConfig;
use model::{AgentName, Driver};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Less would condense what is hardly begun; more leaves no room for the turn.
const PERCENT: RangeInclusive<u32> = 5..=80;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactionConfig {
    pub by: Compactor,
    /// Of the model's context: when what an agent is to be shown of the conversation is more, it is condensed before the turn.
    pub percent: u32,
    /// The agent whose model condenses; none: that of the agent whose turn it is.
    pub agent: Option<AgentName>,
}

/// Who condenses a conversation that has grown too long for an agent whose context we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compactor {
    /// A model. It costs a call, and the turn waits for it.
    #[default]
    Model,
    /// Nobody, unless it is ordered: agents are shown the last messages.
    Nobody,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self { by: Compactor::default(), percent: 50, agent: None }
    }
}

impl CompactionConfig {
    pub(super) fn check(&self, agents: &BTreeMap<AgentName, AgentConfig>) -> Result<(), String> {
        if !PERCENT.contains(&self.percent) {
            return Err(format!(
                "compaction.percent must be between {} and {}",
                PERCENT.start(),
                PERCENT.end()
            ));
        }
        match self.agent.as_ref().map(|name| (name, agents.get(name))) {
            Some((name, None)) => Err(format!("compaction.agent: no agent `{name}` is configured")),
            Some((name, Some(agent))) if agent.driver != Driver::Native => Err(format!(
                "compaction.agent: `{name}` is driven by its own program; name one with the driver `native`"
            )),
            _ => Ok(()),
        }
    }

    /// Tokens of the conversation that fit beside everything else.
    pub(crate) fn room(&self, context_window: u64) -> u64 {
        (context_window / 100).saturating_mul(u64::from(self.percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_bounded_and_the_agent_is_one_of_ours() {
        let agents = crate::Config::default().agents;
        let check = |percent, agent: Option<&str>| {
            let agent = agent.map(|name| name.parse().unwrap());
            CompactionConfig { percent, agent, ..CompactionConfig::default() }.check(&agents)
        };
        for (percent, good) in [(4, false), (5, true), (80, true), (81, false)] {
            assert_eq!(check(percent, None).is_ok(), good, "{percent}");
        }
        assert!(check(50, Some("claude")).is_ok());
        assert!(check(50, Some("nobody")).unwrap_err().contains("`nobody`"));
        let config = CompactionConfig { percent: 50, ..CompactionConfig::default() };
        assert_eq!(config.room(200_000), 100_000);
    }
}
