//! What happens to a call before anybody is asked: rules, then the defaults, then who is there to answer.

use super::rules::{self, Asked, Rule};
use crate::config::{AgentConfig, PermissionConfig, PermissionPreset, Unattended};
use model::{Driver, PermissionAsk, PermissionEffect, ToolCategory};

/// Files and folders that decide how agents work here.
/// What is in `.git` is no path of a worktree, and no tool that edits gets there.
const ADMIN_NAMES: [&str; 6] = [".claude", ".codex", ".gemini", ".kimi-code", ".coditect", ".mcp.json"];
/// Traces of them in a shell line. A shell that wants to can do without: this asks, it does not contain.
const ADMIN_TRACES: [&str; 12] = [
    ".claude/",
    ".codex/",
    ".gemini/",
    ".kimi-code/",
    ".coditect/",
    ".mcp.json",
    ".git/hooks",
    ".git/config",
    "core.hookspath",
    "coditect permission",
    "coditect connect",
    "coditect disconnect",
];
/// Our own tools, by the names that vendors give to those of an MCP server.
const OWN_TOOLS: [&str; 2] = ["mcp__coditect__", "mcp_coditect_"];

/// Who decides where a rule, a default or a preset of the configuration does.
pub(crate) const BY_RULE: &str = "rule";

/// What is to be done about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It goes ahead as everything of its kind does; nothing is written down but the call itself.
    Free,
    /// It was decided without asking; who or what did, and what the agent is told.
    Decided { allowed: bool, by: &'static str, reason: String },
    /// Somebody is asked.
    Wait,
}

/// The call as it is looked at: what touches how agents work is an affair of administration, whatever tool does it.
pub(crate) fn classified(mut ask: PermissionAsk) -> PermissionAsk {
    let admin = match ask.category {
        ToolCategory::Read | ToolCategory::Network | ToolCategory::Admin => false,
        ToolCategory::Edit | ToolCategory::Mcp | ToolCategory::Shell => {
            let named = |path: &model::RepoPath| {
                path.as_str().split('/').any(|name| ADMIN_NAMES.contains(&name.to_ascii_lowercase().as_str()))
            };
            let traced = command_of(&ask).is_some_and(|line| {
                let line = line.to_ascii_lowercase();
                ADMIN_TRACES.iter().any(|trace| line.contains(trace))
            });
            ask.paths.iter().any(named) || traced
        }
    };
    if admin {
        ask.category = ToolCategory::Admin;
    }
    ask
}

/// The line a shell is to run: every vendor has it under one of these names, as text or as words.
pub(crate) fn command_of(ask: &PermissionAsk) -> Option<String> {
    if !matches!(ask.category, ToolCategory::Shell | ToolCategory::Admin) {
        return None;
    }
    let given = ["command", "cmd", "script"].iter().find_map(|name| ask.arguments.get(name))?;
    match given {
        serde_json::Value::String(line) => Some(line.clone()),
        serde_json::Value::Array(words) => words
            .iter()
            .map(|word| word.as_str().map(quoted))
            .collect::<Option<Vec<_>>>()
            .map(|words| words.join(" ")),
        _ => None,
    }
}

/// A word as a shell line has it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Who is there, and how the agent is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) permissions: &'a PermissionConfig,
    pub(crate) agent: Option<&'a AgentConfig>,
    pub(crate) driver: Driver,
    pub(crate) watched: bool,
}

pub(crate) fn judge(rules: &[Rule], asked: &Asked<'_>, setting: Setting<'_>) -> Judgement {
    let (effect, ruled) = match rules::verdict(rules, asked) {
        Some(effect) => (effect, true),
        None => {
            // Who may run no commands may not run those either that administer something.
            let at_heart = by_default(&Asked { category: asked.at_heart(), ..*asked }, setting);
            let denied = at_heart == PermissionEffect::Deny;
            (if denied { at_heart } else { by_default(asked, setting) }, false)
        }
    };
    match effect {
        PermissionEffect::Allow if !ruled => Judgement::Free,
        PermissionEffect::Allow => decided(true, BY_RULE, "a rule allows it"),
        PermissionEffect::Deny if ruled => {
            decided(false, BY_RULE, "a permission rule denies it; do without it, or ask the user in words")
        }
        PermissionEffect::Deny => decided(
            false,
            BY_RULE,
            "this agent may not do that here; do without it, or ask the user in words",
        ),
        PermissionEffect::Ask => unanswered(asked.category, setting),
    }
}

fn unanswered(category: ToolCategory, setting: Setting<'_>) -> Judgement {
    if setting.watched {
        return Judgement::Wait;
    }
    if category == ToolCategory::Admin {
        return decided(
            false,
            "nobody_watches",
            "this changes how agents work here, and nobody watches who could allow it; leave it to the user",
        );
    }
    match setting.agent.map(|agent| agent.unattended).unwrap_or_default() {
        Unattended::Wait => Judgement::Wait,
        Unattended::Allow => decided(true, "unattended", "nobody watches, and this agent may do it then"),
        Unattended::Deny => decided(false, "unattended", "nobody watches who could allow it; do without it"),
    }
}

fn by_default(asked: &Asked<'_>, setting: Setting<'_>) -> PermissionEffect {
    let own = asked.category == ToolCategory::Mcp && OWN_TOOLS.iter().any(|own| asked.tool.starts_with(own));
    if let Some(effect) = setting.permissions.default.get(&asked.category).filter(|_| !own) {
        return *effect;
    }
    let chosen = setting.agent.and_then(|agent| agent.permissions);
    match (asked.category, chosen.unwrap_or_default()) {
        (ToolCategory::Read | ToolCategory::Edit, _) => PermissionEffect::Allow,
        (ToolCategory::Admin, _) => PermissionEffect::Ask,
        _ if own => PermissionEffect::Allow,
        // Our own loop worked unattended before it asked; it goes on so where nobody chose otherwise.
        (ToolCategory::Shell, _) if chosen.is_none() && setting.driver == Driver::Native => {
            PermissionEffect::Allow
        }
        (_, PermissionPreset::Ask) => PermissionEffect::Ask,
        (_, PermissionPreset::Edits) => PermissionEffect::Deny,
        (_, PermissionPreset::All) => PermissionEffect::Allow,
    }
}

fn decided(allowed: bool, by: &'static str, reason: &str) -> Judgement {
    Judgement::Decided { allowed, by, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(
        tool: &str,
        category: ToolCategory,
        arguments: serde_json::Value,
        paths: &[&str],
    ) -> PermissionAsk {
        PermissionAsk {
            tool: tool.to_owned(),
            category,
            summary: "do it".to_owned(),
            arguments,
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
        }
    }

    fn agent(permissions: &str, unattended: &str) -> AgentConfig {
        serde_json::from_value(json!({
            "vendor": "anthropic", "driver": "claude", "model": "m", "permissions": permissions, "unattended": unattended,
        }))
        .unwrap()
    }

    fn judged(
        ask: PermissionAsk,
        agent: &AgentConfig,
        permissions: &PermissionConfig,
        watched: bool,
    ) -> Judgement {
        let ask = classified(ask);
        let name = "claude".parse().unwrap();
        let command = command_of(&ask);
        let rules = permissions.compiled().unwrap();
        let asked = Asked {
            agent: &name,
            tool: &ask.tool,
            category: ask.category,
            paths: &ask.paths,
            command: command.as_deref(),
        };
        judge(&rules, &asked, Setting { permissions, agent: Some(agent), driver: agent.driver, watched })
    }

    fn by(judgement: &Judgement) -> String {
        match judgement {
            Judgement::Free => "free".to_owned(),
            Judgement::Wait => "wait".to_owned(),
            Judgement::Decided { allowed, by, .. } => format!("{by}: {allowed}"),
        }
    }

    #[test]
    fn defaults_presets_and_who_is_there() {
        let shell = || ask("Bash", ToolCategory::Shell, json!({ "command": "make" }), &[]);
        let edit = || ask("Write", ToolCategory::Edit, json!({}), &["a.rs"]);
        let admin = || ask("Write", ToolCategory::Edit, json!({}), &[".claude/settings.json"]);
        let sly = || ask("Bash", ToolCategory::Shell, json!({ "command": "make # .claude/" }), &[]);
        let own = || ask("mcp__coditect__lock", ToolCategory::Mcp, json!({}), &[]);
        let other = || ask("mcp__github__x", ToolCategory::Mcp, json!({}), &[]);
        let network = || ask("WebFetch", ToolCategory::Network, json!({}), &[]);
        let none = PermissionConfig::default();
        for (ask, preset, unattended, watched, expected) in [
            (edit(), "ask", "wait", false, "free"),
            (own(), "edits", "deny", false, "free"),
            (shell(), "ask", "wait", true, "wait"),
            (sly(), "edits", "wait", true, "rule: false"),
            (shell(), "ask", "wait", false, "wait"),
            (shell(), "ask", "deny", true, "wait"),
            (shell(), "ask", "deny", false, "unattended: false"),
            (shell(), "ask", "allow", false, "unattended: true"),
            (other(), "ask", "wait", false, "wait"),
            (network(), "ask", "wait", false, "wait"),
            (shell(), "edits", "allow", true, "rule: false"),
            (shell(), "all", "deny", false, "free"),
            (network(), "all", "wait", true, "free"),
            (admin(), "all", "allow", false, "nobody_watches: false"),
            (admin(), "all", "allow", true, "wait"),
            (admin(), "edits", "wait", false, "nobody_watches: false"),
        ] {
            let shown = format!("{} {preset} {unattended} {watched}", ask.tool);
            assert_eq!(by(&judged(ask, &agent(preset, unattended), &none, watched)), expected, "{shown}");
        }
    }

    #[test]
    fn the_shell_of_our_own_loop_goes_ahead_where_nobody_chose_otherwise() {
        let ours = |more: serde_json::Value| -> AgentConfig {
            let mut agent = json!({ "vendor": "anthropic", "model": "m", "unattended": "deny" });
            agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(agent).unwrap()
        };
        let shell = |line: &str| ask("bash", ToolCategory::Shell, json!({ "command": line }), &[]);
        let none = PermissionConfig::default();
        let unset = ours(json!({}));
        assert_eq!(by(&judged(shell("make"), &unset, &none, false)), "free");
        let asks = ours(json!({ "permissions": "ask" }));
        assert_eq!(by(&judged(shell("make"), &asks, &none, false)), "unattended: false");
        let edits = ours(json!({ "permissions": "edits" }));
        assert_eq!(by(&judged(shell("make"), &edits, &none, true)), "rule: false");
        let driven = ours(json!({ "driver": "claude" }));
        assert_eq!(by(&judged(shell("make"), &driven, &none, true)), "wait");
        let admin = shell("echo x > .claude/settings.json");
        assert_eq!(by(&judged(admin, &unset, &none, false)), "nobody_watches: false");
        let ruled: PermissionConfig = serde_json::from_value(json!({
            "rules": [{ "tool": "shell", "command": "rm", "decision": "deny" }],
        }))
        .unwrap();
        assert_eq!(by(&judged(shell("rm x"), &unset, &ruled, false)), "rule: false");
        let default: PermissionConfig =
            serde_json::from_value(json!({ "default": { "shell": "ask" } })).unwrap();
        assert_eq!(by(&judged(shell("make"), &unset, &default, true)), "wait");
    }

    #[test]
    fn rules_and_defaults_of_the_config_go_before_presets() {
        let permissions: PermissionConfig = serde_json::from_value(json!({
            "rules": [{ "tool": "shell", "command": "make", "decision": "allow" }],
            "default": { "network": "deny", "shell": "ask" },
        }))
        .unwrap();
        let all = agent("all", "wait");
        let shell = |line: &str| ask("Bash", ToolCategory::Shell, json!({ "command": line }), &[]);
        assert_eq!(by(&judged(shell("make x"), &all, &permissions, true)), "rule: true");
        assert_eq!(by(&judged(shell("ls"), &all, &permissions, true)), "wait");
        let fetch = ask("WebFetch", ToolCategory::Network, json!({}), &[]);
        assert_eq!(by(&judged(fetch, &all, &permissions, true)), "rule: false");
    }

    #[test]
    fn what_decides_how_agents_work_is_administration_whatever_tool_does_it() {
        let edits = [".claude/settings.json", "sub/.codex/config.toml", ".MCP.json", ".coditect/x"];
        for path in edits {
            assert_eq!(
                classified(ask("Write", ToolCategory::Edit, json!({}), &[path])).category,
                ToolCategory::Admin,
                "{path}"
            );
        }
        for line in
            ["echo x > .claude/settings.json", "cp h .git/hooks/pre-push", "coditect permission allow x"]
        {
            let ask = ask("Bash", ToolCategory::Shell, json!({ "command": line }), &[]);
            assert_eq!(classified(ask).category, ToolCategory::Admin, "{line}");
        }
        for (category, path) in [
            (ToolCategory::Edit, ".github/ci.yml"),
            (ToolCategory::Edit, ".gitignore"),
            (ToolCategory::Read, ".mcp.json"),
        ] {
            assert_eq!(classified(ask("x", category, json!({}), &[path])).category, category, "{path}");
        }
    }

    #[test]
    fn a_command_is_found_as_text_and_as_words() {
        let line = |arguments| command_of(&ask("shell", ToolCategory::Shell, arguments, &[]));
        assert_eq!(line(json!({ "command": "ls -l" })).as_deref(), Some("ls -l"));
        assert_eq!(line(json!({ "command": ["bash", "-lc", "a; b"] })).as_deref(), Some("bash -lc 'a; b'"));
        assert_eq!(line(json!({ "cmd": ["it's"] })).as_deref(), Some("'it'\\''s'"));
        assert_eq!(line(json!({ "command": 7 })), None);
    }
}
