//! F1, F2, F3: killed at every system call, with failing syncs, and at random moments, the journal
//! comes back with everything it acknowledged and nothing half done.
//!
//! The tests run this program again as a child that plays a fixed scenario, under strace or a kill.

use crate::support::{Place, all, assert_sound, draft, open_at, skipped, small};
use journal::{JournalError, Options, Record};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the child plays.
const PLACE: &str = "JOURNAL_TEST_PLACE";
const WRITES: usize = 8;

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where to play")]
fn given_place() -> PathBuf {
    PathBuf::from(std::env::var_os(PLACE).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a process can only be killed if it is another one")]
fn child(program: Option<(&str, &[&str])>, test: &str, root: &Path) -> std::io::Result<Child> {
    let this = std::env::current_exe()?;
    let mut command = match program {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(this);
            command
        }
        None => Command::new(this),
    };
    command.args(["--ignored", "--exact", "--nocapture", test]).env(PLACE, root);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn options() -> Options {
    Options { segment_bytes: 1_500, blob_threshold: 400, ..small() }
}

/// What the scenario writes as its `n`th write: two records, every third time one with a blob.
fn write_of(n: usize) -> Vec<journal::Draft> {
    let long = if n.is_multiple_of(3) { 500 } else { 50 };
    vec![draft(&format!("{n} {}", "x".repeat(long))), draft(&format!("{n} too"))]
}

/// Appends all writes with a restart in the middle, and notes each acknowledged one in `acks`.
#[test]
#[ignore = "a child of the tests below"]
fn scenario() {
    let root = given_place();
    let mut acks = fs::File::create(root.join("acks")).unwrap();
    let mut journal = open_at(&root, options()).unwrap().journal;
    for n in 0..WRITES {
        if n == WRITES / 2 {
            journal.wait_sealed();
            drop(journal);
            journal = open_at(&root, options()).unwrap().journal;
        }
        let appended = journal.append(&write_of(n));
        if let Err(error) = &appended {
            assert!(matches!(error, JournalError::Poisoned(_)), "{error}");
            let again = journal.append(&write_of(n));
            assert!(matches!(again, Err(JournalError::Poisoned(_))), "no retry after a failed sync");
            acks.write_all(b"stopped\n").unwrap();
            return;
        }
        acks.write_all(format!("{n}\n").as_bytes()).unwrap();
    }
    journal.wait_sealed();
}

/// Holds what is there after the crash against what was acknowledged, and goes on writing.
fn comes_back(root: &Path, when: &str) -> Vec<Record> {
    let acks = fs::read_to_string(root.join("acks")).unwrap_or_default();
    let acknowledged = acks.lines().filter(|line| *line != "stopped").count();
    let opened = open_at(root, options()).unwrap_or_else(|error| panic!("{when}: {error}"));
    let mut journal = opened.journal;
    let records = all(&journal.reader());
    assert_eq!(records.len() % 2, 0, "{when}: a write is there as a whole");
    assert!(records.len() / 2 >= acknowledged, "{when}: {} of {acknowledged}", records.len() / 2);
    assert!(records.len() / 2 <= WRITES);
    for (n, pair) in records.chunks(2).enumerate() {
        let expected: Vec<_> = write_of(n).into_iter().map(|draft| draft.event).collect();
        assert_eq!([&pair[0].event, &pair[1].event], [&expected[0], &expected[1]], "{when}");
    }
    let next = journal.append(&write_of(99)).unwrap();
    assert_eq!(next[0].position.cursor.seq, records.len() as u64 + 1);
    journal.wait_sealed();
    assert_sound(&journal.reader());
    records
}

fn strace_works() -> bool {
    let place = Place::fast();
    let args = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:signal=SIGKILL:when=1"];
    let ran = child(Some(("strace", &args)), "crash::scenario", &place.root).and_then(|mut c| c.wait());
    ran.is_ok_and(|status| !status.success()) && place.dir().exists()
}

/// Injects a fault at the first, second, … call until the scenario ends untouched; returns how often it struck.
fn at_every(call: &str, fault: &str) -> usize {
    for n in 1.. {
        let place = Place::fast();
        let inject = format!("inject={call}:{fault}:when={n}");
        let trace = format!("trace={call}");
        let args = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut ran = child(Some(("strace", &args)), "crash::scenario", &place.root).unwrap();
        let status = ran.wait().unwrap();
        let records = comes_back(&place.root, &inject);
        let acks = fs::read_to_string(place.root.join("acks")).unwrap_or_default();
        if status.success() && !acks.contains("stopped") {
            assert_eq!(records.len(), 2 * WRITES, "{inject}");
            return n - 1;
        }
        assert!(n < 500, "{inject} never ends");
    }
    0
}

#[test]
fn killed_at_every_sync_and_write() {
    if !strace_works() {
        return skipped("strace cannot trace here");
    }
    for call in ["fdatasync", "pwrite64", "ftruncate", "fsync"] {
        let struck = at_every(call, "signal=SIGKILL");
        assert!(struck >= if call == "ftruncate" { 0 } else { WRITES }, "{call}: {struck}");
    }
}

#[test]
fn killed_at_every_change_of_a_name() {
    if !strace_works() {
        return skipped("strace cannot trace here");
    }
    for call in ["rename", "unlink", "mkdir"] {
        let struck = at_every(call, "signal=SIGKILL");
        assert!(struck > 1, "{call}: {struck}");
    }
}

#[test]
fn killed_at_every_plain_write() {
    if !strace_works() {
        return skipped("strace cannot trace here");
    }
    assert!(at_every("write", "signal=SIGKILL") > WRITES);
}

/// F3: the first failing fdatasync ends the writing; what was acknowledged before is there.
#[test]
fn a_sync_that_fails_stops_the_journal() {
    if !strace_works() {
        return skipped("strace cannot trace here");
    }
    for fault in ["error=EIO", "error=ENOSPC"] {
        assert!(at_every("fdatasync", fault) >= WRITES);
    }
}

/// F1, small: kills at moments nobody chose.
#[test]
fn killed_at_random_moments() {
    for round in 0..25u32 {
        let place = Place::new();
        let mut running = child(None, "crash::scenario", &place.root).unwrap();
        // Not a wait for something to happen: any moment is as good as another.
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1_700));
        let _ = running.kill();
        running.wait().unwrap();
        comes_back(&place.root, &format!("round {round}"));
    }
}
