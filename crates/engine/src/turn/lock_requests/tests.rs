//! Requests for locks are bounded, and end with their turn.

use super::*;
use crate::stage::Stage;
use bus::{Liveness, NewRegistration};
use model::LockMode;

/// Longer than any test may take.
const AGES: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(30);

fn join(stage: &Stage, agent: &str) -> RegistrationId {
    let new = NewRegistration {
        id: None,
        agent: agent.to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: Some("/w".to_owned()),
        liveness: Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
    };
    stage.shared.bus.register(new).unwrap().id
}

fn wish(holder: RegistrationId, path: &str) -> LockRequest {
    LockRequest {
        worktree: "/w".to_owned(),
        paths: vec![path.to_owned()],
        mode: LockMode::Exclusive,
        holder,
        ttl: Duration::from_secs(600),
    }
}

fn path(n: usize) -> RepoPath {
    format!("src/{n}.rs").parse().unwrap()
}

#[tokio::test]
async fn one_request_more_than_the_limit_is_refused_and_the_others_get_their_locks() {
    let stage = Stage::new();
    let (holder, waiter) = (join(&stage, "claude"), join(&stage, "kimi"));
    let held = stage.shared.bus.acquire(&wish(holder, "src/*.rs")).unwrap().locks[0].token;
    let mut requests = LockRequests::default();
    let ask = |requests: &mut LockRequests, n: usize| {
        let request = wish(waiter, path(n).as_str());
        requests.ask(&stage.shared, (n as u64, path(n)), request, AGES, |_| {})
    };
    for n in 0..LOCK_REQUESTS_MAX {
        ask(&mut requests, n).unwrap();
    }
    let refusal = ask(&mut requests, LOCK_REQUESTS_MAX).unwrap_err();
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Busy, "lock_requests_full"));
    stage.shared.bus.release(held, holder).unwrap();
    let (_, _, first) = tokio::time::timeout(PATIENCE, requests.decided()).await.unwrap().unwrap().unwrap();
    first.unwrap();
    ask(&mut requests, LOCK_REQUESTS_MAX).unwrap();
    for _ in 0..LOCK_REQUESTS_MAX {
        let next = tokio::time::timeout(PATIENCE, requests.decided()).await.unwrap();
        next.unwrap().unwrap().2.unwrap();
    }
    assert!(requests.decided().await.is_none());
}

#[tokio::test]
async fn a_request_that_joins_the_queue_after_the_cancel_does_not_hold_up_the_end() {
    let stage = Stage::new();
    let (holder, waiter) = (join(&stage, "claude"), join(&stage, "kimi"));
    stage.shared.bus.acquire(&wish(holder, "a.rs")).unwrap();
    let mut requests = LockRequests::default();
    let (go, told) = std::sync::mpsc::channel::<()>();
    // A thread that is late: the first cancel finds nobody in the queue.
    let (shared, request) = (Arc::clone(&stage.shared), wish(waiter, "a.rs"));
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    requests.waiting.spawn_blocking(move || {
        begun.send(()).unwrap();
        told.recv().unwrap();
        (1, "a.rs".parse().unwrap(), shared.bus.acquire_wait(&request, AGES, &mut |_| {}))
    });
    has_begun.await.unwrap();
    assert_eq!(stage.shared.bus.cancel_waits(waiter).unwrap(), 0);
    go.send(()).unwrap();
    tokio::time::timeout(PATIENCE, requests.end(&stage.shared, waiter)).await.expect("the end came");
    assert_eq!(stage.shared.bus.waits().unwrap(), []);
}
