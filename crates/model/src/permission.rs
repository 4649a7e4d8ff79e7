//! Permissions: what an agent wants to do that somebody has to allow, and what was decided.
//!
//! Invariant: an approval holds for exactly the arguments that were asked about; `arguments_hash` binds it to them.

use crate::{
    ParticipantId, PermissionId, PermissionRuleId, RepoId, RepoPath, SessionId, TaskId, Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};

/// Longest sentence that says what is asked, in bytes.
pub const PERMISSION_SUMMARY_MAX: usize = 1024;
/// Largest arguments of a tool call that can be asked about, in bytes of JSON.
pub const PERMISSION_ARGUMENTS_MAX: usize = 256 * 1024;
/// Most paths that one question names.
pub const PERMISSION_PATHS_MAX: usize = 256;
/// Longest name of a tool, in bytes.
pub const PERMISSION_TOOL_MAX: usize = 256;
/// Longest reason given with a decision, in bytes.
pub const PERMISSION_REASON_MAX: usize = 1024;
/// Most questions that one turn may have open at the same time: its sub-agents ask side by side.
pub const PERMISSIONS_OPEN_MAX: usize = 32;
/// Most rules that decisions may leave behind in one workspace.
pub const PERMISSION_RULES_MAX: usize = 1000;

/// What a tool does, as far as permissions are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolCategory {
    /// Looks, changes nothing.
    Read,
    /// Changes files of the worktree under a lock.
    Edit,
    /// Runs a command.
    Shell,
    /// Reaches beyond this machine.
    Network,
    /// A tool of an MCP server.
    Mcp,
    /// Changes how agents work here: permissions, hooks, configuration.
    Admin,
}

impl ToolCategory {
    pub const ALL: [Self; 6] = [Self::Read, Self::Edit, Self::Shell, Self::Network, Self::Mcp, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Edit => "edit",
            Self::Shell => "shell",
            Self::Network => "network",
            Self::Mcp => "mcp",
            Self::Admin => "admin",
        }
    }
}

/// What an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionAsk {
    /// The tool by the vendor's name: `Bash`, `apply_patch`, `mcp__github__create_issue`.
    pub tool: String,
    pub category: ToolCategory,
    /// What is asked in one sentence, for people.
    pub summary: String,
    /// The call's arguments, exactly.
    pub arguments: serde_json::Value,
    /// Files of the worktree it is about, as far as they are known.
    pub paths: Vec<RepoPath>,
}

/// A question that waits in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    pub id: PermissionId,
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub ask: PermissionAsk,
    /// BLAKE3 of tool and arguments, in hex: what an approval is bound to.
    pub arguments_hash: String,
}

/// How far a decision reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionScope {
    /// This call with these arguments.
    Once,
    /// Calls like it in this session.
    Session,
    /// Calls like it in this repo.
    Repo,
    /// Calls like it in this workspace.
    Always,
}

impl PermissionScope {
    pub const ALL: [Self; 4] = [Self::Once, Self::Session, Self::Repo, Self::Always];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Repo => "repo",
            Self::Always => "always",
        }
    }
}

/// A permission was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionDecision {
    pub permission: PermissionId,
    pub session: SessionId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub allowed: bool,
    pub scope: PermissionScope,
    /// Who or what decided: `user`, `rule`, `nobody_watches`, `deadline`, `turn_ended`.
    pub by: String,
    /// What the agent is told of a denial.
    pub reason: String,
}

/// What a rule says of the calls it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionEffect {
    Allow,
    Ask,
    Deny,
}

impl PermissionEffect {
    pub const ALL: [Self; 3] = [Self::Allow, Self::Ask, Self::Deny];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// A rule that a decision left behind, because its scope reaches beyond the one call.
///
/// The three patterns are read alike: `=text` is exactly that text, everything else is as in config.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionRule {
    pub id: PermissionRuleId,
    /// Never `Once`.
    pub scope: PermissionScope,
    /// The only session it holds in, when the scope is `Session`.
    pub session: Option<SessionId>,
    /// The only repo it holds in, when the scope is `Repo`.
    pub repo: Option<RepoId>,
    pub tool: String,
    /// What the call was that the decision was about; a rule holds for that category alone.
    pub category: ToolCategory,
    pub paths: Vec<String>,
    pub command: Option<String>,
    pub effect: PermissionEffect,
    /// The question that was decided.
    pub permission: PermissionId,
    pub created_at: Timestamp,
}

/// A rule holds no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionRuleRemoval {
    pub rule: PermissionRuleId,
    pub session: Option<SessionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_serde_words() {
        fn check<T: Serialize>(all: &[T], word: impl Fn(&T) -> &'static str) {
            for one in all {
                assert_eq!(serde_json::to_string(one).unwrap(), format!("\"{}\"", word(one)));
            }
        }
        check(&ToolCategory::ALL, |one| one.as_str());
        check(&PermissionScope::ALL, |one| one.as_str());
        check(&PermissionEffect::ALL, |one| one.as_str());
    }
}
