//! Whatever ends a turn, nothing it started is left: not what forked twice, left its session and ignores every signal
//! that can be ignored.

use crate::house::{Daemon, Process, command_line, descendants, kill, lives, program, until};
use crate::kill::Workplace;
use model::{Event, TaskState, TurnOutcome};
use rustix::process::Signal;
use serde_json::json;

/// Two commands of which one has gone as far away as it can; 623 and 624 seconds are long enough to be seen.
const STUBBORN: &str = "[[bash (setsid sh -c 'trap \"\" TERM HUP INT; sleep 623' > /dev/null 2>&1 &) ; \
                        trap '' TERM HUP INT; sleep 624]] [[say done]]";

/// Seconds after which a turn is ended; both commands run long before.
const PATIENT: u64 = 15;

struct Busy {
    place: Workplace,
    daemon: Daemon,
    session: String,
    task: String,
    below: Vec<Process>,
}

impl Busy {
    fn with(limits: serde_json::Value) -> Self {
        let place = Workplace::within(&[("claude", json!({}))], limits);
        let daemon = place.daemon();
        let session = place.session("claude");
        let task = place.prompt(&session, "claude", STUBBORN);
        let below = stubborn(daemon.pid());
        Self { place, daemon, session, task, below }
    }

    /// The one process of the run that was started by this hidden command.
    fn part(&self, command: &str) -> u32 {
        let found: Vec<u32> = self
            .below
            .iter()
            .map(|(pid, _)| *pid)
            .filter(|pid| command_line(*pid).contains(command))
            .collect();
        assert_eq!(found.len(), 1, "{command}");
        found[0]
    }

    fn nobody_is_left(&self) {
        until("the end of everything the turn started", || {
            self.below.iter().all(|process| !lives(process)).then_some(())
        });
    }

    fn cancel(&self) {
        self.place.house.api(async |client| client.cancel_task(&self.task, None).await.unwrap());
    }

    /// How the turns of the session ended, as the journal says.
    fn outcomes(&self) -> Vec<TurnOutcome> {
        let query = protocol::EventQuery::default();
        let page = self.place.house.api(async |client| client.events(&query).await.unwrap());
        let events = page.items.iter().filter_map(|record| record.event().ok());
        events
            .filter_map(|event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None })
            .collect()
    }
}

/// Everything below the daemon once both commands run.
fn stubborn(daemon: u32) -> Vec<Process> {
    until("both commands", || {
        let below = descendants(daemon);
        let sleeping = below.iter().filter(|(pid, _)| command_line(*pid).starts_with("sleep 62")).count();
        (sleeping == 2).then_some(below)
    })
}

fn failed_with(outcomes: &[TurnOutcome], wanted: &str) -> bool {
    outcomes.iter().any(|one| matches!(one, TurnOutcome::Failed { code, .. } if code == wanted))
}

#[test]
fn a_cancel_leaves_nobody() {
    let busy = Busy::with(json!({}));
    busy.cancel();
    busy.nobody_is_left();
    assert_eq!(busy.place.over(&busy.task).0, TaskState::Canceled);
    assert_eq!(busy.outcomes(), [TurnOutcome::Canceled]);
}

#[test]
fn a_deadline_leaves_nobody() {
    let busy = Busy::with(json!({ "turn_deadline_seconds": PATIENT }));
    busy.nobody_is_left();
    assert_eq!(busy.place.over(&busy.task).0, TaskState::Failed);
    assert!(failed_with(&busy.outcomes(), "deadline"), "{:?}", busy.outcomes());
}

#[test]
fn silence_leaves_nobody() {
    let busy = Busy::with(json!({ "stall_seconds": PATIENT }));
    busy.nobody_is_left();
    assert_eq!(busy.place.over(&busy.task).0, TaskState::Failed);
    assert!(failed_with(&busy.outcomes(), "stalled"), "{:?}", busy.outcomes());
}

#[test]
fn a_driver_or_a_guard_that_is_killed_leaves_nobody() {
    for part in [" __drive ", " __guard "] {
        let busy = Busy::with(json!({ "max_attempts": 1 }));
        kill(busy.part(part), Signal::KILL);
        busy.nobody_is_left();
        assert_eq!(busy.place.over(&busy.task).0, TaskState::Failed, "{part}");
        assert!(failed_with(&busy.outcomes(), "crashed"), "{part}: {:?}", busy.outcomes());
    }
}

#[test]
fn a_daemon_that_is_killed_leaves_nobody_and_the_next_one_says_how_it_ended() {
    let Busy { place, daemon, session, task, below } = Busy::with(json!({}));
    daemon.kill();
    until("the guard's work", || below.iter().all(|process| !lives(process)).then_some(()));
    let daemon = place.daemon();
    let again = stubborn(daemon.pid());
    let busy = Busy { place, daemon, session, task, below: again };
    assert!(failed_with(&busy.outcomes(), "daemon_restarted"), "{:?}", busy.outcomes());
    busy.cancel();
    busy.nobody_is_left();
    assert_eq!(busy.place.over(&busy.task).0, TaskState::Canceled);
    assert!(!busy.session.is_empty() && busy.daemon.pid() > 0);
}

/// A command in a terminal of its own, which closes when this is killed.
fn in_terminal(place: &Workplace, command: &str) -> std::process::Child {
    let mut script = program("script");
    script.args(["-q", "-c", command, "/dev/null"]).env("CODITECT_TEST_KEY", "a-key-of-no-value");
    script.env("HOME", place.house.dir.path()).stdout(std::process::Stdio::null());
    // Kept open: at its end the terminal would be told so.
    script.stdin(std::process::Stdio::piped()).spawn().unwrap()
}

/// Whether a terminal can be made that a test closes.
fn has_terminals() -> bool {
    let there = program("script").arg("--version").output().is_ok();
    if !there {
        testkit::skipped("a terminal that closes", "`script` is not installed");
    }
    there
}

#[test]
fn a_daemon_whose_terminal_closes_stops_in_good_order() {
    if !has_terminals() {
        return;
    }
    let place = Workplace::new();
    let coditect = env!("CARGO_BIN_EXE_coditect");
    let root = place.house.root.path().display().to_string();
    let mut terminal = in_terminal(&place, &format!("{coditect} --data-root {root} daemon run"));
    let daemon = until("the daemon", || place.house.pid());
    let session = place.session("claude");
    place.prompt(&session, "claude", STUBBORN);
    let below = stubborn(daemon);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("the daemon's end", || place.house.pid().is_none().then_some(()));
    until("the end of its runs", || below.iter().all(|process| !lives(process)).then_some(()));
    let log = std::fs::read_to_string(place.house.root.daemon_log()).unwrap();
    assert!(log.contains("SIGHUP"), "{log}");
}

#[test]
fn a_command_whose_terminal_closes_takes_no_turn_along() {
    if !has_terminals() {
        return;
    }
    let busy = Busy::with(json!({}));
    let coditect = env!("CARGO_BIN_EXE_coditect");
    let root = busy.place.house.root.path().display().to_string();
    let watch = format!("{coditect} --data-root {root} session watch {}", busy.session);
    let mut terminal = in_terminal(&busy.place, &watch);
    let watching = until("the command", || {
        let below = descendants(terminal.id());
        below.into_iter().find(|(pid, _)| command_line(*pid).contains("session watch"))
    });
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("the command's end", || (!lives(&watching)).then_some(()));
    assert!(busy.below.iter().all(lives), "the turn is the daemon's, not the terminal's");
    busy.cancel();
    busy.nobody_is_left();
}
