//! What may be opened, and what happens when somebody is in the way.

use crate::stage::{Stage, exclusive, in_boot};
use bus::{Bus, BusError, Options};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ManualClock, SeededEntropy};

fn open(dir: &Path) -> Result<Bus, BusError> {
    Bus::open_with(dir, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()), in_boot("one"))
}

#[test]
fn a_foreign_file_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("messaging.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open(dir.path()), Err(BusError::Foreign(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(&path, "not a database at all, but long enough to have a header".repeat(20)).unwrap();
    assert!(matches!(open(dir.path()), Err(BusError::Foreign(_))));
}

#[test]
fn a_newer_schema_is_refused() {
    let stage = Stage::new();
    stage.sql().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(stage.dir.path()), Err(BusError::Newer { found: 99, .. })));
}

#[test]
fn an_empty_file_left_by_a_crash_is_filled() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("messaging.db"), "").unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn the_database_is_set_up_as_promised() {
    let stage = Stage::new();
    let sql = stage.sql();
    let text = |pragma: &str| -> String {
        sql.query_row(&format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(text("auto_vacuum"), "2");
    assert_eq!(text("application_id"), 0x4344_4253.to_string());
    assert_eq!(text("user_version"), "5");
    let versions: i64 = sql.query_row("SELECT count(*) FROM _schema_version", [], |row| row.get(0)).unwrap();
    assert_eq!(versions, 5);
    let mode = std::fs::metadata(stage.dir.path().join("rt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_writer_that_never_ends_gives_a_typed_error_and_no_change() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let options = Options { write_wait: Duration::from_millis(30), ..in_boot("one") };
    let impatient = Bus::open_with(
        stage.dir.path(),
        Arc::new(stage.clock.clone()),
        Arc::new(SeededEntropy::new(5)),
        options,
    )
    .unwrap();
    let blocker = stage.sql();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        assert!(matches!(impatient.acquire(&exclusive(a, &["x"])), Err(BusError::Busy(_))));
    }
    // Reading goes on.
    assert!(impatient.locks(None).unwrap().is_empty());
    // Also when the place in line is never given up.
    let wlock = std::fs::File::options().write(true).open(stage.dir.path().join("rt/wlock")).unwrap();
    rustix::fs::flock(&wlock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for _ in 0..3 {
        assert!(matches!(impatient.acquire(&exclusive(a, &["x"])), Err(BusError::Busy(_))));
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    // A hasty writer needs no place in line.
    impatient.acquire(&exclusive(a, &["x"])).unwrap();
    drop(wlock);
}

#[test]
fn threads_of_one_process_share_the_bus() {
    let stage = Stage::new();
    let ids: Vec<_> = (0..8).map(|n| stage.agent(&format!("a{n}"))).collect();
    std::thread::scope(|scope| {
        for id in ids {
            let bus = &stage.bus;
            scope.spawn(move || {
                for _ in 0..20 {
                    let got =
                        bus.acquire_wait(&exclusive(id, &["x"]), Duration::from_secs(3600), &mut |_| {});
                    bus.release(got.unwrap().locks[0].token, id).unwrap();
                }
            });
        }
    });
    let mut tokens: Vec<u64> = stage.lock_changes().iter().filter(|c| c.token > 0).map(|c| c.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 160);
}

#[test]
fn many_may_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let opened: Vec<Bus> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(dir.path()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let generation = opened[0].generation().unwrap();
    assert!(generation.ends_with("-1"), "the epoch rose once: {generation}");
    assert!(opened.iter().all(|bus| bus.generation().unwrap() == generation));
}

#[test]
fn even_the_hasty_wait_for_who_makes_the_bus() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().join("rt");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    let first = std::fs::File::create(runtime.join("opening")).unwrap();
    rustix::fs::flock(&first, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let hasty = || {
        let options = Options { write_wait: Duration::from_millis(50), ..in_boot("one") };
        let (clock, dice) = (Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()));
        Bus::open_with(dir.path(), clock, dice, options)
    };
    let opened = std::thread::scope(|scope| {
        let opening = scope.spawn(hasty);
        std::thread::sleep(Duration::from_millis(200));
        assert!(!opening.is_finished(), "it waits");
        drop(first);
        opening.join().unwrap()
    });
    drop(opened.unwrap());
    let stopped = std::fs::File::create(runtime.join("opening")).unwrap();
    rustix::fs::flock(&stopped, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(hasty(), Err(BusError::Busy(_))), "once there is one, nobody waits so long");
}
