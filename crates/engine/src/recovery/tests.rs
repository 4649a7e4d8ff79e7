//! What a start makes of what a crash left, on a real store and a real bus without any process.

use super::*;
use crate::Engine;
use crate::stage::{Stage, end};
use bus::{Liveness, LockRequest, NewRegistration};
use model::{FileChange, LockMode, Participant, Task, TaskKind, Turn};
use std::fs::File;
use std::time::Duration;

/// A task in a turn, as the last daemon left it.
fn interrupted(stage: &Stage) -> (Participant, Task, Turn) {
    let (session, seats) = stage.session(&["claude"]);
    let seat = seats[0].clone();
    let task = stage.task(session.id, TaskKind::Work, seat.id);
    let (turn, begun) = stage.turn(&task, 1);
    stage.commit(vec![Event::TaskSubmitted(task.clone())]);
    stage.commit(begun);
    stage.commit(vec![status(&seat, ParticipantStatus::Thinking)]);
    (seat, task, turn)
}

fn status(seat: &Participant, status: ParticipantStatus) -> Event {
    let (session, participant) = (seat.session, seat.id);
    Event::ParticipantStatusChanged(StatusChange { session, participant, status, detail: None })
}

fn status_of(stage: &Stage, seat: &Participant) -> ParticipantStatus {
    stage.shared.store.read(|view| view.participant_status(seat.id)).unwrap().unwrap().status
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_cut_off_fails_and_its_task_is_submitted_again() {
    let stage = Stage::new();
    let (seat, task, turn) = interrupted(&stage);
    let stage = stage.restarted();
    let before = stage.events().len();
    let said = recover(&stage.shared).await.unwrap();
    assert!(said[0].contains(&turn.id.short()) && said[0].contains("next attempt"), "{said:?}");
    let events = stage.events()[before..].to_vec();
    assert_eq!(
        kinds(&events)[..4],
        ["run.exited", "turn.ended", "task.resubmitted", "participant.status_changed"]
    );
    let row = stage.task_row(&task);
    assert_eq!((row.state, row.attempt), (TaskState::Submitted, 2));
    let (turns, running, runs) = stage
        .shared
        .store
        .read(|view| Ok((view.turns(task.id)?, view.running_turns()?, view.running_runs()?)))
        .unwrap();
    assert!(running.is_empty() && runs.is_empty());
    let outcome = turns[0].outcome.clone();
    assert!(matches!(outcome, Some(TurnOutcome::Failed { code, .. }) if code == "daemon_restarted"));
    assert!(!status_of(&stage, &seat).is_live());

    // A crash right after, or in the middle of, the recovery: the next one has nothing left to do.
    let after = stage.events();
    let stage = stage.restarted();
    assert_eq!(recover(&stage.shared).await.unwrap(), Vec::<String>::new());
    assert_eq!(stage.events(), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_again_and_again_never_uses_up_the_attempts() {
    let mut stage = Stage::new();
    let (_, task, _) = interrupted(&stage);
    for attempt in 2..12 {
        stage = stage.restarted();
        recover(&stage.shared).await.unwrap();
        let row = stage.task_row(&task);
        assert_eq!((row.state, row.attempt), (TaskState::Submitted, attempt));
        stage.commit(stage.turn(&task, attempt).1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waited_for_an_answer_is_submitted_again() {
    let stage = Stage::new();
    let (seat, task, turn) = interrupted(&stage);
    let question = model::Question {
        session: task.session,
        task: task.id,
        turn: turn.id,
        participant: seat.id,
        question: "Which database?".to_owned(),
    };
    stage.commit(vec![Event::TaskInputRequested(question), status(&seat, ParticipantStatus::NeedsInput)]);
    let stage = stage.restarted();
    recover(&stage.shared).await.unwrap();
    let row = stage.task_row(&task);
    assert_eq!((row.state, row.attempt, row.question), (TaskState::Submitted, 2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_of_a_task_that_has_ended_only_ends() {
    let stage = Stage::new();
    let (_, task, _) = interrupted(&stage);
    stage.commit(vec![Event::TaskCanceled(end(&task, "never mind"))]);
    let stage = stage.restarted();
    recover(&stage.shared).await.unwrap();
    assert_eq!(stage.task_row(&task).state, TaskState::Canceled);
    assert!(stage.shared.store.read(|view| view.running_turns()).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_turn_exits_and_a_status_without_a_turn_is_idle() {
    let stage = Stage::new();
    let (session, seats) = stage.session(&["claude", "kimi"]);
    let task = stage.task(session.id, TaskKind::Work, seats[0].id);
    let (_, begun) = stage.turn(&task, 1);
    stage.commit(vec![Event::TaskSubmitted(task), begun[0].clone()]);
    stage.commit(vec![status(&seats[0], ParticipantStatus::Starting)]);
    stage.commit(vec![status(&seats[1], ParticipantStatus::WaitingLock)]);
    let stage = stage.restarted();
    let before = stage.events().len();
    recover(&stage.shared).await.unwrap();
    assert!(stage.shared.store.read(|view| view.running_runs()).unwrap().is_empty());
    for seat in &seats {
        assert_eq!(status_of(&stage, seat), ParticipantStatus::Idle);
    }
    let events = stage.events()[before..].to_vec();
    assert_eq!(kinds(&events), ["run.exited", "participant.status_changed", "participant.status_changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_the_dead_are_free_and_those_of_the_living_are_not() {
    let stage = Stage::new();
    let hold = |name: &str, path: &str| {
        let alive = stage.worktree().join(name);
        let file = File::create(&alive).unwrap();
        file.lock().unwrap();
        let new = NewRegistration {
            id: None,
            agent: name.to_owned(),
            vendor: "anthropic".to_owned(),
            model: None,
            session: None,
            worktree: Some("/w".to_owned()),
            liveness: Liveness::LockFile(alive),
        };
        let holder = stage.shared.bus.register(new).unwrap().id;
        let request = LockRequest {
            worktree: "/w".to_owned(),
            paths: vec![path.to_owned()],
            mode: LockMode::Exclusive,
            holder,
            ttl: Duration::from_secs(60),
        };
        stage.shared.bus.acquire(&request).unwrap();
        file
    };
    let (dead, _alive) = (hold("claude", "a"), hold("kimi", "b"));
    drop(dead);
    let said = recover(&stage.shared).await.unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("1 locks of claude were freed"), "{said:?}");
    let left: Vec<String> =
        stage.shared.bus.locks(None).unwrap().into_iter().map(|lock| lock.agent).collect();
    assert_eq!(left, ["kimi"]);
    assert_eq!(recover(&stage.shared).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_was_done_and_not_recorded_is_recorded_once() {
    for done in [true, false] {
        let stage = Stage::new();
        let (seat, task, turn) = interrupted(&stage);
        let content = "done";
        std::fs::write(stage.worktree().join("a.rs"), if done { content } else { "not yet" }).unwrap();
        let change = FileChange {
            session: task.session,
            task: task.id,
            turn: turn.id,
            participant: seat.id,
            path: "a.rs".parse().unwrap(),
            before: None,
            after: writer::hash(content.as_bytes()),
            lines_added: 1,
            lines_removed: 0,
            token: 7,
            diff: None,
        };
        let folder = stage.shared.workspace.runs().join(turn.run.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(writer::INTENT), serde_json::to_vec(&change).unwrap()).unwrap();
        let stage = stage.restarted();
        let said = recover(&stage.shared).await.unwrap();
        assert_eq!(said.iter().any(|line| line.contains("an edit of a.rs")), done, "{said:?}");
        let recorded = |stage: &Stage| {
            stage.events().iter().filter(|event| **event == Event::FileModified(change.clone())).count()
        };
        assert_eq!(recorded(&stage), usize::from(done));
        assert!(!folder.exists(), "the dead run's folder goes");
        let stage = stage.restarted();
        recover(&stage.shared).await.unwrap();
        assert_eq!(recorded(&stage), usize::from(done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_folders_of_runs_are_tidied() {
    let stage = Stage::new();
    let runs = stage.shared.workspace.runs();
    for name in ["run_018f", "notes", "run_018e/deep"] {
        std::fs::create_dir_all(runs.join(name)).unwrap();
    }
    recover(&stage.shared).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_resubmitted_waits_for_its_key_and_that_is_said() {
    let stage = Stage::new();
    let (seat, task, _) = interrupted(&stage);
    let options = stage.options();
    let _folder = stage.close();
    let (engine, report) = Engine::open(options).await.unwrap();
    assert_eq!(report.repairs.len(), 1, "{report:?}");
    let mut bell = engine.doorbell();
    let held = loop {
        let seats = engine.participants(task.session).unwrap();
        let held = seats.into_iter().find(|held| held.status == ParticipantStatus::Paused);
        if let Some(held) = held {
            break held;
        }
        bell.changed().await.unwrap();
    };
    assert_eq!(held.participant.id, seat.id);
    assert!(held.detail.unwrap().contains("ANTHROPIC_API_KEY is not set"));
    let view = engine.task(task.id).unwrap();
    assert_eq!((view.state, view.attempt), (TaskState::Submitted, 2), "nothing acknowledged is lost");
    assert_eq!(engine.status().unwrap().needs_input, 1);
    assert_eq!(engine.session(task.session).unwrap().needs_input, 1);
    let findings = engine.doctor().await;
    let held = findings.iter().find(|finding| finding.check == "work_held").unwrap();
    assert!(held.hint.as_ref().unwrap().contains("set ANTHROPIC_API_KEY"), "{held:?}");

    let canceled = engine.cancel_task(&crate::Call::user("test"), task.id).await.unwrap();
    assert_eq!(canceled.state, TaskState::Canceled);
    let seats = engine.participants(task.session).unwrap();
    assert_eq!(seats[0].status, ParticipantStatus::Idle, "it waits for nothing any more");
    engine.shutdown().await;
}
