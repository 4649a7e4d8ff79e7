//! What is refused, each with a type of its own, and leaves nothing behind.

use super::{DAY, Fixture, agent, publish, say};
use crate::stage::{TTL, exclusive, new, want};
use bus::{
    ATTEMPTS_MAX, AckRule, Backend, BusError, CONSUMER_MAX, LABEL_MAX, LOCK_GLOBS_MAX, LOCK_PATHS_MAX,
    LOCK_TTL_MAX, Liveness, LockRequest, NOTICE_BATCH_MAX, NOTICE_KEY_MAX, NOTICE_TTL_MAX, NewNotice,
    NewRegistration, NoticeQuery, Position, RECIPIENTS_MAX, SUBSCRIPTIONS_MAX, THREAD_MAX,
};
use model::{Channel, Id, LockMode, NOTICE_PAYLOAD_MAX, RegistrationId};
use serde_json::json;
use std::time::Duration;

fn nobody() -> RegistrationId {
    Id::new(&bus::system::SystemClock, &bus::system::SystemEntropy)
}

fn invalid<T: std::fmt::Debug>(result: Result<T, BusError>) {
    match result {
        Err(error @ BusError::Invalid(_)) => assert_eq!(error.refusal().code, "invalid"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn notices_beyond_their_limits(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let bad = |new: NewNotice| invalid(bus.publish_all(&[new]));
    bad(NewNotice { recipient: Some(a), recipients: vec![a], ..say(a, "") });
    bad(NewNotice { recipients: vec![a; RECIPIENTS_MAX + 1], ..say(a, "") });
    bad(NewNotice { thread: Some("t".repeat(THREAD_MAX + 1)), ..say(a, "") });
    bad(NewNotice { thread: Some(String::new()), ..say(a, "") });
    bad(NewNotice { ack: Some(AckRule { seconds: 0, attempts: 1 }), ..say(a, "") });
    bad(NewNotice { ack: Some(AckRule { seconds: 1, attempts: ATTEMPTS_MAX + 1 }), ..say(a, "") });
    bad(NewNotice { ttl_seconds: Some(0), ..say(a, "") });
    bad(NewNotice { ttl_seconds: Some(NOTICE_TTL_MAX + 1), ..say(a, "") });
    bad(NewNotice { key: Some(String::new()), ..say(a, "") });
    bad(NewNotice { key: Some("k".repeat(NOTICE_KEY_MAX + 1)), ..say(a, "") });
    bad(NewNotice { channel: Channel::heartbeat(), ..say(a, "") });
    for bytes in [NOTICE_PAYLOAD_MAX - 1, 10 * 1024 * 1024] {
        let large = NewNotice { payload: json!("x".repeat(bytes)), ..say(a, "") };
        assert!(matches!(
            bus.publish_all(&[say(a, "small"), large]),
            Err(BusError::PayloadTooLarge { bytes: found, most: NOTICE_PAYLOAD_MAX }) if found == bytes + 2
        ));
    }
    invalid(bus.publish_all(&vec![say(a, "x"); NOTICE_BATCH_MAX + 1]));
    assert!(bus.notices(&NoticeQuery::default()).unwrap().is_empty());
    // At the limits it goes.
    let largest = json!("x".repeat(NOTICE_PAYLOAD_MAX - 2));
    assert_eq!(publish(&*bus, NewNotice { payload: largest.clone(), ..say(a, "") }).payload, largest);
    assert_eq!(bus.publish_all(&vec![say(a, "x"); NOTICE_BATCH_MAX]).unwrap().len(), NOTICE_BATCH_MAX);
    let page = bus.notices(&NoticeQuery { limit: usize::MAX, ..NoticeQuery::default() }).unwrap();
    assert_eq!(page.notices.len(), bus::NOTICE_PAGE_MAX);
}

pub(crate) fn locks_beyond_their_limits(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let bad = |request: LockRequest| invalid(bus.acquire(&request));
    bad(exclusive(a, &[]));
    bad(exclusive(a, &["x", "./x"]));
    bad(LockRequest { worktree: String::new(), ..exclusive(a, &["x"]) });
    bad(LockRequest { paths: names(LOCK_PATHS_MAX + 1), ..exclusive(a, &[]) });
    bad(LockRequest { ttl: Duration::ZERO, ..exclusive(a, &["x"]) });
    bad(LockRequest { ttl: LOCK_TTL_MAX + Duration::from_secs(1), ..exclusive(a, &["x"]) });
    assert!(bus.locks(None).unwrap().is_empty());
    let most = bus.acquire(&LockRequest { paths: names(LOCK_PATHS_MAX), ..exclusive(a, &[]) }).unwrap();
    assert_eq!(most.locks.len(), LOCK_PATHS_MAX);
    for ttl in [Duration::ZERO, LOCK_TTL_MAX + Duration::from_secs(1)] {
        invalid(bus.renew(most.locks[0].token, a, ttl));
    }
    invalid(bus.listen_to(a, &vec![Channel::state(); SUBSCRIPTIONS_MAX + 1]));
}

pub(crate) fn paths_that_escape(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    for path in ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b"] {
        invalid(bus.acquire(&exclusive(a, &[path])));
        invalid(bus.acquire_wait(&exclusive(a, &["good", path]), TTL, &mut |_| panic!("it waits")));
    }
    assert!(bus.locks(None).unwrap().is_empty());
}

/// Globs whose comparison is the work of their lengths multiplied.
pub(crate) fn a_glob_bomb(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let many = |count: usize| (0..count).map(|n| format!("{n}*")).collect::<Vec<_>>();
    invalid(bus.acquire(&LockRequest { paths: many(LOCK_GLOBS_MAX + 1), ..exclusive(a, &[]) }));
    let bombs = ["*a".repeat(100), "{a,b}*".repeat(60)];
    let bombs: Vec<&str> = bombs.iter().map(String::as_str).collect();
    bus.acquire(&exclusive(a, &bombs)).unwrap();
    assert!(matches!(other.acquire(&exclusive(b, &bombs[..1])), Err(BusError::Contended(_))));
}

pub(crate) fn the_unknown_and_the_ended(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, gone] = ["a", "gone"].map(|name| agent(&*bus, name));
    bus.end(gone, "finished").unwrap();
    let lock = bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    let work = publish(&*bus, say(a, "x"));
    let attempts = |who: RegistrationId, bus: &dyn Backend| -> Vec<BusError> {
        vec![
            bus.heartbeat(who).unwrap_err(),
            bus.publish_all(&[say(who, "x")]).unwrap_err(),
            bus.publish_all(&[NewNotice { recipient: Some(who), ..say(a, "x") }]).unwrap_err(),
            bus.publish_all(&[NewNotice { recipients: vec![a, who], ..say(a, "x") }]).unwrap_err(),
            bus.listen_to(who, &[]).unwrap_err(),
            bus.acquire(&exclusive(who, &["y"])).unwrap_err(),
            bus.acquire_wait(&want(who, LockMode::Shared, &["y"]), TTL, &mut |_| {}).unwrap_err(),
            bus.claim(work.id, who, TTL).unwrap_err(),
            bus.claim_next(who, TTL).unwrap_err(),
            bus.ack(work.id, who).unwrap_err(),
            bus.mark_seen(work.id, who).unwrap_err(),
        ]
    };
    let unknown = nobody();
    for error in attempts(unknown, &*bus) {
        assert!(matches!(error, BusError::NotRegistered(who) if who == unknown), "{error}");
        assert_eq!(error.refusal().code, "not_registered");
    }
    for error in attempts(gone, &*bus) {
        assert!(matches!(error, BusError::Ended(who) if who == gone), "{error}");
    }
    assert!(matches!(bus.end(unknown, "x"), Err(BusError::NotRegistered(_))));
    assert!(matches!(bus.release(lock.token, unknown), Err(BusError::Lost(_))));
    assert_eq!(crate::stage::tokens(&bus.locks(None).unwrap()), [lock.token]);
}

pub(crate) fn registrations_beyond_their_limits(stage: &dyn Fixture) {
    let bus = stage.open();
    let lease = |ttl| new("a", Liveness::Lease { ttl });
    let bad = |new: NewRegistration| invalid(bus.register(new));
    bad(NewRegistration { agent: String::new(), ..lease(DAY) });
    bad(NewRegistration { agent: "a".repeat(LABEL_MAX + 1), ..lease(DAY) });
    bad(NewRegistration { vendor: String::new(), ..lease(DAY) });
    bad(NewRegistration { model: Some("m".repeat(LABEL_MAX + 1)), ..lease(DAY) });
    // A name that breaks a line could speak for somebody else.
    for name in ["e\nvil", "e\u{1b}[2Jvil", "\u{7f}"] {
        bad(NewRegistration { agent: name.to_owned(), ..lease(DAY) });
        bad(NewRegistration { vendor: name.to_owned(), ..lease(DAY) });
        bad(NewRegistration { model: Some(name.to_owned()), ..lease(DAY) });
    }
    bad(lease(Duration::ZERO));
    bad(lease(LOCK_TTL_MAX + Duration::from_secs(1)));
    assert!(bus.registrations().unwrap().is_empty());
}

pub(crate) fn cursors_without_names(stage: &dyn Fixture) {
    let bus = stage.open();
    let Position { generation, .. } = bus.newest_position().unwrap();
    let to = Position { generation, id: 0 };
    let long = "c".repeat(CONSUMER_MAX + 1);
    for (consumer, name) in [("", "main"), ("me", ""), (long.as_str(), "main"), ("me", long.as_str())] {
        invalid(bus.move_cursor(consumer, name, &to));
    }
    assert_eq!(bus.cursor("", "").unwrap(), None);
    bus.move_cursor("me", "main", &to).unwrap();
}
