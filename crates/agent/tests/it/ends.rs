//! Turns that are cut off: canceled at every wait, and killed from every side.

use crate::daemon::Daemon;
use crate::scene::{children, is_alive, kill, until};
use agent::{Request, RunCommand, RunEvent, RunExitStatus};
use model::{TurnOutcome, Vendor};
use rustix::process::Signal;

/// A command with a child, a session of its own and one that forked twice, that says when all of
/// them are there.
const LITTER: &str = "[[bash sleep 1000 & setsid sleep 1000 & (setsid bash -c '(sleep 1000 &) ; (setsid sleep 1000 &) ; exit 0' &); \
                      sleep 1000]]";

impl Daemon {
    async fn run_until(&mut self, prompt: &str, wanted: impl Fn(&RunEvent) -> bool) {
        let start = self.start(Vendor::Anthropic, prompt);
        self.launch(start).await;
        self.serve_until(unanswered, wanted).await;
    }

    async fn cancel(&mut self) {
        self.handle().send(RunCommand::Cancel).unwrap();
        self.serve(unanswered).await;
        assert_eq!(self.ended().0, TurnOutcome::Canceled);
        assert!(matches!(self.events.last(), Some(RunEvent::Exited(exit)) if exit.is_clean()));
        assert_eq!(self.scene.marked(), Vec::<i32>::new());
        assert!(!self.scene.is_locked());
    }

    /// Starts the litter and waits until it is out.
    async fn litter(&mut self) -> Vec<i32> {
        self.run_until(
            LITTER,
            |event| matches!(event, RunEvent::Status { detail, .. } if detail.starts_with("bash")),
        )
        .await;
        until("all litter is there", || sleepers(&self.scene.marked()).len() == 5).await;
        self.scene.marked()
    }

    fn guard(&mut self) -> i32 {
        self.handle().pid().cast_signed()
    }

    fn native(&mut self) -> i32 {
        let guard = self.guard();
        let children = children(guard);
        let native = |pid: &i32| crate::scene::cmdline(*pid).iter().any(|arg| arg == "__drive");
        children.into_iter().find(native).unwrap()
    }
}

/// Locks and questions are never answered.
fn unanswered(request: &Request) -> Option<crate::daemon::Answer> {
    matches!(request, Request::Lock { .. } | Request::Ask { .. }).then_some(None)
}

fn sleepers(pids: &[i32]) -> Vec<i32> {
    let is_sleep = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep")
    };
    pids.iter().copied().filter(is_sleep).collect()
}

#[tokio::test]
async fn cancel_in_the_middle_of_an_answer() {
    let mut daemon = Daemon::new();
    daemon
        .run_until("[[say one]][[sleep 600000]][[say two]]", |event| matches!(event, RunEvent::Delta { .. }))
        .await;
    daemon.cancel().await;
    let hung_up =
        daemon.model.until(|asked| asked.iter().all(|asked| asked.ended == scripted::Ended::Dropped));
    tokio::time::timeout(std::time::Duration::from_secs(60), hung_up).await.unwrap();
}

#[tokio::test]
async fn cancel_before_the_answer_begins() {
    let mut daemon = Daemon::new();
    daemon.run_until("[[hold 600000]]", |event| matches!(event, RunEvent::ModelCalled { .. })).await;
    daemon.cancel().await;
}

#[tokio::test]
async fn cancel_in_the_middle_of_a_command() {
    let mut daemon = Daemon::new();
    daemon.litter().await;
    daemon.cancel().await;
}

#[tokio::test]
async fn a_canceled_command_does_not_get_the_guards_grace() {
    let mut daemon = Daemon::new();
    let start = daemon.start(Vendor::Anthropic, "[[bash trap '' TERM; echo > deaf; sleep 1000; sleep 1000]]");
    daemon.launch_with(start, |launching| launching.grace = std::time::Duration::from_secs(3600)).await;
    daemon.permit().await;
    let deaf = daemon.scene.worktree().join("deaf");
    until("the command runs", || deaf.exists()).await;
    // The guard would wait an hour for it; that the run ends shows who has ended it.
    daemon.cancel().await;
}

#[tokio::test]
async fn cancel_while_waiting_for_a_lock() {
    let mut daemon = Daemon::new();
    let locks = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Lock { .. }, .. });
    daemon.run_until("[[write a.txt|x]]", locks).await;
    daemon.cancel().await;
    assert_eq!(daemon.requests().len(), 1);
}

#[tokio::test]
async fn cancel_while_waiting_for_the_user() {
    let mut daemon = Daemon::new();
    let asks = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Ask { .. }, .. });
    daemon.run_until("[[ask Why?]]", asks).await;
    daemon.cancel().await;
}

#[tokio::test]
async fn cancel_while_a_call_waits_to_be_made_again() {
    let mut daemon = Daemon::new();
    let waits =
        |event: &RunEvent| matches!(event, RunEvent::Status { detail, .. } if detail.starts_with("attempt"));
    daemon.run_until("[[error 529 30]]", waits).await;
    daemon.cancel().await;
}

#[tokio::test]
async fn a_daemon_that_is_gone_takes_everything_along() {
    let mut daemon = Daemon::new();
    daemon.litter().await;
    let (guard, native) = (daemon.guard(), daemon.native());
    daemon.handle = None;
    daemon.scene.assert_gone().await;
    assert!(!is_alive(native));
    until("the guard is gone", || !is_alive(guard)).await;
}

#[tokio::test]
async fn a_killed_native_process_is_reported_and_leaves_nothing() {
    let mut daemon = Daemon::new();
    daemon.litter().await;
    let native = daemon.native();
    kill(native, Signal::KILL);
    daemon.serve(unanswered).await;
    let exit = RunExitStatus { code: None, signal: Some(9), guard_lost: false };
    assert_eq!(daemon.events.last(), Some(&RunEvent::Exited(exit)));
    assert_eq!(daemon.scene.marked(), Vec::<i32>::new());
    assert!(!daemon.scene.is_locked());
}

#[tokio::test]
async fn a_killed_guard_takes_the_run_down() {
    let mut daemon = Daemon::new();
    daemon.litter().await;
    let native = daemon.native();
    kill(daemon.guard(), Signal::KILL);
    daemon.serve(unanswered).await;
    let exit = RunExitStatus { code: None, signal: Some(9), guard_lost: true };
    assert_eq!(daemon.events.last(), Some(&RunEvent::Exited(exit)));
    assert!(!is_alive(native));
    assert_eq!(daemon.scene.marked(), Vec::<i32>::new());
    assert!(!daemon.scene.is_locked());
}

#[tokio::test]
async fn the_run_of_a_killed_daemon_without_an_end_is_swept_by_the_next_one() {
    let mut daemon = Daemon::new();
    daemon.litter().await;
    let (guard, run) = (daemon.guard(), daemon.scene.run);
    // Stopped, the guard does not see that its daemon is gone; killed, it can do nothing.
    kill(guard, Signal::STOP);
    daemon.handle = None;
    assert!(daemon.scene.is_locked());
    let swept = tokio::task::spawn_blocking(move || agent::sweep(run)).await.unwrap();
    assert!(swept >= 7, "{swept}");
    daemon.scene.assert_gone().await;
    assert!(!is_alive(guard));
}

#[tokio::test]
async fn a_sweep_leaves_to_a_living_guard_what_has_taken_off_the_mark() {
    let mut daemon = Daemon::new();
    daemon
        .run_until(
            "[[bash env -i setsid bash -c 'trap \"\" TERM; echo $$ > bare; exec sleep 1000' & wait]]",
            |event| matches!(event, RunEvent::Status { detail, .. } if detail.starts_with("bash")),
        )
        .await;
    let file = daemon.scene.worktree().join("bare");
    let bare = || std::fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse::<i32>().ok());
    until("it runs without a mark", || bare().is_some_and(|pid| !daemon.scene.marked().contains(&pid))).await;
    let (pid, run) = (bare().unwrap(), daemon.scene.run);
    tokio::task::spawn_blocking(move || agent::sweep(run)).await.unwrap();
    assert!(!is_alive(pid));
    daemon.serve(unanswered).await;
    let Some(RunEvent::Exited(exit)) = daemon.events.last() else { panic!("{:?}", daemon.events) };
    assert!(!exit.guard_lost);
}
