//! One clears up, and when it is gone another one does.

use crate::stage::Stage;
use bus::{AckRule, BRIEF_FRAMES, JANITOR_STALE, NewNotice, PURGE_ROWS};
use model::Channel;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::time::Duration;

fn wal_frames(stage: &Stage) -> i64 {
    stage.sql().query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).unwrap()
}

#[test]
fn a_round_purges_reaps_and_hands_out_again() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let (dead, life) = stage.mortal("dead");
    let say =
        |ttl| NewNotice { ttl_seconds: Some(ttl), ..NewNotice::new(a, Channel::task_broadcast(), json!(1)) };
    let rule = AckRule { seconds: 1, attempts: 3 };
    let asks = stage.bus.publish(NewNotice { ack: Some(rule), ..say(600) }).unwrap();
    stage.bus.publish_all(&vec![say(1); PURGE_ROWS + 7]).unwrap();
    stage.clock.advance(Duration::from_secs(1));
    drop(life);
    assert!(!stage.bus.has_janitor());
    let round = stage.bus.tidy().unwrap();
    assert_eq!((round.ours, round.purged, round.reaped), (true, PURGE_ROWS + 7, 1));
    assert!(!stage.bus.is_alive(dead).unwrap());
    let receipt = stage.bus.receipts(asks.id).unwrap().remove(0);
    assert!(receipt.registration == dead && receipt.dead, "reaped before it came again");
    assert!(stage.bus.has_janitor());
    stage.clock.advance(JANITOR_STALE);
    assert!(!stage.bus.has_janitor());
}

#[test]
fn there_is_one_and_the_next_takes_over() {
    let stage = Stage::new();
    let path = stage.dir.path().join("rt/janitor");
    let file = std::fs::File::create(&path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    assert!(!stage.bus.tidy().unwrap().ours);
    drop(file);
    assert!(stage.bus.tidy().unwrap().ours);
    // It went round just now: nobody tries to be it before it is stale.
    stage.clock.advance(JANITOR_STALE);
    let janitor = stage.open_in("one").keep_house().unwrap();
    while !stage.bus.has_janitor() {
        std::thread::yield_now();
    }
    assert!(!stage.bus.tidy().unwrap().ours);
    drop(janitor);
    assert!(!stage.bus.has_janitor(), "it said goodbye");
    assert!(stage.bus.tidy().unwrap().ours);
}

#[test]
fn with_a_janitor_nobody_else_checkpoints_and_without_one_somebody_does() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let batch = vec![NewNotice::new(a, Channel::task_broadcast(), json!("x".repeat(30_000))); 100];
    stage.bus.tidy().unwrap();
    for _ in 0..8 {
        stage.bus.publish_all(&batch).unwrap();
    }
    let grown = wal_frames(&stage);
    assert!(grown > 6000, "{grown} frames: writers leave them");
    assert!(stage.bus.tidy().unwrap().checkpointed);
    stage.bus.publish_all(&batch[..1]).unwrap();
    assert!(wal_frames(&stage) < 100, "the WAL starts over");
    assert!(!stage.bus.tidy().unwrap().checkpointed, "a short one is left alone");
    stage.clock.advance(JANITOR_STALE);
    for _ in 0..12 {
        stage.bus.publish_all(&batch).unwrap();
    }
    let grown = wal_frames(&stage);
    assert!(grown < 6000, "{grown} frames: a writer has checkpointed");
}

#[test]
fn processes_that_come_alone_one_after_the_other_keep_the_wal_short() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let (dir, open) = stage.into_brief();
    let mut longest = 0;
    for _ in 0..200 {
        let bus = open();
        bus.publish(NewNotice::new(a, Channel::task_broadcast(), json!("x".repeat(3_000)))).unwrap();
        assert_eq!(bus.locks(None).unwrap().len(), 0, "it reads beside its writing");
        drop(bus);
        longest = std::fs::metadata(dir.path().join("messaging.db-wal")).unwrap().len().max(longest);
    }
    let page = 4096 + 24;
    let frames = i64::try_from(longest / page).unwrap();
    assert!(frames < BRIEF_FRAMES + 50, "{frames} frames");
    assert!(frames > BRIEF_FRAMES / 2, "{frames} frames: it was not emptied each time");
}

#[test]
fn messaging_db_stays_small() {
    let stage = Stage::new();
    let a = stage.agent("a");
    for _ in 0..60 {
        for _ in 0..20 {
            let new = NewNotice::new(a, Channel::state(), json!({ "task_id": "H.8.1", "status": "working" }));
            stage.bus.publish(new).unwrap();
        }
        stage.clock.advance(Duration::from_secs(10));
        stage.bus.tidy().unwrap();
    }
    let pages: i64 = stage.sql().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    assert!(pages * 4096 < 1_000_000, "{pages} pages");
    assert!(stage.bus.outbox_dropped().unwrap() > 0, "nobody journaled them, and that is known");
}
