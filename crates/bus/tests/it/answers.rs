//! Sets, threads, subscriptions, receipts, redelivery, cursors and replay.

use crate::stage::Stage;
use bus::{
    AckRule, Bell, BusError, Durability, NewNotice, NoticeQuery, Position, Redelivered, Replay,
    SUBSCRIPTIONS_MAX,
};
use model::{Channel, Notice, RegistrationId};
use serde_json::json;
use std::time::Duration;

fn say(sender: RegistrationId, text: &str) -> NewNotice {
    NewNotice::new(sender, Channel::task_broadcast(), json!({ "text": text }))
}

fn heard(stage: &Stage, id: RegistrationId) -> Vec<i64> {
    let query = NoticeQuery { recipient: Some(id), ..NoticeQuery::default() };
    ids(&stage.bus.notices(&query).unwrap().notices)
}

fn ids(notices: &[Notice]) -> Vec<i64> {
    notices.iter().map(|notice| notice.id).collect()
}

fn named(name: &str) -> Channel {
    name.parse().unwrap()
}

#[test]
fn a_set_of_recipients_hears_and_nobody_else() {
    let stage = Stage::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| stage.agent(name));
    let bells = [b, c, d].map(|id| stage.bus.doorbell(Bell::Registration(id)).unwrap());
    let sent = stage.bus.publish(NewNotice { recipients: vec![b, c], ..say(a, "two") }).unwrap();
    assert_eq!(sent.envelope.audience, [b, c]);
    assert_eq!([b, c, d, a].map(|id| heard(&stage, id).len()), [1, 1, 0, 0]);
    assert_eq!(bells.map(|bell| bell.wait(Duration::ZERO).unwrap()), [true, true, false]);
    assert_eq!(stage.bus.notices(&NoticeQuery::default()).unwrap().notices, vec![sent]);
    stage.bus.end(c, "finished").unwrap();
    let late = NewNotice { recipients: vec![b, c], ..say(a, "too late") };
    assert!(matches!(stage.bus.publish(late), Err(BusError::Ended(id)) if id == c));
}

#[test]
fn who_listens_to_some_channels_is_rung_for_those() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.listen_to(b, &[Channel::state(), named("build")]).unwrap();
    let bell = stage.bus.doorbell(Bell::Registration(b)).unwrap();
    stage.bus.publish(say(a, "not for b")).unwrap();
    assert!(!bell.wait(Duration::ZERO).unwrap());
    let build = stage.bus.publish(NewNotice { channel: named("build"), ..say(a, "red") }).unwrap();
    assert!(bell.wait(Duration::ZERO).unwrap());
    let direct = stage.bus.publish(NewNotice { recipient: Some(b), ..say(a, "you") }).unwrap();
    assert_eq!(heard(&stage, b), [build.id, direct.id]);
    assert_eq!(stage.bus.channels_of(b).unwrap(), [named("build"), Channel::state()]);
    stage.bus.listen_to(b, &[]).unwrap();
    assert_eq!(heard(&stage, b).len(), 3);
    let many: Vec<Channel> = (0..=SUBSCRIPTIONS_MAX).map(|n| named(&format!("c{n}"))).collect();
    assert!(matches!(stage.bus.listen_to(b, &many), Err(BusError::Invalid(_))));
    assert_eq!(stage.bus.channels().unwrap(), [(named("build"), 1), (Channel::task_broadcast(), 2)]);
}

#[test]
fn threads_replies_and_priorities() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let to_b = |text: &str| NewNotice { recipient: Some(b), thread: Some("t".to_owned()), ..say(a, text) };
    let first = stage.bus.publish(to_b("first")).unwrap();
    stage.bus.publish(say(a, "beside")).unwrap();
    let urgent = stage.bus.publish(NewNotice { priority: 5, ..to_b("urgent") }).unwrap();
    let answer = NewNotice {
        reply_to: Some(first.id),
        recipient: Some(a),
        thread: Some("t".to_owned()),
        ..say(b, "yes")
    };
    let answer = stage.bus.publish(answer).unwrap();
    let thread = NoticeQuery { thread: Some("t".to_owned()), ..NoticeQuery::default() };
    assert_eq!(ids(&stage.bus.notices(&thread).unwrap().notices), [first.id, urgent.id, answer.id]);
    assert_eq!(ids(&stage.bus.inbox(b, 10).unwrap()), [urgent.id, first.id]);
    let read = stage.bus.inbox(a, 10).unwrap().remove(0);
    assert_eq!((read.envelope.reply_to, read.envelope.thread.as_deref()), (Some(first.id), Some("t")));
    let pressing = NoticeQuery { priority: Some(1), ..NoticeQuery::default() };
    assert_eq!(ids(&stage.bus.notices(&pressing).unwrap().notices), [urgent.id]);
    stage.bus.ack(urgent.id, b).unwrap();
    assert_eq!(ids(&stage.bus.inbox(b, 10).unwrap()), [first.id]);
}

#[test]
fn delivered_seen_and_acked_are_three_things() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let rule = AckRule { seconds: 60, attempts: 2 };
    let sent = stage.bus.publish(NewNotice { ack: Some(rule), ..say(a, "x") }).unwrap();
    let marks = || {
        let receipt = stage.bus.receipts(sent.id).unwrap().remove(0);
        assert_eq!(receipt.registration, b);
        (receipt.delivered, receipt.seen_at.is_some(), receipt.acked_at.is_some())
    };
    assert_eq!(marks(), (false, false, false));
    let mut reading = stage.bus.subscribe(b, "b", "main", &Replay::Beginning).unwrap();
    assert_eq!(ids(&reading.next(Duration::ZERO).unwrap().notices), [sent.id]);
    assert_eq!(marks(), (true, false, false));
    stage.bus.mark_seen(sent.id, b).unwrap();
    assert_eq!(marks(), (true, true, false));
    stage.bus.ack(sent.id, b).unwrap();
    stage.bus.ack(sent.id, b).unwrap();
    assert_eq!(marks(), (true, true, true));
    assert!(matches!(stage.bus.ack(sent.id + 1, b), Err(BusError::NoNotice(_))));
    let private = stage.bus.publish(NewNotice { recipient: Some(a), ..say(b, "y") }).unwrap();
    assert!(matches!(stage.bus.mark_seen(private.id, b), Err(BusError::NoNotice(_))));
}

#[test]
fn what_is_not_acknowledged_comes_again_and_dies() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let rule = AckRule { seconds: 10, attempts: 2 };
    let sent = stage.bus.publish(NewNotice { recipient: Some(b), ack: Some(rule), ..say(a, "x") }).unwrap();
    let page = stage.bus.wait_notices(b, 0, Duration::ZERO).unwrap();
    assert_eq!((ids(&page.notices), page.again.len()), (vec![sent.id], 0));
    stage.clock.advance(Duration::from_secs(9));
    assert_eq!(stage.bus.redeliver().unwrap(), Redelivered::default());
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.bus.redeliver().unwrap(), Redelivered { again: 1, dead: 0 });
    let page = stage.bus.wait_notices(b, page.next, Duration::ZERO).unwrap();
    assert_eq!((page.notices.len(), ids(&page.again)), (0, vec![sent.id]));
    assert!(stage.bus.wait_notices(b, page.next, Duration::ZERO).unwrap().is_empty(), "once per attempt");
    assert!(stage.bus.dead_letters(None).unwrap().is_empty());
    stage.clock.advance(Duration::from_secs(10));
    assert_eq!(stage.bus.redeliver().unwrap(), Redelivered { again: 0, dead: 1 });
    let dead = stage.bus.dead_letters(Some(a)).unwrap();
    assert_eq!((dead[0].notice.id, dead[0].recipient, dead[0].attempts), (sent.id, b, 2));
    stage.bus.revive(sent.id, b).unwrap();
    assert_eq!(stage.bus.wait_notices(b, page.next, Duration::ZERO).unwrap().again.len(), 1);
    stage.bus.ack(sent.id, b).unwrap();
    stage.clock.advance(Duration::from_secs(100));
    assert_eq!(stage.bus.redeliver().unwrap(), Redelivered::default());
    assert!(matches!(stage.bus.revive(sent.id, b), Err(BusError::NoNotice(_))));
}

#[test]
fn nobody_answers_for_the_dead() {
    let stage = Stage::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.agent(name));
    let rule = AckRule { seconds: 10, attempts: 5 };
    let sent = stage.bus.publish(NewNotice { ack: Some(rule), ..say(a, "x") }).unwrap();
    stage.bus.ack(sent.id, c).unwrap();
    stage.bus.end(b, "died").unwrap();
    let dead = stage.bus.dead_letters(None).unwrap();
    assert_eq!(dead.iter().map(|letter| letter.recipient).collect::<Vec<_>>(), [b]);
}

#[test]
fn a_durable_cursor_goes_on_where_its_reader_was() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let mut reading = stage.bus.subscribe(b, "reviewer", "main", &Replay::Now).unwrap();
    let sent: Vec<Notice> = (0..3).map(|n| stage.bus.publish(say(a, &n.to_string())).unwrap()).collect();
    assert_eq!(reading.next(Duration::ZERO).unwrap().notices.len(), 3);
    assert_eq!(reading.position().id, 0, "given, not dealt with");
    drop(reading);
    let again = stage.agent("b again");
    let mut reading = stage.bus.subscribe(again, "reviewer", "main", &Replay::Beginning).unwrap();
    assert_eq!(reading.next(Duration::ZERO).unwrap().notices.len(), 3, "so it comes again");
    reading.commit().unwrap();
    assert_eq!(stage.bus.cursor("reviewer", "main").unwrap().unwrap().id, sent[2].id);
    drop(reading);
    let mut reading = stage.bus.subscribe(again, "reviewer", "main", &Replay::Beginning).unwrap();
    assert!(reading.next(Duration::ZERO).unwrap().is_empty());
    let back = Position { id: 1, ..stage.bus.newest_position().unwrap() };
    stage.bus.move_cursor("reviewer", "main", &back).unwrap();
    assert_eq!(stage.bus.cursor("reviewer", "main").unwrap().unwrap().id, sent[2].id, "never back");
    // Every few seconds it is written without being asked to.
    let more = stage.bus.publish(say(a, "more")).unwrap();
    reading.next(Duration::ZERO).unwrap();
    stage.clock.advance(Duration::from_secs(5));
    reading.next(Duration::ZERO).unwrap();
    assert_eq!(stage.bus.cursor("reviewer", "main").unwrap().unwrap().id, more.id);
    assert!(matches!(stage.bus.move_cursor("", "main", &back), Err(BusError::Invalid(_))));
    stage.bus.forget_cursor("reviewer", "main").unwrap();
    assert_eq!(stage.bus.cursor("reviewer", "main").unwrap(), None);
}

#[test]
fn replay_begins_where_it_is_told_or_says_why_not() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let short = stage.bus.publish(NewNotice { ttl_seconds: Some(1), ..say(a, "short") }).unwrap();
    stage.clock.advance(Duration::from_millis(500));
    let long = stage.bus.publish(say(a, "long")).unwrap();
    stage.clock.advance(Duration::from_millis(100));
    let late = stage.bus.publish(NewNotice { channel: Channel::state(), ..say(a, "late") }).unwrap();
    let all = NoticeQuery::default();
    let replay = |from: &Replay| stage.bus.replay(from, &all).map(|page| ids(&page.notices));
    assert_eq!(replay(&Replay::Beginning).unwrap(), [short.id, long.id, late.id]);
    assert_eq!(replay(&Replay::Since(long.created_at)).unwrap(), [long.id, late.id]);
    assert!(replay(&Replay::Now).unwrap().is_empty());
    let generation = stage.bus.generation().unwrap();
    let after = |id: i64| Replay::After(Position { generation: generation.clone(), id });
    assert_eq!(replay(&after(short.id)).unwrap(), [long.id, late.id]);
    stage.clock.advance(Duration::from_secs(1));
    stage.bus.purge().unwrap();
    assert_eq!(replay(&after(short.id)).unwrap(), [long.id, late.id], "nothing after it is gone");
    match replay(&after(short.id - 1)) {
        Err(BusError::CursorExpired { after, oldest }) => assert_eq!((after, oldest), (0, long.id)),
        other => panic!("{other:?}"),
    }
    // The gap is in one channel; a reader of another has missed nothing.
    let state = NoticeQuery { channel: Some(Channel::state()), ..NoticeQuery::default() };
    assert_eq!(ids(&stage.bus.replay(&after(0), &state).unwrap().notices), [late.id]);
    assert!(matches!(replay(&after(late.id + 1)), Err(BusError::CursorAhead { .. })));
    let other = Replay::After(Position { generation: "other-1".to_owned(), id: 1 });
    assert!(matches!(replay(&other), Err(BusError::GenerationChanged { .. })));
}

#[test]
fn a_batch_is_published_whole_or_not_at_all() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let power = NewNotice { durability: Durability::Power, ..say(a, "2") };
    let sent = stage.bus.publish_all(&[say(a, "1"), power, say(b, "3")]).unwrap();
    assert_eq!(heard(&stage, b), [sent[0].id, sent[1].id]);
    stage.bus.end(b, "finished").unwrap();
    stage.bus.publish_all(&[say(a, "4"), say(b, "5")]).unwrap_err();
    assert_eq!(stage.bus.notices(&NoticeQuery::default()).unwrap().notices, sent);
}

#[test]
fn the_channels_of_old_live_as_long_as_they_did() {
    for (channel, seconds) in
        [("state", 60), ("file_conflict", 300), ("task_broadcast", 600), ("heartbeat", 30), ("mine", 300)]
    {
        assert_eq!(named(channel).default_ttl_seconds(), seconds, "{channel}");
    }
}
