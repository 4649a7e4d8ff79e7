//! How much goes on at once: places of machine and vendor, and vendors that say when they take calls again.

use crate::scene::{Scene, call};
use model::{ParticipantStatus, SessionId, TaskState, Vendor};

async fn paused(scene: &Scene, session: SessionId) -> String {
    scene
        .until("the participant is paused", || {
            let seats = scene.engine().participants(session).unwrap();
            let seat = seats.into_iter().find(|seat| seat.status == ParticipantStatus::Paused);
            seat.and_then(|seat| seat.detail)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_says_when_it_takes_calls_again_is_left_alone_until_then() {
    let mut scene = Scene::new(&[]).await;
    let (one, other) = (scene.session(None, &["claude"]).await, scene.session(None, &["claude"]).await);
    let limited = scene.prompt(one, "[[error_once 429 90]]\n[[say done]]", &[]).await.unwrap().task.id;
    let detail = paused(&scene, one).await;
    assert!(detail.starts_with("anthropic takes no more calls until"), "{detail}");
    let task = scene.engine().task(limited).unwrap();
    assert_eq!((task.state, task.attempt), (TaskState::Submitted, 2), "it is not lost");
    let waiting = scene.prompt(other, "[[say too]]", &[]).await.unwrap().task.id;
    paused(&scene, other).await;
    let asked = scene.model.requests().len();
    let free = scene.session(None, &["codex"]).await;
    let task = scene.prompt(free, "[[say at once]]", &[]).await.unwrap().task.id;
    assert_eq!(scene.task_over(task).await.state, TaskState::Completed, "another vendor works");
    scene.shut().await;
    scene.open().await;
    paused(&scene, other).await;
    let of_vendor = scene.model.requests().len() - asked;
    assert_eq!(of_vendor, 1, "only the other vendor was asked");
    let shown: Vec<_> = scene.engine().agents().into_iter().filter(|agent| agent.paused.is_some()).collect();
    assert_eq!(shown.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["claude"]);
    let findings = scene.engine().doctor().await;
    assert!(findings.iter().any(|finding| finding.check == "vendor_paused"));
    let agents = scene.engine().resume_vendor(&call(), Vendor::Anthropic).await.unwrap();
    assert!(agents.iter().all(|agent| agent.paused.is_none()));
    for task in [limited, waiting] {
        assert_eq!(scene.task_over(task).await.state, TaskState::Completed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_vendor_has_no_more_runs_than_it_may_and_others_go_on() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure(serde_json::json!({ "max_runs": 8, "vendor_runs": 1 }));
    scene.open().await;
    let (one, other) = (scene.session(None, &["claude"]).await, scene.session(None, &["claude"]).await);
    let first = scene.prompt(one, "[[ask Go on?]]\n[[say first]]", &[]).await.unwrap().task.id;
    scene.task_in(first, &[TaskState::InputRequired]).await;
    let second = scene.prompt(other, "[[say second]]", &[]).await.unwrap().task.id;
    let free = scene.session(None, &["codex"]).await;
    let task = scene.prompt(free, "[[say at once]]", &[]).await.unwrap().task.id;
    assert_eq!(scene.task_over(task).await.state, TaskState::Completed);
    assert_eq!(scene.engine().task(second).unwrap().state, TaskState::Submitted, "there is no place for it");
    scene.engine().answer_task(&call(), first, "yes".to_owned()).await.unwrap();
    for task in [first, second] {
        assert_eq!(scene.task_over(task).await.state, TaskState::Completed);
    }
}
