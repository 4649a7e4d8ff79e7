//! What rules say of calls, one by one and of any. Invariant: nothing that is hung onto an allowed command is allowed with it.

use super::*;
use PermissionEffect::{Allow, Ask, Deny};
use proptest::prelude::*;

fn rule(value: serde_json::Value) -> Rule {
    Rule::of_config(&serde_json::from_value(value).unwrap()).unwrap()
}

fn rules(all: &[serde_json::Value]) -> Vec<Rule> {
    all.iter().cloned().map(rule).collect()
}

fn agent() -> AgentName {
    "claude".parse().unwrap()
}

fn of_shell(rules: &[Rule], line: &str) -> Option<PermissionEffect> {
    let agent = agent();
    let asked =
        Asked { agent: &agent, tool: "Bash", category: ToolCategory::Shell, paths: &[], command: Some(line) };
    verdict(rules, &asked)
}

fn of_edit(rules: &[Rule], category: ToolCategory, paths: &[&str]) -> Option<PermissionEffect> {
    let agent = agent();
    let paths: Vec<RepoPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
    verdict(rules, &Asked { agent: &agent, tool: "Write", category, paths: &paths, command: None })
}

#[test]
fn the_first_words_allow_a_command_and_nothing_that_is_hung_onto_it() {
    let rules =
        rules(&[serde_json::json!({ "tool": "shell", "command": "cargo test", "decision": "allow" })]);
    assert_eq!(of_shell(&rules, "cargo test --all 'x; y'"), Some(Allow));
    assert_eq!(of_shell(&rules, "cargo test && cargo test -p a"), Some(Allow), "each of them is allowed");
    for line in [
        "cargo testify",
        "cargo",
        "cargo test; rm -rf /",
        "cargo test && rm x",
        "cargo test || rm x",
        "cargo test | sh",
        "cargo test $(rm x)",
        "cargo test `rm x`",
        "cargo test\nrm x",
        "cargo test > /etc/passwd",
        "cargo test & rm x",
        "cargo test <(rm x)",
        "X=1 cargo test",
        "cargo test \\\n; rm",
        "echo cargo test",
        "sudo cargo test",
    ] {
        assert_eq!(of_shell(&rules, line), None, "{line:?}");
    }
}

#[test]
fn a_glob_is_over_one_command_and_an_exact_line_over_all() {
    let some = rules(&[
        serde_json::json!({ "tool": "Bash", "command": "git log*", "decision": "allow" }),
        serde_json::json!({ "command": "=make a > b && c", "decision": "allow" }),
    ]);
    assert_eq!(of_shell(&some, "git log --oneline"), Some(Allow));
    assert_eq!(of_shell(&some, "git log; git push"), None);
    assert_eq!(of_shell(&some, " make a > b && c\n"), Some(Allow));
    assert_eq!(of_shell(&some, "make a > b && c && d"), None);
}

#[test]
fn what_is_denied_is_found_wherever_it_stands() {
    let rules = rules(&[
        serde_json::json!({ "tool": "shell", "decision": "allow" }),
        serde_json::json!({ "tool": "shell", "command": "git push", "decision": "deny" }),
        serde_json::json!({ "tool": "shell", "command": "curl *", "decision": "ask" }),
    ]);
    for line in [
        "git push",
        "cd x && git push -f",
        "bash -c 'git push'",
        "$(git push)",
        "/usr/bin/git push",
        "env git push",
    ] {
        assert_eq!(of_shell(&rules, line), Some(Deny), "{line}");
    }
    assert_eq!(of_shell(&rules, "sh -c \"curl x\""), Some(Ask));
    assert_eq!(
        of_shell(&rules, "git pull $X"),
        Some(Allow),
        "whoever allows every shell allows unclear lines"
    );
}

#[test]
fn the_rule_that_says_more_decides_and_of_equals_the_one_that_asks() {
    let more = rules(&[
        serde_json::json!({ "tool": "edit", "decision": "ask" }),
        serde_json::json!({ "tool": "edit", "paths": ["src/**"], "decision": "allow" }),
        serde_json::json!({ "tool": "edit", "paths": ["src/secret/**"], "decision": "ask" }),
    ]);
    assert_eq!(of_edit(&more, ToolCategory::Edit, &["src/a.rs"]), Some(Allow));
    assert_eq!(of_edit(&more, ToolCategory::Edit, &["src/secret/a.rs"]), Some(Ask));
    assert_eq!(
        of_edit(&more, ToolCategory::Edit, &["src/a.rs", "docs/a.md"]),
        Some(Ask),
        "all must be allowed"
    );
    let same = rules(&[
        serde_json::json!({ "tool": "edit", "decision": "allow" }),
        serde_json::json!({ "tool": "edit", "decision": "ask" }),
    ]);
    assert_eq!(of_edit(&same, ToolCategory::Edit, &["a"]), Some(Ask));
}

#[test]
fn what_administers_agents_is_allowed_by_its_name_only() {
    for general in [
        serde_json::json!({ "decision": "allow" }),
        serde_json::json!({ "tool": "Write", "decision": "allow" }),
    ] {
        assert_eq!(of_edit(&rules(&[general]), ToolCategory::Admin, &[".mcp.json"]), None);
    }
    let named = rules(&[serde_json::json!({ "tool": "admin", "paths": [".mcp.json"], "decision": "allow" })]);
    assert_eq!(of_edit(&named, ToolCategory::Admin, &[".mcp.json"]), Some(Allow));
    assert_eq!(of_edit(&named, ToolCategory::Admin, &[".claude/settings.json"]), None);
}

#[test]
fn a_rule_may_be_of_one_agent_or_one_server_of_tools() {
    let of_kimi = rules(&[serde_json::json!({ "agent": "kimi", "decision": "deny" })]);
    assert_eq!(of_shell(&of_kimi, "ls"), None);
    let agent = agent();
    let call = |tool| Asked { agent: &agent, tool, category: ToolCategory::Mcp, paths: &[], command: None };
    let github = rules(&[serde_json::json!({ "tool": "mcp__github__*", "decision": "allow" })]);
    assert_eq!(verdict(&github, &call("mcp__github__create_issue")), Some(Allow));
    assert_eq!(verdict(&github, &call("mcp__gitlab__create_issue")), None);
}

#[test]
fn patterns_that_are_none_are_refused() {
    for bad in [
        serde_json::json!({ "paths": ["../up"], "decision": "allow" }),
        serde_json::json!({ "command": " ", "decision": "allow" }),
        serde_json::json!({ "tool": "", "decision": "allow" }),
    ] {
        let read: PermissionRuleConfig = serde_json::from_value(bad.clone()).unwrap();
        assert!(Rule::of_config(&read).is_err(), "{bad}");
    }
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let tool = prop::option::of(prop::sample::select(vec!["shell", "Bash", "Ba*", "edit", "*"]));
    let command = prop::option::of(prop::sample::select(vec!["git", "git log", "git *", "=git log", "rm"]));
    let effect = prop::sample::select(vec!["allow", "ask", "deny"]);
    (tool, command, effect).prop_map(|(tool, command, effect)| {
        rule(serde_json::json!({ "tool": tool, "command": command, "decision": effect }))
    })
}

fn any_line() -> impl Strategy<Value = String> {
    let word =
        prop::sample::select(vec!["git", "log", "rm", "x", "&&", ";", "|", "$(", ")", "`", ">", "'", "\n"]);
    prop::collection::vec(word, 1..8).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn the_order_of_rules_means_nothing(all in prop::collection::vec(any_rule(), 0..7), line in any_line(), turn in 0usize..7) {
        let mut turned = all.clone();
        turned.rotate_left(turn.min(all.len()));
        prop_assert_eq!(of_shell(&all, &line), of_shell(&turned, &line));
        turned.reverse();
        prop_assert_eq!(of_shell(&all, &line), of_shell(&turned, &line));
    }

    #[test]
    fn a_rule_that_denies_never_makes_anything_allowed(all in prop::collection::vec(any_rule(), 0..7), more in any_rule(), line in any_line()) {
        let before = of_shell(&all, &line);
        let mut with = all.clone();
        with.push(Rule { effect: Deny, ..more });
        let after = of_shell(&with, &line);
        prop_assert!(after == before || after == Some(Deny), "{:?} became {:?}", before, after);
    }

    #[test]
    fn nothing_hung_onto_an_allowed_command_is_allowed_with_it(
        glue in prop::sample::select(vec![";", "&&", "||", "|", "\n", "&", "|&", "$(", "`", ">", "<(", "\\\n", "\r"]),
        spaced in any::<bool>(),
        tail in "[a-z]{1,6}( [a-z/.-]{1,6}){0,3}",
    ) {
        prop_assume!(!tail.starts_with("git log"));
        let allowed = rules(&[serde_json::json!({ "tool": "shell", "command": "git log", "decision": "allow" })]);
        let space = if spaced { " " } else { "" };
        for line in [
            format!("git log{space}{glue}{space}{tail}"),
            format!("{tail}{space}{glue}{space}git log"),
            format!("git log \"{glue}{tail}"),
        ] {
            prop_assert_ne!(of_shell(&allowed, &line), Some(Allow), "{:?}", line);
        }
    }
}
