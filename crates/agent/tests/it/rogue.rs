//! Drivers that misbehave on the pipe: the daemon stays small, and hears what can be heard.

use crate::scene::{Scene, drain, next};
use agent::RunEvent;

#[tokio::test]
async fn a_line_without_end_is_bounded_and_passed_over() {
    let scene = Scene::with_driver(
        "head -c 300M /dev/zero | tr '\\0' x\n\
         echo; echo '{\"event\":\"ready\"}'\n",
    );
    let mut handle = scene.launch().await.unwrap();
    let Some(RunEvent::Malformed(excerpt)) = next(&mut handle).await else { panic!("a whole line?") };
    assert!(excerpt.starts_with("xxx") && excerpt.ends_with("(314572800 bytes in one line)"), "{excerpt}");
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    drain(&mut handle).await;
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Well below the line; other tests may run in this process.
    assert!(kib < 250 * 1024, "{peak}");
}

#[tokio::test]
async fn a_driver_that_only_talks_nonsense_is_ended() {
    let scene = Scene::with_driver("while :; do head -c 100 /dev/urandom; echo; done");
    let mut handle = scene.launch().await.unwrap();
    let events = drain(&mut handle).await;
    let malformed = events.iter().filter(|event| matches!(event, RunEvent::Malformed(_))).count();
    assert_eq!(malformed, 20);
    assert_eq!(scene.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_driver_cannot_say_what_only_the_daemon_knows() {
    let scene = Scene::with_driver(
        "for event in exited stderr malformed; do echo \"{\\\"event\\\":\\\"$event\\\"}\"; done\n\
         echo '{\"event\":\"exited\",\"code\":0,\"signal\":null,\"guard_lost\":false}'; exit 7",
    );
    let mut handle = scene.launch().await.unwrap();
    let events = drain(&mut handle).await;
    assert_eq!(events.iter().filter(|event| matches!(event, RunEvent::Malformed(_))).count(), 4);
    assert!(matches!(events.last(), Some(RunEvent::Exited(exit)) if exit.code == Some(7)));
}

#[tokio::test]
async fn a_driver_that_closes_its_stdout_and_lives_is_still_there_to_be_stopped() {
    let scene = Scene::with_driver("exec >&-; echo closed >&2; sleep 1000");
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Stderr("closed".into())));
    assert!(scene.is_locked());
    handle.stop();
    drain(&mut handle).await;
    scene.assert_gone().await;
}

#[tokio::test]
async fn long_lines_on_stderr_are_cut() {
    let scene = Scene::with_driver("head -c 1M /dev/zero | tr '\\0' e >&2; echo >&2; echo end >&2");
    let mut handle = scene.launch().await.unwrap();
    let events = drain(&mut handle).await;
    let Some(RunEvent::Stderr(long)) = events.first() else { panic!("{events:?}") };
    assert!(long.starts_with("eee") && long.ends_with("e…") && long.len() < 5000, "{}", long.len());
    assert_eq!(events.get(1), Some(&RunEvent::Stderr("end".into())));
}

#[tokio::test]
async fn a_listener_that_does_not_listen_slows_the_run_and_not_its_end() {
    let scene = Scene::with_driver("while :; do echo '{\"event\":\"ready\"}'; done");
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    handle.stop();
    let exit = handle.exited().await;
    assert!(!exit.is_clean());
    assert_eq!(scene.marked(), Vec::<i32>::new());
    drain(&mut handle).await;
}
