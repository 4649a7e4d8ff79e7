//! Permissions on the wire: what agents ask to be allowed, what was decided, and the rules that are left of it.

use crate::operation::{
    Access::User,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{
    ParticipantId, PermissionEffect, PermissionId, PermissionRuleId, PermissionScope, Refusal, RepoId,
    RepoPath, SessionId, TaskId, Timestamp, ToolCategory, TurnId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An agent wants to do something that somebody has to allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Permission {
    #[schema(value_type = String)]
    pub id: PermissionId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// The tool by the vendor's name.
    pub tool: String,
    #[schema(value_type = words::ToolCategory)]
    pub category: ToolCategory,
    /// What is asked in one sentence.
    pub summary: String,
    /// The call's arguments, exactly.
    pub arguments: serde_json::Value,
    /// Files of the worktree it is about, as far as they are known.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    /// What an approval is bound to: give back the one you saw.
    pub arguments_hash: String,
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// None while it waits.
    pub decision: Option<Decision>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    pub allowed: bool,
    #[schema(value_type = words::PermissionScope)]
    pub scope: PermissionScope,
    /// `user`, `rule`, `unattended`, `nobody_watches`, `deadline` or `turn_ended`.
    pub by: String,
    /// What the agent is told of a denial.
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
}

impl Permission {
    /// A question as it is right after it was asked.
    pub fn asked(asked: model::Permission, requested_at: Timestamp) -> Self {
        let model::PermissionAsk { tool, category, summary, arguments, paths } = asked.ask;
        Self {
            short_id: asked.id.short(),
            id: asked.id,
            session: asked.session,
            task: asked.task,
            turn: asked.turn,
            participant: asked.participant,
            tool,
            category,
            summary,
            arguments,
            paths,
            arguments_hash: asked.arguments_hash,
            requested_at,
            decision: None,
        }
    }
}

impl Decision {
    pub fn new(decision: model::PermissionDecision, decided_at: Timestamp) -> Self {
        let model::PermissionDecision { allowed, scope, by, reason, .. } = decision;
        Self { allowed, scope, by, reason, decided_at }
    }
}

/// A rule that a decision left behind. `=text` is exactly that text; other patterns are as in config.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PermissionRule {
    #[schema(value_type = String)]
    pub id: PermissionRuleId,
    pub short_id: String,
    #[schema(value_type = words::PermissionScope)]
    pub scope: PermissionScope,
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    #[schema(value_type = Option<String>)]
    pub repo: Option<RepoId>,
    pub tool: String,
    #[schema(value_type = words::ToolCategory)]
    pub category: ToolCategory,
    pub paths: Vec<String>,
    pub command: Option<String>,
    #[schema(value_type = words::PermissionEffect)]
    pub effect: PermissionEffect,
    /// The question that was decided.
    #[schema(value_type = String)]
    pub permission: PermissionId,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::PermissionRule> for PermissionRule {
    fn from(rule: model::PermissionRule) -> Self {
        let short_id = rule.id.short();
        let model::PermissionRule {
            id,
            scope,
            session,
            repo,
            tool,
            category,
            paths,
            command,
            effect,
            permission,
            created_at,
        } = rule;
        Self {
            id,
            short_id,
            scope,
            session,
            repo,
            tool,
            category,
            paths,
            command,
            effect,
            permission,
            created_at,
        }
    }
}

/// Body of `POST /permissions/{id}/decide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    pub allow: bool,
    /// How far it reaches; without it, this one call.
    #[serde(default)]
    #[schema(value_type = Option<words::PermissionScope>)]
    pub scope: Option<PermissionScope>,
    /// `arguments_hash` of the permission as you saw it. Another one is refused with `permission_changed`.
    pub arguments_hash: String,
    /// What the agent is told of a denial. At most 1,024 bytes.
    #[serde(default)]
    pub reason: String,
}

/// Which permissions to list: without anything, the ones that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PermissionQuery {
    /// `open` (oldest first, always whole) or `all` (newest first).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only those of this session, by id or short id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Of `all`: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<PermissionId>,
    /// Of `all`: 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl PermissionQuery {
    /// Whether decided ones are wished for, too.
    pub fn all(&self) -> Result<bool, Refusal> {
        match self.state.as_deref() {
            None | Some("open") => Ok(false),
            Some("all") => Ok(true),
            Some(other) => {
                let shown: String = other.chars().take(40).collect();
                Err(Refusal::invalid("unknown_state", format!("`{shown}` is no state of a permission"))
                    .hint("one of open, all"))
            }
        }
    }
}

/// What can be done with permissions.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("permissions", id, method, path, User, summary);
    vec![
        op("list_permissions", Get, "/permissions", "Lists what agents ask to be allowed.")
            .query::<PermissionQuery>()
            .lists::<Permission>(),
        op("get_permission", Get, "/permissions/{id}", "Shows what is asked, and what was decided.")
            .returns::<Permission>(),
        op("decide_permission", Post, "/permissions/{id}/decide", "Allows or denies; the first one counts.")
            .body::<NewDecision>()
            .returns::<Permission>(),
        op("list_permission_rules", Get, "/permission-rules", "Lists the rules that decisions left behind.")
            .lists::<PermissionRule>(),
        op("remove_permission_rule", Delete, "/permission-rules/{id}", "Takes a rule away.")
            .answers(204, crate::operation::Answer::Nothing),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_wish_it_is_what_waits() {
        let all = |state: Option<&str>| {
            PermissionQuery { state: state.map(str::to_owned), ..PermissionQuery::default() }.all()
        };
        assert_eq!((all(None), all(Some("open")), all(Some("all"))), (Ok(false), Ok(false), Ok(true)));
        assert_eq!(all(Some("closed")).unwrap_err().code, "unknown_state");
    }
}
