//! Locks taken now or not at all.

use super::{DAY, Fixture, agent, lives};
use crate::stage::{TREE, TTL, exclusive, tokens, want};
use bus::{Backend, BusError, LockLost, LockRequest, NoticeQuery};
use model::{Channel, Lock, LockMode, RegistrationId};
use serde_json::json;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use LockMode::{Advisory, Exclusive, Shared};

const CONTENDERS: usize = 6;

fn take(bus: &dyn Backend, holder: RegistrationId, path: &str) -> Lock {
    bus.acquire(&exclusive(holder, &[path])).unwrap().locks.remove(0)
}

fn paths(bus: &dyn Backend) -> Vec<String> {
    bus.locks(Some(TREE)).unwrap().into_iter().map(|lock| lock.path).collect()
}

pub(crate) fn modes_exclude_each_other_as_they_say(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    for held in LockMode::ALL {
        for asked in LockMode::ALL {
            let lock = bus.acquire(&want(a, held, &["x"])).unwrap().locks.remove(0);
            match other.acquire(&want(b, asked, &["x"])) {
                Ok(acquired) => {
                    assert!(held.admits(asked), "{held:?} beside {asked:?}");
                    other.release(acquired.locks[0].token, b).unwrap();
                }
                Err(BusError::Contended(contended)) => {
                    assert!(!held.admits(asked), "{held:?} beside {asked:?}");
                    assert_eq!(tokens(&contended.holders), [lock.token]);
                }
                Err(other) => panic!("{other}"),
            }
            bus.release(lock.token, a).unwrap();
        }
    }
    // Another worktree is another place.
    take(&*bus, a, "x");
    other.acquire(&LockRequest { worktree: "/elsewhere".to_owned(), ..exclusive(b, &["x"]) }).unwrap();
    assert_eq!(bus.locks(None).unwrap().len(), 2);
    assert_eq!(paths(&*other), ["x"]);
}

pub(crate) fn globs_overlap(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    for (held, asked, meet) in [
        ("src/**", "src/a/b.rs", true),
        ("src/*", "src/a/b.rs", false),
        ("src/", "src/x", true),
        ("*.rs", "main.?s", true),
        ("**/[a-m]*.rs", "src/{lib,main}.rs", true),
        ("**/[n-z]*.rs", "src/{lib,main}.rs", false),
        ("a*b", "*ab*", true),
        ("docs/**", "src/**", false),
    ] {
        let lock = take(&*bus, a, held);
        let met = match other.acquire(&exclusive(b, &[asked])) {
            Ok(acquired) => other.release(acquired.locks[0].token, b).is_err(),
            Err(BusError::Contended(_)) => true,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(met, meet, "{held} and {asked}");
        bus.release(lock.token, a).unwrap();
    }
}

pub(crate) fn all_paths_or_none(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let held = take(&*bus, a, "y");
    assert!(matches!(other.acquire(&exclusive(b, &["x", "y", "z"])), Err(BusError::Contended(_))));
    assert_eq!(paths(&*other), ["y"], "nothing of it was taken");
    bus.release(held.token, a).unwrap();
    let acquired = other.acquire(&exclusive(b, &["z", "x", "y"])).unwrap();
    let order: Vec<&str> = acquired.locks.iter().map(|lock| lock.path.as_str()).collect();
    assert_eq!(order, ["z", "x", "y"], "in the order of the request");
    assert!(tokens(&acquired.locks).windows(2).all(|two| two[0] < two[1]));
    assert_eq!(acquired.locks[0].holder, b);
    assert_eq!(acquired.locks[0].agent, "b");
}

pub(crate) fn tokens_rise_whatever_happens(stage: &dyn Fixture) {
    let mut highest = 0;
    let mut rise = |token: u64| {
        assert!(token > highest, "{token} after {highest}");
        assert!(token < 1 << 53, "a number every reader of JSON keeps whole");
        highest = token;
    };
    for life in 0..3 {
        let (bus, other) = (stage.open(), stage.open());
        let [a, b] = ["a", "b"].map(|name| agent(&*bus, &format!("{name}{life}")));
        let x = take(&*bus, a, "x");
        rise(x.token);
        bus.release(x.token, a).unwrap();
        let ttl = stage.brief();
        rise(other.acquire(&LockRequest { ttl, ..exclusive(b, &["x"]) }).unwrap().locks[0].token);
        assert!(other.acquire(&exclusive(a, &["x", "y"])).is_err());
        rise(take(&*bus, a, "y").token);
        stage.pass_all();
        rise(take(&*other, a, "x").token);
        // With connections anew, and then in a bus that was made anew.
        drop((bus, other));
        let bus = stage.open();
        rise(take(&*bus, a, "z").token);
        drop(bus);
        stage.remake();
    }
}

pub(crate) fn a_write_is_checked(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let lock = take(&*bus, a, "src/**");
    let shared = bus.acquire(&want(a, Shared, &["s"])).unwrap().locks.remove(0);
    let advisory = bus.acquire(&want(a, Advisory, &["v"])).unwrap().locks.remove(0);
    other.check(lock.token, TREE, "src/lib.rs", a).unwrap();
    let lost = |token: u64, tree: &str, path: &str, who| match other.check(token, tree, path, who) {
        Err(BusError::Lost(lost)) => lost,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(lost(lock.token, TREE, "src/lib.rs", b), LockLost::NotYours { owner, .. } if owner == a)
    );
    assert!(matches!(lost(lock.token, TREE, "docs/x", a), LockLost::NotCovered { .. }));
    assert!(matches!(lost(lock.token, "/elsewhere", "src/lib.rs", a), LockLost::NotCovered { .. }));
    assert!(matches!(lost(shared.token, TREE, "s", a), LockLost::NotExclusive { .. }));
    assert!(matches!(lost(advisory.token, TREE, "v", a), LockLost::NotExclusive { .. }));
    for never in [0, lock.token + 100, u64::MAX] {
        assert!(matches!(lost(never, TREE, "src/lib.rs", a), LockLost::Gone { .. }));
    }
    bus.release(lock.token, a).unwrap();
    assert!(matches!(lost(lock.token, TREE, "src/lib.rs", a), LockLost::Gone { .. }));
    let next = take(&*bus, b, "src/lib.rs");
    let taken = lost(lock.token, TREE, "src/lib.rs", a);
    assert!(matches!(taken, LockLost::Taken { by, .. } if by.token == next.token && by.holder == b));
}

pub(crate) fn a_lease_is_renewed_or_lost(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let short = LockRequest { ttl: stage.brief(), ..exclusive(a, &["x"]) };
    let lock = bus.acquire(&short).unwrap().locks.remove(0);
    for _ in 0..3 {
        stage.pass_part();
        let renewed = other.renew(lock.token, a, stage.brief()).unwrap();
        assert_eq!(renewed.token, lock.token);
        assert!(renewed.expires_at > lock.expires_at);
    }
    assert!(matches!(other.renew(lock.token, b, TTL), Err(BusError::Lost(LockLost::NotYours { .. }))));
    other.check(lock.token, TREE, "x", a).unwrap();
    stage.pass_all();
    let expired = |result: Result<(), BusError>| {
        assert!(matches!(result, Err(BusError::Lost(LockLost::Expired { token })) if token == lock.token));
    };
    expired(other.check(lock.token, TREE, "x", a));
    expired(bus.renew(lock.token, a, TTL).map(drop));
    assert!(other.locks(None).unwrap().is_empty());
    assert!(take(&*other, b, "x").token > lock.token);
    assert!(matches!(bus.release(lock.token, a), Err(BusError::Lost(_))));
    assert!(matches!(bus.renew(lock.token, a, TTL), Err(BusError::Lost(_))));
    assert!(matches!(bus.check(lock.token, TREE, "x", a), Err(BusError::Lost(LockLost::Taken { .. }))));
    assert_eq!(paths(&*bus), ["x"], "the new holder's stays");
}

pub(crate) fn asking_again_gives_the_same_lock(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let a = agent(&*bus, "a");
    let lock = take(&*bus, a, "x");
    assert_eq!(tokens(&other.acquire(&exclusive(a, &["x"])).unwrap().locks), [lock.token]);
    // An exclusive lock serves as a shared one.
    assert_eq!(tokens(&other.acquire(&want(a, Shared, &["x"])).unwrap().locks), [lock.token]);
    let more = other.acquire(&exclusive(a, &["y", "x"])).unwrap().locks;
    assert_eq!(more[1].token, lock.token);
    assert_eq!(bus.locks(None).unwrap().len(), 2);
    // The lease is never shortened by asking.
    let brief = LockRequest { ttl: Duration::from_secs(1), ..exclusive(a, &["x"]) };
    assert!(other.acquire(&brief).unwrap().locks[0].expires_at >= lock.expires_at);
}

pub(crate) fn a_shared_lock_is_not_upgraded_beside_others(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let mine = bus.acquire(&want(a, Shared, &["x"])).unwrap().locks.remove(0);
    let theirs = bus.acquire(&want(b, Shared, &["x"])).unwrap().locks.remove(0);
    match bus.acquire(&exclusive(a, &["x"])) {
        Err(BusError::Upgrade { path, holders }) => {
            assert_eq!((path.as_str(), tokens(&holders)), ("x", vec![theirs.token]));
        }
        other => panic!("{other:?}"),
    }
    bus.release(theirs.token, b).unwrap();
    let upgraded = bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    assert!(upgraded.token > mine.token);
    assert_eq!(upgraded.mode, Exclusive);
    assert_eq!(tokens(&bus.locks(None).unwrap()), [upgraded.token]);
}

pub(crate) fn a_broken_lock_is_lost(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let lock = take(&*bus, a, "x");
    assert_eq!(other.break_lock(lock.token).unwrap().token, lock.token);
    assert!(matches!(other.break_lock(lock.token), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(bus.check(lock.token, TREE, "x", a), Err(BusError::Lost(LockLost::Gone { .. }))));
    take(&*bus, b, "x");
    assert!(matches!(bus.release(lock.token, a), Err(BusError::Lost(_))));
}

pub(crate) fn a_conflict_is_announced(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    take(&*bus, a, "src/*");
    for _ in 0..3 {
        assert!(other.acquire(&exclusive(b, &["src/x"])).is_err());
    }
    let conflicts = NoticeQuery { channel: Some(Channel::file_conflict()), ..NoticeQuery::default() };
    let said = bus.notices(&conflicts).unwrap().notices;
    assert_eq!(said.len(), 1, "once, however often somebody tries");
    assert_eq!(said[0].payload["sessions"], json!([b, a]));
    assert_eq!(said[0].payload["file"], json!("src/x"));
    assert_eq!(said[0].payload["held"], json!("src/*"));
}

pub(crate) fn the_dead_hold_nothing(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let mortal = lives(&*bus, "mortal", stage.brief());
    let heir = agent(&*other, "heir");
    let lock = bus.acquire(&LockRequest { ttl: DAY, ..exclusive(mortal, &["x"]) }).unwrap().locks.remove(0);
    stage.pass_all();
    // Nobody has cleared it away yet, and its lock's own lease is long.
    let next = take(&*other, heir, "x");
    assert!(next.token > lock.token);
    assert!(matches!(bus.check(lock.token, TREE, "x", mortal), Err(BusError::Lost(_))));
    assert!(other.registrations().unwrap().iter().all(|registration| registration.id != mortal));
}

pub(crate) fn one_winner_among_many_who_reach_for_it(stage: &dyn Fixture) {
    let (start, inside) = (Barrier::new(CONTENDERS), AtomicUsize::new(0));
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..CONTENDERS {
            let (start, inside, won) = (&start, &inside, &won);
            scope.spawn(move || {
                let bus = stage.open();
                let me = agent(&*bus, &format!("c{n}"));
                start.wait();
                for _ in 0..12 {
                    match bus.acquire(&exclusive(me, &["x"])) {
                        Ok(acquired) => {
                            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
                            bus.check(acquired.locks[0].token, TREE, "x", me).unwrap();
                            assert_eq!(inside.fetch_sub(1, SeqCst), 1);
                            won.fetch_add(1, SeqCst);
                            bus.release(acquired.locks[0].token, me).unwrap();
                        }
                        Err(BusError::Contended(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    assert!(won.load(SeqCst) > 0);
}
