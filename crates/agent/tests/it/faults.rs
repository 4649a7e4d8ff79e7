//! Programs that are not what they should be: each ends the turn with a code of its own and a sentence that says the fix.

use crate::daemon::Daemon;
use crate::driven::failure;
use agent::{Program, RunCommand, RunEvent, Start};
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
