//! What happened, in order, for the journal.

use crate::stage::{Stage, exclusive};
use bus::{Bell, OUTBOX_PAGE_MAX};
use model::Event;
use std::time::Duration;

#[test]
fn rows_come_in_commit_order_and_go_when_done() {
    let stage = Stage::new();
    let bell = stage.bus.doorbell(Bell::Daemon).unwrap();
    let a = stage.agent("a");
    assert!(bell.wait(Duration::ZERO).unwrap());
    let lock = stage.bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    stage.bus.release(lock.token, a).unwrap();
    assert!(bell.wait(Duration::ZERO).unwrap());
    let (generation, rows) = stage.bus.outbox(0, 2).unwrap();
    assert_eq!(generation, stage.bus.generation().unwrap());
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);
    stage.bus.outbox_done(&generation, 2).unwrap();
    let (_, rest) = stage.bus.outbox(0, OUTBOX_PAGE_MAX).unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].id, 3);
    stage.bus.outbox_done("another-1", 3).unwrap();
    assert_eq!(stage.bus.outbox(0, 10).unwrap().1, rest, "they are not of that bus");
    stage.bus.outbox_done(&generation, 3).unwrap();
    assert!(!bell.wait(Duration::ZERO).unwrap(), "emptying the outbox is no news");
    // Ids go on after the table was empty.
    stage.agent("b");
    assert_eq!(stage.bus.outbox(0, 10).unwrap().1[0].id, 4);
    assert_eq!(stage.bus.outbox_dropped().unwrap(), 0);
}

#[test]
fn the_daemon_is_woken_by_word_too_and_finds_nothing() {
    let stage = Stage::new();
    let bell = stage.bus.doorbell(Bell::Daemon).unwrap();
    assert!(!bell.wait(Duration::ZERO).unwrap());
    let bus = stage.bus.clone();
    let woken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bell.wait(Duration::from_secs(600)).unwrap());
        bus.wake_daemon();
        waiting.join().unwrap()
    });
    assert!(woken);
    assert_eq!(stage.bus.outbox(0, 10).unwrap().1.len(), 0);
}

#[test]
fn a_refused_change_leaves_no_row() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.acquire(&exclusive(a, &["x"])).unwrap();
    let before = stage.events().len();
    stage.bus.release(7, a).unwrap_err();
    assert_eq!(stage.events().len(), before);
    // That two wanted one file is told, and told once.
    for _ in 0..3 {
        stage.bus.acquire(&exclusive(b, &["x"])).unwrap_err();
    }
    let events = stage.events();
    assert_eq!(events.len(), before + 1);
    let Some(Event::NoticePublished(notice)) = events.last() else { panic!("{events:?}") };
    assert_eq!(notice.channel, model::Channel::file_conflict());
    assert_eq!(notice.payload["sessions"], serde_json::json!([b, a]));
    assert_eq!(notice.payload["file"], "x");
}

#[test]
fn a_page_never_spans_two_generations() {
    let stage = Stage::new();
    stage.agent("a");
    let old = stage.bus.generation().unwrap();
    let rebooted = stage.open_in("two");
    let (generation, rows) = rebooted.outbox(0, 10).unwrap();
    assert_eq!((generation, rows.len()), (old, 1));
    let (generation, rows) = rebooted.outbox(rows[0].id, 10).unwrap();
    assert_eq!(generation, rebooted.generation().unwrap());
    assert!(matches!(&rows[0].event, Event::RegistrationEnded(end) if end.reason == "died"));
}
