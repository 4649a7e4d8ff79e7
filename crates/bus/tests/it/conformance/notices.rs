//! Publishing and reading.

use super::{Done, Fixture, agent, publish, say, texts};
use bus::{Backend, BusError, Durability, NewNotice, NoticeQuery};
use model::{Channel, Envelope, RegistrationId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const WRITERS: usize = 6;
/// Notices of each writer.
const EACH: usize = 40;

fn all(bus: &dyn Backend) -> Vec<model::Notice> {
    bus.notices(&NoticeQuery::default()).unwrap().notices
}

fn heard(bus: &dyn Backend, by: RegistrationId) -> Vec<String> {
    let query = NoticeQuery { recipient: Some(by), ..NoticeQuery::default() };
    let page = bus.notices(&query).unwrap();
    texts(&page.notices).into_iter().map(str::to_owned).collect()
}

pub(crate) fn a_batch_keeps_its_order(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let a = agent(&*bus, "a");
    let batch: Vec<NewNotice> = (0..20).map(|n| say(a, &n.to_string())).collect();
    let sent = bus.publish_all(&batch).unwrap();
    assert!(sent.windows(2).all(|two| two[0].id < two[1].id));
    assert_eq!(all(&*reader), sent);
    // Page by page it is the same.
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = reader.notices(&NoticeQuery { after, limit: 7, ..NoticeQuery::default() }).unwrap();
        if page.is_empty() {
            break;
        }
        after = page.next;
        read.extend(page.notices);
    }
    assert_eq!(read, sent);
    assert_eq!(reader.newest_position().unwrap().id, after);
    assert!(bus.publish_all(&[]).unwrap().is_empty());
}

pub(crate) fn a_batch_is_all_or_none(stage: &dyn Fixture) {
    let bus = stage.open();
    let [a, gone] = ["a", "gone"].map(|name| agent(&*bus, name));
    bus.end(gone, "finished").unwrap();
    let batch = [
        say(a, "one"),
        say(a, "two"),
        NewNotice { recipient: Some(gone), ..say(a, "three") },
        say(a, "four"),
    ];
    assert!(matches!(bus.publish_all(&batch), Err(BusError::Ended(who)) if who == gone));
    assert!(all(&*bus).is_empty());
    bus.publish_all(&batch[..2]).unwrap();
    assert_eq!(texts(&all(&*bus)), ["one", "two"]);
}

pub(crate) fn a_key_publishes_once(stage: &dyn Fixture) {
    let (bus, other) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let keyed = |sender, text: &str| NewNotice { key: Some("k".to_owned()), ..say(sender, text) };
    let first = publish(&*bus, keyed(a, "x"));
    assert_eq!(publish(&*bus, keyed(a, "x")), first);
    // Somebody else, who was told nothing of it, sends it again.
    assert_eq!(publish(&*other, keyed(a, "x")), first);
    for changed in [
        keyed(a, "y"),
        NewNotice { recipient: Some(b), ..keyed(a, "x") },
        NewNotice { channel: Channel::state(), ..keyed(a, "x") },
        NewNotice { ttl_seconds: Some(9), ..keyed(a, "x") },
        NewNotice { priority: 1, ..keyed(a, "x") },
    ] {
        assert!(matches!(other.publish_all(&[changed]), Err(BusError::KeyReused { key }) if key == "k"));
    }
    // The key is the sender's own.
    assert_ne!(publish(&*other, keyed(b, "y")).id, first.id);
    // Twice in one batch is once.
    let twice = NewNotice { key: Some("t".to_owned()), ..say(a, "z") };
    let sent = bus.publish_all(&[twice.clone(), twice]).unwrap();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(texts(&all(&*bus)), ["x", "y", "z"]);
}

pub(crate) fn a_key_is_given_back_when_its_notice_is_over(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let keyed = |text: &str| NewNotice { key: Some("k".to_owned()), ttl_seconds: Some(1), ..say(a, text) };
    let first = publish(&*bus, keyed("x"));
    stage.pass(Duration::from_secs(2));
    let second = publish(&*bus, keyed("y"));
    assert!(second.id > first.id);
    assert_eq!(texts(&all(&*bus)), ["y"]);
}

pub(crate) fn a_payload_comes_back_as_it_was_sent(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let a = agent(&*bus, "a");
    let text = r#"{"z":1,"a":[1.0,-0.5,1e300,18446744073709551615,-9223372036854775808,null,true],"µ":"\u0000\ud83d\ude00\"\\\n","":{}}"#;
    let payload: Value = serde_json::from_str(text).unwrap();
    let new = NewNotice {
        thread: Some("t'; --".to_owned()),
        priority: -3,
        reply_to: Some(7),
        key: Some("%_\\".to_owned()),
        ..NewNotice::new(a, "own.channel-1:x".parse().unwrap(), payload.clone())
    };
    let sent = publish(&*bus, new.clone());
    let read = all(&*reader).remove(0);
    assert_eq!(read, sent);
    assert_eq!(read.payload.to_string(), payload.to_string(), "keys in order, numbers as written");
    let envelope = Envelope {
        thread: Some("t'; --".to_owned()),
        priority: -3,
        reply_to: Some(7),
        ..Envelope::default()
    };
    assert_eq!((read.envelope, read.agent.as_str(), read.ttl_seconds), (envelope, "a", 300));
    // What is the same to the reader is the same under its key.
    assert_eq!(publish(&*reader, new), sent);
}

pub(crate) fn addressed_to_one_a_set_or_everybody(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| agent(&*bus, name));
    publish(&*bus, NewNotice { recipient: Some(b), ..say(a, "to b") });
    publish(&*bus, NewNotice { recipients: vec![b, c], ..say(a, "to b and c") });
    publish(&*bus, say(a, "to all"));
    publish(&*bus, NewNotice { recipient: Some(a), ..say(a, "to itself") });
    assert_eq!(heard(&*reader, a), ["to itself"], "who sends to all does not hear itself");
    assert_eq!(heard(&*reader, b), ["to b", "to b and c", "to all"]);
    assert_eq!(heard(&*reader, c), ["to b and c", "to all"]);
    assert_eq!(heard(&*reader, d), ["to all"]);
    let set = all(&*reader).remove(1);
    assert_eq!((set.recipient, set.envelope.audience), (None, vec![b, c]));
}

pub(crate) fn who_subscribes_hears_only_those_channels(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let named: Channel = "builds".parse().unwrap();
    reader.listen_to(b, &[named.clone(), Channel::state()]).unwrap();
    publish(&*bus, say(a, "on task_broadcast"));
    publish(&*bus, NewNotice { channel: named.clone(), ..say(a, "on builds") });
    publish(&*bus, NewNotice { recipient: Some(b), ..say(a, "to b") });
    assert_eq!(heard(&*bus, b), ["on builds", "to b"]);
    // Another list replaces the first; none at all is every channel.
    reader.listen_to(b, &[Channel::task_broadcast()]).unwrap();
    assert_eq!(heard(&*bus, b), ["on task_broadcast", "to b"]);
    reader.listen_to(b, &[]).unwrap();
    assert_eq!(heard(&*bus, b), ["on task_broadcast", "on builds", "to b"]);
}

pub(crate) fn a_notice_lives_for_its_time(stage: &dyn Fixture) {
    let (bus, reader) = (stage.open(), stage.open());
    let a = agent(&*bus, "a");
    publish(&*bus, NewNotice { ttl_seconds: Some(stage.brief_seconds()), ..say(a, "short") });
    publish(&*bus, NewNotice { ttl_seconds: Some(3600), ..say(a, "long") });
    assert_eq!(publish(&*bus, NewNotice { channel: Channel::state(), ..say(a, "usual") }).ttl_seconds, 60);
    assert_eq!(texts(&all(&*reader)), ["short", "long", "usual"]);
    stage.pass_all();
    assert_eq!(texts(&all(&*reader)), ["long", "usual"], "over, whether cleared away or not");
    bus.clear().unwrap();
    assert_eq!(texts(&all(&*reader)), ["long", "usual"]);
    assert_eq!(reader.newest_position().unwrap().id, all(&*bus).last().unwrap().id);
}

pub(crate) fn a_query_filters(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let mut sent = Vec::new();
    for n in 0..6i32 {
        let channel = if n % 2 == 0 { Channel::state() } else { Channel::task_broadcast() };
        let thread = (n > 2).then(|| "t".to_owned());
        sent.push(publish(&*bus, NewNotice { channel, thread, priority: n, ..say(a, &n.to_string()) }));
    }
    let read = |query: NoticeQuery| texts(&bus.notices(&query).unwrap().notices).join(" ");
    let every = NoticeQuery::default;
    assert_eq!(read(NoticeQuery { channel: Some(Channel::state()), ..every() }), "0 2 4");
    assert_eq!(read(NoticeQuery { thread: Some("t".to_owned()), ..every() }), "3 4 5");
    assert_eq!(read(NoticeQuery { priority: Some(4), ..every() }), "4 5");
    assert_eq!(read(NoticeQuery { after: sent[3].id, ..every() }), "4 5");
    assert_eq!(read(NoticeQuery { limit: 2, ..every() }), "0 1");
    let both = NoticeQuery { thread: Some("t".to_owned()), channel: Some(Channel::state()), ..every() };
    assert_eq!(read(both), "4");
}

/// Many who write at once, each over a connection of its own, and one who reads by cursor while they do. What the cursor
/// has passed by when the last writer is done never comes.
pub(crate) fn no_reader_misses_what_writers_commit_at_once(stage: &dyn Fixture) {
    let reader = stage.open();
    let (start, writing) = (Barrier::new(WRITERS + 1), AtomicUsize::new(WRITERS));
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (start, writing) = (&start, &writing);
            scope.spawn(move || {
                let _done = Done(writing);
                let bus = stage.open();
                let me = agent(&*bus, &format!("w{writer}"));
                start.wait();
                for n in 0..EACH {
                    // Some alone, some in batches, which take longer to commit.
                    let texts = (0..1 + n % 3).map(|part| say(me, &format!("{writer}-{n}-{part}")));
                    bus.publish_all(&texts.collect::<Vec<_>>()).unwrap();
                }
            });
        }
        start.wait();
        let mut after = 0;
        loop {
            let last = writing.load(SeqCst) == 0;
            let page = reader.notices(&NoticeQuery { after, limit: 5, ..NoticeQuery::default() }).unwrap();
            if page.is_empty() && last {
                break;
            }
            after = page.next;
            seen.extend(page.notices);
        }
    });
    assert!(seen.windows(2).all(|two| two[0].id < two[1].id), "in the order of the cursor, each once");
    let seen: BTreeSet<&str> = texts(&seen).into_iter().collect();
    assert_eq!(seen.len(), WRITERS * (0..EACH).map(|n| 1 + n % 3).sum::<usize>());
}

pub(crate) fn promises_are_kept_or_refused(stage: &dyn Fixture) {
    let bus = stage.open();
    let a = agent(&*bus, "a");
    let promises = bus.promises();
    assert!(["sqlite", "postgresql", "nats"].contains(&promises.backend));
    let power = NewNotice { durability: Durability::Power, ..say(a, "power") };
    match promises.durability {
        Durability::Power => assert_eq!(publish(&*bus, power).payload, json!("power")),
        Durability::Process => {
            let refused = bus.publish_all(&[say(a, "x"), power]).unwrap_err();
            assert!(matches!(refused, BusError::NotDurable { .. }), "{refused}");
            assert_eq!(refused.refusal().code, "not_durable");
            assert!(all(&*bus).is_empty(), "nothing of the batch was published");
        }
    }
    assert_eq!(publish(&*bus, say(a, "process")).payload, json!("process"));
}
