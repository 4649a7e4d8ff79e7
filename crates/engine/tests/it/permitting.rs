//! Permissions: what waits in the inbox, who answers it, and what rules answer by themselves.

use crate::scene::{Scene, call};
use engine::{NewDecision, PermissionView, TaskView};
use model::{Event, ParticipantStatus, PermissionScope, SessionId, TaskState};
use serde_json::{Value, json};

fn asks(id: u64, tool: &str, category: &str, arguments: Value, paths: &[&str]) -> Value {
    let ask = json!({
        "tool": tool, "category": category, "summary": format!("do {arguments}"), "arguments": arguments, "paths": paths,
    });
    json!({ "event": "request", "id": id, "request": { "request": "permit", "ask": ask } })
}

fn shell(id: u64, line: &str) -> Value {
    asks(id, "Bash", "shell", json!({ "command": line }), &[])
}

fn ended() -> Value {
    json!({
        "event": "ended", "outcome": { "state": "completed", "summary": "done" }, "iterations": 1,
        "usage": { "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_micros": 0 },
    })
}

fn locks(id: u64, path: &str) -> Value {
    json!({ "event": "request", "id": id, "request": { "request": "lock", "path": path } })
}

/// By the run's number of its request: what came of a lock, as the code of its refusal or `locked`.
fn locked(scene: &Scene) -> Vec<(u64, String)> {
    let answer = |reply: &Value| {
        let code = match reply["result"]["Ok"]["token"].as_u64() {
            Some(_) => "locked",
            None => reply["result"]["Err"]["code"].as_str()?,
        };
        Some((reply["id"].as_u64()?, code.to_owned()))
    };
    let mut all: Vec<(u64, String)> = scene.heard().iter().filter_map(answer).collect();
    all.sort_unstable();
    all
}

async fn prompted(scene: &Scene) -> (SessionId, TaskView) {
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    (session, scene.prompt(session, "work", &[]).await.unwrap())
}

async fn waiting(scene: &Scene, count: usize) -> Vec<PermissionView> {
    scene
        .until("so many wait", || {
            Some(scene.engine().open_permissions(None).unwrap()).filter(|open| open.len() == count)
        })
        .await
}

fn decision(view: &PermissionView, allow: bool, scope: PermissionScope) -> NewDecision {
    NewDecision {
        allow,
        scope,
        arguments_hash: view.permission.arguments_hash.clone(),
        reason: String::new(),
    }
}

/// By the run's number of its request: whether it was allowed.
fn answers(scene: &Scene) -> Vec<(u64, bool)> {
    let answer = |reply: &Value| Some((reply["id"].as_u64()?, reply["result"]["Ok"]["allowed"].as_bool()?));
    let mut all: Vec<(u64, bool)> = scene.heard().iter().filter_map(answer).collect();
    all.sort_unstable();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_in_the_inbox_until_somebody_decides_about_exactly_that() {
    let scene = Scene::scripted(json!({})).await;
    scene.script(&[json!({ "event": "ready" }), shell(1, "make test")], 1, &[ended()]);
    let (session, task) = prompted(&scene).await;
    let asked = waiting(&scene, 1).await.remove(0);
    assert_eq!(asked.permission.ask.arguments, json!({ "command": "make test" }));
    let seat = scene.engine().participants(session).unwrap().remove(0);
    assert_eq!(seat.status, ParticipantStatus::NeedsInput);
    assert!(seat.detail.unwrap().contains("nobody watches"), "it is said why it may take long");
    assert_eq!(scene.engine().session(session).unwrap().needs_input, 1);
    assert_eq!(scene.engine().status().unwrap().needs_input, 1);

    let id = asked.permission.id;
    let other =
        NewDecision { arguments_hash: "00".to_owned(), ..decision(&asked, true, PermissionScope::Once) };
    let refused = scene.engine().decide_permission(&call(), id, other).await.unwrap_err();
    assert_eq!(refused.code, "permission_changed");
    let yes = decision(&asked, true, PermissionScope::Once);
    let decided = scene.engine().decide_permission(&call(), id, yes.clone()).await.unwrap();
    assert!(decided.decision.is_some_and(|decision| decision.allowed && decision.by == "user"));
    let second = scene.engine().decide_permission(&call(), id, yes).await.unwrap_err();
    assert_eq!(second.code, "permission_decided");
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    assert_eq!(answers(&scene), [(1, true)]);
    assert!(scene.engine().permission_rules().unwrap().is_empty(), "once leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_for_the_session_decides_what_is_like_it_now_and_later_and_no_more() {
    let scene = Scene::scripted(json!({})).await;
    let first = [json!({ "event": "ready" }), shell(1, "make"), shell(2, "make"), shell(3, "make; rm x")];
    scene.script(&first, 3, &[ended()]);
    let (session, task) = prompted(&scene).await;
    let open = waiting(&scene, 3).await;
    let wide = decision(&open[0], true, PermissionScope::Session);
    scene.engine().decide_permission(&call(), open[0].permission.id, wide).await.unwrap();
    let left = waiting(&scene, 1).await.remove(0);
    assert_eq!(left.permission.ask.arguments, json!({ "command": "make; rm x" }));
    let no = decision(&left, false, PermissionScope::Once);
    scene.engine().decide_permission(&call(), left.permission.id, no).await.unwrap();
    scene.task_over(task.task.id).await;
    assert_eq!(answers(&scene), [(1, true), (2, true), (3, false)]);

    scene.script(&[json!({ "event": "ready" }), shell(4, " make ")], 1, &[ended()]);
    let again = scene.prompt(session, "again", &[]).await.unwrap();
    assert_eq!(scene.task_over(again.task.id).await.state, TaskState::Completed);
    assert_eq!(answers(&scene).last(), Some(&(4, true)));
    let rules = scene.engine().permission_rules().unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].command.as_deref(), Some("=make"));

    scene.engine().remove_permission_rule(&call(), rules[0].id).await.unwrap();
    assert_eq!(
        scene.engine().remove_permission_rule(&call(), rules[0].id).await.unwrap_err().code,
        "not_found"
    );
    let third = scene.prompt(session, "third", &[]).await.unwrap();
    waiting(&scene, 1).await;
    scene.engine().cancel_task(&call(), third.task.id).await.unwrap();
    waiting(&scene, 0).await;
    let last = scene.engine().permissions(None, None, 1).unwrap().0.remove(0);
    assert_eq!(last.decision.unwrap().by, "turn_ended", "what nobody waits for is not open");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_defaults_answer_without_asking() {
    let scene = Scene::scripted(json!({
        "permissions": { "rules": [
            { "tool": "shell", "command": "cargo test", "decision": "allow" },
            { "tool": "shell", "command": "rm", "decision": "deny" },
        ] },
        "agent": { "unattended": "deny" },
    }))
    .await;
    let first = [
        json!({ "event": "ready" }),
        shell(1, "cargo test --all"),
        shell(2, "cargo test && rm -rf x"),
        shell(3, "curl x"),
        asks(4, "Write", "edit", json!({ "file_path": "a.txt" }), &["a.txt"]),
        asks(5, "Write", "edit", json!({ "file_path": ".mcp.json" }), &[".mcp.json"]),
        asks(6, "mcp__coditect__lock", "mcp", json!({}), &[]),
        asks(7, "Bash", "shell", json!({ "command": "x".repeat(model::PERMISSION_ARGUMENTS_MAX) }), &[]),
    ];
    scene.script(&first, 7, &[ended()]);
    let (_, task) = prompted(&scene).await;
    scene.task_over(task.task.id).await;
    let allowed = [(1, true), (2, false), (3, false), (4, true), (5, false), (6, true)];
    assert_eq!(answers(&scene), allowed);
    assert!(scene.heard().iter().any(|reply| reply["result"]["Err"]["code"] == "permission_too_large"));
    let by: Vec<String> = scene
        .events()
        .into_iter()
        .filter_map(
            |event| if let Event::PermissionDecided(decision) = event { Some(decision.by) } else { None },
        )
        .collect();
    assert_eq!(
        by,
        ["rule", "rule", "unattended", "nobody_watches"],
        "what goes ahead by itself is not written down"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_administers_agents_is_asked_about_while_somebody_watches() {
    let scene = Scene::scripted(json!({})).await;
    let edit =
        asks(1, "Write", "edit", json!({ "file_path": ".claude/settings.json" }), &[".claude/settings.json"]);
    scene.script(&[json!({ "event": "ready" }), edit], 1, &[ended()]);
    let watching = scene.engine().watching();
    let (session, task) = prompted(&scene).await;
    let asked = waiting(&scene, 1).await.remove(0);
    assert_eq!(asked.permission.ask.category, model::ToolCategory::Admin);
    let no = decision(&asked, false, PermissionScope::Always);
    scene.engine().decide_permission(&call(), asked.permission.id, no).await.unwrap();
    scene.task_over(task.task.id).await;
    drop(watching);
    let again = scene.prompt(session, "again", &[]).await.unwrap();
    scene.task_over(again.task.id).await;
    assert_eq!(answers(&scene), [(1, false), (1, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_stands_still_while_it_waits_and_a_question_has_its_own_deadline() {
    // What is at work needs less than the turn's limits on a busy machine, too, and the question outlasts them.
    let limits = json!({ "turn_deadline_seconds": 8, "stall_seconds": 8, "answer_deadline_seconds": 12 });
    let scene = Scene::scripted(json!({ "limits": limits })).await;
    scene.script(&[json!({ "event": "ready" }), shell(1, "make")], 1, &[ended()]);
    let (_, task) = prompted(&scene).await;
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
    assert_eq!(answers(&scene), [(1, false)]);
    let (all, more) = scene.engine().permissions(None, None, 10).unwrap();
    assert_eq!((all.len(), more), (1, false));
    assert_eq!(all[0].decision.as_ref().map(|decision| decision.by.as_str()), Some("deadline"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nothing_is_open_that_nobody_waits_for() {
    let mut scene = Scene::scripted(json!({})).await;
    scene.script(&[json!({ "event": "ready" }), shell(1, "make")], 1, &[ended()]);
    let (_, task) = prompted(&scene).await;
    let before = waiting(&scene, 1).await.remove(0).permission.id;
    scene.shut().await;
    scene.open().await;
    let view = scene.engine().permission(before).unwrap();
    assert_eq!(view.decision.map(|decision| decision.by).as_deref(), Some("turn_ended"));
    let anew = waiting(&scene, 1).await.remove(0);
    assert_ne!(anew.permission.id, before, "the next attempt asks again");
    let yes = decision(&anew, true, PermissionScope::Once);
    scene.engine().decide_permission(&call(), anew.permission.id, yes).await.unwrap();
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_lets_go_ahead_by_itself_is_held_against_the_rules_and_nobody_is_asked() {
    let scene = Scene::scripted(json!({
        "permissions": { "rules": [
            { "tool": "shell", "command": "git push", "decision": "deny" },
            { "tool": "shell", "command": "cargo", "decision": "ask" },
        ], "default": { "network": "deny" } },
    }))
    .await;
    let veto = |id: u64, tool: &str, category: &str, arguments: Value| {
        let mut asked = asks(id, tool, category, arguments, &[]);
        asked["request"]["request"] = json!("veto");
        asked
    };
    let line = |line: &str| json!({ "command": line });
    let first = [
        json!({ "event": "ready" }),
        veto(1, "Bash", "shell", line("git push")),
        veto(2, "Bash", "shell", line("cargo test")),
        veto(3, "Bash", "shell", line("make")),
        veto(4, "TodoWrite", "admin", json!({})),
        veto(5, "WebFetch", "network", json!({ "url": "http://x" })),
        veto(6, "Bash", "shell", line(&format!("git push {}", "x".repeat(model::PERMISSION_ARGUMENTS_MAX)))),
    ];
    scene.script(&first, 6, &[ended()]);
    let (_, task) = prompted(&scene).await;
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    assert_eq!(answers(&scene), [(1, false), (2, true), (3, true), (4, true), (5, false), (6, false)]);
    let (all, _) = scene.engine().permissions(None, None, 10).unwrap();
    let mut written: Vec<String> = all.iter().map(|view| view.permission.ask.arguments.to_string()).collect();
    written.sort();
    assert_eq!(written, [r#"{"command":"git push"}"#, r#"{"url":"http://x"}"#], "only a no is written down");
    assert!(all.iter().all(|view| view.decision.as_ref().is_some_and(|decision| decision.by == "rule")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_judged_before_its_lock_is_asked_for() {
    let scene = Scene::scripted(json!({
        "permissions": { "rules": [{ "tool": "edit", "paths": ["migrations/**"], "decision": "deny" }] },
    }))
    .await;
    let write = json!({ "event": "request", "id": 4, "request": {
        "request": "write", "path": "migrations/2.sql", "base": null, "content": "drop" } });
    let first = [
        json!({ "event": "ready" }),
        locks(1, "migrations/1.sql"),
        locks(2, "a.txt"),
        locks(3, ".claude/settings.json"),
        write,
    ];
    scene.script(&first, 4, &[ended()]);
    let (_, task) = prompted(&scene).await;
    scene.task_over(task.task.id).await;
    let expected = ["not_permitted", "locked", "not_permitted", "not_permitted"];
    let expected: Vec<(u64, String)> = (1..).zip(expected.map(str::to_owned)).collect();
    assert_eq!(locked(&scene), expected);
    let of = |id: u64| scene.heard().into_iter().find(|reply| reply["id"] == id).unwrap();
    let said = |id: u64| of(id)["result"]["Err"]["message"].as_str().unwrap().to_owned();
    assert!(said(1).contains("a permission rule denies it"), "{}", said(1));
    assert!(said(3).contains("nobody watches"), "{}", said(3));
    assert!(!scene.repo.path().join("migrations").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_asked_about_gets_its_lock_when_it_is_allowed() {
    let scene = Scene::scripted(json!({
        "permissions": { "rules": [{ "tool": "edit", "paths": ["migrations/**"], "decision": "ask" }] },
    }))
    .await;
    let first = [json!({ "event": "ready" }), locks(1, "migrations/1.sql"), locks(2, "migrations/2.sql")];
    // The lock of a file that somebody allowed is asked for again, as with each change of it.
    scene.script(&first, 2, &[locks(3, "migrations/1.sql"), ended()]);
    let (session, task) = prompted(&scene).await;
    let open = waiting(&scene, 2).await;
    assert!(locked(&scene).is_empty() && scene.engine().locks().unwrap().is_empty(), "nothing goes ahead");
    let seat = scene.engine().participants(session).unwrap().remove(0);
    assert_eq!(seat.status, ParticipantStatus::NeedsInput);
    for view in &open {
        assert_eq!(view.permission.ask.category, model::ToolCategory::Edit);
        let allow = view.permission.ask.paths[0].as_str() == "migrations/1.sql";
        let decision = decision(view, allow, PermissionScope::Once);
        scene.engine().decide_permission(&call(), view.permission.id, decision).await.unwrap();
    }
    scene.task_over(task.task.id).await;
    let all = locked(&scene);
    assert_eq!(all[..2], [(1, "locked".to_owned()), (2, "not_permitted".to_owned())]);
    let (views, _) = scene.engine().permissions(None, None, 10).unwrap();
    let asked = views.iter().filter(|view| view.permission.ask.paths[0].as_str() == "migrations/1.sql");
    assert_eq!(asked.count(), 1, "who said yes to a file is not asked again in this turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_an_edit_is_a_yes_to_what_it_writes_and_to_nothing_else() {
    let scene = Scene::scripted(json!({
        "permissions": { "rules": [{ "tool": "edit", "paths": ["migrations/**"], "decision": "ask" }] },
    }))
    .await;
    let edits = |id: u64, content: &str| {
        let mut lock = locks(id, "migrations/1.sql");
        lock["request"]["change"] = json!({ "content": content });
        lock
    };
    let first = [json!({ "event": "ready" }), edits(1, "create")];
    scene.script(&first, 1, &[edits(2, "create"), edits(3, "drop")]);
    let (_, task) = prompted(&scene).await;
    let asked = waiting(&scene, 1).await.remove(0);
    let shown = json!({ "path": "migrations/1.sql", "change": { "content": "create" } });
    assert_eq!(asked.permission.ask.arguments, shown);
    let yes = decision(&asked, true, PermissionScope::Once);
    scene.engine().decide_permission(&call(), asked.permission.id, yes).await.unwrap();
    let other = waiting(&scene, 1).await.remove(0);
    assert_eq!(other.permission.ask.arguments["change"]["content"], "drop");
    assert_ne!(other.permission.arguments_hash, asked.permission.arguments_hash);
    scene.soon("the same again has its lock", || Some(()).filter(|()| locked(&scene).len() == 2)).await;
    assert_eq!(locked(&scene), [(1, "locked".to_owned()), (2, "locked".to_owned())]);
    scene.engine().cancel_task(&call(), task.task.id).await.unwrap();
    scene.task_over(task.task.id).await;
    waiting(&scene, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_of_our_own_loop_goes_by_the_rules() {
    let scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    scene.configure_with(json!({
        "permissions": { "rules": [{ "tool": "shell", "command": "touch denied", "decision": "deny" }] },
    }));
    scene.engine().reload_config().unwrap();
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene.prompt(session, "[[bash touch denied]][[bash touch made]]", &[]).await.unwrap();
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
    assert!(scene.repo.path().join("made").exists(), "nobody is asked where nobody chose to be");
    assert!(!scene.repo.path().join("denied").exists());
}
