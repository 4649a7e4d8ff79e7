//! Waiting in line for a lock.

use super::{DAY, Fixture, Handle, PATIENCE, agent, lives};
use crate::stage::{TREE, TTL, exclusive, want};
use bus::{Acquired, Backend, BusError, LockRequest};
use model::{Lock, LockMode, RegistrationId};
use std::sync::mpsc::channel;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

type Outcome = Result<Acquired, BusError>;

/// Somebody in line, over a connection of its own, known to be there.
fn wait_in_line<'s>(
    scope: &'s Scope<'s, '_>,
    stage: &'s dyn Fixture,
    handle: Handle,
    request: LockRequest,
) -> (ScopedJoinHandle<'s, Outcome>, Vec<Lock>) {
    let (tell, queued) = channel();
    let waiter = scope.spawn(move || {
        let bus = stage.open_with(handle);
        bus.acquire_wait(&request, PATIENCE, &mut |locks| tell.send(locks.to_vec()).unwrap())
    });
    let blocking = queued.recv().expect("it joined the queue");
    (waiter, blocking)
}

fn take(bus: &dyn Backend, holder: RegistrationId, path: &str) -> u64 {
    bus.acquire(&exclusive(holder, &[path])).unwrap().locks[0].token
}

pub(crate) fn who_came_first_goes_first(stage: &dyn Fixture) {
    let bus = stage.open();
    let ids = ["a", "b", "c", "d"].map(|name| agent(&*bus, name));
    let token = take(&*bus, ids[0], "x");
    std::thread::scope(|scope| {
        let mut line = Vec::new();
        for id in &ids[1..] {
            let (waiter, blocking) = wait_in_line(scope, stage, Handle::default(), exclusive(*id, &["x"]));
            assert_eq!(blocking.iter().map(|lock| lock.token).collect::<Vec<_>>(), [token]);
            line.push((*id, waiter));
        }
        let waits = bus.waits().unwrap();
        assert_eq!(waits.iter().map(|wait| wait.holder).collect::<Vec<_>>(), ids[1..]);
        assert_eq!(waits[1].blocked_by, [ids[0], ids[1]]);
        bus.release(token, ids[0]).unwrap();
        let mut before = token;
        for (id, waiter) in line {
            let token = waiter.join().unwrap().unwrap().locks[0].token;
            assert!(token > before);
            before = token;
            bus.check(token, TREE, "x", id).unwrap();
            bus.release(token, id).unwrap();
        }
    });
    assert!(bus.waits().unwrap().is_empty());
}

pub(crate) fn a_ring_of_waiters_is_named(stage: &dyn Fixture) {
    let bus = stage.open();
    let ids = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let held = [take(&*bus, ids[0], "0"), take(&*bus, ids[1], "1"), take(&*bus, ids[2], "2")];
    std::thread::scope(|scope| {
        let (first, _) = wait_in_line(scope, stage, Handle::default(), exclusive(ids[0], &["1"]));
        let (second, _) = wait_in_line(scope, stage, Handle::default(), exclusive(ids[1], &["2"]));
        match bus.acquire_wait(&exclusive(ids[2], &["0"]), PATIENCE, &mut |_| panic!("it does not wait")) {
            Err(error @ BusError::WouldDeadlock { .. }) => {
                assert_eq!(error.refusal().code, "would_deadlock");
                let BusError::WouldDeadlock { cycle } = error else { unreachable!() };
                assert_eq!(cycle, [ids[2], ids[0], ids[1], ids[2]]);
            }
            other => panic!("{other:?}"),
        }
        bus.release(held[2], ids[2]).unwrap();
        second.join().unwrap().unwrap();
        bus.release(held[1], ids[1]).unwrap();
        first.join().unwrap().unwrap();
    });
}

pub(crate) fn nobody_overtakes_a_waiter(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let shared = bus.acquire(&want(a, LockMode::Shared, &["x"])).unwrap().locks[0].token;
    std::thread::scope(|scope| {
        let (writer, _) = wait_in_line(scope, stage, Handle::default(), exclusive(b, &["x"]));
        // It would go beside the lock, but not past who waits for it.
        match bus.acquire(&want(c, LockMode::Shared, &["x"])) {
            Err(BusError::Contended(contended)) => {
                assert!(contended.holders.is_empty());
                assert_eq!(contended.waiting[0].holder, b);
            }
            other => panic!("{other:?}"),
        }
        bus.release(shared, a).unwrap();
        let token = writer.join().unwrap().unwrap().locks[0].token;
        bus.release(token, b).unwrap();
    });
    bus.acquire(&want(c, LockMode::Shared, &["x"])).unwrap();
}

pub(crate) fn the_end_of_a_holder_hands_on(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let token = take(&*bus, a, "x");
    std::thread::scope(|scope| {
        let (waiter, _) = wait_in_line(scope, stage, Handle::default(), exclusive(b, &["x"]));
        bus.end(a, "finished").unwrap();
        assert!(waiter.join().unwrap().unwrap().locks[0].token > token);
    });
}

pub(crate) fn a_lease_that_ran_out_hands_on(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let brief = LockRequest { ttl: stage.brief(), ..exclusive(a, &["x"]) };
    let token = bus.acquire(&brief).unwrap().locks[0].token;
    std::thread::scope(|scope| {
        let (waiter, _) = wait_in_line(scope, stage, Handle::default(), exclusive(b, &["x"]));
        // The holder says nothing more, and nobody clears anything away.
        stage.pass_all();
        assert!(waiter.join().unwrap().unwrap().locks[0].token > token);
    });
}

pub(crate) fn a_dead_holder_hands_on(stage: &dyn Fixture) {
    let bus = stage.open();
    let mortal = lives(&*bus, "mortal", stage.brief());
    let heir = agent(&*bus, "heir");
    let long = LockRequest { ttl: DAY, ..exclusive(mortal, &["x"]) };
    let token = bus.acquire(&long).unwrap().locks[0].token;
    std::thread::scope(|scope| {
        let (waiter, _) = wait_in_line(scope, stage, Handle::default(), exclusive(heir, &["x"]));
        stage.pass_all();
        assert!(waiter.join().unwrap().unwrap().locks[0].token > token);
    });
    assert!(bus.registrations().unwrap().iter().all(|registration| registration.id != mortal));
}

pub(crate) fn patience_ends_and_leaves_the_queue(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let token = take(&*bus, a, "x");
    let mut joined = 0;
    let outcome =
        stage.open().acquire_wait(&exclusive(b, &["x"]), Duration::from_millis(30), &mut |_| joined += 1);
    match outcome {
        Err(BusError::TimedOut(contended)) => assert_eq!(contended.holders[0].token, token),
        other => panic!("{other:?}"),
    }
    assert_eq!(joined, 1);
    assert!(bus.waits().unwrap().is_empty());
    bus.release(token, a).unwrap();
    take(&*bus, c, "x");
}

pub(crate) fn a_waiter_that_ends_is_canceled(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    take(&*bus, a, "x");
    std::thread::scope(|scope| {
        let (waiter, _) = wait_in_line(scope, stage, Handle::default(), exclusive(b, &["x"]));
        bus.end(b, "finished").unwrap();
        let outcome = waiter.join().unwrap();
        assert!(matches!(outcome, Err(BusError::Canceled | BusError::Ended(_))), "{outcome:?}");
    });
    assert!(bus.waits().unwrap().is_empty());
}

/// Nobody looks by itself for an hour: what wakes the waiter is the release.
pub(crate) fn a_release_rings_its_waiter(stage: &dyn Fixture) {
    let deaf = Handle { safety_poll: Duration::from_secs(3600), ..Handle::default() };
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    for round in 0..10 {
        let (mine, theirs) = if round % 2 == 0 { (a, b) } else { (b, a) };
        let request = LockRequest { ttl: TTL, ..exclusive(mine, &["x"]) };
        let token = bus.acquire(&request).unwrap().locks[0].token;
        std::thread::scope(|scope| {
            let (waiter, _) = wait_in_line(scope, stage, deaf, exclusive(theirs, &["x", "y"]));
            bus.release(token, mine).unwrap();
            for lock in waiter.join().unwrap().unwrap().locks {
                bus.release(lock.token, theirs).unwrap();
            }
        });
    }
}
