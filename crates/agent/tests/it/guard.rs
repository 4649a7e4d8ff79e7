//! The guard: everything a run starts ends with it, and the lock says so.

use crate::scene::{Scene, children, drain, executable, is_alive, kill, next, start, until};
use agent::{RunCommand, RunEvent, RunExitStatus, launch, sweep};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A driver with a child, a process of a session of its own, and one that forked twice; all of them
/// deaf to TERM when asked to be.
fn litter(deaf: bool) -> String {
    let trap = if deaf { "trap '' TERM" } else { ":" };
    format!(
        "{trap}\n\
         sleep 1000 &\n\
         setsid sleep 1000 &\n\
         (setsid bash -c '(sleep 1000 &) ; (setsid sleep 1000 &) ; exit 0' &)\n\
         echo '{{\"event\":\"ready\"}}'\n\
         sleep 1000\n"
    )
}

/// Waits until the litter is out: four sleepers in the background and one in front.
async fn littered(scene: &Scene) -> Vec<i32> {
    until("all litter is there", || sleepers(scene).len() == 5).await;
    sleepers(scene)
}

fn sleepers(scene: &Scene) -> Vec<i32> {
    let is_sleep = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep")
    };
    scene.marked().into_iter().filter(is_sleep).collect()
}

#[tokio::test]
async fn a_driver_that_ends_is_reported_with_its_code_after_what_it_said() {
    let scene = Scene::with_driver("echo '{\"event\":\"ready\"}'; echo oops >&2; exit 3");
    let mut handle = scene.launch().await.unwrap();
    let events = drain(&mut handle).await;
    assert!(events.contains(&RunEvent::Ready), "{events:?}");
    assert!(events.contains(&RunEvent::Stderr("oops".into())), "{events:?}");
    let exit = RunExitStatus { code: Some(3), signal: None, guard_lost: false };
    assert_eq!(events.last(), Some(&RunEvent::Exited(exit)));
    assert_eq!(handle.exited().await, exit);
    scene.assert_gone().await;
    assert_eq!(handle.send(RunCommand::Cancel), Err(agent::SendError::Gone));
}

#[tokio::test]
async fn what_a_driver_leaves_behind_ends_with_it() {
    let script = litter(false).replace("\nsleep 1000\n", "\nexit 0\n");
    let scene = Scene::with_driver(&script);
    let mut handle = scene.launch().await.unwrap();
    let events = drain(&mut handle).await;
    let exit = RunExitStatus { code: Some(0), signal: None, guard_lost: false };
    assert_eq!(events.last(), Some(&RunEvent::Exited(exit)));
    // Not "soon": when the exit is reported, they are dead and the lock is free.
    assert_eq!(scene.marked(), Vec::<i32>::new());
    assert!(!scene.is_locked());
}

#[tokio::test]
async fn a_dropped_handle_ends_everything_however_far_it_has_gone() {
    for deaf in [false, true] {
        let scene = Scene::with_driver(&litter(deaf));
        let mut handle = scene.launch().await.unwrap();
        assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
        littered(&scene).await;
        assert!(scene.is_locked());
        drop(handle);
        scene.assert_gone().await;
    }
}

#[tokio::test]
async fn stop_and_a_term_to_the_guard_end_everything_too() {
    for by_signal in [false, true] {
        let scene = Scene::with_driver(&litter(true));
        let mut handle = scene.launch().await.unwrap();
        assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
        littered(&scene).await;
        if by_signal {
            kill(handle.pid().cast_signed(), Signal::TERM);
        } else {
            handle.stop();
        }
        let exit = handle.exited().await;
        assert_eq!(exit, RunExitStatus { code: None, signal: Some(9), guard_lost: false });
        assert_eq!(scene.marked(), Vec::<i32>::new());
        assert!(!scene.is_locked());
        drain(&mut handle).await;
    }
}

#[tokio::test]
async fn a_driver_that_is_killed_is_reported_with_the_signal_and_leaves_nothing() {
    let scene = Scene::with_driver(&litter(false));
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    littered(&scene).await;
    let guard = handle.pid().cast_signed();
    let driver = children(guard).into_iter().min().unwrap();
    kill(driver, Signal::KILL);
    let events = drain(&mut handle).await;
    let exit = RunExitStatus { code: None, signal: Some(9), guard_lost: false };
    assert_eq!(events.last(), Some(&RunEvent::Exited(exit)));
    assert_eq!(scene.marked(), Vec::<i32>::new());
    assert!(!scene.is_locked());
}

#[tokio::test]
async fn a_killed_guard_is_noticed_and_its_flock_swept() {
    let scene = Scene::with_driver(&litter(true));
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    littered(&scene).await;
    kill(handle.pid().cast_signed(), Signal::KILL);
    let events = drain(&mut handle).await;
    let exit = RunExitStatus { code: None, signal: Some(9), guard_lost: true };
    assert_eq!(events.last(), Some(&RunEvent::Exited(exit)));
    assert_eq!(scene.marked(), Vec::<i32>::new());
    assert!(!scene.is_locked());
}

#[tokio::test]
async fn the_lock_stands_as_long_as_any_descendant_lives() {
    // The driver ends as soon as what it leaves is deaf to TERM; the grace is an hour.
    let scene = Scene::with_driver(
        "setsid -f bash -c 'trap \"\" TERM; echo $$ > deaf; exec sleep 1000'\n\
         until [ -s deaf ]; do sleep 0.01; done",
    );
    let mut launching = scene.launching();
    launching.grace = Duration::from_secs(3600);
    let mut handle = launch(launching).await.unwrap();
    let guard = handle.pid().cast_signed();
    let deaf = scene.worktree().join("deaf");
    until("only the straggler is left", || {
        let straggler = std::fs::read_to_string(&deaf).ok().and_then(|pid| pid.trim().parse().ok());
        straggler.is_some_and(|straggler: i32| children(guard) == [straggler])
    })
    .await;
    let straggler = children(guard)[0];
    assert!(scene.is_locked());
    assert!(is_alive(guard));
    kill(straggler, Signal::KILL);
    handle.exited().await;
    assert!(!scene.is_locked());
    drain(&mut handle).await;
}

#[tokio::test]
async fn who_multiplies_when_it_should_die_dies_too() {
    let scene = Scene::with_driver(
        "cat > again <<'END'\n\
         trap 'setsid -f bash ./again; setsid -f bash ./again' TERM\n\
         for n in 1 2 3; do sleep 1000 & done\n\
         while :; do wait; done\n\
         END\n\
         bash ./again &\n\
         echo '{\"event\":\"ready\"}'\n\
         wait\n",
    );
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    until("it is at work", || sleepers(&scene).len() >= 3).await;
    drop(handle);
    scene.assert_gone().await;
}

#[tokio::test]
async fn a_driver_that_does_not_read_cannot_hide_that_the_daemon_is_gone() {
    let scene = Scene::with_driver("echo '{\"event\":\"ready\"}'; sleep 1000");
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    // Far more than the two pipes hold: the relay stands blocked.
    let text = "x".repeat(1 << 20);
    for id in 0..8 {
        let result = Ok(agent::Reply::Answer { text: text.clone() });
        handle.send(RunCommand::Reply { id, result }).unwrap();
    }
    drop(handle);
    scene.assert_gone().await;
}

#[tokio::test]
async fn commands_that_nobody_reads_are_refused_in_the_end() {
    let scene = Scene::with_driver("echo '{\"event\":\"ready\"}'; sleep 1000");
    let mut handle = scene.launch().await.unwrap();
    assert_eq!(next(&mut handle).await, Some(RunEvent::Ready));
    let text = "x".repeat(128 << 10);
    let reply = |id| RunCommand::Reply { id, result: Ok(agent::Reply::Answer { text: text.clone() }) };
    let refused = (0..200).map(|id| handle.send(reply(id))).find(Result::is_err);
    assert_eq!(refused, Some(Err(agent::SendError::Full)));
    let long = "x".repeat(33 << 20);
    let too_long = handle.send(RunCommand::Reply { id: 0, result: Ok(agent::Reply::Answer { text: long }) });
    assert!(matches!(too_long, Err(agent::SendError::TooLong(_))), "{too_long:?}");
    handle.stop();
    drain(&mut handle).await;
}

/// A guard without a handle, so that nobody sweeps after it.
#[expect(clippy::disallowed_methods, reason = "the test is the daemon here")]
fn bare_guard(scene: &Scene) -> Child {
    let mut child = Command::new(executable())
        .args(["__guard", "--run", &scene.run.to_string(), "--grace-ms", "200", "--liveness"])
        .arg(scene.liveness())
        .current_dir(scene.worktree())
        .env("CODITECT_RUN", scene.run.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"guard\":\"ready\",\"wire\":4}\n");
    child
}

#[tokio::test]
async fn the_native_driver_dies_with_its_guard() {
    let scene = Scene::new();
    // A model that takes the call and never answers.
    let model = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut start = start("hello");
    start.endpoint.base_url = Some(format!("http://{}/v1", model.local_addr().unwrap()));
    let mut guard = bare_guard(&scene);
    let mut command = serde_json::to_vec(&RunCommand::Start(Box::new(start))).unwrap();
    command.push(b'\n');
    guard.stdin.as_mut().unwrap().write_all(&command).unwrap();
    let _call = model.accept().unwrap();
    let driver = children(guard.id().cast_signed())[0];
    guard.kill().unwrap();
    assert_eq!(guard.wait().unwrap().signal(), Some(9));
    until("the driver is dead", || !is_alive(driver)).await;
    until("the lock is free", || !scene.is_locked()).await;
}

#[tokio::test]
async fn the_lock_outlives_a_killed_guard_until_the_last_descendant_is_dead() {
    let scene = Scene::with_driver(&litter(true));
    let mut guard = bare_guard(&scene);
    littered(&scene).await;
    guard.kill().unwrap();
    guard.wait().unwrap();
    assert!(scene.is_locked(), "a lock must not be freed while somebody may still write");
    let run = scene.run;
    let swept = tokio::task::spawn_blocking(move || sweep(run)).await.unwrap();
    assert!(swept >= 5, "{swept}");
    assert_eq!(scene.marked(), Vec::<i32>::new());
    assert!(!scene.is_locked());
    assert_eq!(sweep(scene.run), 0);
}

#[tokio::test]
async fn the_guard_leads_a_session_without_a_terminal() {
    let scene = Scene::with_driver("cut -d' ' -f5-7 /proc/self/stat >&2; sleep 1000");
    let mut handle = scene.launch().await.unwrap();
    // Process group, session, terminal.
    assert_eq!(next(&mut handle).await, Some(RunEvent::Stderr(format!("{0} {0} 0", handle.pid()))));
    drop(handle);
    scene.assert_gone().await;
}
