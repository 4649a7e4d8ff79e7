//! `coditect permission`, typed: what an agent asks, decided by a short id, and the rules that answers leave behind.

use crate::house::{Daemon, House, until};
use crate::kill::Workplace;
use bus::system::{SystemClock, SystemEntropy};
use model::{Actor, DEFAULT_WORKSPACE, Event, PermissionId, PermissionRuleId, TaskState};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use store::{Commit, Store, StoreOptions};

const ASKS: &str = "[[bash touch one.txt]] [[bash touch one.txt]] [[bash touch one.txt]] [[say done]]";

fn place() -> (Workplace, Daemon) {
    let place = Workplace::with(&[("claude", json!({ "permissions": "ask" }))]);
    let daemon = place.daemon();
    (place, daemon)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The one that waits, once it does.
fn waiting(house: &House) -> Value {
    until("a question", || house.json(&["permission", "list", "--json"])["items"].get(0).cloned())
}

fn plain(house: &House, args: &[&str]) -> String {
    let output = house.run(args);
    assert!(output.status.success(), "{args:?}: {}", crate::house::text(&output));
    crate::house::text(&output)
}

/// Exit code and the error's code of a command that is refused.
fn refused(house: &House, args: &[&str]) -> (i32, String) {
    let output = house.run(&[args, &["--json"]].concat());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), said["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_an_agent_asks_is_listed_shown_and_decided_by_the_start_of_its_short_id() {
    let (place, _daemon) = place();
    let house = &place.house;
    let session = place.session("claude");
    let task = place.prompt(&session, "claude", ASKS);
    let asked = waiting(house);
    let short = text(&asked["short_id"]).to_owned();
    let start = &short[..4];
    assert_eq!((&asked["category"], &asked["decision"]), (&json!("shell"), &Value::Null));
    assert_eq!((&asked["session"], &asked["task"]), (&json!(session), &json!(task)));
    assert_eq!(asked["arguments"]["command"], "touch one.txt", "{asked}");
    let listed = plain(house, &["permission", "list"]);
    assert!(listed.contains(text(&asked["id"])) && listed.contains("waits"), "{listed}");
    let shown = house.json(&["permission", "show", start, "--json"]);
    assert_eq!((&shown["id"], &shown["schema_version"]), (&asked["id"], &json!(1)));
    let sheet = plain(house, &["permission", "show", start]);
    assert!(sheet.contains("touch one.txt"), "{sheet}");
    assert!(sheet.contains(&format!("coditect permission allow {short}")), "{sheet}");

    let other = ["permission", "allow", start, "--hash", "00"];
    assert_eq!(refused(house, &other), (5, "permission_changed".into()));
    assert!(!place.repo.path().join("one.txt").exists(), "nothing is done before the answer");
    let allowed = house.json(&["permission", "allow", start, "--json"]);
    let decision = &allowed["decision"];
    assert_eq!(
        (&decision["allowed"], &decision["by"], &decision["scope"]),
        (&json!(true), &json!("user"), &json!("once"))
    );
    assert_eq!(refused(house, &["permission", "deny", start]), (5, "permission_decided".into()));

    // Once is once: the same is asked again. No for the session then answers the third.
    let second = until("the second question", || {
        let found = waiting(house);
        (found["id"] != asked["id"]).then_some(found)
    });
    let no =
        ["permission", "deny", text(&second["short_id"]), "--scope", "session", "--reason", "two are enough"];
    let denied = plain(house, &no);
    assert!(denied.contains("denied by user") && denied.contains("two are enough"), "{denied}");
    assert_eq!(place.over(&task).0, TaskState::Completed);
    assert!(place.repo.path().join("one.txt").exists());
    let told = house.json(&["session", "messages", &session, "--json"]).to_string();
    assert!(told.contains("two are enough"), "the agent hears why: {told}");
    let all = house.json(&["permission", "list", "--all", "--session", &session, "--json"]);
    let by: Vec<&str> =
        all["items"].as_array().unwrap().iter().map(|one| text(&one["decision"]["by"])).collect();
    assert_eq!(by, ["rule", "user", "user"], "the newest first");
    assert!(house.json(&["permission", "list", "--json"])["items"].as_array().unwrap().is_empty());
}

#[test]
fn a_rule_that_an_answer_left_is_listed_and_taken_away_by_its_short_id() {
    let (place, _daemon) = place();
    let house = &place.house;
    let session = place.session("claude");
    let task = place.prompt(&session, "claude", "[[bash touch one.txt]] [[say done]]");
    let asked = waiting(house);
    house.json(&["permission", "allow", text(&asked["id"]), "--scope", "always", "--json"]);
    assert_eq!(place.over(&task).0, TaskState::Completed);
    let rules = house.json(&["permission", "rules", "--json"]);
    let rule = &rules["items"][0];
    assert_eq!((&rule["effect"], &rule["scope"]), (&json!("allow"), &json!("always")));
    assert_eq!((&rule["command"], &rule["permission"]), (&json!("=touch one.txt"), &asked["id"]));
    let listed = plain(house, &["permission", "rules"]);
    assert!(listed.contains("touch one.txt") && !listed.contains("=touch"), "{listed}");

    let again = place.prompt(&session, "claude", "[[bash touch one.txt]] [[say done]]");
    assert_eq!(place.over(&again).0, TaskState::Completed, "the rule answers");
    let short = text(&rule["short_id"]);
    let removed = house.json(&["permission", "rule", "rm", &short[..4], "--json"]);
    assert_eq!(removed["removed"], short[..4]);
    assert_eq!(refused(house, &["permission", "rule", "rm", short]), (3, "not_found".into()));
    assert!(house.json(&["permission", "rules", "--json"])["items"].as_array().unwrap().is_empty());
    let third = place.prompt(&session, "claude", "[[bash touch one.txt]] [[say done]]");
    let asked = waiting(house);
    assert_eq!(asked["task"], json!(third), "it is asked about again");
    house.json(&["task", "cancel", &third, "--json"]);
}

#[test]
fn watching_says_what_is_asked_and_what_became_of_it() {
    let (place, _daemon) = place();
    let house = &place.house;
    let mut command = house.command(&["permission", "list", "--watch", "--json"]);
    let mut watcher = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    place.prompt(&place.session("claude"), "claude", "[[bash touch one.txt]] [[say done]]");
    let asked = next();
    assert_eq!(asked["decision"], Value::Null, "{asked}");
    house.json(&["permission", "deny", text(&asked["short_id"]), "--json"]);
    let denied = next();
    assert_eq!((&denied["id"], &denied["decision"]["allowed"]), (&asked["id"], &json!(false)));
    watcher.kill().unwrap();
    watcher.wait().unwrap();
}

#[test]
fn what_is_not_there_and_what_is_not_for_agents_is_refused_with_its_exit_code() {
    let (place, _daemon) = place();
    let house = &place.house;
    for args in [
        &["permission", "show", "zzzzzzzzzz"][..],
        &["permission", "allow", "zzzz"],
        &["permission", "deny", "zzzz"],
        &["permission", "rule", "rm", "zzzz"],
        &["permission", "list", "--session", "zzzz"],
    ] {
        assert_eq!(refused(house, args), (3, "not_found".into()), "{args:?}");
    }
    for args in [
        &["permission", "allow", "zzzz", "--scope", "forever"][..],
        &["permission", "list", "--all", "--watch"],
        &["permission", "allow"],
    ] {
        assert_eq!(refused(house, args), (2, "bad_usage".into()), "{args:?}");
    }
    let mut inside = house.command(&["permission", "allow", "zzzz", "--json"]);
    let said = inside.env("CODITECT_RUN", "run_1").output().unwrap();
    assert_eq!(said.status.code(), Some(4), "{}", crate::house::text(&said));
}

/// The id whose short form differs in the last character alone.
fn twin(id: &str) -> String {
    let (start, last) = id.split_at(id.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}

#[test]
fn a_start_that_two_have_is_taken_for_neither() {
    let (place, daemon) = place();
    let house = &place.house;
    let task = place.prompt(&place.session("claude"), "claude", "[[bash touch one.txt]] [[say done]]");
    let asked = waiting(house);
    house.json(&["permission", "allow", text(&asked["id"]), "--scope", "always", "--json"]);
    place.over(&task);
    let rule = house.json(&["permission", "rules", "--json"])["items"][0].clone();
    let exported = house.run(&["events", "export", "--json"]);
    let twins: Vec<Event> = String::from_utf8(exported.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            Event::parse(text(&event["kind"]), &event["payload"].to_string()).ok()
        })
        .filter_map(|event| match event {
            Event::PermissionRequested(mut asked) => {
                asked.id = twin(&asked.id.to_string()).parse::<PermissionId>().unwrap();
                Some(Event::PermissionRequested(asked))
            }
            Event::PermissionRuleAdded(mut rule) => {
                rule.id = twin(&rule.id.to_string()).parse::<PermissionRuleId>().unwrap();
                Some(Event::PermissionRuleAdded(rule))
            }
            _ => None,
        })
        .collect();
    assert_eq!(twins.len(), 2);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let workspace = house.root.workspace(DEFAULT_WORKSPACE);
    let (store, _) = Store::open(&workspace, clock, entropy, StoreOptions::default()).unwrap();
    store.commit(Commit::new(Actor::System, move |_| Ok(twins))).unwrap();
    store.close();
    drop(store);

    let _daemon = place.daemon();
    for (id, commands) in [
        (text(&asked["short_id"]), &[&["permission", "show"][..], &["permission", "deny"]][..]),
        (text(&rule["short_id"]), &[&["permission", "rule", "rm"][..]]),
    ] {
        for command in commands {
            let args = [*command, &[&id[..9], "--json"]].concat();
            let output = house.run(&args);
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            let error = &said["error"];
            assert_eq!((output.status.code(), text(&error["code"])), (Some(2), "ambiguous_id"), "{said}");
            let message = text(&error["message"]);
            let both = [text(&asked["id"]), text(&rule["id"])].into_iter().filter(|id| message.contains(*id));
            assert_eq!(both.count(), 1, "those that are meant are named: {message}");
        }
    }
    assert_eq!(house.json(&["permission", "rules", "--json"])["items"].as_array().unwrap().len(), 2);
}

/// How often two clients answer the same question, to have met in earnest.
const CONTESTS: usize = 6;

#[test]
fn of_two_clients_that_decide_at_once_one_wins_and_the_agent_hears_one_answer() {
    let (place, _daemon) = place();
    let house = &place.house;
    let session = place.session("claude");
    let prompt: String = (0..CONTESTS).map(|n| format!("[[bash echo {n} >> done.txt]] ")).collect();
    let task = place.prompt(&session, "claude", &format!("{prompt}[[say done]]"));
    let mut allowed = Vec::new();
    let mut last = Value::Null;
    for _ in 0..CONTESTS {
        let asked = until("a question", || {
            let page = house.json(&["permission", "list", "--json"]);
            page["items"].get(0).filter(|one| one["id"] != last).cloned()
        });
        let (id, hash) = (text(&asked["id"]), text(&asked["arguments_hash"]));
        let start = std::sync::Barrier::new(2);
        // Each with a client, a runtime and a connection of its own, which it has before they begin.
        let decide = |allow: bool| {
            house.api(async |client| {
                client.permission(id).await.unwrap();
                start.wait();
                let new = protocol::NewDecision {
                    allow,
                    scope: None,
                    arguments_hash: hash.to_owned(),
                    reason: String::new(),
                };
                client.decide_permission(id, &new, None).await
            })
        };
        let answers = std::thread::scope(|scope| {
            let other = scope.spawn(|| decide(false));
            [decide(true), other.join().unwrap()]
        });
        let won = answers[0].is_ok();
        assert_ne!(won, answers[1].is_ok(), "one of them wins: {answers:?}");
        let decision =
            answers.iter().find_map(|answer| answer.as_ref().ok()).unwrap().decision.clone().unwrap();
        assert_eq!((decision.allowed, decision.by.as_str()), (won, "user"));
        let lost = answers.iter().find_map(|answer| answer.as_ref().err()).unwrap();
        assert_eq!((lost.code(), lost.hint().is_some()), ("permission_decided", true), "{lost:?}");
        allowed.push(won);
        last = asked["id"].clone();
    }
    assert_eq!(place.over(&task).0, TaskState::Completed);
    // The agent did what it was allowed and nothing else, and was answered once for each call.
    let ran: Vec<String> = (0..CONTESTS).filter(|n| allowed[*n]).map(|n| n.to_string()).collect();
    let done = std::fs::read_to_string(place.repo.path().join("done.txt")).unwrap_or_default();
    assert_eq!(done.lines().collect::<Vec<_>>(), ran);
    let exported = house.run(&["events", "export", "--json"]);
    let kinds = String::from_utf8(exported.stdout).unwrap();
    let count =
        |kind: &str| kinds.lines().filter(|line| line.contains(&format!(r#""kind":"{kind}""#))).count();
    assert_eq!(count("permission.requested"), CONTESTS);
    assert_eq!(count("permission.decided"), CONTESTS);
    let said = house.json(&["session", "messages", &session, "--json"]).to_string();
    assert_eq!(said.matches(r#""type":"tool_result""#).count(), CONTESTS, "{said}");
}
