//! Slots in shared memory: presence, suspicion, and that nothing rests on them.

use crate::stage::{Stage, exclusive, new};
use bus::{Bus, BusError, Details, Liveness, NewNotice, NoticeQuery, SUSPECT_AFTER, SlotFault};
use model::{Channel, ParticipantStatus, RegistrationId, Vitality};
use serde_json::json;
use std::time::Duration;

fn hello(sender: RegistrationId) -> NewNotice {
    NewNotice::new(sender, Channel::task_broadcast(), json!({ "text": "hello" }))
}

fn vitality(bus: &Bus, id: RegistrationId) -> Vitality {
    bus.sessions().unwrap().into_iter().find(|one| one.registration.id == id).unwrap().vitality
}

#[test]
fn what_a_session_says_of_itself_is_seen_by_others() {
    let stage = Stage::new();
    let (id, _life) = stage.mortal("a");
    let details = Details {
        tty: Some("/dev/pts/3".to_owned()),
        pid: Some(77),
        repo: Some("rep_1".to_owned()),
        task: Some("tsk_1".to_owned()),
        status: Some(ParticipantStatus::Editing),
        parent: Some("claude-parent".to_owned()),
        sub_agent: Some("reviewer".to_owned()),
    };
    stage.bus.describe(id, &details).unwrap();
    stage.bus.describe(id, &Details { task: Some("tsk_2".to_owned()), ..Details::default() }).unwrap();
    stage.bus.acquire(&exclusive(id, &["src/a.rs"])).unwrap();
    let other = stage.open_in("one");
    let seen = other.sessions().unwrap().remove(0);
    assert_eq!((seen.tty, seen.repo, seen.task), (details.tty, details.repo, Some("tsk_2".to_owned())));
    assert_eq!((seen.parent, seen.sub_agent), (details.parent, details.sub_agent));
    assert_eq!((seen.status, seen.active_files), (details.status, vec!["src/a.rs".to_owned()]));
    assert_eq!((seen.vitality, seen.registration.pid), (Vitality::Alive, Some(77)));
    for task in ["x".repeat(2000), "a line\nand another".to_owned()] {
        let bad = Details { task: Some(task), ..Details::default() };
        assert!(matches!(stage.bus.describe(id, &bad), Err(BusError::Invalid(_))));
    }
}

#[test]
fn showing_a_status_writes_nothing() {
    let stage = Stage::new();
    let (id, _life) = stage.mortal("a");
    stage.bus.heartbeat(id).unwrap();
    let sql = stage.sql();
    let changes = || -> i64 { sql.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let before = changes();
    for status in ParticipantStatus::ALL {
        stage.bus.show(id, status).unwrap();
        assert_eq!(stage.bus.sessions().unwrap()[0].status, Some(status));
    }
    assert_eq!(changes(), before);
}

#[test]
fn a_suspended_session_is_suspect_and_keeps_its_place() {
    let stage = Stage::new();
    let (id, life) = stage.mortal("a");
    let lock = stage.bus.acquire(&exclusive(id, &["x"])).unwrap().locks.remove(0);
    stage.bus.heartbeat(id).unwrap();
    stage.clock.advance(SUSPECT_AFTER);
    assert_eq!(vitality(&stage.bus, id), Vitality::Alive);
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(vitality(&stage.bus, id), Vitality::Suspect);
    assert!(stage.bus.reap().unwrap().is_empty());
    assert_eq!(stage.bus.locks(None).unwrap(), vec![lock]);
    // It wakes up and goes on.
    stage.bus.heartbeat(id).unwrap();
    assert_eq!(vitality(&stage.bus, id), Vitality::Alive);
    drop(life);
    assert_eq!(vitality(&stage.bus, id), Vitality::Dead);
}

#[test]
fn a_lease_of_life_is_kept_in_the_slot() {
    let stage = Stage::new();
    let ttl = Duration::from_secs(600);
    let id = stage.bus.register(new("a", Liveness::Lease { ttl })).unwrap().id;
    let written = || -> i64 {
        stage.sql().query_row("SELECT lease_expires_ns FROM session_registry", [], |row| row.get(0)).unwrap()
    };
    stage.clock.advance(Duration::from_secs(20));
    let before = written();
    stage.bus.heartbeat(id).unwrap();
    assert_eq!(written(), before, "it was not due");
    stage.clock.advance(ttl - Duration::from_secs(1));
    assert!(stage.open_in("one").is_alive(id).unwrap(), "20 s later than the table says");
    stage.clock.advance(Duration::from_secs(1));
    assert!(!stage.bus.is_alive(id).unwrap());
    assert!(matches!(stage.bus.heartbeat(id), Err(BusError::Ended(_))));
}

#[test]
fn the_heartbeat_channel_answers_from_the_slots() {
    let stage = Stage::new();
    let (a, _life) = stage.mortal("a");
    let (b, _other) = stage.mortal("b");
    let sent = stage.bus.publish(NewNotice::new(a, Channel::heartbeat(), json!({}))).unwrap();
    assert_eq!((sent.id, sent.ttl_seconds), (0, 30));
    stage.clock.advance(Duration::from_secs(31));
    stage.bus.publish(NewNotice::new(b, Channel::heartbeat(), json!({}))).unwrap();
    let query = NoticeQuery { channel: Some(Channel::heartbeat()), ..NoticeQuery::default() };
    let beats = stage.bus.notices(&query).unwrap().notices;
    assert_eq!(beats.iter().map(|beat| beat.sender).collect::<Vec<_>>(), [b]);
    assert_eq!(beats[0].payload["alive"], true);
    let beside = NoticeQuery { recipient: Some(b), ..query.clone() };
    assert!(stage.bus.notices(&beside).unwrap().is_empty(), "its own is no news to it");
    stage.bus.heartbeat(a).unwrap();
    let one = NoticeQuery { limit: 1, ..query };
    assert_eq!(stage.bus.notices(&one).unwrap().notices.len(), 1);
    let rows: i64 =
        stage.sql().query_row("SELECT count(*) FROM inter_session_messages", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn without_slots_the_fifo_and_the_table_do() {
    let stage = Stage::new();
    // Nobody looks by itself: what is not rung is not heard.
    let alone = stage.open_patient(false);
    assert_eq!((alone.slot_fault(), stage.bus.slot_fault()), (Some(SlotFault::Off), None));
    let (a, patient) = (stage.agent("a"), stage.open_patient(true));
    let b = alone.register(new("b", Liveness::Lease { ttl: Duration::from_secs(60) })).unwrap().id;
    alone.show(b, ParticipantStatus::Thinking).unwrap();
    assert_eq!(alone.sessions().unwrap()[1].status, Some(ParticipantStatus::Thinking));
    for (from, to, reader) in [(a, b, &alone), (b, a, &patient)] {
        let (bus, after) = (reader.clone(), stage.bus.newest_position().unwrap().id);
        let waiting = std::thread::spawn(move || bus.wait_notices(to, after, Duration::from_secs(3600)));
        let writer = if from == a { &stage.bus } else { &alone };
        let sent = writer.publish(NewNotice { recipient: Some(to), ..hello(from) }).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().notices, vec![sent]);
    }
}

#[test]
fn losing_the_file_of_slots_loses_no_notice() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let path = stage.dir.path().join("rt/bell.shm");
    let cut = || std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let remove = || std::fs::remove_file(&path).unwrap();
    let harms: [&dyn Fn(); 2] = [&cut, &remove];
    for harm in harms {
        let (bus, after) = (stage.bus.clone(), stage.bus.newest_position().unwrap().id);
        let waiting = std::thread::spawn(move || bus.wait_notices(b, after, Duration::from_secs(3600)));
        harm();
        let sent = stage.bus.publish(NewNotice { recipient: Some(b), ..hello(a) }).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().notices, vec![sent]);
        stage.bus.heartbeat(b).unwrap();
        assert_eq!(stage.bus.slot_fault(), None, "made anew");
    }
}

#[test]
fn a_slot_goes_to_the_next_one_and_many_may_come() {
    let stage = Stage::new();
    let sql = stage.sql();
    let slot = |id: RegistrationId| -> Option<u32> {
        sql.query_row("SELECT slot FROM session_registry WHERE session_id = ?1", [id.to_string()], |row| {
            row.get(0)
        })
        .unwrap()
    };
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    assert_eq!((slot(a), slot(b)), (Some(1), Some(2)));
    stage.bus.end(a, "finished").unwrap();
    assert_eq!(slot(stage.agent("c")), Some(1));
    let many: Vec<RegistrationId> = (0..520).map(|n| stage.agent(&format!("m{n}"))).collect();
    let last = many[519];
    assert_eq!(slot(last), None, "later ones do without");
    let after = stage.bus.newest_position().unwrap().id;
    let bus = stage.bus.clone();
    let waiting = std::thread::spawn(move || bus.wait_notices(last, after, Duration::from_secs(3600)));
    let sent = stage.bus.publish(NewNotice { recipient: Some(last), ..hello(b) }).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap().notices, vec![sent]);
}
