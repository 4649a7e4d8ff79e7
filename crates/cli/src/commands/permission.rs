//! `coditect permission`: what agents have to be allowed, and the rules that answers leave behind.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, Subcommand};
use client::{Client, StreamItem};
use model::{Event, PermissionScope};
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{NewDecision, Permission as Shown, PermissionQuery, PermissionRule};
use std::time::Duration;

/// Characters that nobody sees, or that turn text around: what is decided about is shown with them spelled out.
const UNSEEN: [std::ops::RangeInclusive<char>; 6] = [
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{2069}',
    '\u{feff}'..='\u{feff}',
    '\u{ad}'..='\u{ad}',
];
/// How long a daemon may be away before watching ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum Permission {
    /// List what waits for you
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect permission list --watch\n  coditect permission list --all --json"
    )]
    List(List),
    /// Show what is asked, with its exact arguments
    #[command(
        after_help = "Examples:\n  coditect permission show q4x9\n  coditect permission show q4x9 --json"
    )]
    Show(One),
    /// Allow it: this one call, or with a scope what is like it, too
    #[command(
        after_help = "Examples:\n  coditect permission allow q4x9\n  coditect permission allow q4x9 --scope session"
    )]
    Allow(Allow),
    /// Deny it; the agent is told why and goes on
    #[command(
        after_help = "Examples:\n  coditect permission deny q4x9 --reason \"use the test database\"\n  coditect permission deny q4x9 --scope always"
    )]
    Deny(Deny),
    /// List the rules that answers left behind
    #[command(after_help = "Examples:\n  coditect permission rules\n  coditect permission rules --json")]
    Rules,
    /// One of these rules
    #[command(subcommand)]
    Rule(Rule),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rule {
    /// Take a rule away: what it allowed or denied is asked about again
    #[command(
        after_help = "Examples:\n  coditect permission rule rm m2kd\n  coditect permission rule rm m2kd --json"
    )]
    Rm(RuleRm),
}

#[derive(Debug, Args)]
pub(crate) struct RuleRm {
    /// Id or short id of the rule, or the start of it
    rule: String,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the permission, or the start of it
    permission: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Decided ones, too; the newest first
    #[arg(long)]
    all: bool,
    /// Only those of this session
    #[arg(long)]
    session: Option<String>,
    /// Go on, and say what is asked and decided as it happens
    #[arg(long, conflicts_with = "all")]
    watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// Id or short id of the permission, or the start of it
    permission: String,
    /// How far it reaches: once, session, repo or always
    #[arg(long, value_parser = scope, default_value = "once")]
    scope: PermissionScope,
    /// Only when the arguments have this hash, as `show --json` gives it
    #[arg(long)]
    hash: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Deny {
    /// Id or short id of the permission, or the start of it
    permission: String,
    /// How far it reaches: once, session, repo or always
    #[arg(long, value_parser = scope, default_value = "once")]
    scope: PermissionScope,
    /// What the agent is told
    #[arg(long, default_value = "")]
    reason: String,
    /// Only when the arguments have this hash, as `show --json` gives it
    #[arg(long)]
    hash: Option<String>,
}

fn scope(given: &str) -> Result<PermissionScope, String> {
    let found = PermissionScope::ALL.into_iter().find(|scope| scope.as_str() == given);
    found.ok_or_else(|| "one of once, session, repo, always".to_owned())
}

impl Permission {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(list) if list.watch => watch(context, list.session),
            Self::List(List { all, session, .. }) => {
                let query = PermissionQuery {
                    state: all.then(|| "all".to_owned()),
                    session,
                    ..PermissionQuery::default()
                };
                let found = context
                    .talk("asking the daemon", async |client| Ok(client.permissions(&query).await?))?;
                context.screen.show(&found, || table(context, &found.items))?;
                Ok(Exit::Done)
            }
            Self::Show(One { permission }) => {
                let found = context
                    .talk("asking the daemon", async |client| Ok(client.permission(&permission).await?))?;
                show(context, &found)
            }
            Self::Allow(Allow { permission, scope, hash }) => {
                decide(context, &permission, hash, |arguments_hash| NewDecision {
                    allow: true,
                    scope: Some(scope),
                    arguments_hash,
                    reason: String::new(),
                })
            }
            Self::Deny(Deny { permission, scope, reason, hash }) => {
                decide(context, &permission, hash, |arguments_hash| NewDecision {
                    allow: false,
                    scope: Some(scope),
                    arguments_hash,
                    reason: reason.clone(),
                })
            }
            Self::Rules => {
                let rules = context
                    .talk("asking the daemon", async |client| Ok(client.permission_rules().await?))?;
                context.screen.show(&rules, || rule_table(context, &rules.items))?;
                Ok(Exit::Done)
            }
            Self::Rule(Rule::Rm(RuleRm { rule })) => {
                context.talk("removing", async |client| {
                    Ok(client.remove_permission_rule(&rule, None).await?)
                })?;
                if context.screen.json {
                    context.screen.document(&serde_json::json!({ "removed": rule }))?;
                } else {
                    context.screen.say("removed; what it spoke of is asked about again");
                }
                Ok(Exit::Done)
            }
        }
    }
}

/// What is decided about is what is shown: the hash is that of the arguments on the screen.
fn decide(context: &Context, id: &str, hash: Option<String>, new: impl Fn(String) -> NewDecision) -> Outcome {
    context.not_for_agents("decide what agents may do")?;
    let decided = context.talk("deciding", async |client| {
        let seen = client.permission(id).await?;
        let new = new(hash.clone().unwrap_or_else(|| seen.arguments_hash.clone()));
        Ok(client.decide_permission(&seen.id.to_string(), &new, None).await?)
    })?;
    show(context, &decided)
}

/// Says what is asked and decided, as it happens.
fn watch(context: &Context, session: Option<String>) -> Outcome {
    context.follow(async |client| {
        let query = PermissionQuery { session: session.clone(), ..PermissionQuery::default() };
        let seen = client.status().await?.cursor;
        // What was asked or decided in the moment of the look is said once.
        let mut told = std::collections::BTreeSet::new();
        for waiting in client.permissions(&query).await?.items {
            say(context, &waiting)?;
            told.insert((waiting.id, false));
        }
        let wish = Subscription {
            after: Some(seen),
            session: session.clone(),
            feeds: vec![Feed::Events],
            client: None,
        };
        let mut stream = client.watch(wish, Some(DAEMON_AWAY_MAX));
        loop {
            let StreamItem::Message(message) = stream.next().await? else { continue };
            let ServerMessage::Event(record) = *message else { continue };
            let id = match record.event() {
                Ok(Event::PermissionRequested(asked)) => asked.id,
                Ok(Event::PermissionDecided(decision)) => decision.permission,
                _ => continue,
            };
            let found = found(client, &id.to_string()).await?;
            if told.insert((id, found.decision.is_some())) {
                say(context, &found)?;
            }
        }
    })
}

async fn found(client: &Client, id: &str) -> Result<Shown, Failure> {
    Ok(client.permission(id).await?)
}

fn say(context: &Context, permission: &Shown) -> Result<(), Failure> {
    if context.screen.json {
        return context.screen.streamed(permission);
    }
    let (paint, word) = standing(permission);
    context.screen.spoken(
        &permission.short_id,
        paint,
        &format!("{word}: {} ({})", permission.summary, permission.tool),
    )
}

fn standing(permission: &Shown) -> (Paint, String) {
    match &permission.decision {
        None => (Paint::Warm, "waits".to_owned()),
        Some(decision) if decision.allowed => (Paint::Good, format!("allowed by {}", decision.by)),
        Some(decision) => (Paint::Bad, format!("denied by {}", decision.by)),
    }
}

/// The arguments as they are, for somebody who decides.
pub(crate) fn exactly(permission: &Shown) -> String {
    let text = serde_json::to_string_pretty(&permission.arguments).unwrap_or_default();
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if UNSEEN.iter().any(|range| range.contains(&c)) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
        shown
    })
}

fn show(context: &Context, permission: &Shown) -> Outcome {
    let (paint, word) = standing(permission);
    let paths: Vec<&str> = permission.paths.iter().map(|path| path.as_str()).collect();
    let decision = permission.decision.as_ref();
    context.screen.show_sheet(permission, || {
        Sheet::new()
            .row("id", permission.id.to_string())
            .painted("short id", &permission.short_id, Paint::Note)
            .painted("state", word, paint)
            .painted("asked", &permission.summary, Paint::Strong)
            .row("tool", &permission.tool)
            .row("category", permission.category.as_str())
            .maybe("files", (!paths.is_empty()).then(|| paths.join("\n")))
            .row("arguments", exactly(permission))
            .row("hash", &permission.arguments_hash)
            .row("session", permission.session.to_string())
            .row("task", permission.task.to_string())
            .row("requested", permission.requested_at.to_string())
            .maybe("scope", decision.map(|decision| decision.scope.as_str()))
            .maybe("reason", decision.map(|decision| decision.reason.clone()).filter(|why| !why.is_empty()))
    })?;
    if decision.is_none() {
        context.screen.say(&how_to_decide(&permission.short_id));
    }
    Ok(Exit::Done)
}

pub(crate) fn how_to_decide(short_id: &str) -> String {
    format!("decide with `coditect permission allow {short_id}` or `coditect permission deny {short_id}`")
}

fn table(context: &Context, permissions: &[Shown]) -> Table {
    Table::of(&["ID", "STATE", "TOOL", "ASKED", "WHEN"], permissions, |permission| {
        let (paint, word) = standing(permission);
        vec![
            Cell::new(&permission.short_id).paint(Paint::Note).piped(permission.id.to_string()),
            Cell::new(word).paint(paint),
            Cell::new(&permission.tool),
            Cell::new(&permission.summary).paint(Paint::Strong),
            Cell::time(context.now(), permission.requested_at),
        ]
    })
}

fn rule_table(context: &Context, rules: &[PermissionRule]) -> Table {
    Table::of(&["ID", "DECISION", "SCOPE", "TOOL", "WHAT", "CREATED"], rules, |rule| {
        let what = rule.command.clone().unwrap_or_else(|| rule.paths.join(" "));
        vec![
            Cell::new(&rule.short_id).paint(Paint::Note).piped(rule.id.to_string()),
            Cell::new(rule.effect.as_str()),
            Cell::new(rule.scope.as_str()),
            Cell::new(rule.tool.trim_start_matches('=')),
            Cell::new(what.trim_start_matches('=')),
            Cell::time(context.now(), rule.created_at),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_spelled_out() {
        let asked = testkit::every_event().into_iter().find_map(|event| match event {
            Event::PermissionRequested(asked) => Some(asked),
            _ => None,
        });
        let mut asked = Shown::asked(asked.unwrap(), model::Timestamp::from_millis(0));
        asked.arguments = serde_json::json!({ "command": "rm \u{202e}txt.a\u{200b}" });
        assert!(exactly(&asked).contains("rm \\u202etxt.a\\u200b"), "{}", exactly(&asked));
    }
}
