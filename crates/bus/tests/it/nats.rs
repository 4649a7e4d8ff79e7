//! What only the backend on NATS has: its limits, its login, and a connection that can break.

use crate::conformance::nats::Server;
use crate::conformance::{Fixture, Handle, PATIENCE, agent, publish, say, texts};
use crate::process::SharedClock;
use crate::stage::{TREE, exclusive};
use async_nats::jetstream::stream;
use bus::system::{SystemClock, SystemEntropy};
use bus::{
    AckRule, Backend, BusError, LOCK_PATHS_MAX, LockRequest, Nats, NewNotice, NoticeQuery, QUEUE_PATHS_MAX,
    open_backend,
};
use model::NOTICE_PAYLOAD_MAX;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// So long that a wait which needs it has failed.
const NEVER: Duration = Duration::from_secs(3600);

/// A way to the server that can be cut.
struct Way {
    open: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    url: String,
}

/// How long what goes one way takes on a way to a server far off.
const FAR: Duration = Duration::from_millis(25);

impl Way {
    fn to(url: &str) -> Self {
        Self::through(url, Duration::ZERO)
    }

    fn through(url: &str, delay: Duration) -> Self {
        let server: SocketAddr = url.strip_prefix("nats://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let way = Self { open: Arc::new(AtomicBool::new(true)), ends: Arc::default(), url };
        let (open, ends) = (Arc::clone(&way.open), Arc::clone(&way.ends));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if !open.load(SeqCst) {
                    continue;
                }
                let server = TcpStream::connect(server).unwrap();
                ends.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                for (from, to) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    std::thread::spawn(move || carry(from, to, delay));
                }
            }
        });
        way
    }

    fn cut(&self) {
        self.open.store(false, SeqCst);
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.open.store(true, SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut bytes = [0u8; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(delay);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn nats(url: &str, workspace: &str, safety_poll: Duration) -> Result<Nats, BusError> {
    Nats::open_with(url, workspace, Arc::new(SystemClock), Arc::new(SystemEntropy), safety_poll)
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_login() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("nats://anna:geheim@{nobody}"), format!("tls://geheim@{nobody}")] {
        let refused = open_backend(&url, "w", Arc::new(SystemClock), Arc::new(SystemEntropy));
        let error = refused.err().unwrap();
        assert!(matches!(error, BusError::Unreachable { backend: "nats", .. }), "{error:?}");
        assert_eq!(error.refusal().code, "bus_unreachable");
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}

#[test]
fn a_connection_that_comes_back_is_used_and_what_rang_meanwhile_is_found() {
    let Some(server) = Server::new() else { return };
    let (way, direct) = (Way::to(&server.url), server.open());
    let far = nats(&way.url, &server.workspace, NEVER).unwrap();
    let [a, b] = ["a", "b"].map(|name| agent(&*direct, name));
    let query = NoticeQuery { recipient: Some(b), ..NoticeQuery::default() };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| far.wait(&query, PATIENCE));
        way.cut();
        publish(&*direct, say(a, "while you were away"));
        way.mend();
        assert_eq!(texts(&reader.join().unwrap().unwrap().notices), ["while you were away"]);
    });
    // The connection serves on, both ways.
    let sent = publish(&far, say(b, "back again"));
    assert_eq!(direct.newest_position().unwrap().id, sent.id);
}

#[test]
fn without_a_connection_nothing_is_done_and_said_so() {
    let Some(server) = Server::new() else { return };
    let (way, direct) = (Way::to(&server.url), server.open());
    let far = nats(&way.url, &server.workspace, NEVER).unwrap();
    let a = agent(&far, "a");
    way.cut();
    let error = far.publish_all(&[say(a, "x")]).unwrap_err();
    assert!(matches!(error, BusError::Unreachable { .. }), "{error:?}");
    assert!(matches!(far.locks(None), Err(BusError::Unreachable { .. })));
    assert!(direct.notices(&NoticeQuery::default()).unwrap().is_empty());
    way.mend();
    let last = (0..20).find_map(|_| far.publish_all(&[say(a, "x")]).ok());
    assert_eq!(texts(&direct.notices(&NoticeQuery::default()).unwrap().notices), ["x"]);
    assert_eq!(last.unwrap().len(), 1);
}

#[test]
fn a_waiter_that_was_cut_off_keeps_nobody_waiting() {
    let Some(server) = Server::new() else { return };
    let (way, direct) = (Way::to(&server.url), server.open());
    let far = nats(&way.url, &server.workspace, Duration::from_millis(50)).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| agent(&*direct, name));
    let held = direct.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    std::thread::scope(|scope| {
        let (told, queued) = std::sync::mpsc::channel();
        let lost = scope.spawn(|| {
            far.acquire_wait(&exclusive(b, &["x"]), PATIENCE, &mut move |_| told.send(()).unwrap())
        });
        queued.recv().unwrap();
        way.cut();
        assert!(matches!(lost.join().unwrap(), Err(BusError::Unreachable { .. })));
        // It is granted to who does not come for it, and then handed on.
        direct.release(held.token, a).unwrap();
        let heir = direct.acquire_wait(&exclusive(c, &["x"]), PATIENCE, &mut |_| {}).unwrap();
        assert!(heir.locks[0].token > held.token);
        assert!(direct.waits().unwrap().is_empty());
    });
}

#[test]
fn a_clock_that_leaps_moves_no_lease() {
    let Some(server) = Server::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SharedClock::open(dir.path()));
    let bus = Nats::open(&server.url, &server.workspace, clock.clone(), Arc::new(SystemEntropy)).unwrap();
    let a = agent(&bus, "a");
    let lock = bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
    publish(&bus, say(a, "still true"));
    // As after a suspend of this machine alone: the server's time did not leap.
    clock.leap(Duration::from_secs(48 * 3600));
    bus.check(lock.token, TREE, "x", a).unwrap();
    bus.clear().unwrap();
    assert_eq!(texts(&bus.notices(&NoticeQuery::default()).unwrap().notices), ["still true"]);
}

#[test]
fn a_batch_fits_one_message_and_its_keys_are_one_senders() {
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let largest = say(a, &"x".repeat(NOTICE_PAYLOAD_MAX - 2));
    assert!(matches!(bus.publish_all(&vec![largest.clone(); 17]), Err(BusError::Invalid(_))));
    bus.publish_all(&vec![largest; 15]).unwrap();
    let keyed = NewNotice { key: Some("k".to_owned()), ..say(b, "x") };
    assert!(matches!(bus.publish_all(&[say(a, "y"), keyed.clone()]), Err(BusError::Invalid(_))));
    // Without keys two may send together, and one may send some with and some without.
    bus.publish_all(&[say(a, "y"), say(b, "y")]).unwrap();
    bus.publish_all(&[say(b, "z"), keyed]).unwrap();
    assert_eq!(bus.notices(&NoticeQuery::default()).unwrap().notices.len(), 19);
}

#[test]
fn the_queue_has_an_end_and_is_granted_in_one_change() {
    let Some(server) = Server::new() else { return };
    let bus = server.open_with(Handle { safety_poll: NEVER, ..Handle::default() });
    let holder = agent(&*bus, "holder");
    let all = bus.acquire(&exclusive(holder, &["**"])).unwrap().locks.remove(0);
    let request = |n: usize, paths: usize| {
        let who = agent(&*bus, &format!("w{n}"));
        let paths = (0..paths).map(|path| format!("{n}/{path}")).collect();
        LockRequest { paths, ..exclusive(who, &["x"]) }
    };
    std::thread::scope(|scope| {
        let mut line = Vec::new();
        for n in 0..QUEUE_PATHS_MAX / LOCK_PATHS_MAX {
            let (told, queued) = std::sync::mpsc::channel();
            let (bus, request) = (&bus, request(n, LOCK_PATHS_MAX));
            line.push(
                scope.spawn(move || bus.acquire_wait(&request, PATIENCE, &mut |_| told.send(()).unwrap())),
            );
            queued.recv().unwrap();
        }
        let one_more = bus.acquire_wait(&request(9, 1), PATIENCE, &mut |_| {});
        assert!(matches!(one_more, Err(BusError::Invalid(_))), "{one_more:?}");
        bus.release(all.token, holder).unwrap();
        let mut tokens: Vec<u64> = Vec::new();
        for waiter in line {
            tokens.extend(waiter.join().unwrap().unwrap().locks.iter().map(|lock| lock.token));
        }
        assert_eq!(tokens.len(), QUEUE_PATHS_MAX);
        assert!(tokens.windows(2).all(|two| two[0] < two[1]) && tokens[0] > all.token);
    });
}

#[test]
fn locks_that_no_longer_fit_one_value_are_refused() {
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let a = agent(&*bus, "a");
    let mut taken: Vec<u64> = Vec::new();
    let refused = (0..16).find_map(|round| {
        let paths =
            (0..LOCK_PATHS_MAX).map(|n| format!("{round}/{n}/{}", ["x".repeat(200).as_str(); 5].join("/")));
        match bus.acquire(&LockRequest { paths: paths.collect(), ..exclusive(a, &["x"]) }) {
            Ok(acquired) => {
                taken.extend(acquired.locks.iter().map(|lock| lock.token));
                None
            }
            Err(error) => Some(error),
        }
    });
    assert!(matches!(refused, Some(BusError::Invalid(_))), "{refused:?}");
    // Nothing is held in half, and there is room again when something goes.
    assert_eq!(bus.locks(None).unwrap().len(), taken.len());
    bus.release(taken[0], a).unwrap();
    bus.acquire(&exclusive(a, &["x"])).unwrap();
}

#[test]
fn a_stream_of_somebody_else_is_left_alone() {
    let Some(server) = Server::new() else { return };
    let name = format!("coditect_{}_notices", server.workspace);
    let subjects = vec![format!("of.{}", server.workspace)];
    server.beside(|context| async move {
        let config = stream::Config { name, subjects, ..stream::Config::default() };
        context.create_stream(config).await.unwrap();
    });
    let refused = nats(&server.url, &server.workspace, NEVER).err().unwrap();
    assert!(matches!(refused, BusError::Refused { backend: "nats", .. }), "{refused:?}");
}

#[test]
fn what_another_tool_wrote_under_a_key_is_an_error_and_not_a_panic() {
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let a = agent(&*bus, "a");
    let put = |key: &str, value: &'static str| {
        let subject = format!("$KV.coditect_{}.{key}", server.workspace);
        server.beside(|context| async move {
            context.publish(subject, value.into()).await.unwrap().await.unwrap();
        });
    };
    put("locks", "{}");
    assert!(matches!(bus.acquire(&exclusive(a, &["x"])), Err(BusError::Malformed { .. })));
    put("locks", "");
    bus.acquire(&exclusive(a, &["x"])).unwrap();
    put(&format!("registry.{a}"), "[]");
    assert!(matches!(bus.heartbeat(a), Err(BusError::Malformed { .. })));
    assert_eq!(json!(bus.waits().unwrap().len()), json!(0));
}

#[test]
fn a_sender_of_many_keys_publishes_after_a_restart_however_far_the_server_is() {
    const NOTICES: usize = 400;
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let keyed = |n: usize| NewNotice { key: Some(format!("k{n}")), ..say(a, &n.to_string()) };
    let mut sent = Vec::new();
    for n in 0..NOTICES {
        sent.push(publish(&*bus, keyed(n)));
        // Others speak in between, and at the end a sender is silent for long.
        bus.publish_all(&vec![say(b, "x"); 1 + n % 3]).unwrap();
    }
    // One after the other these would take longer than any request may.
    let way = Way::through(&server.url, FAR);
    let restarted = nats(&way.url, &server.workspace, NEVER).unwrap();
    for n in [0, NOTICES / 2, NOTICES - 1] {
        assert_eq!(publish(&restarted, keyed(n)), sent[n], "what was published is known again");
    }
    let new = publish(&restarted, keyed(NOTICES));
    assert!(new.id > sent[NOTICES - 1].id);
    let other = NewNotice { key: Some("k7".to_owned()), ..say(a, "another") };
    assert!(matches!(restarted.publish_all(&[other]), Err(BusError::KeyReused { .. })));
    // What the other handle published since is found too.
    let later = publish(&*bus, keyed(NOTICES + 1));
    assert_eq!(publish(&restarted, keyed(NOTICES + 1)), later);
}

/// How many messages the stream of notices has.
fn messages(server: &Server) -> u64 {
    let name = format!("coditect_{}_notices", server.workspace);
    server.beside(|context| async move {
        context.get_stream(name).await.unwrap().get_info().await.unwrap().state.messages
    })
}

#[test]
fn a_message_that_is_not_ours_stops_nobody_and_stays() {
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    publish(&*bus, say(a, "before"));
    let letter = |payload: &str| {
        json!({ "notice": { "id": 0, "sender": a, "agent": "a", "channel": "task_broadcast", "recipient": null,
            "payload": payload, "created_at": "2026-01-31T00:00:00.000Z", "ttl_seconds": 600 } })
    };
    let half = json!({ "letters": [{ "of": "a newer version" }, letter("readable")] }).to_string();
    for body in ["not of ours".to_owned(), half] {
        let subject = format!("coditect.{}.notices.{a}.plain", server.workspace);
        server.beside(|context| async move {
            context.publish(subject, body.into()).await.unwrap().await.unwrap();
        });
    }
    let last = publish(&*bus, say(a, "after"));
    bus.clear().unwrap();
    for handle in [bus.clone(), server.open()] {
        let page = handle.wait(&NoticeQuery { recipient: Some(b), ..NoticeQuery::default() }, NEVER).unwrap();
        assert_eq!(texts(&page.notices), ["before", "readable", "after"]);
        assert_eq!(page.next, last.id);
        assert_eq!(handle.newest_position().unwrap().id, last.id);
    }
    let messages = messages(&server);
    assert_eq!(messages, 4, "who can read it will");
}

#[test]
fn clearing_away_goes_on_beside_what_cannot_be_read() {
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let rule = AckRule { seconds: 1, attempts: 3 };
    let asks = publish(&*bus, NewNotice { recipient: Some(b), ack: Some(rule), ..say(a, "answer") });
    publish(&*bus, NewNotice { ttl_seconds: Some(1), ..say(a, "brief") });
    let put = |key: String, value: &'static str| {
        let subject = format!("$KV.coditect_{}.{key}", server.workspace);
        server.beside(|context| async move {
            context.publish(subject, value.into()).await.unwrap().await.unwrap();
        });
    };
    put(format!("receipts.{}", asks.id), "not of ours");
    server.pass(Duration::from_secs(2));
    assert!(matches!(bus.clear(), Err(BusError::Malformed { .. })), "it is said");
    let count = messages(&server);
    assert_eq!(count, 1, "what is over went all the same");
}

#[test]
fn what_nobody_comes_for_does_not_pile_up() {
    const LISTED: usize = 3_000;
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [a, b] = ["a", "b"].map(|name| agent(&*bus, name));
    let listed: Vec<_> =
        (1..=LISTED as i64).map(|notice| json!({ "notice": -notice, "attempt": 2 })).collect();
    let key = format!("$KV.coditect_{}.again.{b}", server.workspace);
    let (subject, value) = (key.clone(), json!(listed).to_string());
    server.beside(|context| async move {
        context.publish(subject, value.into()).await.unwrap().await.unwrap();
    });
    let rule = AckRule { seconds: 1, attempts: 3 };
    let sent = publish(&*bus, NewNotice { recipient: Some(b), ack: Some(rule), ..say(a, "answer") });
    server.pass(Duration::from_secs(2));
    bus.clear().unwrap();
    let name = format!("KV_coditect_{}", server.workspace);
    let left = server.beside(|context| async move {
        let bucket = context.get_stream(name).await.unwrap();
        let message = bucket.get_last_raw_message_by_subject(&key).await.unwrap();
        serde_json::from_slice::<Vec<serde_json::Value>>(&message.payload).unwrap()
    });
    assert!(left.len() < LISTED / 2, "{}", left.len());
    assert_eq!(left.last().unwrap()["notice"], json!(sent.id), "the newest is kept");
    let query = NoticeQuery { recipient: Some(b), after: sent.id, ..NoticeQuery::default() };
    assert_eq!(texts(&bus.wait(&query, PATIENCE).unwrap().again), ["answer"]);
}

#[test]
fn who_ended_long_ago_is_forgotten_with_its_cursors() {
    const LONG_NS: i64 = 8 * 24 * 3600 * 1_000_000_000;
    let Some(server) = Server::new() else { return };
    let bus = server.open();
    let [old, young] = ["old", "young"].map(|name| agent(&*bus, name));
    let position = bus.newest_position().unwrap();
    for id in [old, young] {
        bus.move_cursor(&id.to_string(), "inbox", &position).unwrap();
        bus.end(id, "finished").unwrap();
    }
    let (name, keys) =
        (format!("KV_coditect_{}", server.workspace), format!("$KV.coditect_{}", server.workspace));
    let subject = format!("{keys}.registry.{old}");
    // As if a week had gone by.
    let bucket = name.clone();
    server.beside(|context| async move {
        let stream = context.get_stream(bucket).await.unwrap();
        let message = stream.get_last_raw_message_by_subject(&subject).await.unwrap();
        let mut member: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        member["ended"]["ns"] = json!(member["ended"]["ns"].as_i64().unwrap() - LONG_NS);
        context.publish(subject, member.to_string().into()).await.unwrap().await.unwrap();
    });
    bus.clear().unwrap();
    assert!(matches!(bus.heartbeat(old), Err(BusError::NotRegistered(_))));
    assert!(matches!(bus.heartbeat(young), Err(BusError::Ended(_))));
    assert_eq!(bus.cursor(&old.to_string(), "inbox").unwrap(), None);
    assert_eq!(bus.cursor(&young.to_string(), "inbox").unwrap(), Some(position));
}
