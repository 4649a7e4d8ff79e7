//! Programs that are not what they should be: each ends the turn with a code of its own and a sentence that says the fix.

use crate::daemon::{Daemon, is_reading};
use crate::driven::failure;
use agent::{Program, Reply, Request, RunCommand, RunEvent, Start};
use model::{Driver, TurnOutcome, Vendor};

/// Answers a request of the protocols with what is given, which may name its number by `$id`.
const ANSWER: &str = r#"
heard() { read -r line || exit 0; id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p'); }
answer() { heard; while [ -z "$id" ]; do heard; done; echo "{\"jsonrpc\":\"2.0\",\"id\":$id,$1}"; }
"#;
/// What Codex answers until a thread is open.
const CODEX_OPENS: &str = r#"
answer '"result":{"userAgent":"x/0.169.0 (y)"}'
answer '"result":{"account":null,"requiresOpenaiAuth":false}'
answer '"result":{"thread":{"id":"t1"},"model":"m"}'
"#;
/// What an agent of the protocol answers until a session is open.
const ACP_OPENS: &str = r#"
answer '"result":{"protocolVersion":1,"agentCapabilities":{}}'
answer '"result":{"sessionId":"s1"}'
"#;

fn start(daemon: &Daemon, driver: Driver, script: &str) -> Start {
    let argv = ["bash", "-c", &format!("{ANSWER}\n{script}")].map(str::to_owned).to_vec();
    Start {
        driver,
        program: Some(Program { argv, env: Vec::new() }),
        ..daemon.start(Vendor::Openai, "hello")
    }
}

async fn outcome(driver: Driver, script: &str) -> TurnOutcome {
    let mut daemon = Daemon::new();
    let start = start(&daemon, driver, script);
    let outcome = daemon.play(start).await;
    daemon.scene.assert_gone().await;
    outcome
}

async fn check(driver: Driver, script: &str, code: &str, words: &str) {
    let outcome = outcome(driver, script).await;
    let (found, message) = failure(&outcome);
    assert_eq!(found, code, "{driver:?}: {message}");
    assert!(message.contains(words), "{driver:?}: {message}");
}

const DRIVERS: [(Driver, &str); 2] = [(Driver::Codex, CODEX_OPENS), (Driver::Acp, ACP_OPENS)];

#[tokio::test]
async fn a_program_that_is_not_there_is_missing() {
    for (driver, _) in DRIVERS {
        let mut daemon = Daemon::new();
        let program = Program { argv: vec!["no-such-program-anywhere".into()], env: Vec::new() };
        let start = Start { program: Some(program), ..start(&daemon, driver, "") };
        let outcome = daemon.play(start).await;
        let (code, message) = failure(&outcome);
        assert_eq!(code, "vendor_missing");
        assert!(message.contains("no-such-program-anywhere") && message.contains("install"), "{message}");
    }
    let mut daemon = Daemon::new();
    let start = Start { program: None, ..start(&daemon, Driver::Acp, "") };
    let outcome = daemon.play(start).await;
    assert_eq!(failure(&outcome).0, "agent_command_missing");
}

#[tokio::test]
async fn an_old_program_says_which_is_needed() {
    let old = r#"answer '"result":{"userAgent":"x/0.1.2 (y)"}'; heard"#;
    check(Driver::Codex, old, "vendor_too_old", "0.1.2 is too old, 0.169.0 or newer").await;
}

#[tokio::test]
async fn nobody_logged_in_says_how_to() {
    let codex = r#"
        answer '"result":{"userAgent":"x/0.169.0"}'
        answer '"result":{"account":null,"requiresOpenaiAuth":true}'; heard"#;
    check(Driver::Codex, codex, "vendor_not_logged_in", "codex login").await;
    let acp = r#"
        answer '"result":{"protocolVersion":1}'
        answer '"error":{"code":-32000,"message":"Authentication required"}'; heard"#;
    check(Driver::Acp, acp, "vendor_not_logged_in", "log in").await;
    let later = r#"answer '"result":{"turn":{"id":"u1"}}'
        echo '{"method":"turn/completed","params":{"threadId":"t1","turn":{"id":"u1","status":"failed","error":{"message":"401","codexErrorInfo":"unauthorized"}}}}'
        heard"#;
    check(Driver::Codex, &format!("{CODEX_OPENS}{later}"), "vendor_not_logged_in", "codex login").await;
}

#[tokio::test]
async fn what_is_no_protocol_is_said_to_be_none() {
    for (driver, opens) in DRIVERS {
        check(driver, "while :; do echo hello; done", "vendor_garbage", "does not speak its protocol").await;
        let later = format!("{opens}\nheard; while :; do echo hello; done");
        check(driver, &later, "vendor_garbage", "hello").await;
    }
    check(Driver::Codex, r#"answer '"result":{}'; heard"#, "vendor_garbage", "no version").await;
    let older = r#"answer '"result":{}'; heard"#;
    check(Driver::Acp, older, "vendor_garbage", "does not speak its protocol").await;
    let nameless = r#"answer '"result":{"protocolVersion":1}'; answer '"result":{}'; heard"#;
    check(Driver::Acp, nameless, "vendor_garbage", "without an id").await;
}

#[tokio::test]
async fn a_flood_is_stopped() {
    for (driver, _) in DRIVERS {
        check(driver, "tr '\\0' x < /dev/zero", "vendor_flood", "more than is taken").await;
    }
}

#[tokio::test]
async fn a_death_in_the_middle_of_a_line_is_told_with_the_last_words() {
    for (driver, opens) in DRIVERS {
        let dies = "heard; echo 'out of luck' >&2; printf '{\"cut\":'; exit 3";
        check(driver, dies, "vendor_died", "exit code 3: ").await;
        check(driver, &format!("{opens}\n{dies}"), "vendor_died", "out of luck").await;
    }
}

#[tokio::test]
async fn an_error_of_the_vendors_own_is_passed_on() {
    let codex = r#"answer '"error":{"code":-32600,"message":"the model is asleep"}'; heard"#;
    check(Driver::Codex, &format!("{CODEX_OPENS}{codex}"), "vendor_error", "the model is asleep").await;
    let acp = r#"answer '"error":{"code":-32603,"message":"Internal error","data":{"details":"the model is asleep"}}'; heard"#;
    check(Driver::Acp, &format!("{ACP_OPENS}{acp}"), "vendor_error", "the model is asleep").await;
    let stopped = r#"answer '"result":{"stopReason":"refusal"}'; heard"#;
    check(Driver::Acp, &format!("{ACP_OPENS}{stopped}"), "model_declined", "declined").await;
}

#[tokio::test]
async fn questions_nobody_knows_are_answered_all_the_same() {
    let codex = r#"answer '"result":{"turn":{"id":"u1"}}'
        echo '{"id":"q1","method":"attestation/generate","params":{}}'; heard
        case $line in *'"q1"'*-32601*) status=completed;; *) status=failed;; esac
        echo "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"t1\",\"turn\":{\"id\":\"u1\",\"status\":\"$status\"}}}"; heard"#;
    let outcome = outcome(Driver::Codex, &format!("{CODEX_OPENS}{codex}")).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: String::new() });
    let acp = r#"heard; prompt=$id
        echo '{"jsonrpc":"2.0","id":7,"method":"fs/of_tomorrow","params":{"sessionId":"s1"}}'; heard
        case $line in *-32601*) reason=end_turn;; *) reason=refusal;; esac
        echo "{\"jsonrpc\":\"2.0\",\"id\":$prompt,\"result\":{\"stopReason\":\"$reason\"}}"; heard"#;
    let outcome = self::outcome(Driver::Acp, &format!("{ACP_OPENS}{acp}")).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: String::new() });
}

#[tokio::test]
async fn a_program_that_answers_too_late_is_canceled_without_it() {
    for (driver, opens) in DRIVERS {
        let mut daemon = Daemon::new();
        let start = start(&daemon, driver, &format!("{opens}\nwhile read -r line; do :; done"));
        daemon.launch(start).await;
        daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Opened { .. })).await;
        daemon.handle().send(RunCommand::Cancel).unwrap();
        daemon.serve(|_| None).await;
        assert_eq!(daemon.ended().0, TurnOutcome::Canceled);
        daemon.scene.assert_gone().await;
    }
}

#[tokio::test]
async fn a_patch_nobody_knows_is_declined() {
    let codex = r#"answer '"result":{"turn":{"id":"u1"}}'
        echo '{"id":0,"method":"item/fileChange/requestApproval","params":{"threadId":"t1","turnId":"u1","itemId":"none"}}'
        heard; steer=$line; heard
        case $steer$line in *'not known'*decline*) status=completed;; *) status=failed;; esac
        echo "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"t1\",\"turn\":{\"id\":\"u1\",\"status\":\"$status\"}}}"; heard"#;
    let outcome = outcome(Driver::Codex, &format!("{CODEX_OPENS}{codex}")).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: String::new() });
}

/// The rest of an agent's turn that has sent its requests: it ends when the answer to the last one holds these words.
fn ends_when(words: &str) -> String {
    format!(
        r#"case $line in *{words}*) reason=end_turn;; *) reason=refusal;; esac
        echo "{{\"jsonrpc\":\"2.0\",\"id\":$prompt,\"result\":{{\"stopReason\":\"$reason\"}}}}"; heard"#
    )
}

/// What is asked for, the answer waited for; one that is to be told of its end first.
fn asks(id: u32, method: &str, params: &str) -> String {
    format!(
        r#"echo '{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"sessionId":"s1",{params}}}}}'; heard"#
    )
}

fn ask_to_run(line: &str) -> String {
    let call = format!(
        r#""toolCall":{{"toolCallId":"c1","title":"Bash","kind":"execute","rawInput":{{"command":"{line}"}}}}"#
    );
    asks(
        6,
        "session/request_permission",
        &format!(r#"{call},"options":[{{"optionId":"yes","kind":"allow_once"}}]"#),
    )
}

fn run_line(id: u32, line: &str) -> String {
    asks(id, "terminal/create", &format!(r#""command":"/bin/bash","args":["-c","{line}"]"#))
}

fn waits_for(terminal: u32) -> String {
    asks(9, "terminal/wait_for_exit", &format!(r#""terminalId":"terminal-{terminal}""#))
}

/// A turn of an agent that does this; what it asked about, when every question is answered so.
async fn shell_turn(steps: &[String], answered: bool) -> (Daemon, Vec<String>) {
    let mut daemon = Daemon::new();
    let script = format!("{ACP_OPENS}\nheard; prompt=$id\n{}", steps.join("\n"));
    let start = start(&daemon, Driver::Acp, &script);
    daemon.launch(start).await;
    let reply = Reply::Permitted { allowed: answered, reason: "no shell today".into() };
    daemon.serve(|request| matches!(request, Request::Permit { .. }).then(|| Some(Ok(reply.clone())))).await;
    assert!(matches!(daemon.ended().0, TurnOutcome::Completed { .. }), "{:?}", daemon.ended().0);
    daemon.scene.assert_gone().await;
    let asked = daemon.requests().into_iter().map(|request| match request {
        Request::Permit { ask } => ask.arguments["command"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    });
    let asked = asked.collect();
    (daemon, asked)
}

#[tokio::test]
async fn a_command_nobody_was_asked_about_is_asked_about_before_it_runs() {
    let steps = |words: &str| [run_line(7, "touch made"), waits_for(1), ends_when(words)];
    let (daemon, asked) = shell_turn(&steps("exitCode"), true).await;
    assert_eq!(asked, ["touch made"]);
    assert!(daemon.scene.worktree().join("made").exists());
    let (daemon, asked) =
        shell_turn(&[run_line(7, "touch made"), ends_when("'no shell today'")], false).await;
    assert_eq!(asked, ["touch made"]);
    assert!(!daemon.scene.worktree().join("made").exists());
}

#[tokio::test]
async fn what_was_allowed_runs_once_and_nothing_else_for_it() {
    let (daemon, asked) = shell_turn(
        &[ask_to_run("touch a"), run_line(7, "touch a"), waits_for(1), ends_when("exitCode")],
        true,
    )
    .await;
    assert_eq!(asked, ["touch a"], "what was allowed is not asked about again");
    assert!(daemon.scene.worktree().join("a").exists());
    let steps =
        [ask_to_run("touch a"), run_line(7, "touch b"), run_line(8, "touch a"), run_line(9, "touch a")];
    let (_, asked) = shell_turn(&[&steps[..], &[ends_when("terminalId")]].concat(), true).await;
    assert_eq!(asked, ["touch a", "touch b", "touch a"], "another line, and the same once more");
    let elsewhere = asks(7, "terminal/create", r#""command":"touch","args":["a"],"cwd":"/""#);
    let (_, asked) = shell_turn(&[ask_to_run("touch a"), elsewhere, ends_when("terminalId")], true).await;
    assert_eq!(asked, ["touch a", "cd '/' && touch a"]);
}

#[tokio::test]
async fn an_agent_reads_for_itself_only_what_lies_in_the_worktree_and_no_rule_forbids() {
    let read = |path: &str| asks(7, "fs/read_text_file", &format!(r#""path":"{path}""#));
    for (path, allowed, words, asked) in [
        ("a.txt", true, "'what is in it'", vec!["a.txt"]),
        ("a.txt", false, "'no shell today'", vec!["a.txt"]),
        ("/etc/passwd", true, "'outside the worktree'", vec![]),
        ("../secret", true, "'outside the worktree'", vec![]),
    ] {
        let mut daemon = Daemon::new();
        daemon.scene.file("a.txt", "what is in it");
        daemon.scene.file("../secret", "what is not");
        let script = format!("{ACP_OPENS}\nheard; prompt=$id\n{}\n{}", read(path), ends_when(words));
        let start = start(&daemon, Driver::Acp, &script);
        daemon.launch(start).await;
        let reply = Reply::Permitted { allowed, reason: "no shell today".into() };
        daemon.serve(|request| is_reading(request).then(|| Some(Ok(reply.clone())))).await;
        assert!(matches!(daemon.ended().0, TurnOutcome::Completed { .. }), "{path} {:?}", daemon.ended().0);
        let paths: Vec<String> = daemon.reads().into_iter().flat_map(|(_, paths)| paths).collect();
        assert_eq!(paths, asked, "{path}");
    }
}

#[tokio::test]
async fn who_is_asked_about_an_edit_is_asked_about_what_is_written() {
    let write = asks(7, "fs/write_text_file", r#""path":"a.txt","content":"new""#);
    let tool =
        r#""toolCallId":"c1","title":"Write","kind":"edit","rawInput":{"path":"a.txt","content":"new"}"#;
    let edit = asks(
        6,
        "session/request_permission",
        &format!(
            r#""toolCall":{{{tool},"locations":[{{"path":"a.txt"}}]}},"options":[{{"optionId":"yes","kind":"allow_once"}}]"#
        ),
    );
    let mut daemon = Daemon::new();
    let script = format!("{ACP_OPENS}\nheard; prompt=$id\n{edit}\n{write}\n{}", ends_when("result"));
    let start = start(&daemon, Driver::Acp, &script);
    let outcome = daemon.play(start).await;
    assert!(matches!(outcome, TurnOutcome::Completed { .. }), "{outcome:?}");
    let content = serde_json::json!({"content": "new"});
    assert_eq!(daemon.changes(), [content.clone(), content], "the same for the question and for the writing");
}

#[tokio::test]
async fn a_patch_is_asked_about_with_all_it_does() {
    let changes = r#"[{"path":"a.txt","kind":{"type":"add"},"diff":"new"}]"#;
    let codex = format!(
        r#"answer '"result":{{"turn":{{"id":"u1"}}}}'
        echo '{{"method":"item/started","params":{{"threadId":"t1","turnId":"u1","item":{{"type":"fileChange","id":"i1","status":"inProgress","changes":{changes}}}}}}}'
        echo '{{"id":0,"method":"item/fileChange/requestApproval","params":{{"threadId":"t1","turnId":"u1","itemId":"i1"}}}}'
        heard; case $line in *accept*) status=completed;; *) status=failed;; esac
        echo "{{\"method\":\"turn/completed\",\"params\":{{\"threadId\":\"t1\",\"turn\":{{\"id\":\"u1\",\"status\":\"$status\"}}}}}}"; heard"#
    );
    let mut daemon = Daemon::new();
    let start = start(&daemon, Driver::Codex, &format!("{CODEX_OPENS}{codex}"));
    let outcome = daemon.play(start).await;
    assert_eq!(outcome, TurnOutcome::Completed { summary: String::new() });
    assert_eq!(daemon.changes(), [serde_json::from_str::<serde_json::Value>(changes).unwrap()]);
}

#[tokio::test]
async fn an_agent_that_tells_no_usage_has_used_what_came_by_here() {
    let words = "x".repeat(400);
    let says = format!(
        r#"echo '{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s1","update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"{words}"}}}}}}}}'"#
    );
    let mut daemon = Daemon::new();
    let script = format!("{ACP_OPENS}\nheard; prompt=$id\n{says}\n{}", ends_when("prompt"));
    let start = start(&daemon, Driver::Acp, &script);
    let outcome = daemon.play(start).await;
    assert!(matches!(outcome, TurnOutcome::Completed { .. }), "{outcome:?}");
    let (_, calls, usage) = daemon.ended();
    assert_eq!((calls, usage.output_tokens), (1, 100));
    assert!(usage.input_tokens > 0, "{usage:?}");
}
