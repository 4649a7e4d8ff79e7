//! Work without a daemon, and the question of hooks.

use crate::stage::{Stage, TREE, TTL, exclusive, in_boot, want};
use bus::{Bus, BusError, Guard, LOCK_GLOBS_MAX, LockLost, NewNotice, Options};
use model::{Channel, LockMode, RegistrationId};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use testkit::SeededEntropy;

fn offer(stage: &Stage, sender: RegistrationId, priority: i32) -> i64 {
    let new =
        NewNotice { priority, ..NewNotice::new(sender, Channel::task_broadcast(), json!({ "task": 1 })) };
    stage.bus.publish(new).unwrap().id
}

#[test]
fn one_of_many_wins_a_claim() {
    let stage = Stage::new();
    let boss = stage.agent("boss");
    let workers: Vec<RegistrationId> = (0..8).map(|n| stage.agent(&format!("w{n}"))).collect();
    let task = offer(&stage, boss, 0);
    let won: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter()
            .map(|id| {
                let bus = stage.open_in("one");
                scope.spawn(move || bus.claim(task, *id, TTL))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<_> = won.iter().filter_map(|claim| claim.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    for lost in won.iter().filter_map(|claim| claim.as_ref().err()) {
        assert!(
            matches!(lost, BusError::Claimed { notice, by } if *notice == task && *by == Some(winners[0].holder))
        );
    }
    assert_eq!(stage.bus.claim_of(task).unwrap(), Some(winners[0].holder));
}

#[test]
fn work_goes_on_when_a_worker_dies_or_is_late() {
    let stage = Stage::new();
    let boss = stage.agent("boss");
    let (dead, life) = stage.mortal("dead");
    let [late, last] = ["late", "last"].map(|name| stage.agent(name));
    let task = offer(&stage, boss, 0);
    let first = stage.bus.claim(task, dead, TTL).unwrap();
    assert_eq!(stage.bus.claim(task, dead, TTL).unwrap().token, first.token, "the same claim");
    drop(life);
    let second = stage.bus.claim(task, late, TTL).unwrap();
    assert!(second.token > first.token && second.attempts == 2);
    stage.clock.advance(TTL);
    assert!(matches!(
        stage.bus.finish_claim(second.token, late),
        Err(BusError::Lost(LockLost::Expired { .. }))
    ));
    let third = stage.bus.claim(task, last, TTL).unwrap();
    assert!(third.token > second.token && third.attempts == 3);
    assert!(matches!(stage.bus.finish_claim(second.token, late), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(
        stage.bus.finish_claim(third.token, late),
        Err(BusError::Lost(LockLost::NotYours { .. }))
    ));
    stage.bus.renew_claim(third.token, last, TTL).unwrap();
    stage.bus.finish_claim(third.token, last).unwrap();
    assert!(matches!(stage.bus.claim(task, late, TTL), Err(BusError::Claimed { .. })));
    assert!(matches!(stage.bus.claim(task + 1, late, TTL), Err(BusError::NoNotice(_))));
}

#[test]
fn the_most_urgent_work_goes_first() {
    let stage = Stage::new();
    let [boss, worker] = ["boss", "worker"].map(|name| stage.agent(name));
    let [low, high] = [0, 9].map(|priority| offer(&stage, boss, priority));
    let next = || stage.bus.claim_next(worker, TTL).unwrap();
    let first = next().unwrap();
    assert_eq!(first.notice, high);
    assert_eq!(next().unwrap().notice, low);
    assert_eq!(next(), None);
    stage.bus.give_back_claim(first.token, worker).unwrap();
    assert_eq!(next().unwrap().notice, high);
    assert_eq!(stage.bus.claim_next(boss, TTL).unwrap(), None, "not one's own");
    stage.bus.end(worker, "finished").unwrap();
    let other = stage.agent("other");
    assert_eq!(stage.bus.claim_next(other, TTL).unwrap().unwrap().notice, high);
}

#[test]
fn a_hook_learns_who_is_in_the_way() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let guard = |path: &str, who| stage.bus.guard(TREE, path, who).unwrap();
    assert_eq!(guard("src/x.rs", Some(a)), Guard::Free);
    let lock = stage.bus.acquire(&exclusive(a, &["src/**"])).unwrap().locks.remove(0);
    stage.bus.acquire(&want(b, LockMode::Advisory, &["src/x.rs"])).unwrap();
    assert_eq!(guard("src/x.rs", Some(a)), Guard::Own(lock.clone()));
    assert_eq!(guard("src/x.rs", Some(b)), Guard::Held(vec![lock.clone()]));
    assert_eq!(guard("src/x.rs", None), Guard::Held(vec![lock]));
    assert_eq!(guard("docs/x.md", Some(b)), Guard::Free);
    assert!(matches!(stage.bus.guard(TREE, "../x", None), Err(BusError::Invalid(_))));
    stage.clock.advance(TTL);
    assert_eq!(guard("src/x.rs", Some(b)), Guard::Free);
    let (dead, life) = stage.mortal("dead");
    stage.bus.acquire(&exclusive(dead, &["y"])).unwrap();
    drop(life);
    assert_eq!(guard("y", Some(b)), Guard::Free);
}

#[test]
fn where_case_is_folded_two_spellings_are_one_file() {
    let stage = Stage::new();
    let options = Options { folds_case: Some(true), ..in_boot("one") };
    let folding = Bus::open_with(
        stage.dir.path(),
        Arc::new(stage.clock.clone()),
        Arc::new(SeededEntropy::new(3)),
        options,
    )
    .unwrap();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let lock = folding.acquire(&exclusive(a, &["Src/*.RS"])).unwrap().locks.remove(0);
    assert_eq!(lock.path, "src/*.rs");
    assert!(matches!(folding.acquire(&exclusive(b, &["sRC/x.rs"])), Err(BusError::Contended(_))));
    folding.check(lock.token, TREE, "SRC/X.rs", a).unwrap();
    assert!(matches!(folding.guard(TREE, "src/X.RS", Some(b)).unwrap(), Guard::Held(_)));
    // Where it is not, they are two.
    stage.bus.acquire(&exclusive(b, &["Y"])).unwrap();
    stage.bus.acquire(&exclusive(a, &["y"])).unwrap();
}

#[test]
fn a_bomb_of_globs_is_refused() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let request = |globs: usize, tag: usize| {
        let paths: Vec<String> = (0..globs).map(|n| format!("{tag}/{n}/{}", "{a,b}*".repeat(150))).collect();
        bus::LockRequest { paths, ..exclusive(a, &[]) }
    };
    assert!(matches!(stage.bus.acquire(&request(LOCK_GLOBS_MAX + 1, 0)), Err(BusError::Invalid(_))));
    for tag in 0..bus::GLOBS_PER_HOLDER_MAX / LOCK_GLOBS_MAX {
        stage.bus.acquire(&request(LOCK_GLOBS_MAX, tag)).unwrap();
    }
    assert!(matches!(stage.bus.acquire(&request(1, 99)), Err(BusError::Invalid(_))));
    let deep = format!("{}a{}", "{".repeat(500), "}".repeat(500));
    stage.bus.acquire(&exclusive(a, &[&deep])).unwrap();
    for bad in ["../outside", "/etc/passwd", "a/../../b", "a/./../../b", ".git/config", "a\0b"] {
        assert!(matches!(stage.bus.acquire(&exclusive(a, &[bad])), Err(BusError::Invalid(_))), "{bad}");
    }
}

#[test]
fn a_clock_set_back_changes_nothing() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let before = offer(&stage, a, 0);
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let claim = stage.bus.claim(before, b, TTL).unwrap();
    stage.clock.set_wall(model::Timestamp::from_millis(1_000_000_000));
    let after = offer(&stage, a, 0);
    assert!(after > before);
    assert!(matches!(stage.bus.acquire(&exclusive(b, &["x"])), Err(BusError::Contended(_))));
    stage.bus.check(lock.token, TREE, "x", a).unwrap();
    stage.bus.purge().unwrap();
    let page = stage.bus.wait_notices(b, 0, Duration::ZERO).unwrap();
    assert_eq!(page.notices.iter().map(|notice| notice.id).collect::<Vec<_>>(), [before, after]);
    stage.bus.renew_claim(claim.token, b, TTL).unwrap();
    assert!(stage.bus.reap().unwrap().is_empty());
    stage.clock.advance(TTL);
    stage.bus.acquire(&exclusive(b, &["x"])).unwrap();
}
