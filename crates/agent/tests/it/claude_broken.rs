//! Programs that are not Claude Code, or a broken one: every turn ends with a code and the fix.

use crate::daemon::Daemon;
use crate::scene::start;
use agent::{Program, Reply, Request, RunCommand, RunEvent, Start};
use llm::{Endpoint, Secret};
use model::{Driver, TurnOutcome, Vendor};

/// Answers the handshake; what comes next is the script's.
const HELLO: &str = r#"read -r line
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
read -r prompt
"#;
const INIT: &str = r#"echo '{"type":"system","subtype":"init","session_id":"s1","claude_code_version":"2.1.329"}'
"#;
const RESULT: &str = r#"echo '{"type":"result","subtype":"success","is_error":false,"result":"fine","total_cost_usd":0.5,"modelUsage":{}}'
"#;

fn with_program(argv: Vec<String>) -> Start {
    Start {
        driver: Driver::Claude,
        program: Some(Program { argv, env: Vec::new() }),
        endpoint: Endpoint { vendor: Vendor::Anthropic, base_url: None, api_key: Secret::new(String::new()) },
        ..start("hello")
    }
}

fn fake(script: &str) -> Start {
    with_program(["bash", "-c", script, "claude"].map(str::to_owned).to_vec())
}

fn failure(outcome: &TurnOutcome) -> (&str, &str) {
    match outcome {
        TurnOutcome::Failed { code, message } => (code, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_way_to_be_broken_has_its_code_and_its_fix() {
    let hello = |more: &str| fake(&format!("{HELLO}{more}"));
    for (start, code, words) in [
        (with_program(vec!["no-such-claude".into()]), "vendor_missing", "npm install"),
        (with_program(vec!["/etc/passwd".into()]), "vendor_not_started", "`command`"),
        (
            fake("echo \"error: unknown option '--replay-user-messages'\" >&2; exit 1"),
            "vendor_too_old",
            "2.1.0",
        ),
        (
            hello(
                r#"echo '{"type":"system","subtype":"init","session_id":"s","claude_code_version":"1.0.9"}'; sleep 100"#,
            ),
            "vendor_too_old",
            "1.0.9",
        ),
        (fake("for n in $(seq 100); do echo Hello; done; sleep 100"), "vendor_garbage", "Hello"),
        (hello("tr '\\0' x < /dev/zero"), "vendor_flood", "ask for less"),
        (hello("head -c 9000000 /dev/zero | tr '\\0' x; echo; sleep 100"), "vendor_flood", "a line of"),
        (hello("printf '{\"type\":\"assis'; echo oh no >&2; exit 7"), "vendor_died", "oh no"),
        (hello("kill -SEGV $$"), "vendor_died", "signal 11"),
        (hello("sleep 1000 & exec 1>&-; exit 3"), "vendor_died", "exit code 3"),
        (fake("exec sleep 0"), "vendor_died", "exit code 0"),
    ] {
        let mut daemon = Daemon::new();
        let outcome = daemon.play(start).await;
        let (found, message) = failure(&outcome);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message}");
        daemon.scene.assert_gone().await;
    }
}

#[tokio::test]
async fn unknown_lines_do_not_disturb() {
    let odd = r#"echo warning: something; echo '{"type":"news"}'; echo '{"type":"assistant"}'; echo; echo '[1]'
"#;
    let mut daemon = Daemon::new();
    let outcome = daemon.play(fake(&format!("{HELLO}{INIT}{odd}{RESULT}read -r end"))).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: "fine".into() });
    assert_eq!(daemon.ended().2.cost_micros, 500_000);
    let records = daemon.events.iter().filter(|event| matches!(event, RunEvent::Record { .. })).count();
    assert_eq!(records, 4, "{:?}", daemon.events);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_nobodys() {
    // In one piece, so that it is taken back before anybody can answer.
    let asks = r#"printf '%s\n' '{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"}}}' \
    '{"type":"control_cancel_request","request_id":"r1"}' '{"type":"system","subtype":"status"}'
read -r -t 1 late; [ -n "$late" ] && exit 9
"#;
    let mut daemon = Daemon::new();
    daemon.launch(fake(&format!("{HELLO}{INIT}{asks}{RESULT}read -r end"))).await;
    let thinks = |event: &RunEvent| {
        matches!(event, RunEvent::Status { status: model::ParticipantStatus::Thinking, .. })
    };
    daemon.serve_until(|_| Some(None), thinks).await;
    let id = daemon.events.iter().find_map(|event| match event {
        RunEvent::Request { id, request: Request::Permit { .. } } => Some(*id),
        _ => None,
    });
    let allowed = Ok(Reply::Permitted { allowed: true, reason: String::new() });
    daemon.handle().send(RunCommand::Reply { id: id.unwrap(), result: allowed }).unwrap();
    daemon.serve(|_| None).await;
    assert_eq!(daemon.ended().0, TurnOutcome::Completed { summary: "fine".into() });
}

#[tokio::test]
async fn one_that_does_not_listen_is_ended_all_the_same() {
    for cancel in [true, false] {
        let mut daemon = Daemon::new();
        let deaf = format!("{HELLO}{INIT}trap '' TERM; while :; do sleep 0.1; done");
        let deadline_ms = if cancel { 600_000 } else { 500 };
        daemon.launch(Start { deadline_ms, ..fake(&deaf) }).await;
        if cancel {
            daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Opened { .. })).await;
            daemon.handle().send(RunCommand::Cancel).unwrap();
        }
        daemon.serve(|_| None).await;
        match daemon.ended().0 {
            TurnOutcome::Canceled => assert!(cancel),
            TurnOutcome::Failed { code, .. } => assert!(!cancel && code == "deadline"),
            other @ TurnOutcome::Completed { .. } => panic!("{other:?}"),
        }
        daemon.scene.assert_gone().await;
    }
}

#[tokio::test]
async fn a_turn_is_canceled_before_it_is_open() {
    let mut daemon = Daemon::new();
    daemon.launch(fake("sleep 1000")).await;
    daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Ready)).await;
    daemon.handle().send(RunCommand::Cancel).unwrap();
    daemon.serve(|_| None).await;
    assert_eq!(daemon.ended().0, TurnOutcome::Canceled);
    daemon.scene.assert_gone().await;
}

#[tokio::test]
async fn words_after_the_end_are_not_taken() {
    let mut daemon = Daemon::new();
    let start = fake(&format!("{HELLO}{INIT}{RESULT}read -r end"));
    daemon.handle = Some(agent::launch(agent::Launch { start, ..daemon.scene.launching() }).await.unwrap());
    let handle = daemon.handle.as_mut().unwrap();
    // Whoever lets it go only later may still have words for it.
    loop {
        match handle.events.recv().await.expect("the turn has an end") {
            RunEvent::Ended { .. } => handle.send(RunCommand::Steer { id: 4, text: "wait".into() }).unwrap(),
            RunEvent::Steered { id, taken } => {
                assert_eq!((id, taken), (4, false));
                break;
            }
            _ => {}
        }
    }
    handle.send(RunCommand::Leave).unwrap();
    daemon.scene.assert_gone().await;
}
