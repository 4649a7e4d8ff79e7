//! What a person decides reaches the turn that waits for it, though whoever said it hung up at once.

use crate::scene::{Scene, call};
use engine::NewDecision;
use model::{PermissionScope, TaskState};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::Poll;

fn request(request: Value) -> Value {
    json!({ "event": "request", "id": 1, "request": request })
}

fn ended() -> Value {
    json!({
        "event": "ended", "outcome": { "state": "completed", "summary": "done" }, "iterations": 1,
        "usage": { "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_micros": 0 },
    })
}

/// Asks and hangs up: the call is begun and dropped. A quick committer may have answered already; mostly it has not.
async fn hung_up<T>(call: impl Future<Output = T>) {
    let mut call: Pin<Box<_>> = Box::pin(call);
    std::future::poll_fn(|context| {
        let _ = call.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_heard_though_who_gave_it_hung_up_at_once() {
    let scene = Scene::scripted(json!({})).await;
    let asks = request(json!({ "request": "ask", "question": "Red or blue?" }));
    scene.script(&[json!({ "event": "ready" }), asks], 1, &[ended()]);
    let session = scene.session(None, &["claude"]).await;
    let task = scene.prompt(session, "work", &[]).await.unwrap().task.id;
    scene.task_in(task, &[TaskState::InputRequired]).await;
    hung_up(scene.engine().answer_task(&call(), task, "Blue".to_owned())).await;
    assert_eq!(scene.task_over(task).await.state, TaskState::Completed);
    assert!(scene.heard().iter().any(|reply| reply.to_string().contains("Blue")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_heard_though_who_made_it_hung_up_at_once() {
    let scene = Scene::scripted(json!({})).await;
    let ask = json!({
        "tool": "Bash", "category": "shell", "summary": "make", "arguments": { "command": "make" }, "paths": [],
    });
    scene.script(
        &[json!({ "event": "ready" }), request(json!({ "request": "permit", "ask": ask }))],
        1,
        &[ended()],
    );
    let session = scene.session(None, &["claude"]).await;
    let task = scene.prompt(session, "work", &[]).await.unwrap().task.id;
    let open = scene
        .until("somebody is asked", || scene.engine().open_permissions(None).unwrap().pop())
        .await
        .permission;
    let yes = NewDecision {
        allow: true,
        scope: PermissionScope::Once,
        arguments_hash: open.arguments_hash.clone(),
        reason: String::new(),
    };
    hung_up(scene.engine().decide_permission(&call(), open.id, yes)).await;
    assert_eq!(scene.task_over(task).await.state, TaskState::Completed);
}
