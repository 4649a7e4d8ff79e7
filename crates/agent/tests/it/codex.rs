//! Turns of the real Codex, against the scripted model.

use crate::driven::{Driven, called, said, wrote};
use agent::{McpServer, Reply, Request, RunCommand, RunEvent, Start};
use model::{Refusal, Role, TaskKind, ToolCategory, TurnOutcome};
use rustix::process::Signal;
use std::fs;
use testkit::vendors::VendorCli;

use crate::scene::{kill, until};

fn codex(what: &str) -> Option<Driven> {
    Driven::find(VendorCli::Codex, what)
}

fn read(driven: &Driven, path: &str) -> Option<String> {
    fs::read_to_string(driven.daemon.scene.worktree().join(path)).ok()
}

/// In Codex's direct mode, and in the code mode of its newer models.
const MODELS: [&str; 2] = ["gpt-5.5", "gpt-6-sol"];

#[tokio::test]
async fn a_patch_is_made_under_its_lock_and_told_before_its_result() {
    let Some(mut codex) = codex("codex writes a file") else { return };
    for (number, model) in MODELS.into_iter().enumerate() {
        let name = format!("notes/{number}.txt");
        let start = codex.start(&format!("[[write {name}|one\\ntwo\\n]] [[say All done.]]"));
        let outcome = codex.play(Start { model: model.into(), ..start }).await;
        assert!(
            matches!(&outcome, TurnOutcome::Completed { summary } if summary.starts_with("All")),
            "{outcome:?}"
        );
        assert_eq!(read(&codex, &name).unwrap(), "one\ntwo\n");
        let lock = Request::Lock { path: name.parse().unwrap(), change: None };
        assert_eq!(codex.daemon.requests(), [lock]);
        let events = &codex.daemon.events;
        let at =
            |wanted: &dyn Fn(&RunEvent) -> bool| events.iter().position(wanted).expect("it was not said");
        let locked = at(&|event| matches!(event, RunEvent::Request { .. }));
        let written = at(&|event| matches!(event, RunEvent::Wrote { .. }));
        let resulted = at(&|event| matches!(event, RunEvent::Message { role: Role::Tool, .. }));
        assert!(locked < written && written < resulted);
        let (path, diff) = &wrote(events)[0];
        assert_eq!(path, &name);
        assert!(diff.contains("@@ -0,0 +1,2 @@\n+one\n+two\n"), "{diff}");
        assert!(called(events).contains(&"apply_patch".to_owned()));
        assert!(
            events
                .iter()
                .any(|event| matches!(event, RunEvent::Record { line } if line.contains("fileChange")))
        );
        let (_, iterations, usage) = codex.daemon.ended();
        assert!(iterations >= 2 && usage.input_tokens > 0 && usage.output_tokens > 0, "{usage:?}");
        let system = codex.last_request();
        assert!(
            system.contains("You are claude, one of several agents"),
            "the agent is told how work goes on here"
        );
    }
    // The user's own configuration is as it was: not there.
    assert!(!codex.home().folder().join("config.toml").exists());
}

#[tokio::test]
async fn a_refused_lock_denies_the_patch_and_the_model_is_told_who_holds_the_file() {
    let Some(mut codex) = codex("codex is denied a locked file") else { return };
    for model in MODELS {
        let start = codex.start("[[write held.txt|mine]] [[say Then not.]]");
        codex.daemon.events.clear();
        codex.daemon.launch(Start { model: model.into(), ..start }).await;
        let refusal =
            Refusal::conflict("locked", "`held.txt` is held by gemini").hint("work on something else");
        codex
            .daemon
            .serve(|request| matches!(request, Request::Lock { .. }).then(|| Some(Err(refusal.clone()))))
            .await;
        assert!(matches!(codex.daemon.ended().0, TurnOutcome::Completed { .. }));
        assert_eq!(read(&codex, "held.txt"), None);
        assert_eq!(wrote(&codex.daemon.events), []);
        let told = codex.last_request();
        assert!(told.contains("`held.txt` is held by gemini; work on something else"), "{told}");
    }
}

#[tokio::test]
async fn nothing_outside_the_worktree_and_nothing_in_a_review_is_edited() {
    let Some(mut codex) = codex("codex stays in its worktree") else { return };
    let outside = codex.daemon.scene.worktree().parent().unwrap().join("outside.txt");
    let prompt = format!("[[write {}|x]] [[say Then not.]]", outside.display());
    let start = codex.start(&prompt);
    codex.play(start).await;
    assert!(!outside.exists());
    assert_eq!(codex.daemon.requests(), []);
    assert!(codex.last_request().contains("is outside the worktree"));

    let start = codex.start("[[write a.txt|x]] [[say Fine.]]");
    codex.play(Start { kind: TaskKind::Review, ..start }).await;
    assert_eq!((read(&codex, "a.txt"), codex.daemon.requests()), (None, Vec::new()));
    assert!(codex.last_request().contains("while work is reviewed"));
}

#[tokio::test]
async fn a_command_is_run_when_it_is_permitted_and_not_when_it_is_denied() {
    let Some(mut codex) = codex("codex asks before it runs a command") else { return };
    for (allowed, file) in [(true, "yes"), (false, "no")] {
        let start = codex.start(&format!("[[bash touch {file}]] [[say Done.]]"));
        codex.daemon.events.clear();
        codex.daemon.launch(start).await;
        let answer = Reply::Permitted { allowed, reason: "no shell today".into() };
        codex
            .daemon
            .serve(|request| matches!(request, Request::Permit { .. }).then(|| Some(Ok(answer.clone()))))
            .await;
        let requests = codex.daemon.requests();
        let [Request::Permit { ask }] = requests.as_slice() else { panic!("{:?}", codex.daemon.events) };
        assert_eq!((ask.tool.as_str(), ask.category), ("exec_command", ToolCategory::Shell));
        assert!(ask.arguments["command"].as_str().unwrap().contains(&format!("touch {file}")));
        assert_eq!(read(&codex, file).is_some(), allowed);
        assert_eq!(codex.last_request().contains("no shell today"), !allowed);
    }
}

#[tokio::test]
async fn an_interrupted_turn_is_canceled_and_the_next_one_remembers() {
    let Some(mut codex) = codex("codex is interrupted, resumed and forked") else { return };
    let start = codex.start("The word is mellon. [[say Hm.]] [[sleep 60000]]");
    codex.daemon.launch(start).await;
    codex
        .daemon
        .serve_until(|_| None, |event| matches!(event, RunEvent::ModelCalled { .. } | RunEvent::Delta { .. }))
        .await;
    codex.daemon.handle().send(RunCommand::Cancel).unwrap();
    codex.daemon.serve(|_| None).await;
    assert_eq!(codex.daemon.ended().0, TurnOutcome::Canceled);
    codex.daemon.scene.assert_gone().await;
    let first = codex.opened();

    let resume = codex.resume("[[say Again.]]");
    codex.play(resume).await;
    assert_eq!(codex.opened(), first);
    assert!(codex.last_request().contains("mellon"));
    let (_, iterations, usage) = codex.daemon.ended();
    assert_eq!(iterations, 1);
    let last = codex.daemon.model.requests().last().unwrap().usage.unwrap();
    assert_eq!(usage.input_tokens + usage.cache_read_tokens, last.prompt_tokens);

    let fork = codex.fork("[[say Elsewhere.]]");
    codex.play(fork).await;
    assert_ne!(codex.opened(), first);
    assert!(codex.last_request().contains("mellon"));
    let last = codex.daemon.model.requests().last().unwrap().usage.unwrap();
    let usage = codex.daemon.ended().2;
    assert_eq!(usage.input_tokens + usage.cache_read_tokens, last.prompt_tokens);
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_anew_and_that_is_said() {
    let Some(mut codex) = codex("codex begins anew") else { return };
    let begin = agent::Begin::Resume { vendor_session: "01a1fe12-25ee-70f3-9aed-6878893b925b".into() };
    let start = codex.start("[[say Here.]]");
    let outcome = codex.play(Start { begin, ..start }).await;
    assert!(matches!(outcome, TurnOutcome::Completed { .. }), "{outcome:?}");
    let says = |event: &RunEvent| matches!(event, RunEvent::Message { role: Role::System, .. });
    assert!(codex.daemon.events.iter().any(says));
    assert_eq!(said(&codex.daemon.events), "Here.");
}

#[tokio::test]
async fn words_for_the_turn_under_way_are_taken() {
    let Some(mut codex) = codex("codex is steered") else { return };
    let start = codex.start("[[bash true]] [[say Done.]]");
    codex.daemon.launch(start).await;
    // While the permission waits, the turn is surely under way.
    codex.daemon.serve_until(|_| Some(None), |event| matches!(event, RunEvent::Request { .. })).await;
    let RunEvent::Request { id, .. } = codex.daemon.events.last().unwrap().clone() else { unreachable!() };
    codex.daemon.handle().send(RunCommand::Steer { id: 5, text: "rather in blue".into() }).unwrap();
    codex.daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Steered { .. })).await;
    assert_eq!(codex.daemon.events.last(), Some(&RunEvent::Steered { id: 5, taken: true }));
    let yes = Ok(Reply::Permitted { allowed: true, reason: String::new() });
    codex.daemon.handle().send(RunCommand::Reply { id, result: yes }).unwrap();
    codex.daemon.serve(|_| None).await;
    assert!(codex.last_request().contains("rather in blue"));
}

/// An MCP server with one tool, `ping`, in the shell's own words.
const MCP: &str = r#"while read -r line; do
id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
[ -n "$id" ] || continue
case $line in
*'"initialize"'*) r='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}';;
*'"tools/list"'*) r='{"tools":[{"name":"ping","description":"Answers.","inputSchema":{"type":"object","properties":{}}}]}';;
*'"tools/call"'*) r='{"content":[{"type":"text","text":"pong of ours"}]}';;
*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":-32601,\"message\":\"no\"}}"; continue;;
esac
echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$r}"
done"#;

pub(crate) fn mcp_server() -> McpServer {
    McpServer {
        name: "coditect".into(),
        argv: vec!["/bin/sh".into(), "-c".into(), MCP.into()],
        env: vec![("PATH".into(), crate::scene::env("PATH"))],
    }
}

#[tokio::test]
async fn our_tools_are_called_without_a_question() {
    let Some(mut codex) = codex("codex calls an MCP tool") else { return };
    let start = codex.start("[[tool mcp__coditect__ping|{}]] [[say Done.]]");
    let outcome = codex.play(Start { mcp: Some(mcp_server()), ..start }).await;
    assert!(matches!(outcome, TurnOutcome::Completed { .. }), "{outcome:?}");
    assert_eq!(codex.daemon.requests(), []);
    assert!(called(&codex.daemon.events).contains(&"mcp__coditect__ping".to_owned()));
    let results = codex.daemon.results();
    assert!(results.contains(&("pong of ours".to_owned(), false)), "{results:?}");
}

#[tokio::test]
async fn a_sub_agents_edit_needs_the_same_locks() {
    let Some(mut codex) = codex("codex has a sub-agent") else { return };
    let start = codex.start("[[agent <<write sub.txt|from below>> <<say Sub done.>>]] [[say Done.]]");
    let outcome = codex.play(start).await;
    assert!(matches!(outcome, TurnOutcome::Completed { .. }), "{outcome:?}");
    assert_eq!(read(&codex, "sub.txt").as_deref().map(str::trim_end), Some("from below"));
    assert_eq!(codex.daemon.requests(), [Request::Lock { path: "sub.txt".parse().unwrap(), change: None }]);
    assert_eq!(wrote(&codex.daemon.events)[0].0, "sub.txt");
    assert!(
        !said(&codex.daemon.events).contains("Sub done"),
        "what a sub-agent says is not the agent's answer"
    );
}

#[tokio::test]
async fn a_killed_program_fails_the_turn_at_once_and_leaves_nothing() {
    let Some(mut codex) = codex("codex is killed") else { return };
    let start = codex.start("[[bash sleep 1000]] [[say Done.]]");
    codex.daemon.launch(start).await;
    let running = |event: &RunEvent| matches!(event, RunEvent::Request { .. });
    codex.daemon.serve_until(|_| None, running).await;
    until("the command runs", || codex.vendors().len() > 1).await;
    let oldest = codex.vendors().into_iter().min().unwrap();
    kill(oldest, Signal::KILL);
    codex.daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Ended { .. })).await;
    codex.daemon.serve(|_| None).await;
    let (outcome, ..) = codex.daemon.ended();
    assert_eq!(crate::driven::failure(&outcome).0, "vendor_died");
    codex.daemon.scene.assert_gone().await;
    assert_eq!(codex.vendors(), Vec::<i32>::new());
}
