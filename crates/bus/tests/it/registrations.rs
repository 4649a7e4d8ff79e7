//! Who is on the bus, and who no longer is.

use crate::stage::{Stage, TREE, exclusive, new};
use bus::{BusError, HEARTBEAT_FLUSH, LABEL_MAX, Liveness, NewRegistration};
use model::{Event, LockPhase, RegistrationPhase};
use std::time::Duration;

#[test]
fn a_registration_is_announced_listed_and_ended() {
    let stage = Stage::new();
    let given = new("a", Liveness::Lease { ttl: Duration::from_secs(60) });
    let registration = stage.bus.register(given.clone()).unwrap();
    assert_eq!(registration.phase, RegistrationPhase::Active);
    assert_eq!(stage.bus.registrations().unwrap(), vec![registration.clone()]);
    assert!(stage.bus.is_alive(registration.id).unwrap());
    let again = NewRegistration { id: Some(registration.id), ..given.clone() };
    assert_eq!(stage.bus.register(again.clone()).unwrap(), registration);
    let other = NewRegistration { agent: "b".to_owned(), ..again.clone() };
    assert!(matches!(stage.bus.register(other), Err(BusError::Invalid(_))));

    stage.bus.acquire(&exclusive(registration.id, &["x"])).unwrap();
    stage.bus.end(registration.id, "finished").unwrap();
    stage.bus.end(registration.id, "finished").unwrap();
    assert!(!stage.bus.is_alive(registration.id).unwrap());
    assert!(stage.bus.registrations().unwrap().is_empty() && stage.bus.locks(None).unwrap().is_empty());
    assert!(matches!(stage.bus.register(again), Err(BusError::Ended(_))));
    assert!(matches!(stage.bus.acquire(&exclusive(registration.id, &["x"])), Err(BusError::Ended(_))));
    let kinds: Vec<&str> = stage.events().iter().map(Event::kind).collect();
    assert_eq!(kinds, ["registration.announced", "lock.changed", "lock.changed", "registration.ended"]);
}

#[test]
fn the_unknown_and_the_unlively_are_refused() {
    let stage = Stage::new();
    let stranger = Stage::new().agent("a");
    assert!(matches!(stage.bus.acquire(&exclusive(stranger, &["x"])), Err(BusError::NotRegistered(_))));
    assert!(matches!(stage.bus.end(stranger, "x"), Err(BusError::NotRegistered(_))));
    assert!(matches!(stage.bus.heartbeat(stranger), Err(BusError::NotRegistered(_))));
    assert!(!stage.bus.is_alive(stranger).unwrap());
    let nobody = stage.dir.path().join("nobody.live");
    for dead in [Liveness::LockFile(nobody), Liveness::Process { pid: std::process::id(), starttime: 1 }] {
        assert!(matches!(stage.bus.register(new("a", dead)), Err(BusError::NotAlive(_))));
    }
    for bad in [Liveness::LockFile("relative".into()), Liveness::Lease { ttl: Duration::ZERO }] {
        assert!(matches!(stage.bus.register(new("a", bad)), Err(BusError::Invalid(_))));
    }
    for label in [String::new(), "a".repeat(LABEL_MAX + 1)] {
        let lease = Liveness::Lease { ttl: Duration::from_secs(1) };
        assert!(matches!(stage.bus.register(new(&label, lease)), Err(BusError::Invalid(_))));
    }
}

#[test]
fn reaping_frees_the_dead_and_only_them() {
    let stage = Stage::new();
    let (dead, life) = stage.mortal("dead");
    let (alive, _life) = stage.mortal("alive");
    let myself = Liveness::Process {
        pid: std::process::id(),
        starttime: bus::system::process_start(std::process::id()).unwrap(),
    };
    let process = stage.bus.register(new("process", myself)).unwrap();
    assert_eq!(process.pid, Some(std::process::id()));
    let lock = stage.bus.acquire(&exclusive(dead, &["x"])).unwrap().locks.remove(0);
    stage.bus.acquire(&exclusive(alive, &["y"])).unwrap();
    assert!(stage.bus.reap().unwrap().is_empty());
    drop(life);
    assert!(!stage.bus.is_alive(dead).unwrap());
    let reaped = stage.bus.reap().unwrap();
    assert_eq!(reaped.len(), 1);
    assert_eq!((reaped[0].registration, reaped[0].reason), (dead, "died"));
    assert_eq!(reaped[0].locks, vec![lock]);
    assert!(stage.bus.reap().unwrap().is_empty());
    assert_eq!(stage.bus.locks(Some(TREE)).unwrap().len(), 1);
    assert_eq!(stage.phases(), [LockPhase::Acquired, LockPhase::Acquired, LockPhase::Released]);
    assert!(matches!(&stage.events().pop(), Some(Event::RegistrationEnded(end)) if end.reason == "died"));
}

#[test]
fn a_dead_holder_in_the_way_is_cleared_at_once() {
    let stage = Stage::new();
    let (dead, life) = stage.mortal("dead");
    let next = stage.agent("next");
    stage.bus.acquire(&exclusive(dead, &["x"])).unwrap();
    drop(life);
    stage.bus.acquire(&exclusive(next, &["x"])).unwrap();
    let change = stage.lock_changes().pop().unwrap();
    assert_eq!((change.phase, change.holder, change.other), (LockPhase::TakenOver, next, Some(dead)));
}

#[test]
fn a_lease_of_life_lasts_as_long_as_it_is_renewed() {
    let stage = Stage::new();
    let ttl = Duration::from_secs(8);
    let lease = |name| stage.bus.register(new(name, Liveness::Lease { ttl })).unwrap().id;
    let (beats, locks, silent) = (lease("beats"), lease("locks"), lease("silent"));
    for _ in 0..4 {
        stage.clock.advance(ttl / 2);
        stage.bus.heartbeat(beats).unwrap();
        stage.bus.acquire(&exclusive(locks, &["x"])).unwrap();
    }
    let reaped = stage.bus.reap().unwrap();
    assert_eq!(reaped.iter().map(|r| (r.registration, r.reason)).collect::<Vec<_>>(), [(silent, "expired")]);
    assert!(stage.bus.is_alive(beats).unwrap() && stage.bus.is_alive(locks).unwrap());
    stage.clock.advance(ttl);
    assert!(!stage.bus.is_alive(beats).unwrap());
    assert!(matches!(stage.bus.heartbeat(beats), Err(BusError::Ended(_))));
}

#[test]
fn heartbeats_are_shown_at_once_and_written_seldom() {
    let stage = Stage::new();
    let (id, _life) = stage.mortal("a");
    let written = || -> i64 {
        stage.sql().query_row("SELECT heartbeat_ns FROM session_registry", [], |row| row.get(0)).unwrap()
    };
    let shown = || stage.bus.registrations().unwrap()[0].heartbeat_at;
    let (first, seen) = (written(), shown());
    stage.bus.heartbeat(id).unwrap();
    stage.clock.advance(HEARTBEAT_FLUSH - Duration::from_millis(1));
    stage.bus.heartbeat(id).unwrap();
    assert_eq!(written(), first);
    assert!(shown() > seen);
    stage.clock.advance(Duration::from_millis(1));
    stage.bus.heartbeat(id).unwrap();
    assert!(written() > first);
}
