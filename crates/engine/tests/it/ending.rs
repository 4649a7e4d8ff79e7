//! A turn always ends: by itself, by the user, by its death, by its time.

use crate::scene::{Scene, call};
use engine::{NewPrompt, TaskView};
use model::{Event, ParticipantStatus, TaskState, TurnOutcome};
use std::time::Duration;

fn outcomes(scene: &Scene) -> Vec<TurnOutcome> {
    let ended = |event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None };
    scene.events().into_iter().filter_map(ended).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_fails_its_turn_and_the_task_gets_another_attempt() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let text = "[[edit a.txt|one|two]]\n[[bash if [ \"$CODITECT_ATTEMPT\" = 1 ]; then kill -9 $PPID; fi]]\n[[write b.txt|b]]\n[[say done]]";
    let task = scene.prompt(session, text, &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!((done.state, done.attempt), (TaskState::Completed, 2), "{:?}", done.text);
    let outcomes = outcomes(&scene);
    assert!(matches!(&outcomes[0], TurnOutcome::Failed { code, .. } if code == "crashed"), "{outcomes:?}");
    assert!(matches!(&outcomes[1], TurnOutcome::Completed { .. }), "{outcomes:?}");
    let second = scene.model.requests().into_iter().rev().find(|request| request.step == 0).unwrap();
    assert!(second.body.to_string().contains("a.txt. Look at what is there"), "the half done is shown");
    let made = scene.engine().checkpoints(session).unwrap();
    let checkpoint = made.into_iter().rfind(|one| one.kind == model::CheckpointKind::Work).unwrap();
    let paths: Vec<&str> = checkpoint.paths.iter().map(model::RepoPath::as_str).collect();
    assert_eq!(paths, ["a.txt", "b.txt"], "both attempts' changes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_runs_keep_dying_fails_at_the_limit() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "max_attempts": 2 }));
    scene.open().await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene.prompt(session, "[[bash kill -9 $PPID]]", &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!((done.state, done.attempt), (TaskState::Failed, 2), "{:?}", done.text);
    assert_eq!(outcomes(&scene).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_task_ends_its_run_and_gives_its_locks_back() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene.prompt(session, "[[edit a.txt|one|two]]\n[[bash sleep 600]]", &[]).await.unwrap();
    scene
        .until("the run is in its shell", || {
            let seats = scene.engine().participants(session).unwrap();
            seats.iter().any(|seat| seat.status == ParticipantStatus::RunningTool).then_some(())
        })
        .await;
    scene.engine().cancel_task(&call(), task.task.id).await.unwrap();
    scene.until("the turn is over", || (!outcomes(&scene).is_empty()).then_some(())).await;
    assert_eq!(outcomes(&scene), [TurnOutcome::Canceled]);
    assert_eq!(scene.engine().task(task.task.id).unwrap().state, TaskState::Canceled);
    assert_eq!(scene.engine().participants(session).unwrap()[0].status, ParticipantStatus::Idle);
    scene.all_locks_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_over_its_time_is_ended() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "turn_deadline_seconds": 1 }));
    scene.open().await;
    let session = scene.session(None, &["codex"]).await;
    let task = scene.prompt(session, "[[sleep 600000]]", &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Failed);
    let outcomes = outcomes(&scene);
    assert!(
        matches!(&outcomes[..], [TurnOutcome::Failed { code, .. }] if code == "deadline"),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_says_nothing_for_too_long_has_stalled_and_one_that_waits_for_the_user_has_not() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "stall_seconds": 10 }));
    scene.open().await;
    let session = scene.session(None, &["codex", "claude"]).await;
    let asking = scene.prompt(session, "[[ask Well?]]\n[[say {{result}}]]", &["claude"]).await.unwrap();
    scene.task_in(asking.task.id, &[TaskState::InputRequired]).await;
    let silent = scene.prompt(session, "[[sleep 600000]]", &["codex"]).await.unwrap();
    assert_eq!(scene.task_over(silent.task.id).await.state, TaskState::Failed);
    let outcomes = outcomes(&scene);
    assert!(
        matches!(&outcomes[..], [TurnOutcome::Failed { code, message }]
            if code == "stalled" && message.contains("said nothing for 10 s")),
        "{outcomes:?}"
    );
    scene.engine().answer_task(&call(), asking.task.id, "yes".to_owned()).await.unwrap();
    assert_eq!(scene.task_over(asking.task.id).await.state, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_may_take_longer_than_the_turn() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "turn_deadline_seconds": 8 }));
    scene.open().await;
    let session = scene.session(None, &["codex"]).await;
    let task = scene.prompt(session, "[[ask Well?]]\n[[say {{result}}]]", &[]).await.unwrap();
    scene.task_in(task.task.id, &[TaskState::InputRequired]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    scene.engine().answer_task(&call(), task.task.id, "yes".to_owned()).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_failed_task_is_canceled_with_it_and_nothing_waits_for_it_any_more() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    // It asks before it fails, so that the others are there when it does.
    let first = scene.prompt(session, "[[ask Go on?]]\n[[nonsense]]", &[]).await.unwrap().task.id;
    let after =
        |task| NewPrompt { text: "[[say never]]".to_owned(), depends_on: vec![task], ..NewPrompt::default() };
    let second = scene.engine().prompt(&call(), session, after(first)).await.unwrap().task.id;
    let third = scene.engine().prompt(&call(), session, after(second)).await.unwrap().task.id;
    scene.task_in(first, &[TaskState::InputRequired]).await;
    scene.engine().answer_task(&call(), first, "yes".to_owned()).await.unwrap();
    assert_eq!(scene.task_over(first).await.state, TaskState::Failed);
    for waiting in [second, third] {
        let canceled = scene.task_over(waiting).await;
        assert_eq!(canceled.state, TaskState::Canceled);
        assert!(canceled.text.unwrap().contains("depends on"));
    }
    let refusal = scene.engine().prompt(&call(), session, after(first)).await.unwrap_err();
    assert_eq!(refusal.code, "dependency_ended");
    scene.engine().archive_session(&call(), session).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_begin_waits_and_the_others_work() {
    let mut scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "codex"]).await;
    let text = "[[for claude]]\n[[bash sleep 1]]\n[[write a.txt|a]]\n[[say done]]\n[[end]]";
    scene.shut().await;
    scene.configure_without("codex");
    scene.open().await;
    let task = scene.prompt(session, text, &[]).await;
    // It is known before anything is queued.
    assert_eq!(task.unwrap_err().code, "agent_not_configured");
    scene.shut().await;
    scene.configure(serde_json::json!({}));
    scene.open().await;
    let first = scene.prompt(session, "[[ask Go on?]]", &["codex"]).await.unwrap().task.id;
    let task = scene.prompt(session, text, &[]).await.unwrap().task.id;
    scene.task_in(first, &[TaskState::InputRequired]).await;
    scene.configure_without("codex");
    scene.engine().reload_config().unwrap();
    scene.engine().answer_task(&call(), first, "yes".to_owned()).await.unwrap();
    let seat = scene
        .until("codex waits for its configuration", || {
            let seats = scene.engine().participants(session).unwrap();
            seats.into_iter().find(|seat| seat.status == ParticipantStatus::Paused)
        })
        .await;
    assert_eq!(seat.participant.agent.as_str(), "codex");
    assert!(seat.detail.unwrap().contains("not configured"));
    let states = |view: TaskView| -> Vec<TaskState> { view.targets.iter().map(|one| one.state).collect() };
    scene
        .until("claude is done", || {
            let states = states(scene.engine().task(task).unwrap());
            (states == [TaskState::Completed, TaskState::Submitted]).then_some(())
        })
        .await;
    assert_eq!(scene.repo.read("a.txt"), "a");
    // What was acknowledged goes on by itself.
    scene.configure(serde_json::json!({}));
    scene.engine().reload_config().unwrap();
    let over = scene.task_over(task).await;
    assert_eq!(over.state, TaskState::Completed, "{:?}", over.text);
    assert_eq!(states(over), [TaskState::Completed, TaskState::Completed]);
    assert!(outcomes(&scene).iter().all(|outcome| matches!(outcome, TurnOutcome::Completed { .. })));
}
