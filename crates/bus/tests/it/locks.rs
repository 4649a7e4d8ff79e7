//! Taking, keeping and losing locks.

use crate::stage::{Stage, TREE, TTL, exclusive, tokens, want};
use bus::{BusError, LOCK_PATHS_MAX, LOCK_TTL_MAX, LOCKS_PER_HOLDER_MAX, LockLost, LockRequest};
use model::{LockMode, LockPhase, Timestamp};
use std::time::Duration;

#[test]
fn an_exclusive_lock_excludes_and_its_release_frees() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock = stage.bus.acquire(&exclusive(a, &["src/x.rs"])).unwrap().locks.remove(0);
    assert_eq!((lock.holder, lock.agent.as_str(), lock.path.as_str()), (a, "a", "src/x.rs"));
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        match stage.bus.acquire(&want(b, mode, &["src/x.rs"])) {
            Err(BusError::Contended(contended)) => assert_eq!(contended.holders, vec![lock.clone()]),
            other => panic!("{other:?}"),
        }
    }
    stage.bus.acquire(&want(b, LockMode::Advisory, &["src/x.rs"])).unwrap();
    stage.bus.acquire(&exclusive(b, &["src/y.rs"])).unwrap();
    let elsewhere = LockRequest { worktree: "/other".to_owned(), ..exclusive(b, &["src/x.rs"]) };
    stage.bus.acquire(&elsewhere).unwrap();

    stage.bus.release(lock.token, a).unwrap();
    let next = stage.bus.acquire(&exclusive(b, &["src/x.rs"])).unwrap().locks.remove(0);
    assert!(next.token > lock.token);
    assert!(matches!(stage.bus.release(lock.token, a), Err(BusError::Lost(LockLost::Gone { .. }))));
}

#[test]
fn shared_locks_are_shared_and_readers_keep_a_writer_out() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    stage.bus.acquire(&want(a, LockMode::Shared, &["x"])).unwrap();
    stage.bus.acquire(&want(b, LockMode::Shared, &["x"])).unwrap();
    let c = stage.agent("c");
    assert!(matches!(stage.bus.acquire(&exclusive(c, &["x"])), Err(BusError::Contended(_))));
}

#[test]
fn globs_and_paths_exclude_each_other_both_ways() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    stage.bus.acquire(&exclusive(a, &["src/**"])).unwrap();
    stage.bus.acquire(&exclusive(a, &["docs/a.md"])).unwrap();
    for path in ["src/a.rs", "**/*.rs", "docs/*.md", "docs/"] {
        assert!(matches!(stage.bus.acquire(&exclusive(b, &[path])), Err(BusError::Contended(_))), "{path}");
    }
    stage.bus.acquire(&exclusive(b, &["docs/*.txt"])).unwrap();
}

#[test]
fn a_batch_is_all_or_nothing() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    stage.bus.acquire(&exclusive(a, &["m"])).unwrap();
    assert!(stage.bus.acquire(&exclusive(b, &["l", "m", "n"])).is_err());
    assert_eq!(stage.bus.locks(Some(TREE)).unwrap().len(), 1);
    let got = stage.bus.acquire(&exclusive(b, &["n", "l"])).unwrap().locks;
    assert_eq!(got.iter().map(|lock| lock.path.as_str()).collect::<Vec<_>>(), ["n", "l"]);
    assert!(got[0].token < got[1].token);
}

#[test]
fn asking_again_gives_the_same_token_and_a_longer_lease() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let first = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    stage.clock.advance(TTL / 2);
    let again = stage.bus.acquire(&exclusive(a, &["y", "x"])).unwrap().locks;
    assert_eq!(again[1].token, first.token);
    assert!(again[1].expires_at > first.expires_at);
    // A shorter wish does not shorten what is there.
    let short = LockRequest { ttl: Duration::from_secs(1), ..exclusive(a, &["x"]) };
    assert_eq!(stage.bus.acquire(&short).unwrap().locks[0].expires_at, again[1].expires_at);
    // An exclusive lock serves as a shared one.
    let shared = stage.bus.acquire(&want(a, LockMode::Shared, &["x"])).unwrap().locks.remove(0);
    assert_eq!((shared.token, shared.mode), (first.token, LockMode::Exclusive));
}

#[test]
fn shared_becomes_exclusive_only_for_the_last_reader() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let shared = stage.bus.acquire(&want(a, LockMode::Shared, &["x"])).unwrap().locks.remove(0);
    let others = stage.bus.acquire(&want(b, LockMode::Shared, &["x"])).unwrap().locks.remove(0);
    let mut waited = false;
    for result in [
        stage.bus.acquire(&exclusive(a, &["x"])),
        stage.bus.acquire_wait(&exclusive(a, &["x"]), TTL, &mut |_| waited = true),
    ] {
        match result {
            Err(BusError::Upgrade { path, holders }) => {
                assert_eq!((path.as_str(), holders), ("x", vec![others.clone()]));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(!waited);
    stage.bus.release(others.token, b).unwrap();
    let upgraded = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    assert!(upgraded.token > shared.token);
    assert_eq!(tokens(&stage.bus.locks(None).unwrap()), vec![upgraded.token]);
}

#[test]
fn a_lease_runs_out_by_uptime_and_not_by_the_wall_clock() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    stage.clock.set_wall(Timestamp::from_millis(4_000_000_000_000));
    assert!(stage.bus.acquire(&exclusive(b, &["x"])).is_err());
    stage.bus.check(lock.token, TREE, "x", a).unwrap();
    stage.clock.set_wall(Timestamp::from_millis(0));
    stage.clock.advance(TTL - Duration::from_nanos(1));
    stage.bus.check(lock.token, TREE, "x", a).unwrap();
    stage.clock.advance(Duration::from_nanos(1));
    // Nobody took it, and still it is not a's any more.
    for lost in [
        stage.bus.check(lock.token, TREE, "x", a).unwrap_err(),
        stage.bus.renew(lock.token, a, TTL).unwrap_err(),
    ] {
        assert!(matches!(lost, BusError::Lost(LockLost::Expired { .. })), "{lost:?}");
    }
    assert!(stage.bus.locks(None).unwrap().is_empty());
    let next = stage.bus.acquire(&exclusive(b, &["x"])).unwrap().locks.remove(0);
    match stage.bus.check(lock.token, TREE, "x", a) {
        Err(BusError::Lost(LockLost::Taken { by, .. })) => assert_eq!(*by, next),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.phases(), [LockPhase::Acquired, LockPhase::Expired, LockPhase::Acquired]);
}

#[test]
fn releasing_after_the_lease_ran_out_says_so() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let other = stage.bus.acquire(&exclusive(a, &["y"])).unwrap().locks.remove(0);
    stage.clock.advance(TTL / 2);
    stage.bus.renew(other.token, a, TTL).unwrap();
    stage.clock.advance(TTL / 2);
    assert!(matches!(stage.bus.release(lock.token, a), Err(BusError::Lost(LockLost::Expired { .. }))));
    assert_eq!(tokens(&stage.bus.release_all(a).unwrap()), vec![other.token]);
    assert_eq!(stage.phases()[2..], [LockPhase::Expired, LockPhase::Released]);
}

#[test]
fn the_fencing_check_looks_at_everything() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let lock = stage.bus.acquire(&exclusive(a, &["src/*.rs"])).unwrap().locks.remove(0);
    let shared = stage.bus.acquire(&want(a, LockMode::Shared, &["y"])).unwrap().locks.remove(0);
    let check = |token, tree, path, holder| match stage.bus.check(token, tree, path, holder) {
        Ok(()) => "ok",
        Err(BusError::Lost(lost)) => lost.code(),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(check(lock.token, TREE, "src/a.rs", a), "ok");
    assert_eq!(check(lock.token, TREE, "src/a/b.rs", a), "lock_not_covering");
    assert_eq!(check(lock.token, "/other", "src/a.rs", a), "lock_not_covering");
    assert_eq!(check(lock.token, TREE, "src/a.rs", b), "lock_not_yours");
    assert_eq!(check(shared.token, TREE, "y", a), "lock_not_exclusive");
    assert_eq!(check(lock.token + 100, TREE, "src/a.rs", a), "lock_lost");
    assert_eq!(check(u64::MAX, TREE, "src/a.rs", a), "lock_lost");
    assert!(matches!(stage.bus.release(lock.token, b), Err(BusError::Lost(LockLost::NotYours { .. }))));
    assert!(matches!(stage.bus.renew(lock.token, b, TTL), Err(BusError::Lost(LockLost::NotYours { .. }))));
}

#[test]
fn of_locks_given_back_together_those_that_were_lost_are_named() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let first = stage.bus.acquire(&exclusive(a, &["x", "y"])).unwrap().locks;
    let broken = first[1].token;
    stage.bus.break_lock(broken).unwrap();
    let taken = stage.bus.acquire(&exclusive(b, &["y"])).unwrap().locks.remove(0).token;
    let short = LockRequest { ttl: TTL / 4, ..exclusive(a, &["z"]) };
    let over = stage.bus.acquire(&short).unwrap().locks.remove(0).token;
    stage.clock.advance(TTL / 2);
    let lost = stage.bus.release_each(&[first[0].token, broken, taken, over], a).unwrap();
    assert_eq!(
        lost,
        [
            LockLost::Gone { token: broken },
            LockLost::NotYours { token: taken, owner: b },
            LockLost::Expired { token: over }
        ]
    );
    assert_eq!(tokens(&stage.bus.locks(None).unwrap()), [taken], "whatever was a's is free, and b's is b's");
    assert_eq!(stage.bus.release_each(&[], a).unwrap(), []);
}

#[test]
fn who_waits_has_what_several_locks_kept_from_it() {
    let stage = Stage::new();
    let (a, b) = (stage.agent("a"), stage.agent("b"));
    let held = tokens(&stage.bus.acquire(&exclusive(a, &["x", "y"])).unwrap().locks);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| stage.bus.acquire_wait(&exclusive(b, &["y", "x"]), TTL, &mut |_| ()));
        while stage.bus.waits().unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(stage.bus.release_each(&held, a).unwrap(), []);
        assert_eq!(waits.join().unwrap().unwrap().locks.len(), 2);
    });
}

#[test]
fn a_broken_lock_is_gone_for_its_holder() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let bell = stage.bus.doorbell(bus::Bell::Registration(a)).unwrap();
    assert_eq!(stage.bus.break_lock(lock.token).unwrap(), lock);
    assert!(bell.wait(Duration::ZERO).unwrap(), "the holder is told");
    assert!(matches!(stage.bus.check(lock.token, TREE, "x", a), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(stage.bus.break_lock(lock.token), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert_eq!(stage.phases(), [LockPhase::Acquired, LockPhase::Broken]);
    assert_eq!(stage.lock_changes()[1].other, None, "nobody said who");
    let (b, again) = (stage.agent("b"), stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0));
    stage.bus.break_lock_by(again.token, Some(b)).unwrap();
    let told = stage.lock_changes().pop().unwrap();
    assert_eq!((told.phase, told.holder, told.other), (LockPhase::Broken, a, Some(b)));
}

#[test]
fn requests_are_limited_and_checked() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let many: Vec<String> = (0..=LOCK_PATHS_MAX).map(|n| n.to_string()).collect();
    let long = LOCK_TTL_MAX + Duration::from_nanos(1);
    for bad in [
        LockRequest { paths: many, ..exclusive(a, &[]) },
        exclusive(a, &[]),
        exclusive(a, &["x", "./x"]),
        exclusive(a, &["../x"]),
        LockRequest { ttl: Duration::ZERO, ..exclusive(a, &["x"]) },
        LockRequest { ttl: long, ..exclusive(a, &["x"]) },
        LockRequest { worktree: String::new(), ..exclusive(a, &["x"]) },
    ] {
        assert!(matches!(stage.bus.acquire(&bad), Err(BusError::Invalid(_))), "{bad:?}");
    }
    let tokens: Vec<u64> = (1..=LOCK_PATHS_MAX as u64 + 1).collect();
    assert!(matches!(stage.bus.release_each(&tokens, a), Err(BusError::Invalid(_))));
    assert_eq!(
        stage.bus.release_each(&tokens[1..], a).unwrap().len(),
        LOCK_PATHS_MAX,
        "as many as can be taken"
    );
    let batches = usize::try_from(LOCKS_PER_HOLDER_MAX).unwrap() / LOCK_PATHS_MAX;
    for batch in 0..batches {
        let paths = (0..LOCK_PATHS_MAX).map(|n| format!("{batch}/{n}")).collect();
        stage.bus.acquire(&LockRequest { paths, ..exclusive(a, &[]) }).unwrap();
    }
    assert!(matches!(stage.bus.acquire(&exclusive(a, &["x"])), Err(BusError::Invalid(_))));
    assert_eq!(stage.bus.release_all(a).unwrap().len() as u64, LOCKS_PER_HOLDER_MAX);
}

#[test]
fn the_older_view_and_active_files_show_what_is_held() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let lock = stage.bus.acquire(&exclusive(a, &["x", "y"])).unwrap().locks.remove(0);
    let sql = stage.sql();
    let row: (String, String, String) = sql
        .query_row("SELECT file_path, session_id, lock_type FROM file_locks ORDER BY token", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("x".to_owned(), a.to_string(), "exclusive".to_owned()));
    let files = || -> String {
        sql.query_row("SELECT active_files FROM session_registry", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(files(), r#"["x","y"]"#);
    stage.bus.release(lock.token, a).unwrap();
    assert_eq!(files(), r#"["y"]"#);
}
