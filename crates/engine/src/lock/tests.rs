//! A key asks once, however often it is sent.

use super::*;
use crate::stage::Stage;
use model::{Event, LockPhase};

struct Scene {
    engine: Engine,
    repo: RepoId,
    _stage: Stage,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let (session, _) = stage.session(&["claude"]);
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        Self { engine, repo: session.repo.unwrap(), _stage: stage }
    }

    async fn acquire(&self, key: &str, path: &str) -> Result<Vec<Lock>, Refusal> {
        let (paths, mode) = (vec![path.to_owned()], LockMode::Exclusive);
        let new = NewLock { repo: self.repo, paths, mode, ttl_seconds: 60 };
        self.engine.acquire_lock(&call(key, path), new).await
    }
}

fn call(key: &str, request: &str) -> Call {
    let key = Key { key: key.to_owned(), request_hash: request.to_owned() };
    Call { key: Some(key), ..Call::user("test") }
}

fn conflicts<T: std::fmt::Debug>(answer: Result<T, Refusal>) {
    let refusal = answer.unwrap_err();
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Conflict, "idempotency_conflict"));
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_another_one_none() {
    let scene = Scene::new();
    let taken = scene.acquire("k1", "a").await.unwrap();
    assert_eq!(scene.acquire("k1", "a").await.unwrap(), taken);
    conflicts(scene.acquire("k1", "b").await);
    assert_eq!(scene.engine.locks().unwrap(), taken, "nothing else is held");

    // A release whose answer was lost is no error the second time, also when another holds the path by now.
    let token = taken[0].token;
    for _ in 0..2 {
        scene.engine.release_lock(&call("k2", "release"), token).await.unwrap();
    }
    let again = scene.acquire("k3", "a").await.unwrap();
    scene.engine.release_lock(&call("k2", "release"), token).await.unwrap();
    assert_eq!(scene.engine.locks().unwrap(), again);
    assert!(scene.engine.release_lock(&call("k4", "release"), token).await.is_err(), "a new key asks anew");
    for _ in 0..2 {
        scene.engine.break_lock(&call("k5", "break"), again[0].token).await.unwrap();
    }
    conflicts(scene.engine.break_lock(&call("k5", "break another"), 1).await);
    let (_, rows) = scene.engine.shared.bus.outbox(0, 1000).unwrap();
    let ordered: Vec<_> = rows
        .into_iter()
        .filter_map(|row| match row.event {
            Event::LockChanged(change) if change.phase == LockPhase::Broken => Some(change.other),
            _ => None,
        })
        .collect();
    assert_eq!(ordered, [Some(scene.engine.shared.user)], "once, and by whose order");
}

#[tokio::test]
async fn a_refusal_leaves_the_key_free_and_the_table_has_an_end() {
    let scene = Scene::new();
    assert!(scene.acquire("k", "../out").await.is_err());
    scene.acquire("k", "a").await.unwrap();
    for n in 0..LOCK_ANSWERS_MAX {
        let mut answers = scene.engine.shared.lock_answers.lock().await;
        answers.keep((scene.engine.shared.user, format!("n{n}")), "h".to_owned(), Vec::new());
        assert!(answers.answers.len() <= LOCK_ANSWERS_MAX && answers.order.len() <= LOCK_ANSWERS_MAX);
    }
    scene.acquire("k", "b").await.expect("the oldest answer is forgotten");
}
