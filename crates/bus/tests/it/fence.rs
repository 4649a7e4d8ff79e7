//! Tokens rise whatever happens to the file.

use crate::stage::{Stage, TREE, TTL, exclusive};
use bus::{Bus, BusError, LockLost, NewNotice, Replay, TOKEN_COUNTER_BITS};
use model::{Channel, Event, LockPhase, RegistrationId};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn take(bus: &Bus, holder: RegistrationId, path: &str) -> u64 {
    bus.acquire(&exclusive(holder, &[path])).unwrap().locks[0].token
}

/// A copy made the only safe way.
fn copy(stage: &Stage, to: &Path) {
    stage.sql().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}

/// Puts another file in the place of messaging.db, as a restore would.
fn replace(stage: &Stage, from: &Path) {
    for side in ["messaging.db-wal", "messaging.db-shm"] {
        let _ = std::fs::remove_file(stage.dir.path().join(side));
    }
    std::fs::rename(from, stage.database()).unwrap();
}

#[test]
fn reopening_changes_nothing() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let token = take(&stage.bus, a, "x");
    assert_eq!(token >> TOKEN_COUNTER_BITS, 1);
    let again = stage.open_in("one");
    assert_eq!(again.generation().unwrap(), stage.bus.generation().unwrap());
    again.check(token, TREE, "x", a).unwrap();
    assert_eq!(take(&again, a, "y"), token + 1);
}

#[test]
fn a_boot_voids_every_lease_and_raises_the_epoch() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let token = take(&stage.bus, a, "x");
    let rebooted = stage.open_in("two");
    assert!(matches!(rebooted.check(token, TREE, "x", a), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(rebooted.renew(token, a, TTL), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(matches!(rebooted.acquire(&exclusive(a, &["x"])), Err(BusError::Ended(_))));
    assert!(rebooted.registrations().unwrap().is_empty() && rebooted.locks(None).unwrap().is_empty());
    let told = crate::stage::events_of(&rebooted);
    assert!(told.iter().any(|event| matches!(event, Event::LockChanged(change)
        if change.phase == LockPhase::Expired && change.token == token)));
    let b = rebooted.register(crate::stage::new("b", bus::Liveness::Lease { ttl: TTL })).unwrap().id;
    assert_eq!(take(&rebooted, b, "x"), (2 << TOKEN_COUNTER_BITS) + 1);
}

#[test]
fn a_restored_copy_goes_on_above_all_tokens_ever_given() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let early = take(&stage.bus, a, "early");
    let backup = stage.dir.path().join("backup.db");
    copy(&stage, &backup);
    let late = take(&stage.bus, a, "late");
    let generation = stage.bus.generation().unwrap();
    replace(&stage, &backup);
    // The running process notices by itself that its file has lost its name.
    assert!(matches!(stage.bus.check(late, TREE, "late", a), Err(BusError::Lost(LockLost::Gone { .. }))));
    assert!(stage.bus.check(early, TREE, "early", a).is_err());
    assert_ne!(stage.bus.generation().unwrap(), generation);
    let next = take(&stage.bus, a, "late");
    assert!(next > late);
    assert_eq!(next >> TOKEN_COUNTER_BITS, 2);
    let mode: String = stage.sql().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal", "a copy comes without it");
    assert_eq!(stage.open_in("one").generation().unwrap(), stage.bus.generation().unwrap());
}

#[test]
fn a_reader_that_is_rung_from_another_file_does_not_stay_in_the_old_one() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let say = || NewNotice { recipient: Some(a), ..NewNotice::new(b, Channel::state(), json!("hello")) };
    let mut reading = stage.bus.subscribe(a, "reader", "main", &Replay::Now).unwrap();
    // It has looked, so the next look is a short one.
    assert!(reading.next(Duration::ZERO).unwrap().is_empty());
    let sent = stage.bus.publish(say()).unwrap();
    assert_eq!(reading.next(Duration::from_secs(1)).unwrap().notices, vec![sent]);
    let backup = stage.dir.path().join("backup.db");
    copy(&stage, &backup);
    replace(&stage, &backup);
    stage.open_in("one").publish(say()).unwrap();
    let found = reading.next(Duration::from_secs(1));
    assert!(matches!(found, Err(BusError::GenerationChanged { .. })), "{found:?}");
}

#[test]
fn a_deleted_database_is_made_anew_and_tokens_go_on() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let token = take(&stage.bus, a, "x");
    for name in ["messaging.db", "messaging.db-wal", "messaging.db-shm"] {
        std::fs::remove_file(stage.dir.path().join(name)).unwrap();
    }
    assert!(matches!(stage.bus.acquire(&exclusive(a, &["x"])), Err(BusError::NotRegistered(_))));
    let b = stage.agent("b");
    assert!(take(&stage.bus, b, "x") > token);
}

#[test]
fn a_database_put_back_in_place_goes_on_above_the_highest_token() {
    let stage = Stage::new();
    let a = stage.agent("a");
    take(&stage.bus, a, "x");
    let token = take(&stage.bus, a, "y");
    // As if the table had gone back behind the same name, which no identity shows.
    stage.sql().execute("UPDATE bus_state SET token = token - 2", []).unwrap();
    stage.sql().execute("DELETE FROM locks", []).unwrap();
    assert!(take(&stage.open_in("one"), a, "x") > token);
}

#[test]
fn losing_the_fence_file_raises_the_epoch() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let token = take(&stage.bus, a, "x");
    std::fs::remove_file(stage.dir.path().join("messaging.fence")).unwrap();
    let again = stage.open_in("one");
    assert!(again.check(token, TREE, "x", a).is_err());
    assert!(take(&again, a, "x") > token);
}
