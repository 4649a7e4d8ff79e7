//! Notices: order, cursors, time to live, keys, bells.

use crate::stage::Stage;
use bus::{
    ATTEMPTS_MAX, AckRule, BusError, NOTICE_BATCH_MAX, NOTICE_KEY_MAX, NOTICE_PAGE_MAX, NOTICE_TTL_MAX,
    NewNotice, NoticeQuery, PURGE_ROWS, RECIPIENTS_MAX, Replay, THREAD_MAX,
};
use model::{Channel, NOTICE_PAYLOAD_MAX, RegistrationId, Timestamp};
use serde_json::json;
use std::time::Duration;

fn say(sender: RegistrationId, text: &str) -> NewNotice {
    NewNotice::new(sender, Channel::task_broadcast(), json!({ "text": text }))
}

fn texts(stage: &Stage, query: &NoticeQuery) -> Vec<String> {
    let page = stage.bus.notices(query).unwrap();
    page.notices.iter().map(|notice| notice.payload["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn notices_are_read_in_order_by_channel_recipient_and_cursor() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    stage.bus.publish(say(a, "to all")).unwrap();
    stage.bus.publish(NewNotice { recipient: Some(b), ..say(a, "to b") }).unwrap();
    stage.bus.publish(NewNotice { channel: Channel::state(), ..say(b, "state") }).unwrap();
    let all = NoticeQuery::default();
    assert_eq!(texts(&stage, &all), ["to all", "to b", "state"]);
    assert_eq!(texts(&stage, &NoticeQuery { channel: Some(Channel::state()), ..all.clone() }), ["state"]);
    let heard = |id| texts(&stage, &NoticeQuery { recipient: Some(id), ..NoticeQuery::default() });
    assert_eq!(heard(a), ["state"]);
    assert_eq!(heard(b), ["to all", "to b"]);
    assert_eq!(heard(c), ["to all", "state"]);
    let page = stage.bus.notices(&NoticeQuery { limit: 2, ..all.clone() }).unwrap();
    assert_eq!(page.notices.len(), 2);
    assert_eq!(texts(&stage, &NoticeQuery { after: page.next, ..all }), ["state"]);
}

#[test]
fn a_notice_lives_by_uptime_and_is_purged_in_small_steps() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let first = stage.bus.publish(NewNotice { ttl_seconds: Some(2), ..say(a, "short") }).unwrap();
    let rest = PURGE_ROWS + 10;
    for _ in 0..rest {
        stage.bus.publish(NewNotice { ttl_seconds: Some(2), ..say(a, "more") }).unwrap();
    }
    stage.bus.publish(say(a, "long")).unwrap();
    stage.clock.set_wall(Timestamp::from_millis(4_000_000_000_000));
    assert_eq!(texts(&stage, &NoticeQuery { limit: 1, ..NoticeQuery::default() }), ["short"]);
    assert_eq!(stage.bus.purge().unwrap(), 0);
    stage.clock.advance(Duration::from_secs(2));
    assert_eq!(texts(&stage, &NoticeQuery::default()), ["long"]);
    assert_eq!(stage.bus.purge().unwrap(), rest + 1);
    stage.clock.advance(Duration::from_secs(600));
    stage.bus.purge().unwrap();
    // Ids are never used again, also when the table is empty.
    let next = stage.bus.publish(say(a, "later")).unwrap();
    assert_eq!(next.id, first.id + rest as i64 + 2);
}

#[test]
fn without_a_daemon_publishing_purges() {
    let stage = Stage::new();
    let a = stage.agent("a");
    for _ in 0..300 {
        stage.bus.publish(NewNotice { ttl_seconds: Some(1), ..say(a, "x") }).unwrap();
        stage.clock.advance(Duration::from_secs(1));
    }
    let rows: i64 =
        stage.sql().query_row("SELECT count(*) FROM inter_session_messages", [], |row| row.get(0)).unwrap();
    assert!(rows < 256, "{rows}");
}

#[test]
fn purging_gives_the_space_back() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let big = json!("x".repeat(NOTICE_PAYLOAD_MAX / 2));
    for _ in 0..20 {
        stage.bus.publish(NewNotice { payload: big.clone(), ..say(a, "") }).unwrap();
    }
    stage.bus.outbox_done(&stage.bus.generation().unwrap(), i64::MAX).unwrap();
    let pages = || -> i64 { stage.sql().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap() };
    let before = pages();
    stage.clock.advance(Duration::from_secs(600));
    stage.bus.purge().unwrap();
    assert_eq!(pages(), before - 64);
}

#[test]
fn a_key_publishes_once() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let keyed = NewNotice { key: Some("k".to_owned()), ..say(a, "once") };
    let first = stage.bus.publish(keyed.clone()).unwrap();
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.bus.publish(keyed.clone()).unwrap(), first);
    assert_ne!(stage.bus.publish(NewNotice { sender: b, ..keyed.clone() }).unwrap().id, first.id);
    let other = NewNotice { payload: json!({ "text": "other" }), ..keyed.clone() };
    assert!(matches!(stage.bus.publish(other.clone()), Err(BusError::KeyReused { .. })));
    assert_eq!(texts(&stage, &NoticeQuery::default()), ["once", "once"]);
    // The key is free again when the notice is over.
    stage.clock.advance(Duration::from_secs(600));
    stage.bus.publish(other).unwrap();
}

#[test]
fn limits_are_kept() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let fits = json!("x".repeat(NOTICE_PAYLOAD_MAX - 2));
    stage.bus.publish(NewNotice { payload: fits, ..say(a, "") }).unwrap();
    for bad in [
        NewNotice { thread: Some("t".repeat(THREAD_MAX + 1)), ..say(a, "") },
        NewNotice { recipients: vec![a; RECIPIENTS_MAX + 1], ..say(a, "") },
        NewNotice { recipient: Some(a), recipients: vec![a], ..say(a, "") },
        NewNotice { ack: Some(AckRule { seconds: 0, attempts: 1 }), ..say(a, "") },
        NewNotice { ack: Some(AckRule { seconds: 1, attempts: ATTEMPTS_MAX + 1 }), ..say(a, "") },
        NewNotice { ttl_seconds: Some(0), ..say(a, "") },
        NewNotice { ttl_seconds: Some(NOTICE_TTL_MAX + 1), ..say(a, "") },
        NewNotice { key: Some(String::new()), ..say(a, "") },
        NewNotice { key: Some("k".repeat(NOTICE_KEY_MAX + 1)), ..say(a, "") },
    ] {
        assert!(matches!(stage.bus.publish(bad), Err(BusError::Invalid(_))));
    }
    // As what is too large, also when it is very large, is refused without being written anywhere.
    for bytes in [NOTICE_PAYLOAD_MAX - 1, 10 * 1024 * 1024] {
        let large = NewNotice { payload: json!("x".repeat(bytes)), ..say(a, "") };
        assert!(matches!(
            stage.bus.publish(large),
            Err(BusError::PayloadTooLarge { bytes: found, most: NOTICE_PAYLOAD_MAX }) if found == bytes + 2
        ));
    }
    let batch = vec![say(a, "x"); NOTICE_BATCH_MAX + 1];
    assert!(matches!(stage.bus.publish_all(&batch), Err(BusError::Invalid(_))));
    assert_eq!(stage.bus.publish_all(&batch[..NOTICE_BATCH_MAX]).unwrap().len(), NOTICE_PAGE_MAX);
    let page = stage.bus.notices(&NoticeQuery { limit: usize::MAX, ..NoticeQuery::default() }).unwrap();
    assert_eq!(page.notices.len(), NOTICE_PAGE_MAX);
}

#[test]
fn nobody_writes_to_the_dead_or_as_them() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.end(b, "finished").unwrap();
    assert!(matches!(
        stage.bus.publish(NewNotice { recipient: Some(b), ..say(a, "") }),
        Err(BusError::Ended(_))
    ));
    assert!(matches!(stage.bus.publish(say(b, "")), Err(BusError::Ended(_))));
    assert!(matches!(stage.bus.wait_notices(b, 0, Duration::from_secs(9)), Err(BusError::Ended(_))));
}

#[test]
fn a_cursor_of_another_life_is_refused_instead_of_skipping() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let notice = stage.bus.publish(say(a, "x")).unwrap();
    let generation = stage.bus.generation().unwrap();
    let query =
        NoticeQuery { after: notice.id, generation: Some(generation.clone()), ..NoticeQuery::default() };
    assert!(stage.bus.notices(&query).unwrap().notices.is_empty());
    let ahead = NoticeQuery { after: notice.id + 1, ..query.clone() };
    assert!(
        matches!(stage.bus.notices(&ahead), Err(BusError::CursorAhead { newest, .. }) if newest == notice.id)
    );
    let rebooted = stage.open_in("two");
    assert!(matches!(rebooted.notices(&query), Err(BusError::GenerationChanged { .. })));
    assert_ne!(rebooted.generation().unwrap(), generation);
}

#[test]
fn after_a_boot_a_notice_lives_by_the_wall_clock() {
    let stage = Stage::new();
    let a = stage.agent("a");
    stage.bus.publish(say(a, "x")).unwrap();
    stage.clock.set_uptime(Duration::from_secs(1));
    stage.clock.advance(Duration::from_secs(599));
    let rebooted = stage.open_in("two");
    assert_eq!(rebooted.notices(&NoticeQuery::default()).unwrap().notices.len(), 1);
    stage.clock.advance(Duration::from_secs(1));
    assert!(rebooted.notices(&NoticeQuery::default()).unwrap().notices.is_empty());
    assert_eq!(rebooted.purge().unwrap(), 1);
}

#[test]
fn a_waiting_reader_is_woken_and_a_lost_ring_costs_time_only() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    for lose_ring in [false, true] {
        // Who is rung need not look by itself.
        let bus = if lose_ring { stage.bus.clone() } else { stage.open_patient(true) };
        let after = stage.bus.notices(&NoticeQuery::default()).unwrap().next;
        let reader = std::thread::spawn(move || bus.wait_notices(b, after, Duration::from_secs(3600)));
        let path = stage.dir.path().join("rt").join(format!("{b}.bell"));
        while !path.exists() {
            std::thread::yield_now();
        }
        if lose_ring {
            std::fs::remove_file(&path).unwrap();
        }
        let sent = stage.bus.publish(NewNotice { recipient: Some(b), ..say(a, "hello") }).unwrap();
        assert_eq!(reader.join().unwrap().unwrap().notices, vec![sent]);
        let _ = std::fs::remove_file(&path);
    }
}

#[test]
fn patience_for_notices_ends_by_the_clock_of_the_bus() {
    let stage = Stage::new();
    let b = stage.agent("b");
    let bus = stage.bus.clone();
    let reader = std::thread::spawn(move || bus.wait_notices(b, 0, Duration::from_secs(60)));
    stage.clock.advance(Duration::from_secs(120));
    // Whether the reader took its deadline before or after the jump, a second one reaches it.
    while !reader.is_finished() {
        stage.clock.advance(Duration::from_secs(60));
        std::thread::yield_now();
    }
    assert!(reader.join().unwrap().unwrap().notices.is_empty());
}

#[test]
fn the_newest_page_is_the_end_of_the_history() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    for n in 0..6 {
        let channel = if n % 2 == 0 { Channel::task_broadcast() } else { Channel::state() };
        stage.bus.publish(NewNotice { channel, ..say(a, &n.to_string()) }).unwrap();
    }
    stage.bus.publish(NewNotice { recipient: Some(a), ..say(b, "to a") }).unwrap();
    let newest = |query: &NoticeQuery| -> Vec<String> {
        let found = stage.bus.newest_notices(query).unwrap();
        found.iter().map(|notice| notice.payload["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(newest(&NoticeQuery { limit: 2, ..NoticeQuery::default() }), ["5", "to a"]);
    let odd = NoticeQuery { channel: Some(Channel::state()), limit: 2, ..NoticeQuery::default() };
    assert_eq!(newest(&odd), ["3", "5"]);
    assert_eq!(newest(&NoticeQuery { recipient: Some(b), limit: 1, ..NoticeQuery::default() }), ["5"]);
    assert_eq!(newest(&NoticeQuery { after: 5, ..NoticeQuery::default() }), ["5", "to a"]);
    assert_eq!(newest(&NoticeQuery::default()).len(), 7);
}

#[test]
fn a_short_look_gives_what_a_long_one_would() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let say =
        |channel: Channel, ttl| NewNotice { ttl_seconds: Some(ttl), ..NewNotice::new(a, channel, json!(1)) };
    let mut reading = stage.bus.subscribe(b, "reader", "main", &Replay::Now).unwrap();
    assert!(reading.next(Duration::ZERO).unwrap().is_empty(), "the long look");
    let first = stage.bus.publish(say(Channel::state(), 60)).unwrap();
    assert_eq!(reading.next(Duration::from_secs(1)).unwrap().notices, vec![first]);
    // One that is over before it is read, between two that are not.
    let before = stage.bus.publish(say(Channel::state(), 60)).unwrap();
    stage.bus.publish(say(Channel::state(), 1)).unwrap();
    stage.clock.advance(Duration::from_secs(1));
    let after = stage.bus.publish(say(Channel::state(), 60)).unwrap();
    assert_eq!(reading.next(Duration::from_secs(1)).unwrap().notices, vec![before, after]);
    // What it does not listen to, what is another's, and what is its own.
    stage.bus.listen_to(b, &[Channel::file_conflict()]).unwrap();
    stage.bus.publish(say(Channel::state(), 60)).unwrap();
    stage.bus.publish(NewNotice { recipient: Some(a), ..say(Channel::file_conflict(), 60) }).unwrap();
    stage.bus.publish(NewNotice { sender: b, ..say(Channel::file_conflict(), 60) }).unwrap();
    let direct = stage.bus.publish(NewNotice { recipient: Some(b), ..say(Channel::state(), 60) }).unwrap();
    let heard = stage.bus.publish(say(Channel::file_conflict(), 60)).unwrap();
    assert_eq!(reading.next(Duration::from_secs(1)).unwrap().notices, vec![direct, heard]);
    // One written under an earlier epoch lives by the wall clock.
    let older = stage.bus.publish(say(Channel::file_conflict(), 60)).unwrap();
    stage.sql().execute("UPDATE inter_session_messages SET epoch = 0 WHERE id = ?1", [older.id]).unwrap();
    assert_eq!(reading.next(Duration::from_secs(1)).unwrap().notices, vec![older]);
}
