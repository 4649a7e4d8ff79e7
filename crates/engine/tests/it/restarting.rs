//! What a start finds of what was under way.

use crate::scene::Scene;
use bus::system::{SystemClock, SystemEntropy};
use bus::{Bus, Liveness, NewRegistration};
use model::{Event, ParticipantStatus, PlanState, TaskState, TurnOutcome};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn work_under_way_at_the_stop_goes_on_after_the_start() {
    let mut scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let text =
        "[[edit a.txt|one|two]]\n[[bash if [ \"$CODITECT_ATTEMPT\" = 1 ]; then sleep 600; fi]]\n[[say done]]";
    let task = scene.prompt(session, text, &[]).await.unwrap();
    scene
        .until("the run is in its shell", || {
            let seats = scene.engine().participants(session).unwrap();
            seats.iter().any(|seat| seat.status == ParticipantStatus::RunningTool).then_some(())
        })
        .await;
    scene.shut().await;
    scene.open().await;
    let done = scene.task_over(task.task.id).await;
    assert_eq!((done.state, done.attempt), (TaskState::Completed, 2), "{:?}", done.text);
    let ended = |event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None };
    let outcomes: Vec<TurnOutcome> = scene.events().into_iter().filter_map(ended).collect();
    assert!(
        matches!(&outcomes[0], TurnOutcome::Failed { code, .. } if code == "daemon_stopped"),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_the_bus_is_told_when_the_engine_is_open() {
    let mut scene = Scene::new(&[]).await;
    let announced = |event: &Event| matches!(event, Event::RegistrationAnnounced(_));
    assert!(scene.events().iter().any(announced), "the user is there");
    scene.shut().await;
    let bus = scene.root().workspace("default").bus();
    let bus = Bus::open(&bus, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    let ada = NewRegistration {
        id: None,
        agent: "ada".to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Lease { ttl: Duration::from_secs(3600) },
    };
    let ada = bus.register(ada).unwrap().id;
    scene.open().await;
    let is_ada = |event: &Event| matches!(event, Event::RegistrationAnnounced(one) if one.id == ada);
    assert!(scene.events().iter().any(is_ada), "who came while no engine was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_survives_the_stop() {
    let mut scene = Scene::new(&[]).await;
    let session = scene.session(None, &["gemini"]).await;
    let first = scene.prompt(session, "[[sleep 600000]]", &[]).await.unwrap();
    let second = scene.prompt(session, "[[say second]]", &[]).await.unwrap();
    scene.task_in(first.task.id, &[TaskState::Working]).await;
    assert_eq!(scene.engine().task(second.task.id).unwrap().state, TaskState::Submitted);
    scene.shut().await;
    scene.open().await;
    scene.task_in(first.task.id, &[TaskState::Working]).await;
    scene.engine().cancel_task(&crate::scene::call(), first.task.id).await.unwrap();
    assert_eq!(scene.task_over(second.task.id).await.text.as_deref(), Some("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_not_recorded_is_made_again() {
    let mut scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let prompt = r#"[[plan {"tasks":[
        {"name":"a","title":"Change a","files":["a.txt"],"instructions":"<<edit a.txt|one|two>><<say a>>"},
        {"name":"b","title":"Change b","files":["b.txt"],"depends_on":["a"],"instructions":"<<edit b.txt|one|two>><<bash if [ \"$CODITECT_ATTEMPT\" = 1 ]; then sleep 600; fi>><<say b>>"}]}]]
[[say Two.]]"#;
    let plan = scene.coordinate(session, prompt).await.plan.id;
    scene
        .until("the second task is in its shell", || {
            let seats = scene.engine().participants(session).unwrap();
            let edited = scene.repo.read("b.txt") == "two\n";
            (edited && seats.iter().any(|seat| seat.status == ParticipantStatus::RunningTool)).then_some(())
        })
        .await;
    scene.shut().await;
    // As a crash leaves it between the commit and its event.
    let tip = format!("refs/coditect/plans/{plan}");
    let tree = scene.repo.git(&["stash", "create"]);
    let tree = format!("{}^{{tree}}", tree.trim());
    let lost = scene.repo.git(&["commit-tree", &tree, "-p", &tip, "-m", "lost"]);
    scene.repo.git(&["update-ref", &tip, lost.trim()]);
    scene.open().await;
    let over = scene.plan_over(plan).await;
    assert_eq!(over.state, PlanState::Completed, "{:?}", over.text);
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "", "both files are committed");
    assert_eq!(scene.subjects(), ["Change b", "Change a", "first"]);
}
