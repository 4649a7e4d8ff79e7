//! A turn always ends: by itself, by the user, by its death, by its time.

use crate::scene::{Scene, call};
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
    let checkpoint = scene.engine().checkpoints(session).unwrap().pop().unwrap();
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
async fn a_question_may_take_longer_than_the_turn() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "turn_deadline_seconds": 2 }));
    scene.open().await;
    let session = scene.session(None, &["codex"]).await;
    let task = scene.prompt(session, "[[ask Well?]]\n[[say {{result}}]]", &[]).await.unwrap();
    scene.task_in(task.task.id, &[TaskState::InputRequired]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    scene.engine().answer_task(&call(), task.task.id, "yes".to_owned()).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
}
