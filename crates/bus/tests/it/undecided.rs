//! Deciding without messaging.db: only the slots are looked at.

use crate::process::Process;
use crate::stage::{Stage, TREE, in_boot, new};
use bus::{
    Bus, BusError, Liveness, Options, UNDECIDED_LOG_MAX, Undecided, Verdict, guard_undecided,
    undecided_allowed,
};
use model::RegistrationId;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use testkit::SeededEntropy;

fn log(stage: &Stage) -> PathBuf {
    stage.dir.path().join("rt/undecided.log")
}

fn ask(me: Option<RegistrationId>) -> Undecided<'static> {
    Undecided { worktree: TREE, path: "src/a.rs", me, why: "busy", boot: Some("one") }
}

fn decide(stage: &Stage, me: Option<RegistrationId>) -> Verdict {
    guard_undecided(stage.dir.path(), &ask(me), &stage.clock)
}

fn is_denied(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Deny(_))
}

#[test]
fn another_living_session_in_the_worktree_denies() {
    let stage = Stage::new();
    let (me, _mine) = stage.mortal("me");
    assert_eq!(decide(&stage, Some(me)), Verdict::Allow { recorded: true });
    let elsewhere = bus::NewRegistration {
        worktree: Some("/other".to_owned()),
        ..new("far", Liveness::Lease { ttl: Duration::from_secs(60) })
    };
    stage.bus.register(elsewhere).unwrap();
    let nowhere = bus::NewRegistration {
        worktree: None,
        ..new("none", Liveness::Lease { ttl: Duration::from_secs(60) })
    };
    stage.bus.register(nowhere).unwrap();
    assert!(!is_denied(&decide(&stage, Some(me))));
    let (other, life) = stage.mortal("other");
    match decide(&stage, Some(me)) {
        Verdict::Deny(others) => assert_eq!((others.len(), &others[0].short_id), (1, &other.short())),
        allowed => panic!("{allowed:?}"),
    }
    assert!(is_denied(&decide(&stage, None)), "who does not know itself is nobody's exception");
    drop(life);
    assert!(is_denied(&decide(&stage, Some(me))), "a lock file is not judged from the slots");
    stage.bus.reap().unwrap();
    assert!(!is_denied(&decide(&stage, Some(me))));
}

#[test]
fn who_is_provably_dead_does_not_deny() {
    let stage = Stage::new();
    let ttl = Duration::from_secs(60);
    stage.bus.register(new("lease", Liveness::Lease { ttl })).unwrap();
    let mut process = Process::start("sleeper for a while");
    let starttime = bus::system::process_start(process.id().cast_unsigned()).unwrap();
    let life = Liveness::Process { pid: process.id().cast_unsigned(), starttime };
    stage.bus.register(new("process", life)).unwrap();
    let others = |stage: &Stage| match decide(stage, None) {
        Verdict::Deny(others) => others.len(),
        Verdict::Allow { .. } => 0,
    };
    assert_eq!(others(&stage), 2);
    stage.clock.advance(ttl - Duration::from_millis(1));
    assert_eq!(others(&stage), 2, "long without a sign of life is not dead");
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(others(&stage), 1);
    process.signal(rustix::process::Signal::KILL);
    process.wait();
    assert_eq!(others(&stage), 0);
}

/// Somebody writes and does not end.
fn busy(stage: &Stage) -> Result<Bus, BusError> {
    let options = Options { write_wait: Duration::from_millis(30), ..in_boot("one") };
    let (clock, entropy) = (Arc::new(stage.clock.clone()), Arc::new(SeededEntropy::new(5)));
    Bus::open_with(stage.dir.path(), clock, entropy, options)
}

#[test]
fn it_decides_when_the_database_is_busy_damaged_or_newer() {
    let stage = Stage::new();
    let (me, _mine) = stage.mortal("me");
    let (_other, _life) = stage.mortal("other");
    let sql = stage.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let impatient = busy(&stage);
    let refused = impatient.and_then(|bus| bus.acquire(&crate::stage::exclusive(me, &["x"])));
    assert!(matches!(refused, Err(BusError::Busy(_))), "{refused:?}");
    assert!(is_denied(&decide(&stage, Some(me))));
    sql.execute_batch("ROLLBACK").unwrap();
    drop(sql);
    stage.sql().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(busy(&stage), Err(BusError::Newer { .. })));
    assert!(is_denied(&decide(&stage, Some(me))));
    let database = stage.database();
    for name in ["messaging.db", "messaging.db-wal", "messaging.db-shm"] {
        let path = database.with_file_name(name);
        std::fs::rename(&path, path.with_file_name(format!("aside-{name}"))).unwrap();
    }
    std::fs::write(&database, "no database at all ".repeat(100)).unwrap();
    let damaged = busy(&stage).map(drop);
    assert!(matches!(damaged, Err(BusError::Foreign(_))), "{damaged:?}");
    assert!(is_denied(&decide(&stage, Some(me))));
}

#[test]
fn without_a_table_it_is_allowed_and_written_down() {
    let stage = Stage::new();
    let (_other, _life) = stage.mortal("other");
    let table = stage.dir.path().join("rt/bell.shm");
    let bytes = std::fs::read(&table).unwrap();
    let put = |bytes: &[u8]| std::fs::write(&table, bytes).unwrap();
    let mut newer = bytes.clone();
    newer[8..12].copy_from_slice(&99u32.to_ne_bytes());
    for (count, harm) in [&bytes[..100], &[0xa5; 70_000][..], &newer].into_iter().enumerate() {
        put(harm);
        assert_eq!(decide(&stage, None), Verdict::Allow { recorded: true });
        assert_eq!(undecided_allowed(stage.dir.path()), count + 1);
        assert_eq!(std::fs::read(&table).unwrap(), harm, "it is only looked at");
    }
    put(&bytes);
    assert!(is_denied(&decide(&stage, None)));
    let later = Undecided { boot: Some("two"), ..ask(None) };
    assert_eq!(guard_undecided(stage.dir.path(), &later, &stage.clock), Verdict::Allow { recorded: true });
    std::fs::remove_file(&table).unwrap();
    assert_eq!(decide(&stage, None), Verdict::Allow { recorded: true });
    let text = std::fs::read_to_string(log(&stage)).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["worktree"], &last["path"], &last["why"]),
        (&TREE.into(), &"src/a.rs".into(), &"busy".into())
    );
}

#[test]
fn the_log_has_an_end() {
    let stage = Stage::new();
    let long = "é".repeat(100_000);
    let ask = Undecided { why: &long, path: &long, ..ask(None) };
    for _ in 0..200 {
        assert_eq!(guard_undecided(stage.dir.path(), &ask, &stage.clock), Verdict::Allow { recorded: true });
    }
    let line = 4096;
    for name in ["rt/undecided.log", "rt/undecided.log.1"] {
        let length = std::fs::metadata(stage.dir.path().join(name)).unwrap().len();
        assert!((1..UNDECIDED_LOG_MAX + line).contains(&length), "{name}: {length}");
    }
}

#[test]
fn where_nothing_can_be_written_it_is_allowed_all_the_same() {
    let stage = Stage::new();
    let file = stage.dir.path().join("a file");
    File::create(&file).unwrap();
    let verdict = guard_undecided(Path::new(&file), &ask(None), &stage.clock);
    assert_eq!(verdict, Verdict::Allow { recorded: false });
}
