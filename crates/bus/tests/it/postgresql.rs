//! What only PostgreSQL can do wrong: positions out of order, connections cut at the worst moment, servers that were
//! restored, refuse, or set their clock.

use crate::conformance::postgres::Schema;
use crate::conformance::{Done, agent, publish, say, texts};
use crate::stage::{TREE, exclusive};
use bus::{
    Backend, BusError, Durability, LockRequest, NewNotice, NoticeQuery, Postgres, PostgresOptions, Replay,
    open_backend,
};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Connections that are killed while [`NOTICES`] are published.
const KILLS: u64 = 30;
const NOTICES: usize = 60;

/// The rows a reader by cursor has passed by for ever.
fn passed_by(client: &mut postgresql::Client, seen: &[i64]) -> Vec<i64> {
    let rows = client.query("SELECT id FROM bare ORDER BY id", &[]).unwrap();
    let all = rows.iter().map(|row| row.get::<_, i64>(0));
    all.filter(|id| !seen.contains(id)).collect()
}

/// Why the writers take turns: with a serial alone, who began first and commits last is never read.
#[test]
fn a_bare_serial_loses_what_this_bus_does_not() {
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let (mut first, mut second, mut reader) = (schema.sql(), schema.sql(), schema.sql());
    first.batch_execute("CREATE TABLE bare (id bigserial PRIMARY KEY)").unwrap();
    first.batch_execute("BEGIN; INSERT INTO bare DEFAULT VALUES").unwrap();
    second.batch_execute("BEGIN; INSERT INTO bare DEFAULT VALUES; COMMIT").unwrap();
    let mut look = |after: i64| -> Vec<i64> {
        let rows = reader.query("SELECT id FROM bare WHERE id > $1 ORDER BY id", &[&after]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let mut seen = look(0);
    first.batch_execute("COMMIT").unwrap();
    seen.extend(look(*seen.last().unwrap()));
    assert_eq!((seen.as_slice(), passed_by(&mut second, &seen).as_slice()), (&[2][..], &[1][..]));

    // The same with notices: while one who writes has its position and has not committed, nobody else gets one.
    let a = agent(&bus, "a");
    first.batch_execute("BEGIN; SELECT * FROM enter()").unwrap();
    let hasty = PostgresOptions { write_wait: Duration::from_millis(50), ..PostgresOptions::default() };
    let other = schema.open(hasty).unwrap();
    assert!(matches!(other.publish_all(&[say(a, "second")]), Err(BusError::Busy(_))));
    first.batch_execute("ROLLBACK").unwrap();
    publish(&other, say(a, "second"));
}

/// Between a client and the server: passes everything on, and cuts the connection at the COMMITs it is told to.
struct Cutter {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

/// Where the connection is cut.
#[derive(Clone, Copy)]
enum Cut {
    /// The server never hears of it.
    BeforeCommit,
    /// The server commits, and its answer is lost.
    AfterCommit,
    /// The server is stopped from then on: nothing is cut, and nothing comes.
    Never,
}

impl Cutter {
    fn before(server: String, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (from, to, left) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), left.clone());
                std::thread::spawn(move || pass_on(from, to, cut, &left));
                std::thread::spawn(move || copy(server, client));
            }
        });
        Self { port, cuts }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, cut: Cut, left: &AtomicUsize) {
    let mut bytes = [0u8; 65536];
    while let Ok(count) = from.read(&mut bytes) {
        let message = &bytes[..count];
        // COMMIT goes alone, as a simple query.
        let commits = message.starts_with(b"Q") && message.ends_with(b"COMMIT\0");
        let cuts = commits && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if cuts && matches!(cut, Cut::BeforeCommit) {
            break;
        }
        if cuts && matches!(cut, Cut::Never) {
            // Whoever comes next finds the same.
            left.store(usize::MAX, SeqCst);
        }
        if matches!(cut, Cut::Never) && left.load(SeqCst) > NOTICES {
            continue;
        }
        if cuts {
            // Nothing of the answer gets through, because nobody is there to take it.
            from.shutdown(Shutdown::Both).unwrap();
        }
        if count == 0 || to.write_all(message).is_err() || cuts {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_commit_whose_answer_is_lost_is_true_and_happens_once() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let Some(schema) = Schema::new() else { return };
        let cutter = Cutter::before(schema.server(), cut);
        let bus = schema.open_at(&format!("127.0.0.1:{}", cutter.port), "sslmode=disable").unwrap();
        let a = agent(&bus, "a");
        // Without a key: nothing but the server's own memory tells whether it happened.
        cutter.cuts.store(1, SeqCst);
        let sent = bus.publish_all(&[say(a, "1"), say(a, "2")]).unwrap();
        cutter.cuts.store(1, SeqCst);
        let lock = bus.acquire(&exclusive(a, &["x"])).unwrap().locks.remove(0);
        assert_eq!(cutter.cuts.load(SeqCst), 0, "it was cut");
        cutter.cuts.store(1, SeqCst);
        bus.release(lock.token, a).unwrap();
        let other = schema.open(PostgresOptions::default()).unwrap();
        assert_eq!(other.notices(&NoticeQuery::default()).unwrap().notices, sent, "all of it, once");
        assert!(other.locks(None).unwrap().is_empty());
    }
}

#[test]
fn connections_that_are_killed_at_random_cost_nothing() {
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let a = agent(&bus, "a");
    let working = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        let _done = Done(&working);
        scope.spawn(|| {
            let mut killer = schema.sql();
            // Whatever it is doing just then.
            let sql = format!("{} AND state <> 'idle'", schema.kill());
            let mut kills = 0;
            while working.load(SeqCst) > 0 && kills < KILLS {
                kills += killer.execute(&sql, &[]).unwrap();
            }
        });
        let mut sent = Vec::new();
        for n in 0..NOTICES {
            // It comes again under its key until it is answered; most come once.
            let new = NewNotice { key: Some(format!("k{n}")), ..say(a, &n.to_string()) };
            sent.push(loop {
                match bus.publish_all(std::slice::from_ref(&new)) {
                    Ok(mut sent) => break sent.remove(0),
                    Err(BusError::Unreachable { .. } | BusError::Unanswered { .. } | BusError::Busy(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            });
        }
        assert!(sent.windows(2).all(|two| two[0].id < two[1].id));
        assert_eq!(bus.notices(&NoticeQuery::default()).unwrap().notices, sent);
    });
}

#[test]
fn a_listener_whose_connection_was_killed_looks_again() {
    let Some(schema) = Schema::new() else { return };
    let patient = PostgresOptions { safety_poll: Duration::from_secs(3600), ..PostgresOptions::default() };
    let (bus, other) = (schema.open(patient).unwrap(), schema.open(PostgresOptions::default()).unwrap());
    let (a, b) = (agent(&other, "a"), agent(&other, "b"));
    let query = NoticeQuery { recipient: Some(b), ..NoticeQuery::default() };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bus.wait(&query, Duration::from_secs(60)).unwrap());
        let mut killer = schema.sql();
        let listening = format!("{} AND query LIKE 'LISTEN%'", schema.kill());
        while killer.execute(&listening, &[]).unwrap() == 0 {
            std::thread::yield_now();
        }
        // Whether it rings before or after the listener is back, it is seen.
        publish(&other, say(a, "x"));
        assert_eq!(texts(&waiting.join().unwrap().notices), ["x"]);
    });
}

#[test]
fn a_server_that_is_not_there_is_an_error_without_its_password() {
    let secret = "hunter2-s3cret";
    // Nobody listens at a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let open = |url: &str| {
        let clock = Arc::new(bus::system::SystemClock);
        open_backend(url, "w", clock, Arc::new(bus::system::SystemEntropy)).map(drop).unwrap_err()
    };
    let gone = open(&format!("postgresql://me:{secret}@127.0.0.1:{port}/team"));
    assert!(matches!(gone, BusError::Unreachable { backend: "postgresql", .. }), "{gone:?}");
    assert_eq!(gone.refusal().code, "bus_unreachable");
    let wrong = open(&format!("mysql://me:{secret}@127.0.0.1/team"));
    assert_eq!(wrong.refusal().code, "bus_address");
    let garbled = open(&format!("postgres://me:{secret}@127.0.0.1:{port}/team?sslmode=maybe"));
    for error in [gone, wrong, garbled] {
        assert!(!format!("{error} {error:?} {:?}", error.refusal()).contains(secret));
        assert!(error.refusal().hint.is_some());
    }
}

#[test]
fn a_server_that_refuses_says_why_without_the_password() {
    let Some(schema) = Schema::new() else { return };
    let secret = "hunter2-s3cret";
    let url = format!("postgresql://nobody_of_ours:{secret}@{}/no_such_database", schema.server());
    let clock = Arc::new(bus::system::SystemClock);
    let refused =
        Postgres::open(&url, "w", clock, Arc::new(bus::system::SystemEntropy)).map(drop).unwrap_err();
    assert!(matches!(refused, BusError::Refused { .. }), "{refused:?}");
    assert!(!format!("{refused} {refused:?}").contains(secret));
    // Encryption that is demanded is never given up.
    let demanded = schema.open_with_query("sslmode=require");
    let plain = schema.sql().query_one("SHOW ssl", &[]).unwrap().get::<_, String>(0) == "off";
    assert_eq!(demanded.is_err(), plain);
}

#[test]
fn schemas_of_others_of_the_future_and_edited_ones_are_refused() {
    let Some(schema) = Schema::new() else { return };
    let mut sql = schema.sql();
    let name = format!("coditect_{}", schema.workspace);
    sql.batch_execute(&format!("CREATE SCHEMA {name}; CREATE TABLE {name}.theirs (x integer)")).unwrap();
    let open = || schema.open(PostgresOptions::default()).map(drop);
    assert!(matches!(open(), Err(BusError::Foreign(_))));
    sql.batch_execute(&format!("DROP TABLE {name}.theirs")).unwrap();
    open().unwrap();
    open().unwrap();
    sql.batch_execute("UPDATE _schema_version SET checksum = 'x' WHERE version = 1").unwrap();
    assert!(matches!(open(), Err(BusError::Migration(1))));
    sql.batch_execute("INSERT INTO _schema_version VALUES (1000, 'next', 'x', now())").unwrap();
    match open() {
        Err(error @ BusError::Newer { .. }) => assert_eq!(error.refusal().code, "bus_unavailable"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restored_copy_goes_on_in_a_new_epoch() {
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let a = agent(&bus, "a");
    let sent = publish(&bus, say(a, "x"));
    let before = bus.newest_position().unwrap();
    let token = bus.acquire(&exclusive(a, &["x"])).unwrap().locks[0].token;
    // As it is after pg_restore, a recovery to a point in time, or on a standby that was promoted.
    let elsewhere = "UPDATE bus_state SET home = 'elsewhere', token = token - 1";
    schema.sql().batch_execute(elsewhere).unwrap();
    let other = schema.open(PostgresOptions::default()).unwrap();
    let after = other.newest_position().unwrap();
    assert_ne!(after.generation, before.generation);
    assert!(matches!(
        other.replay(&Replay::After(before), &NoticeQuery::default()),
        Err(BusError::GenerationChanged { .. })
    ));
    assert_eq!(other.notices(&NoticeQuery::default()).unwrap().notices, [sent]);
    assert!(matches!(bus.check(token, TREE, "x", a), Err(BusError::Lost(_))), "nothing leased before holds");
    assert!(other.acquire(&exclusive(a, &["x"])).unwrap().locks[0].token > token);
    // A process that was there all the time settles it when its connections come back.
    schema.sql().batch_execute("UPDATE bus_state SET home = 'elsewhere'").unwrap();
    schema.sql().execute(&schema.kill(), &[]).unwrap();
    assert_ne!(other.newest_position().unwrap().generation, after.generation);
}

#[test]
fn a_server_whose_clock_is_set_back_gives_no_time_back() {
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let a = agent(&bus, "a");
    let brief = LockRequest { ttl: Duration::from_secs(3), ..exclusive(a, &["x"]) };
    let token = bus.acquire(&brief).unwrap().locks[0].token;
    let sent = publish(&bus, NewNotice { ttl_seconds: Some(3), ..say(a, "x") });
    schema.set_clock(Duration::from_secs(5));
    let later = publish(&bus, say(a, "y"));
    schema.set_clock(Duration::ZERO);
    assert!(matches!(bus.check(token, TREE, "x", a), Err(BusError::Lost(_))));
    assert_eq!(texts(&bus.notices(&NoticeQuery::default()).unwrap().notices), ["y"]);
    let last = publish(&bus, say(a, "z"));
    assert!(sent.created_at < later.created_at && later.created_at <= last.created_at);
}

#[test]
fn a_server_that_does_not_flush_promises_less() {
    let Some(schema) = Schema::new() else { return };
    schema.open(PostgresOptions::default()).unwrap();
    // As the server of a test bench says it of itself.
    let without = "CREATE FUNCTION current_setting(name text) RETURNS text LANGUAGE sql AS
         $$ SELECT CASE name WHEN 'fsync' THEN 'off' ELSE pg_catalog.current_setting(name) END $$";
    schema.sql().batch_execute(without).unwrap();
    let bus = schema.open(PostgresOptions::default()).unwrap();
    assert_eq!(bus.promises().durability, Durability::Process);
    let a = agent(&bus, "a");
    let power = NewNotice { durability: Durability::Power, ..say(a, "x") };
    assert!(matches!(bus.publish_all(&[say(a, "y"), power]), Err(BusError::NotDurable { .. })));
    assert!(bus.notices(&NoticeQuery::default()).unwrap().is_empty());
}

#[test]
fn more_threads_than_connections_take_turns() {
    const THREADS: usize = 20;
    const CONNECTIONS_MAX: i64 = 8;
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let a = agent(&bus, "a");
    std::thread::scope(|scope| {
        for n in 0..THREADS {
            let bus = &bus;
            scope.spawn(move || publish(bus, say(a, &n.to_string())));
        }
    });
    assert_eq!(bus.notices(&NoticeQuery::default()).unwrap().notices.len(), THREADS);
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    let name = format!("coditect_{}", schema.workspace);
    let open: i64 = schema.sql().query_one(sql, &[&name]).unwrap().get(0);
    assert!((1..=CONNECTIONS_MAX).contains(&open), "{open}");
}

/// Between a client and the server: from a moment on it takes everything and passes nothing on, and no connection ends.
/// So does a server that was stopped with a signal.
struct Standstill {
    port: u16,
    stopped: Arc<AtomicUsize>,
}

impl Standstill {
    fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let ends = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
                for (mut from, mut to) in ends {
                    let told = Arc::clone(&told);
                    std::thread::spawn(move || {
                        let mut bytes = [0u8; 65536];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            if told.load(SeqCst) == 0 && to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        if told.load(SeqCst) == 0 {
                            let _ = to.shutdown(Shutdown::Both);
                        }
                    });
                }
            }
        });
        Self { port, stopped }
    }
}

/// So little patience that a test need not have much, where nothing is ever answered.
const HASTY: PostgresOptions = PostgresOptions {
    safety_poll: Duration::from_millis(100),
    write_wait: Duration::from_millis(400),
    answer_wait: Duration::from_millis(300),
};
/// Time enough for a busy server to answer the questions that are to be answered.
const FAIR: PostgresOptions = PostgresOptions { answer_wait: Duration::from_secs(4), ..HASTY };

#[test]
fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    // Its kernel takes the connection and what is sent; nobody reads it.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = mute.local_addr().unwrap();
    for query in ["sslmode=disable", "sslmode=prefer", "sslmode=verify-full"] {
        let url = format!("postgresql://me@{place}/team?{query}");
        let (clock, entropy) = (Arc::new(bus::system::SystemClock), Arc::new(bus::system::SystemEntropy));
        let refused = Postgres::open_with(&url, "w", clock, entropy, HASTY).map(drop).unwrap_err();
        assert!(matches!(refused, BusError::Unreachable { backend: "postgresql", .. }), "{refused:?}");
    }
}

#[test]
fn a_server_that_stops_in_the_middle_is_an_error_and_serves_on_when_it_goes_on() {
    let Some(schema) = Schema::new() else { return };
    let still = Standstill::before(schema.server());
    let url = schema.url.replacen(&schema.server(), &format!("127.0.0.1:{}", still.port), 1);
    // The schema is made with all the patience that takes.
    let direct = schema.open(PostgresOptions::default()).unwrap();
    let bus = schema.open_url(&format!("{url}?sslmode=disable"), FAIR).unwrap();
    let a = agent(&direct, "a");
    let query = NoticeQuery { recipient: Some(a), ..NoticeQuery::default() };
    bus.wait(&query, Duration::from_millis(1)).unwrap();
    still.stopped.store(1, SeqCst);
    std::thread::scope(|scope| {
        for asked in [
            scope.spawn(|| bus.heartbeat(a)),
            scope.spawn(|| bus.locks(None).map(drop)),
            scope.spawn(|| bus.publish_all(&[say(a, "x")]).map(drop)),
            scope.spawn(|| bus.acquire(&exclusive(a, &["x"])).map(drop)),
            scope.spawn(|| bus.wait(&query, Duration::from_secs(3600)).map(drop)),
        ] {
            let asked = asked.join().unwrap();
            assert!(matches!(asked, Err(BusError::Unreachable { .. })), "{asked:?}");
        }
    });
    // What was begun there and never committed is rolled back with its connection, or by the server's own patience.
    still.stopped.store(0, SeqCst);
    assert_eq!(texts(&[publish(&bus, say(a, "again"))]), ["again"]);
    assert_eq!(texts(&direct.notices(&NoticeQuery::default()).unwrap().notices), ["again"]);
}

#[test]
fn a_commit_that_a_stopped_server_never_answers_is_said_to_be_unknown() {
    let Some(schema) = Schema::new() else { return };
    let cutter = Cutter::before(schema.server(), Cut::Never);
    let url = schema.url.replacen(&schema.server(), &format!("127.0.0.1:{}", cutter.port), 1);
    let a = agent(&schema.open(PostgresOptions::default()).unwrap(), "a");
    let bus = schema.open_url(&format!("{url}?sslmode=disable"), FAIR).unwrap();
    cutter.cuts.store(1, SeqCst);
    let asked = bus.publish_all(&[say(a, "x")]);
    assert!(matches!(asked, Err(BusError::Unanswered { .. })), "{asked:?}");
}

#[test]
fn a_commit_is_not_asked_after_at_another_server() {
    let Some(schema) = Schema::new() else { return };
    let cutter = Cutter::before(schema.server(), Cut::AfterCommit);
    let bus = schema.open_at(&format!("127.0.0.1:{}", cutter.port), "sslmode=disable").unwrap();
    let a = agent(&bus, "a");
    // As when a standby was promoted in between: same rows, same numbers, another home.
    let elsewhere =
        "CREATE OR REPLACE FUNCTION present_home() RETURNS text LANGUAGE sql AS $$ SELECT 'elsewhere' $$";
    schema.sql().batch_execute(elsewhere).unwrap();
    cutter.cuts.store(1, SeqCst);
    let asked = bus.publish_all(&[say(a, "x")]);
    assert!(matches!(asked, Err(BusError::Unanswered { .. })), "{asked:?}");
}

#[test]
fn rows_that_cannot_be_read_stop_no_reader() {
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let [a, b] = ["a", "b"].map(|name| agent(&bus, name));
    let batch: Vec<NewNotice> = (0..NOTICES).map(|n| say(a, &n.to_string())).collect();
    let sent = bus.publish_all(&batch).unwrap();
    let broken = "UPDATE inter_session_messages SET channel = '' WHERE id = ANY ($1)";
    let middle: Vec<i64> = sent[1..NOTICES - 1].iter().map(|notice| notice.id).collect();
    schema.sql().execute(broken, &[&middle]).unwrap();
    // Also when a whole page is of nothing else.
    let query = NoticeQuery { recipient: Some(b), limit: 2, ..NoticeQuery::default() };
    let first = bus.notices(&query).unwrap();
    assert_eq!(texts(&first.notices), ["0"]);
    let rest = bus.notices(&NoticeQuery { after: first.next, ..query }).unwrap();
    assert_eq!((texts(&rest.notices), rest.next), (vec!["59"], sent[NOTICES - 1].id));
}

#[test]
fn who_ended_long_ago_is_forgotten_with_its_cursors() {
    const A_DAY: Duration = Duration::from_secs(24 * 3600);
    let Some(schema) = Schema::new() else { return };
    let bus = schema.open(PostgresOptions::default()).unwrap();
    let [silent, gone] = ["silent", "gone"].map(|name| agent(&bus, name));
    publish(&bus, NewNotice { ttl_seconds: Some(60), ..say(gone, "x") });
    let position = bus.newest_position().unwrap();
    for consumer in [silent.to_string(), gone.to_string(), "somebody else".to_owned()] {
        bus.move_cursor(&consumer, "inbox", &position).unwrap();
    }
    bus.end(gone, "finished").unwrap();
    let count = |table: &str| -> i64 {
        schema.sql().query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0)
    };
    // The lease of the one runs out; the other is kept for the history of its notices.
    schema.set_clock(A_DAY * 2);
    bus.clear().unwrap();
    assert_eq!((count("session_registry"), count("cursors"), count("inter_session_messages")), (2, 3, 0));
    assert!(matches!(bus.heartbeat(silent), Err(BusError::Ended(_))));
    schema.set_clock(A_DAY * 8);
    bus.clear().unwrap();
    assert_eq!((count("session_registry"), count("cursors")), (1, 2));
    schema.set_clock(A_DAY * 10);
    bus.clear().unwrap();
    assert_eq!((count("session_registry"), count("cursors")), (0, 1));
}
