//! Waiting in line: order, hand-over, death, rings.

use crate::stage::{Stage, TREE, TTL, exclusive, want};
use bus::{Acquired, Bus, BusError, LockLost, LockRequest};
use model::{LockMode, LockPhase, RegistrationId};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread in line, known to be there.
struct Waiter {
    thread: JoinHandle<Result<Acquired, BusError>>,
}

impl Waiter {
    fn start(bus: &Bus, request: LockRequest) -> Self {
        let (thread, queued) = Self::spawn(bus, request);
        queued.recv().expect("it joined the queue");
        Self { thread }
    }

    fn spawn(
        bus: &Bus,
        request: LockRequest,
    ) -> (JoinHandle<Result<Acquired, BusError>>, Receiver<Vec<model::Lock>>) {
        let (tell, queued) = channel();
        let bus = bus.clone();
        let thread = std::thread::spawn(move || {
            bus.acquire_wait(&request, TTL, &mut |locks| tell.send(locks.to_vec()).expect("the test listens"))
        });
        (thread, queued)
    }

    fn end(self) -> Result<Acquired, BusError> {
        self.thread.join().unwrap()
    }

    fn token(self) -> u64 {
        self.end().unwrap().locks[0].token
    }
}

#[test]
fn a_release_hands_the_lock_to_who_came_first() {
    let stage = Stage::new();
    let ids: Vec<RegistrationId> = ["a", "b", "c", "d"].map(|name| stage.agent(name)).into();
    let lock = stage.bus.acquire(&exclusive(ids[0], &["x"])).unwrap().locks.remove(0);
    let waiters: Vec<Waiter> =
        ids[1..].iter().map(|id| Waiter::start(&stage.bus, exclusive(*id, &["x"]))).collect();
    let waits = stage.bus.waits().unwrap();
    assert_eq!(waits.iter().map(|wait| wait.holder).collect::<Vec<_>>(), ids[1..]);
    assert_eq!(waits[1].blocked_by, [ids[0], ids[1]]);

    let mut before = lock.token;
    stage.bus.release(lock.token, ids[0]).unwrap();
    for (waiter, id) in waiters.into_iter().zip(&ids[1..]) {
        let token = waiter.token();
        assert!(token > before);
        before = token;
        stage.bus.check(token, TREE, "x", *id).unwrap();
        stage.bus.release(token, *id).unwrap();
    }
    assert!(stage.bus.waits().unwrap().is_empty());
}

#[test]
fn the_one_who_waits_is_told_for_whom() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let (thread, queued) = Waiter::spawn(&stage.bus, exclusive(b, &["x", "y"]));
    assert_eq!(queued.recv().unwrap(), vec![lock.clone()]);
    let change = stage.lock_changes().pop().unwrap();
    assert_eq!((change.phase, change.path.as_str(), change.token), (LockPhase::Waiting, "x", 0));
    assert_eq!((change.holder, change.other), (b, Some(a)));
    stage.bus.release(lock.token, a).unwrap();
    assert_eq!(thread.join().unwrap().unwrap().locks.len(), 2);
}

#[test]
fn nobody_slips_past_the_line() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    let lock = stage.bus.acquire(&want(a, LockMode::Shared, &["x"])).unwrap().locks.remove(0);
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x", "y"]));
    // Both would be free for c if b were not there first.
    for request in [want(c, LockMode::Shared, &["x"]), exclusive(c, &["y"])] {
        match stage.bus.acquire(&request) {
            Err(BusError::Contended(contended)) => {
                assert!(contended.holders.is_empty());
                assert_eq!(contended.waiting[0].holder, b);
            }
            other => panic!("{other:?}"),
        }
    }
    stage.bus.release(lock.token, a).unwrap();
    waiter.end().unwrap();
}

#[test]
fn who_is_waited_for_goes_ahead() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x", "y"]));
    // b cannot go on before a releases x, so letting b have y first would only make a ring.
    stage.bus.acquire(&exclusive(a, &["y"])).unwrap();
    assert_eq!(stage.bus.release_all(a).unwrap().len(), 2);
    assert!(waiter.token() > lock.token);
}

#[test]
fn only_who_holds_what_is_waited_for_goes_ahead() {
    let stage = Stage::new();
    let [a, d, w, g] = ["a", "d", "w", "g"].map(|name| stage.agent(name));
    stage.bus.acquire(&exclusive(a, &["x"])).unwrap();
    stage.bus.acquire(&exclusive(d, &["z"])).unwrap();
    let waits_for_a = Waiter::start(&stage.bus, exclusive(w, &["x", "y"]));
    let behind_w = Waiter::start(&stage.bus, exclusive(g, &["y", "z"]));
    // Behind g by place, but g waits behind w, who waits for a: so a goes ahead of g, and g does not go ahead of w.
    let holder = Waiter::start(&stage.bus, exclusive(a, &["z"]));
    let order = stage.bus.waits().unwrap();
    assert_eq!(
        order.iter().map(|wait| wait.blocked_by.clone()).collect::<Vec<_>>(),
        [vec![a], vec![d, w], vec![d]]
    );
    stage.bus.release_all(d).unwrap();
    let first = holder.token();
    assert_eq!(stage.bus.waits().unwrap().len(), 2);
    stage.bus.release_all(a).unwrap();
    let second = waits_for_a.token();
    stage.bus.release_all(w).unwrap();
    let third = behind_w.token();
    assert!(first < second && second < third);
}

#[test]
fn a_ring_of_waiters_is_refused_with_the_ring() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    for (id, path) in [(a, "x"), (b, "y"), (c, "z")] {
        stage.bus.acquire(&exclusive(id, &[path])).unwrap();
    }
    let other_tree = LockRequest { worktree: "/other".to_owned(), ..exclusive(c, &["z"]) };
    stage.bus.acquire(&other_tree).unwrap();
    let first = Waiter::start(&stage.bus, exclusive(a, &["y"]));
    // The ring closes over another worktree.
    let second = Waiter::start(&stage.bus, LockRequest { holder: b, ..other_tree });
    match stage.bus.acquire_wait(&exclusive(c, &["x"]), TTL, &mut |_| panic!("it must not wait")) {
        Err(BusError::WouldDeadlock { cycle }) => assert_eq!(cycle, [c, a, b, c]),
        other => panic!("{other:?}"),
    }
    stage.bus.release_all(c).unwrap();
    second.end().unwrap();
    stage.bus.release_all(b).unwrap();
    first.end().unwrap();
}

#[test]
fn the_lock_of_a_dead_holder_goes_to_who_waits() {
    let stage = Stage::new();
    let (dead, life) = stage.mortal("dead");
    let heir = stage.agent("heir");
    let lock = stage.bus.acquire(&exclusive(dead, &["src/**"])).unwrap().locks.remove(0);
    let waiter = Waiter::start(&stage.bus, exclusive(heir, &["src/x.rs"]));
    drop(life);
    let token = waiter.token();
    assert!(token > lock.token);
    let changes = stage.lock_changes();
    assert_eq!(
        stage.phases(),
        [LockPhase::Acquired, LockPhase::Waiting, LockPhase::Released, LockPhase::TakenOver]
    );
    assert_eq!((changes[3].holder, changes[3].other, changes[3].token), (heir, Some(dead), token));
    assert!(matches!(
        stage.bus.check(lock.token, TREE, "src/x.rs", dead),
        Err(BusError::Lost(LockLost::Taken { .. }))
    ));
    assert!(matches!(stage.bus.acquire(&exclusive(dead, &["q"])), Err(BusError::Ended(_))));
}

#[test]
fn a_dead_waiter_does_not_hold_up_the_line() {
    let stage = Stage::new();
    let [a, c] = ["a", "c"].map(|name| stage.agent(name));
    let (b, life) = stage.mortal("b");
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let second = Waiter::start(&stage.bus, exclusive(b, &["x", "y"]));
    let third = Waiter::start(&stage.bus, exclusive(c, &["y"]));
    drop(life);
    // c waited only behind b.
    third.end().unwrap();
    assert!(matches!(second.end(), Err(BusError::Canceled)));
    stage.bus.release(lock.token, a).unwrap();
}

#[test]
fn a_waiter_that_nobody_listens_for_is_forgotten() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    // As a process leaves it behind that was killed while it waited.
    stage
        .sql()
        .execute(
            "INSERT INTO lock_waits (worktree, paths, mode, holder, ttl_ns, since, bell)
             VALUES (?1, '[\"x\"]', 'exclusive', ?2, 1000000000, '2026-01-31T14:23:01.000Z', 'gone.bell')",
            [TREE, &b.to_string()],
        )
        .unwrap();
    let waiter = Waiter::start(&stage.bus, exclusive(c, &["x"]));
    stage.bus.release(lock.token, a).unwrap();
    let token = waiter.token();
    stage.bus.check(token, TREE, "x", c).unwrap();
}

#[test]
fn a_grant_nobody_collects_is_undone() {
    let stage = Stage::new();
    let [b, c] = ["b", "c"].map(|name| stage.agent(name));
    let mine = stage.bus.acquire(&exclusive(b, &["x", "kept"])).unwrap().locks;
    // Its process died between the grant of x and looking at it; `kept` it had before.
    stage
        .sql()
        .execute(
            "INSERT INTO lock_waits (worktree, paths, mode, holder, ttl_ns, since, bell, granted, fresh)
             VALUES (?1, '[\"x\",\"kept\"]', 'exclusive', ?2, 1000000000, '2026-01-31T14:23:01.000Z', 'gone.bell', ?3, ?4)",
            rusqlite::params![
                TREE,
                b.to_string(),
                format!("[{},{}]", mine[0].token, mine[1].token),
                format!("[{}]", mine[0].token)
            ],
        )
        .unwrap();
    stage.bus.acquire(&exclusive(c, &["x"])).unwrap();
    stage.bus.check(mine[1].token, TREE, "kept", b).unwrap();
}

#[test]
fn a_lease_that_runs_out_frees_for_who_waits() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock =
        stage.bus.acquire(&LockRequest { ttl: TTL / 4, ..exclusive(a, &["x"]) }).unwrap().locks.remove(0);
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x"]));
    stage.clock.advance(TTL / 4);
    assert!(waiter.token() > lock.token);
    assert!(matches!(stage.bus.check(lock.token, TREE, "x", a), Err(BusError::Lost(LockLost::Taken { .. }))));
    assert_eq!(stage.phases()[2..], [LockPhase::Expired, LockPhase::Acquired]);
}

#[test]
fn patience_ends_and_lets_the_next_one_through() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    let lock =
        stage.bus.acquire(&LockRequest { ttl: TTL * 10, ..exclusive(a, &["x"]) }).unwrap().locks.remove(0);
    let second = Waiter::start(&stage.bus, exclusive(b, &["x", "y"]));
    let third = Waiter::start(&stage.bus, exclusive(c, &["y"]));
    // b's minute began before c's; c gets y because b left, in time or at the last moment.
    stage.clock.advance(TTL);
    match second.end() {
        Err(BusError::TimedOut(contended)) => assert_eq!(contended.holders[0].token, lock.token),
        other => panic!("{other:?}"),
    }
    match third.end() {
        Ok(acquired) => assert_eq!(acquired.locks[0].holder, c),
        Err(BusError::TimedOut(contended)) => assert!(contended.holders.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(stage.bus.waits().unwrap().is_empty());
}

#[test]
fn waits_can_be_canceled_and_end_with_their_registration() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.acquire(&exclusive(a, &["x"])).unwrap();
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x"]));
    assert_eq!(stage.bus.cancel_waits(b).unwrap(), 1);
    assert!(matches!(waiter.end(), Err(BusError::Canceled)));
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x"]));
    stage.bus.end(b, "finished").unwrap();
    assert!(matches!(waiter.end(), Err(BusError::Canceled)));
}

#[test]
fn a_lost_ring_costs_time_only() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let waiter = Waiter::start(&stage.bus, exclusive(b, &["x"]));
    // The FIFO loses its name, so the ring after the release reaches nobody... but the waiter must not count as dead
    // either: it holds the lock when it looks for itself. A different FIFO takes the name in one step, so that at no moment
    // nobody listens there.
    let sql = stage.sql();
    let bell: String = sql.query_row("SELECT bell FROM lock_waits", [], |row| row.get(0)).unwrap();
    let path = stage.dir.path().join("rt").join(bell);
    let deaf = path.with_extension("deaf");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &deaf,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let _open = std::fs::File::options().read(true).write(true).open(&deaf).unwrap();
    std::fs::rename(&deaf, &path).unwrap();
    stage.bus.release(lock.token, a).unwrap();
    let token = waiter.token();
    stage.bus.check(token, TREE, "x", b).unwrap();
}

#[test]
fn a_stopped_waiter_loses_what_it_did_not_collect_in_time() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let lock =
        stage.bus.acquire(&LockRequest { ttl: TTL * 10, ..exclusive(a, &["x"]) }).unwrap().locks.remove(0);
    // Longer than the thread's patience would be, had it any: the lease of the grant ends first.
    let short = LockRequest { ttl: Duration::from_nanos(1), ..exclusive(b, &["x"]) };
    let waiter = Waiter::start(&stage.bus, short);
    stage.bus.release(lock.token, a).unwrap();
    stage.clock.advance(Duration::from_secs(1));
    match waiter.end() {
        // Which of the two depends on whether it looked before or after the second was over.
        Ok(acquired) => {
            let token = acquired.locks[0].token;
            assert!(matches!(
                stage.bus.check(token, TREE, "x", b),
                Err(BusError::Lost(LockLost::Expired { .. }))
            ));
        }
        Err(BusError::Lost(LockLost::Expired { .. })) => {}
        other => panic!("{other:?}"),
    }
    stage.bus.acquire(&exclusive(a, &["x"])).unwrap();
}
