//! The real Claude Code when things go wrong: it is canceled, killed, refused by its model.

use crate::claude::Real;
use crate::scene::{children, cmdline, kill, until};
use agent::{Begin, Request, RunCommand, RunEvent, Start};
use llm::Secret;
use model::TurnOutcome;
use rustix::process::Signal;

fn failed(real: &Real) -> (String, String) {
    match real.daemon.ended().0 {
        TurnOutcome::Failed { code, message } => (code, message),
        other => panic!("{other:?}"),
    }
}

/// The program's own process, below guard and driver.
fn program(guard: i32) -> Option<i32> {
    let driver = *children(guard).first()?;
    children(driver).into_iter().find(|pid| cmdline(*pid).iter().any(|word| word == "stream-json"))
}

#[tokio::test]
async fn a_turn_is_canceled_in_the_middle_of_an_answer_and_of_a_question() {
    let Some(mut real) = Real::find("Claude Code is interrupted") else { return };
    for prompt in ["[[say a]][[sleep 60000]][[say b]]", "[[bash touch x]][[say b]]", "[[write x|y]]"] {
        real.daemon.events.clear();
        let start = real.start(prompt);
        real.daemon.launch(start).await;
        let busy = |event: &RunEvent| {
            matches!(
                event,
                RunEvent::Delta { .. }
                    | RunEvent::Request { request: Request::Permit { .. } | Request::Lock { .. }, .. }
            )
        };
        real.daemon.serve_until(|_| Some(None), busy).await;
        real.daemon.handle().send(RunCommand::Cancel).unwrap();
        real.daemon.serve(|_| Some(None)).await;
        assert_eq!(real.daemon.ended().0, TurnOutcome::Canceled, "{prompt}");
        real.daemon.scene.assert_gone().await;
        assert!(!real.daemon.scene.worktree().join("x").exists());
    }
}

#[tokio::test]
async fn a_turn_whose_program_is_killed_fails_and_leaves_nobody_behind() {
    let Some(mut real) = Real::find("Claude Code is killed") else { return };
    let start = real.start("[[say a]][[sleep 60000]][[say b]]");
    real.daemon.launch(start).await;
    real.daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Delta { .. })).await;
    let guard = real.daemon.handle().pid().cast_signed();
    kill(program(guard).expect("the program runs"), Signal::KILL);
    real.daemon.serve(|_| None).await;
    let (code, message) = failed(&real);
    assert_eq!(code, "vendor_died");
    assert!(message.contains("signal 9"), "{message}");
    real.daemon.scene.assert_gone().await;
}

#[tokio::test]
async fn the_program_dies_with_its_daemon() {
    let Some(mut real) = Real::find("Claude Code outlives nobody") else { return };
    let start = real.start("[[say a]][[sleep 60000]][[say b]]");
    real.daemon.launch(start).await;
    real.daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Delta { .. })).await;
    let guard = real.daemon.handle().pid().cast_signed();
    let program = program(guard).expect("the program runs");
    real.daemon.handle = None;
    until("the program is dead", || !crate::scene::is_alive(program)).await;
    real.daemon.scene.assert_gone().await;
}

#[tokio::test]
async fn what_the_model_refuses_is_told_with_the_fix() {
    let Some(mut real) = Real::find("Claude Code is refused by its model") else { return };
    for (prompt, key, code, word) in [
        ("[[error 400]]", None, "vendor_error", "400"),
        ("[[say x]]", Some(""), "vendor_not_logged_in", "/login"),
        ("[[error 401]]", None, "vendor_not_logged_in", "/login"),
    ] {
        real.daemon.events.clear();
        let mut start = real.start(prompt);
        if let (Some(key), Some(program)) = (key, &mut start.program) {
            program.env.retain(|(name, _)| name != "ANTHROPIC_API_KEY");
            start.endpoint.api_key = Secret::new(key);
        }
        real.daemon.play(start).await;
        let (found, message) = failed(&real);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn a_fork_of_nothing_is_begun_anew() {
    let Some(mut real) = Real::find("Claude Code forks what is gone") else { return };
    let begin = Begin::Fork { vendor_session: "00000000-0000-4000-8000-000000000000".into() };
    let start = Start { begin, ..real.start("[[say here]]") };
    assert_eq!(real.daemon.play(start).await, crate::claude::completed("here"));
}
