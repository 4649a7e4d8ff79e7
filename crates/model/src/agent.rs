//! Who works: agent names, the vendors behind them and the drivers that talk to them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest agent name, in characters.
pub const AGENT_NAME_MAX: usize = 32;

/// The name of a configured agent: a lower-case letter, then letters, digits, `-` or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an agent name: a lower-case letter, then up to 31 letters, digits, `-` or `_`")]
pub struct AgentNameError(String);

impl AgentName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentName {
    type Err = AgentNameError;

    fn from_str(given: &str) -> Result<Self, AgentNameError> {
        let well_formed = given.len() <= AGENT_NAME_MAX
            && given.starts_with(|c: char| c.is_ascii_lowercase())
            && given.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        // These two are actors of their own in the journal; an agent of that name could pose as one.
        if !well_formed || given == "user" || given == "system" {
            return Err(AgentNameError(given.chars().take(80).collect()));
        }
        Ok(Self(given.to_owned()))
    }
}

impl TryFrom<String> for AgentName {
    type Error = AgentNameError;

    fn try_from(given: String) -> Result<Self, AgentNameError> {
        given.parse()
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    Anthropic,
    Google,
    Moonshot,
    Openai,
}

impl Vendor {
    pub const ALL: [Self; 4] = [Self::Anthropic, Self::Google, Self::Moonshot, Self::Openai];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Moonshot => "moonshot",
            Self::Openai => "openai",
        }
    }
}

/// Our code for one vendor's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Our own loop on the vendor's HTTP API.
    Native,
    /// Claude Code, by stream-json with control requests.
    Claude,
    /// Codex, by its app-server.
    Codex,
    /// Any agent that speaks the Agent Client Protocol: Gemini CLI, Kimi Code and others.
    Acp,
}

impl Driver {
    pub const ALL: [Self; 4] = [Self::Native, Self::Claude, Self::Codex, Self::Acp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Acp => "acp",
        }
    }

    /// Whether its agent can start agents of its own within a turn. Our own loop has no tool for that; whoever wants more agents there
    /// asks the studio.
    pub const fn has_sub_agents(self) -> bool {
        !matches!(self, Self::Native)
    }
}

/// What keeps an agent's work apart from that of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Works in the repo's own checkout, beside others, by locks.
    #[default]
    Shared,
    /// Works in a git worktree of its own.
    Worktree,
    /// As `Worktree`, and the kernel keeps its processes from writing anywhere else.
    Sandbox,
}

impl Isolation {
    pub const ALL: [Self; 3] = [Self::Shared, Self::Worktree, Self::Sandbox];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Worktree => "worktree",
            Self::Sandbox => "sandbox",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugs_and_never_pose_as_another_actor() {
        for good in ["claude", "kimi-2", "a", "codex_fast"] {
            assert_eq!(good.parse::<AgentName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(AGENT_NAME_MAX + 1);
        for bad in ["", "Claude", "2fast", "a b", "user", "system", "a/b", long.as_str()] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad}");
        }
    }
}
