//! Permissions: one inbox for whatever any agent has to be allowed, and the rules that answers leave behind.
//!
//! Invariant: a decision is about exactly the call that was asked about, and it is made once: who decides gives back the
//! hash of the arguments that he saw, and the first decision counts.

pub(crate) mod policy;
pub(crate) mod rules;
pub(crate) mod shell;

use crate::actor::Mail;
use crate::engine::Shared;
use crate::{Call, Engine};
use model::{
    Event, PERMISSION_ARGUMENTS_MAX, PERMISSION_PATHS_MAX, PERMISSION_REASON_MAX, PERMISSION_RULES_MAX,
    PERMISSION_SUMMARY_MAX, PERMISSION_TOOL_MAX, Permission, PermissionAsk, PermissionDecision,
    PermissionEffect, PermissionId, PermissionRule, PermissionRuleId, PermissionRuleRemoval, PermissionScope,
    Refusal, SessionId, Timestamp, ToolCategory,
};
use rules::{Asked, Rule};
use serde_json::Value;
use std::sync::Arc;
use store::{PermissionRow, View};

/// Most permissions in one page.
const PAGE_MAX: usize = 200;

/// What somebody decided.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub allow: bool,
    pub scope: PermissionScope,
    /// Of the arguments as he saw them.
    pub arguments_hash: String,
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct PermissionView {
    pub permission: Permission,
    pub requested_at: Timestamp,
    /// None while it waits.
    pub decision: Option<PermissionDecision>,
    pub decided_at: Option<Timestamp>,
}

impl From<PermissionRow> for PermissionView {
    fn from(row: PermissionRow) -> Self {
        let PermissionRow { permission, requested_at, decision, decided_at } = row;
        Self { permission, requested_at, decision, decided_at }
    }
}

impl Engine {
    /// What waits, oldest first.
    pub fn open_permissions(&self, session: Option<SessionId>) -> Result<Vec<PermissionView>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            Ok(view.open_permissions(session)?.into_iter().map(PermissionView::from).collect())
        })
    }

    /// Decided ones too, newest first; whether there are more.
    pub fn permissions(
        &self,
        session: Option<SessionId>,
        before: Option<PermissionId>,
        limit: usize,
    ) -> Result<(Vec<PermissionView>, bool), Refusal> {
        let limit = limit.clamp(1, PAGE_MAX);
        self.shared.store.read_or_refuse(|view| {
            let mut rows = view.permissions(session, before, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            Ok((rows.into_iter().map(PermissionView::from).collect(), more))
        })
    }

    pub fn permission(&self, id: PermissionId) -> Result<PermissionView, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let row = view.permission(id)?.ok_or_else(|| Refusal::not_found("permission", id))?;
            Ok(row.into())
        })
    }

    /// Decides; whoever comes second hears that it was decided. A rule that is left behind decides at once what else waits
    /// and is like it.
    pub async fn decide_permission(
        &self,
        call: &Call,
        id: PermissionId,
        new: NewDecision,
    ) -> Result<PermissionView, Refusal> {
        call.only_user()?;
        if new.reason.len() > PERMISSION_REASON_MAX {
            let message = format!("a reason has at most {PERMISSION_REASON_MAX} bytes");
            return Err(Refusal::invalid("reason_length", message).hint("say it in fewer words"));
        }
        self.permission(id)?;
        let (rule, now) = (self.shared.new_id(), self.shared.now());
        let command = move |view: &View<'_>| decided(view, id, &new, rule, now);
        let (shared, actor, key) = (Arc::clone(&self.shared), call.actor(), call.key.clone());
        let deciding = async move {
            let receipt = shared.commit(actor, key, command).await?;
            for record in receipt.records.iter().filter(|_| !receipt.replayed) {
                if let Event::PermissionDecided(decision) = &record.event {
                    shared.tell_decision(decision).await;
                }
            }
            Ok(())
        };
        self.shared.to_its_end(deciding).await?;
        self.permission(id)
    }

    /// The rules that decisions left behind, oldest first.
    pub fn permission_rules(&self) -> Result<Vec<PermissionRule>, Refusal> {
        Ok(self.shared.store.read(|view| view.permission_rules())?)
    }

    pub async fn remove_permission_rule(&self, call: &Call, id: PermissionRuleId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let rule = view.permission_rule(id)?.ok_or_else(|| Refusal::not_found("permission rule", id))?;
            let removal = PermissionRuleRemoval { rule: id, session: rule.session };
            Ok(vec![Event::PermissionRuleRemoved(removal)])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }

    pub fn resolve_permission(&self, given: &str) -> Result<PermissionId, Refusal> {
        self.resolve(given)
    }

    pub fn resolve_permission_rule(&self, given: &str) -> Result<PermissionRuleId, Refusal> {
        self.resolve(given)
    }
}

impl Shared {
    async fn tell_decision(self: &Arc<Self>, decision: &PermissionDecision) {
        let id = decision.permission;
        let task = match self.store.read(|view| view.permission(id)) {
            Ok(Some(row)) => row.permission.task,
            Ok(None) => return,
            Err(error) => return tracing::error!(permission = %id, %error, "a decision is not heard"),
        };
        let (turn, allowed, reason) = (decision.turn, decision.allowed, decision.reason.clone());
        self.tell(decision.session, Mail::Permitted { task, turn, permission: id, allowed, reason }).await;
    }
}

/// The decision, the rule it leaves behind, and what that rule decides of the rest.
fn decided(
    view: &View<'_>,
    id: PermissionId,
    new: &NewDecision,
    rule: PermissionRuleId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let row = view.permission(id)?.ok_or_else(|| Refusal::not_found("permission", id))?;
    if let Some(decision) = &row.decision {
        let word = if decision.allowed { "allowed" } else { "denied" };
        let message = format!("it was {word} already, by `{}`", decision.by);
        return Err(Refusal::conflict("permission_decided", message)
            .hint("see what waits now with `coditect permission list`"));
    }
    let permission = row.permission;
    if permission.arguments_hash != new.arguments_hash {
        let message = "what is asked is not what you decided about: the arguments are others";
        return Err(Refusal::conflict("permission_changed", message)
            .hint(format!("look at it again with `coditect permission show {}`", id.short())));
    }
    let mut events = vec![Event::PermissionDecided(PermissionDecision {
        permission: id,
        session: permission.session,
        turn: permission.turn,
        participant: permission.participant,
        allowed: new.allow,
        scope: new.scope,
        by: "user".to_owned(),
        reason: new.reason.clone(),
    })];
    if new.scope != PermissionScope::Once {
        let rule = left_behind(view, &permission, new, rule, now)?;
        let same = like_it(view, &permission, &rule)?;
        events.push(Event::PermissionRuleAdded(rule));
        events.extend(same);
    }
    Ok(events)
}

fn left_behind(
    view: &View<'_>,
    permission: &Permission,
    new: &NewDecision,
    id: PermissionRuleId,
    created_at: Timestamp,
) -> Result<PermissionRule, Refusal> {
    if view.permission_rules()?.len() >= PERMISSION_RULES_MAX {
        let message = format!("{PERMISSION_RULES_MAX} rules are the most there may be");
        return Err(Refusal::conflict("too_many_rules", message)
            .hint("remove some with `coditect permission rule rm`"));
    }
    let repo = view.session(permission.session)?.and_then(|row| row.session.repo);
    if new.scope == PermissionScope::Repo && repo.is_none() {
        return Err(Refusal::invalid("no_repo", "the session is in no repo").hint("choose another scope"));
    }
    let ask = &permission.ask;
    let command = policy::command_of(ask).map(|line| format!("={}", line.trim()));
    let paths: Vec<String> = ask.paths.iter().map(|path| format!("={path}")).collect();
    let bound = match ask.category {
        ToolCategory::Shell => command.is_some(),
        ToolCategory::Admin | ToolCategory::Edit => command.is_some() || !paths.is_empty(),
        ToolCategory::Read | ToolCategory::Network | ToolCategory::Mcp => true,
    };
    if !bound {
        let message = "nobody can say which calls are like this one";
        return Err(
            Refusal::invalid("scope_too_wide", message).hint("decide about this one call: scope `once`")
        );
    }
    Ok(PermissionRule {
        id,
        scope: new.scope,
        session: Some(permission.session).filter(|_| new.scope == PermissionScope::Session),
        repo: repo.filter(|_| new.scope == PermissionScope::Repo),
        tool: format!("={}", ask.tool),
        category: ask.category,
        // A command says more than the files that somebody found in it.
        paths: if command.is_some() { Vec::new() } else { paths },
        command,
        effect: if new.allow { PermissionEffect::Allow } else { PermissionEffect::Deny },
        permission: permission.id,
        created_at,
    })
}

/// What waits elsewhere and is decided by the new rule, too.
fn like_it(view: &View<'_>, decided: &Permission, rule: &PermissionRule) -> Result<Vec<Event>, Refusal> {
    let session = Some(decided.session).filter(|_| rule.scope == PermissionScope::Session);
    let compiled = Rule::of_decision(rule).map_err(Refusal::internal)?;
    let mut events = Vec::new();
    for row in view.open_permissions(session)? {
        let other = row.permission;
        let repo = view.session(other.session)?.and_then(|row| row.session.repo);
        let in_place = rule.scope != PermissionScope::Repo || repo == rule.repo;
        let agent = view.participant(other.participant)?.map(|row| row.participant.agent);
        let (true, Some(agent)) = (in_place && other.id != decided.id, agent) else { continue };
        let command = policy::command_of(&other.ask);
        let asked = Asked {
            agent: &agent,
            tool: &other.ask.tool,
            category: other.ask.category,
            paths: &other.ask.paths,
            command: command.as_deref(),
        };
        if compiled.alone(&asked) == Some(rule.effect) {
            events.push(Event::PermissionDecided(PermissionDecision {
                permission: other.id,
                session: other.session,
                turn: other.turn,
                participant: other.participant,
                allowed: rule.effect == PermissionEffect::Allow,
                scope: rule.scope,
                by: "rule".to_owned(),
                reason: "decided together with a call like it".to_owned(),
            }));
        }
    }
    Ok(events)
}

/// What nobody waits for any more is over, whoever might still answer.
pub(crate) fn over(rows: Vec<PermissionRow>, by: &str, reason: &str) -> Vec<Event> {
    let over = |row: PermissionRow| {
        Event::PermissionDecided(PermissionDecision {
            permission: row.permission.id,
            session: row.permission.session,
            turn: row.permission.turn,
            participant: row.permission.participant,
            allowed: false,
            scope: PermissionScope::Once,
            by: by.to_owned(),
            reason: reason.to_owned(),
        })
    };
    rows.into_iter().map(over).collect()
}

/// Refuses what is too large to be shown, kept and decided about.
pub(crate) fn check(ask: &PermissionAsk) -> Result<(), Refusal> {
    let too = |what: &str, max: usize, unit: &str| {
        let message = format!("{what} of a question for permission has at most {max} {unit}");
        Err(Refusal::invalid("permission_too_large", message).hint("do it in smaller steps"))
    };
    if ask.tool.is_empty() || ask.tool.len() > PERMISSION_TOOL_MAX {
        return too("the tool", PERMISSION_TOOL_MAX, "bytes, and at least one");
    }
    if ask.summary.len() > PERMISSION_SUMMARY_MAX {
        return too("the summary", PERMISSION_SUMMARY_MAX, "bytes");
    }
    if ask.paths.len() > PERMISSION_PATHS_MAX {
        return too("the list of files", PERMISSION_PATHS_MAX, "paths");
    }
    if ask.arguments.to_string().len() > PERMISSION_ARGUMENTS_MAX {
        return too("the arguments", PERMISSION_ARGUMENTS_MAX, "bytes");
    }
    Ok(())
}

/// BLAKE3 over the tool and its arguments, whatever order their fields came in.
pub(crate) fn arguments_hash(tool: &str, arguments: &Value) -> String {
    let mut text = String::new();
    canonical(arguments, &mut text);
    let mut hasher = blake3::Hasher::new();
    hasher.update(tool.as_bytes()).update(b"\0").update(text.as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                canonical(&fields[name], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hash_is_of_the_tool_and_what_the_arguments_say() {
        let hash = |tool: &str, text: &str| arguments_hash(tool, &serde_json::from_str(text).unwrap());
        let one = hash("Bash", r#"{"command":"ls","n":{"a":1,"b":[1,2]}}"#);
        assert_eq!(one, hash("Bash", r#"{ "n": {"b":[1,2], "a":1}, "command": "ls" }"#));
        for (tool, other) in [
            ("Bash", r#"{"command":"ls ","n":{"a":1,"b":[1,2]}}"#),
            ("Bash", r#"{"command":"ls","n":{"a":1,"b":[2,1]}}"#),
            ("Bash", r#"{"command":"ls"}"#),
            ("bash", r#"{"command":"ls","n":{"a":1,"b":[1,2]}}"#),
        ] {
            assert_ne!(one, hash(tool, other), "{other}");
        }
        assert_ne!(hash("a", r#"["1,2"]"#), hash("a", r#"["1","2"]"#));
    }

    #[test]
    fn each_part_of_a_question_has_its_limit() {
        let fits = PermissionAsk {
            tool: "t".repeat(PERMISSION_TOOL_MAX),
            category: ToolCategory::Shell,
            summary: "s".repeat(PERMISSION_SUMMARY_MAX),
            arguments: json!("a".repeat(PERMISSION_ARGUMENTS_MAX - 2)),
            paths: vec!["a".parse().unwrap(); PERMISSION_PATHS_MAX],
        };
        assert!(check(&fits).is_ok());
        let over = [
            PermissionAsk { tool: String::new(), ..fits.clone() },
            PermissionAsk { tool: "t".repeat(PERMISSION_TOOL_MAX + 1), ..fits.clone() },
            PermissionAsk { summary: "s".repeat(PERMISSION_SUMMARY_MAX + 1), ..fits.clone() },
            PermissionAsk { arguments: json!("a".repeat(PERMISSION_ARGUMENTS_MAX - 1)), ..fits.clone() },
            PermissionAsk { paths: vec!["a".parse().unwrap(); PERMISSION_PATHS_MAX + 1], ..fits },
        ];
        for ask in over {
            assert_eq!(check(&ask).unwrap_err().code, "permission_too_large");
        }
    }
}
