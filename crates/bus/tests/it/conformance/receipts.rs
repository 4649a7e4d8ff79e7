//! Seen and acknowledged; what nobody answers for.

use super::{Fixture, agent, at, publish, say};
use bus::{AckRule, Backend, BusError, NewNotice, NoticeQuery, Receipt};
use model::RegistrationId;
use std::time::Duration;

fn receipt(bus: &dyn Backend, notice: i64, of: RegistrationId) -> Receipt {
    let all = bus.receipts(notice).unwrap();
    all.into_iter().find(|receipt| receipt.registration == of).unwrap()
}

fn again(bus: &dyn Backend, me: RegistrationId, after: i64) -> Vec<i64> {
    let query = NoticeQuery { after, recipient: Some(me), ..NoticeQuery::default() };
    let page = bus.wait(&query, Duration::ZERO).unwrap();
    page.again.iter().map(|notice| notice.id).collect()
}

pub(crate) fn marks_are_kept_apart(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let ack = Some(AckRule { seconds: 60, attempts: 2 });
    let sent = publish(&*bus, NewNotice { recipients: vec![b, c], ack, ..say(a, "x") });
    assert_eq!(sent.envelope.ack_seconds, Some(60));
    let fresh = receipt(&*other, sent.id, b);
    assert_eq!(
        (fresh.delivered, fresh.seen_at, fresh.acked_at, fresh.attempts, fresh.dead),
        (false, None, None, 1, false)
    );
    other.move_cursor(&b.to_string(), "main", &at(&*bus, &sent)).unwrap();
    assert!(receipt(&*bus, sent.id, b).delivered);
    other.mark_seen(sent.id, b).unwrap();
    let seen = receipt(&*bus, sent.id, b);
    assert!(seen.seen_at.is_some() && seen.acked_at.is_none());
    other.ack(sent.id, b).unwrap();
    let acked = receipt(&*bus, sent.id, b);
    assert!(acked.acked_at.is_some());
    assert_eq!(acked.seen_at, seen.seen_at);
    // A second time changes nothing, and the other recipient has marks of its own.
    stage.pass(Duration::from_secs(2));
    other.ack(sent.id, b).unwrap();
    other.mark_seen(sent.id, b).unwrap();
    assert_eq!(receipt(&*bus, sent.id, b), acked);
    assert_eq!(receipt(&*bus, sent.id, c).acked_at, None);
    // Who was not asked may say so all the same.
    let plain = publish(&*bus, say(a, "to all"));
    assert!(bus.receipts(plain.id).unwrap().is_empty());
    other.ack(plain.id, c).unwrap();
    assert!(receipt(&*bus, plain.id, c).seen_at.is_some(), "who accepts it has seen it");
}

pub(crate) fn what_nobody_acknowledges_comes_again_and_is_given_up(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let ack = Some(AckRule { seconds: stage.brief_seconds(), attempts: 2 });
    let sent = publish(&*bus, NewNotice { ack, ..say(a, "to all") });
    reader.ack(sent.id, c).unwrap();
    bus.clear().unwrap();
    assert!(again(&*reader, b, sent.id).is_empty(), "it is not due yet");
    stage.pass_all();
    bus.clear().unwrap();
    assert_eq!(again(&*reader, b, sent.id), [sent.id]);
    assert!(again(&*reader, b, sent.id).is_empty(), "once for each attempt");
    assert!(again(&*reader, c, sent.id).is_empty(), "who has answered is left alone");
    assert_eq!(receipt(&*bus, sent.id, b).attempts, 2);
    assert!(bus.dead_letters(None).unwrap().is_empty());
    stage.pass_all();
    bus.clear().unwrap();
    let dead = bus.dead_letters(Some(a)).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0].notice, dead[0].recipient, dead[0].attempts), (&sent, b, 2));
    assert!(receipt(&*bus, sent.id, b).dead);
    assert!(bus.dead_letters(Some(b)).unwrap().is_empty(), "of this sender only");
    // Better late than never.
    reader.ack(sent.id, b).unwrap();
    assert!(bus.dead_letters(None).unwrap().is_empty());
}

pub(crate) fn who_ends_will_not_answer(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let ack = Some(AckRule { seconds: 60, attempts: 2 });
    let sent = publish(&*bus, NewNotice { recipient: Some(b), ack, ..say(a, "x") });
    stage.open().end(b, "finished").unwrap();
    let dead = bus.dead_letters(Some(a)).unwrap();
    assert_eq!(dead.iter().map(|letter| letter.notice.id).collect::<Vec<_>>(), [sent.id]);
}

pub(crate) fn only_who_was_addressed_answers(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*bus, name));
    let one = publish(&*bus, NewNotice { recipient: Some(b), ..say(a, "x") });
    let set = publish(&*bus, NewNotice { recipients: vec![a, b], ..say(a, "y") });
    for notice in [one.id, set.id, set.id + 100] {
        assert!(matches!(bus.ack(notice, c), Err(BusError::NoNotice(id)) if id == notice));
        assert!(matches!(bus.mark_seen(notice, c), Err(BusError::NoNotice(_))));
    }
    bus.ack(set.id, b).unwrap();
}
