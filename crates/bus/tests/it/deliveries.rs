//! What was acknowledged to a publisher reaches every receiver, once after removing repetitions, while publishers, receivers
//! and janitors are killed. Each writes down what it saw, outside SQLite; the judge has only these notes.

use crate::process::Process;
use crate::stage::{exclusive, new};
use bus::system::{SystemClock, SystemEntropy};
use bus::{Bus, BusError, Liveness, NewNotice, Replay};
use model::{Channel, RegistrationId};
use rustix::process::Signal;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use testkit::SeededEntropy;
use testkit::noted::{go_on, lines};

const PUBLISHERS: usize = 2;
const RECEIVERS: usize = 3;
const JANITORS: usize = 2;
/// Notices of each publisher.
const NOTICES: usize = 1_500;
const KILLS: usize = 40;

fn open(dir: &Path) -> Bus {
    Bus::open(dir, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap()
}

fn notes(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("notes-{name}"))
}

/// The same session in each life: its notices keep their sender, and so their keys.
fn join(bus: &Bus, name: &str, id: RegistrationId) -> RegistrationId {
    let lease = Liveness::Lease { ttl: Duration::from_secs(3600) };
    bus.register(bus::NewRegistration { id: Some(id), ..new(name, lease) }).unwrap().id
}

pub(crate) fn run(argument: &str) {
    let words: Vec<&str> = argument.split(' ').collect();
    let (kind, name, dir) = (words[0], words[1], Path::new(words[3]));
    let bus = open(dir);
    let mut notes = go_on(&notes(dir, name));
    match kind {
        "publisher" => publish(&bus, join(&bus, name, words[2].parse().unwrap()), dir, name, &mut notes),
        "receiver" => receive(&bus, join(&bus, name, words[2].parse().unwrap()), name, &mut notes),
        _ => {
            let _janitor = bus.keep_house().unwrap();
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn publish(bus: &Bus, me: RegistrationId, dir: &Path, name: &str, notes: &mut File) {
    // The one that was under way when the last life ended is published again under its key.
    let done = lines(&crate::deliveries::notes(dir, name)).len();
    for n in done..NOTICES {
        let key = format!("{name}-{n}");
        let new = NewNotice {
            key: Some(key.clone()),
            ..NewNotice::new(me, Channel::task_broadcast(), json!({ "key": key }))
        };
        let sent = bus.publish(new).unwrap();
        notes.write_all(format!("{} {key}\n", sent.id).as_bytes()).unwrap();
    }
}

fn receive(bus: &Bus, me: RegistrationId, name: &str, notes: &mut File) {
    let mut reading = bus.subscribe(me, name, "main", &Replay::Beginning).unwrap();
    loop {
        let page = reading.next(Duration::from_millis(200)).unwrap();
        let mut text = String::new();
        // They hear of each other's wish for the lock too.
        for notice in page.notices.iter().filter(|notice| notice.channel == Channel::task_broadcast()) {
            text += &format!("{} {}\n", notice.id, notice.payload["key"].as_str().unwrap());
        }
        match bus.acquire(&exclusive(me, &["contested"])) {
            Ok(acquired) => {
                let token = acquired.locks[0].token;
                text += &format!("token {token}\n");
                // A later life of this session may find the lock still held by it.
                let _ = bus.release(token, me);
            }
            Err(BusError::Contended(_)) => {}
            Err(other) => panic!("{other}"),
        }
        notes.write_all(text.as_bytes()).unwrap();
    }
}

struct Cast {
    dir: tempfile::TempDir,
    members: Vec<(String, Option<Process>)>,
}

impl Cast {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let mut cast = Self { dir, members: Vec::new() };
        // Receivers first: what they are to hear is sent while they are registered.
        for (kind, count) in [("receiver", RECEIVERS), ("janitor", JANITORS), ("publisher", PUBLISHERS)] {
            for n in 0..count {
                let id: RegistrationId = model::Id::new(&SystemClock, &SystemEntropy);
                let role = format!("delivery {kind} {kind}-{n} {id} {}", cast.dir.path().display());
                cast.members.push((role.clone(), Some(Process::start(&role))));
            }
        }
        cast
    }

    fn kill(&mut self, at: usize) {
        let (role, process) = &mut self.members[at];
        if let Some(mut dead) = process.take() {
            dead.signal(Signal::KILL);
            dead.wait();
            *process = Some(Process::start(role));
        }
    }

    /// False when all publishers are done.
    fn publishing(&mut self) -> bool {
        let mut left = false;
        for (role, process) in &mut self.members {
            let publisher = role.contains(" publisher ");
            if let Some(status) = process.as_mut().and_then(Process::has_finished) {
                assert!(publisher && status.success(), "{role}: {status}");
                *process = None;
            }
            left |= publisher && process.is_some();
        }
        left
    }

    fn notes(&self, kind: &str, n: usize) -> Vec<String> {
        lines(&notes(self.dir.path(), &format!("{kind}-{n}")))
    }

    /// Notices by id, as one of them noted them; repetitions fall together.
    fn seen(&self, kind: &str, n: usize) -> BTreeMap<i64, String> {
        let lines = self.notes(kind, n).into_iter().filter(|line| !line.starts_with("token"));
        lines
            .map(|line| {
                let (id, key) = line.split_once(' ').unwrap();
                (id.parse().unwrap(), key.to_owned())
            })
            .collect()
    }
}

#[test]
fn what_was_acknowledged_arrives_whoever_is_killed() {
    let mut cast = Cast::start();
    let dice = SeededEntropy::new(7);
    let mut kills = 0;
    while cast.publishing() {
        std::thread::sleep(Duration::from_millis(4 + dice.below(16)));
        if kills < KILLS {
            let at = dice.below(cast.members.len() as u64) as usize;
            kills += usize::from(cast.members[at].1.is_some());
            cast.kill(at);
        }
    }
    let sent: BTreeMap<i64, String> = (0..PUBLISHERS).flat_map(|n| cast.seen("publisher", n)).collect();
    assert_eq!(sent.len(), PUBLISHERS * NOTICES);
    let keys: BTreeSet<&String> = sent.values().collect();
    assert_eq!(keys.len(), sent.len(), "no key was published twice");
    for n in 0..RECEIVERS {
        // The last ones may be on their way. A receiver that lost one hangs here, and the test with it.
        while cast.seen("receiver", n).len() < sent.len() {
            cast.publishing();
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(cast.seen("receiver", n), sent);
    }
    let mut tokens = BTreeSet::new();
    for n in 0..RECEIVERS {
        let mut last = 0;
        for line in cast.notes("receiver", n) {
            let Some(token) = line.strip_prefix("token ") else { continue };
            let token: u64 = token.parse().unwrap();
            // What a life took and could not give back, the next one has still.
            assert!(token >= last, "{token} after {last}");
            assert!(token == last || tokens.insert(token), "{token} was given to two");
            last = token;
        }
    }
    cast.members.clear();
    println!("{} notices, {kills} kills, {} locks", sent.len(), tokens.len());
    assert!(kills >= KILLS / 2 && tokens.len() > 50, "{kills} kills, {} locks", tokens.len());
    let conn = rusqlite::Connection::open(cast.dir.path().join("messaging.db")).unwrap();
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
