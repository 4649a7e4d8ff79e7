//! Several people at one session: who has the input gives the agents words and moves what waits; to stop is everybody's.

use crate::scene::{Scene, call};
use engine::{Call, InputWish, Key, NewAttachment, NewPlan, NewPrompt, TaskMove, TermsChange};
use model::{Event, PlanState, Refusal, SessionId, TaskId, TaskState};

fn in_client(client: &str) -> Call {
    call().in_client(Some(client.to_owned()))
}

fn attach(scene: &Scene, session: SessionId, client: &str, input: InputWish) {
    let new = NewAttachment { client: client.to_owned(), name: client.to_owned(), typing: false, input };
    scene.engine().attach(&call(), session, new).unwrap();
}

async fn prompted(scene: &Scene, call: &Call, session: SessionId) -> Result<TaskId, Refusal> {
    let new = NewPrompt { text: "[[say ok]]".to_owned(), ..NewPrompt::default() };
    Ok(scene.engine().prompt(call, session, new).await?.task.id)
}

/// A task that asks, and one that waits behind it.
async fn asking(scene: &Scene, session: SessionId) -> (TaskId, TaskId) {
    let asks = scene.prompt(session, "[[ask Go on?]]\n[[say went on]]", &[]).await.unwrap().task.id;
    scene.task_in(asks, &[TaskState::InputRequired]).await;
    (asks, prompted(scene, &call(), session).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_input_types_and_the_others_wait() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    attach(&scene, session, "page", InputWish::Claim);
    attach(&scene, session, "phone", InputWish::Keep);
    let refusal = prompted(&scene, &in_client("phone"), session).await.unwrap_err();
    assert_eq!(refusal.code, "input_owned");
    assert!(refusal.message.contains("page") && refusal.hint.is_some(), "{refusal}");
    prompted(&scene, &in_client("page"), session).await.unwrap();
    prompted(&scene, &call(), session).await.unwrap();
    attach(&scene, session, "phone", InputWish::TakeOver);
    assert_eq!(prompted(&scene, &in_client("page"), session).await.unwrap_err().code, "input_owned");
    prompted(&scene, &in_client("phone"), session).await.unwrap();
    let kinds: Vec<&str> = scene.events().iter().map(Event::kind).collect();
    assert!(kinds.iter().all(|kind| !kind.contains("client")), "it is about now, and not in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_a_task_and_its_place_are_of_whoever_has_the_input() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let (asks, waits) = asking(&scene, session).await;
    let engine = scene.engine();
    attach(&scene, session, "page", InputWish::Claim);
    attach(&scene, session, "phone", InputWish::Keep);
    let last = || TaskMove { last: true, ..TaskMove::default() };
    let due = |seconds| TermsChange { deadline_seconds: Some(seconds), ..TermsChange::default() };
    for (client, code) in [("phone", "input_owned"), ("stranger", "not_attached")] {
        let by = in_client(client);
        assert_eq!(engine.steer_task(&by, asks, "mind the tests").await.unwrap_err().code, code);
        assert_eq!(engine.answer_task(&by, asks, "yes".to_owned()).await.unwrap_err().code, code);
        assert_eq!(engine.move_task(&by, waits, last()).await.unwrap_err().code, code);
        assert_eq!(engine.change_task(&by, waits, due(600)).await.unwrap_err().code, code);
    }
    let steered = engine.steer_task(&in_client("page"), asks, "mind the tests").await.unwrap_err();
    assert_eq!(steered.code, "cannot_steer", "the input is not what is missing");
    engine.move_task(&in_client("page"), waits, last()).await.unwrap();
    engine.move_task(&call(), waits, last()).await.unwrap();
    assert!(
        engine.change_task(&in_client("page"), waits, due(600)).await.unwrap().task.terms.deadline.is_some()
    );
    engine.change_task(&call(), waits, due(900)).await.unwrap();
    engine.answer_task(&in_client("page"), asks, "yes".to_owned()).await.unwrap();
    assert_eq!(scene.task_over(waits).await.state, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_input_begins_plans_and_everybody_stops_them() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let (asks, _) = asking(&scene, session).await;
    let engine = scene.engine();
    attach(&scene, session, "page", InputWish::Claim);
    attach(&scene, session, "phone", InputWish::Keep);
    let new = || NewPlan { prompt: "Paint it".to_owned(), ..NewPlan::default() };
    let refusal = engine.coordinate(&in_client("phone"), session, new()).await.unwrap_err();
    assert_eq!(refusal.code, "input_owned");
    let plan = engine.coordinate(&in_client("page"), session, new()).await.unwrap().plan.id;
    let stopped = engine.cancel_plan(&in_client("phone"), plan).await.unwrap();
    assert_eq!(stopped.state, PlanState::Failed);
    engine.cancel_task(&in_client("phone"), asks).await.unwrap();
    assert_eq!(scene.task_over(asks).await.state, TaskState::Canceled, "to stop is everybody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_again_to_whoever_repeats_it_and_has_lost_the_input() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let key = Key { key: "once".to_owned(), request_hash: "same".to_owned() };
    let by = Call { key: Some(key), ..in_client("page") };
    attach(&scene, session, "page", InputWish::Claim);
    let first = prompted(&scene, &by, session).await.unwrap();
    attach(&scene, session, "phone", InputWish::TakeOver);
    assert_eq!(prompted(&scene, &by, session).await.unwrap(), first);
    assert_eq!(prompted(&scene, &in_client("page"), session).await.unwrap_err().code, "input_owned");
}
