//! Real processes, killed in the middle of what they do.

use super::{Fixture, PATIENCE, agent, lives, open_at, say};
use crate::process::Process;
use crate::stage::exclusive;
use bus::{Backend, NewNotice, NoticeQuery};
use model::RegistrationId;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::noted::{go_on, lines};

/// Notices in each batch.
const BATCH: usize = 5;
/// Kills of one publisher, each at another moment of its work.
const KILLS: usize = 8;

/// A process of these tests: what it is to do, as whom, where it writes down what was acknowledged to it, and the bus.
pub(crate) fn run(argument: &str) {
    let mut words = argument.splitn(4, ' ');
    let mut word = || words.next().unwrap();
    let (kind, me, notes, address) = (word(), word().parse().unwrap(), word(), word());
    let bus = open_at(address);
    let mut notes = go_on(Path::new(notes));
    match kind {
        "publisher" => publish(&*bus, me, &mut notes),
        _ => hold(&*bus, me, &mut notes),
    }
}

/// One batch after another, each under keys, until it is killed.
fn publish(bus: &dyn Backend, me: RegistrationId, notes: &mut File) {
    let life = std::process::id();
    for n in 0.. {
        let text = |part| format!("{life}-{n} {part}");
        let batch: Vec<NewNotice> = (0..BATCH).map(|part| say(me, &text(part))).collect();
        bus.publish_all(&batch).unwrap();
        notes.write_all(format!("{life}-{n}\n").as_bytes()).unwrap();
    }
}

fn hold(bus: &dyn Backend, me: RegistrationId, notes: &mut File) {
    bus.acquire(&exclusive(me, &["x"])).unwrap();
    notes.write_all(b"held\n").unwrap();
    loop {
        std::thread::park();
    }
}

fn start(stage: &dyn Fixture, kind: &str, me: RegistrationId, notes: &Path) -> Process {
    Process::start(&format!("conformance {kind} {me} {} {}", notes.display(), stage.address()))
}

fn kill(mut process: Process) {
    process.signal(Signal::KILL);
    assert_eq!(process.wait().code(), None, "it was killed, it did not fail");
}

/// Until the notes have this many lines; the process is asked whether it still runs.
fn until(notes: &Path, count: usize, process: &mut Process) {
    while lines(notes).len() < count {
        assert_eq!(process.has_finished(), None, "it failed");
        std::thread::yield_now();
    }
}

pub(crate) fn a_killed_publisher_leaves_nothing_half(stage: &dyn Fixture) {
    let dir = tempfile::tempdir().unwrap();
    let notes: PathBuf = dir.path().join("notes");
    let bus = stage.open();
    let me = agent(&*bus, "publisher");
    for life in 0..KILLS {
        let mut publisher = start(stage, "publisher", me, &notes);
        until(&notes, lines(&notes).len() + 1 + life, &mut publisher);
        kill(publisher);
    }
    let mut batches: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut after, mut before) = (0, 0);
    loop {
        let page = bus.notices(&NoticeQuery { after, ..NoticeQuery::default() }).unwrap();
        if page.is_empty() {
            break;
        }
        after = page.next;
        for notice in page.notices {
            assert!(notice.id > before);
            before = notice.id;
            let (batch, part) = notice.payload.as_str().unwrap().split_once(' ').unwrap();
            batches.entry(batch.to_owned()).or_default().push(part.to_owned());
        }
    }
    let whole: Vec<String> = (0..BATCH).map(|part| part.to_string()).collect();
    for (batch, parts) in &batches {
        assert_eq!(*parts, whole, "half of batch {batch}");
    }
    for acked in lines(&notes) {
        assert!(batches.contains_key(&acked), "{acked} was acknowledged and is lost");
    }
}

/// A connection that is gone says nothing about its session: the lease of its registration does.
pub(crate) fn a_killed_holder_is_succeeded(stage: &dyn Fixture) {
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("notes");
    let bus = stage.open();
    // Long enough for the process to start, even where time passes by waiting.
    let mortal = lives(&*bus, "mortal", Duration::from_secs(8));
    let heir = agent(&*bus, "heir");
    let mut holder = start(stage, "holder", mortal, &notes);
    until(&notes, 1, &mut holder);
    let lock = bus.locks(None).unwrap().remove(0);
    kill(holder);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let bus = stage.open();
            bus.acquire_wait(&exclusive(heir, &["x"]), PATIENCE, &mut |_| {})
        });
        stage.pass(Duration::from_secs(9));
        let token = waiter.join().unwrap().unwrap().locks[0].token;
        assert!(token > lock.token);
    });
}
