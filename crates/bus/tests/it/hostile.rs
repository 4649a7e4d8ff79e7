//! Bad places: read-only, full, remote, somebody else's; and who touches the database's files.

use crate::process::Process;
use crate::stage::{Stage, exclusive, in_boot, new};
use bus::{Bus, BusError, Liveness, NewNotice, NoticeQuery, Options};
use model::{Channel, NOTICE_PAYLOAD_MAX};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ManualClock, SeededEntropy};

fn open(dir: &Path, options: Options) -> Result<Bus, BusError> {
    Bus::open_with(dir, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()), options)
}

#[test]
fn a_network_file_system_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (magic, name) in [(0x6969, "NFS"), (0xfe53_4d42, "SMB"), (0x0102_1997, "9p"), (0x6573_5546, "FUSE")] {
        let options = Options { file_system: Some(magic), ..in_boot("one") };
        assert!(
            matches!(open(dir.path(), options), Err(BusError::RemoteFileSystem { kind, .. }) if kind == name)
        );
    }
    assert!(!dir.path().join("messaging.db").exists());
}

#[test]
fn files_of_another_user_are_refused() {
    let stage = Stage::new();
    let stranger = Options { uid: Some(rustix::process::geteuid().as_raw() + 1), ..in_boot("one") };
    match open(stage.dir.path(), stranger) {
        Err(error @ BusError::ForeignOwner { .. }) => assert_eq!(error.refusal().code, "bus_unavailable"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// What a process without privileges finds in a folder it may not write.
pub(crate) fn look_at_read_only(argument: &str) {
    let (said, dir) = argument.split_once(' ').unwrap();
    let found = match open(Path::new(dir), in_boot("one")) {
        Err(BusError::ReadOnly(path)) => format!("read-only {}", path.display()),
        Err(other) => format!("{other:?}"),
        Ok(_) => "opened".to_owned(),
    };
    std::fs::write(said, found).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    let (bus, said) = (dir.path().join("bus"), dir.path().join("said"));
    std::fs::create_dir(&bus).unwrap();
    File::create(&said).unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&said, 0o666);
    mode(dir.path(), 0o755);
    // Without `rt`, and with all there is.
    for filled in [false, true] {
        if filled {
            mode(&bus, 0o700);
            drop(open(&bus, in_boot("one")).unwrap());
            for name in ["rt", "rt/opening", "messaging.db"] {
                mode(&bus.join(name), if name == "rt" { 0o555 } else { 0o444 });
            }
        }
        mode(&bus, 0o555);
        let role = format!("readonly {} {}", said.display(), bus.display());
        let mut other = Process::start_powerless(&role);
        assert!(other.wait().success());
        let found = std::fs::read_to_string(&said).unwrap();
        // Where the tests run as root, the one without privileges is also another user.
        let foreign = filled && rustix::process::geteuid().is_root() && found.contains("ForeignOwner");
        assert!(found.starts_with("read-only") || foreign, "{found}");
    }
    mode(&bus, 0o700);
    mode(&bus.join("rt"), 0o700);
}

#[test]
fn a_full_disk_is_survived() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let small = Options { pages_max: Some(120), ..in_boot("one") };
    let bus = Bus::open_with(
        stage.dir.path(),
        Arc::new(stage.clock.clone()),
        Arc::new(SeededEntropy::new(9)),
        small,
    )
    .unwrap();
    let large = json!("x".repeat(NOTICE_PAYLOAD_MAX / 2));
    let say = || NewNotice::new(a, Channel::task_broadcast(), large.clone());
    let mut sent = 0;
    let refused = loop {
        match bus.publish(say()) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100);
    };
    assert!(matches!(refused, BusError::Full), "{refused:?}");
    assert_eq!(refused.refusal().code, "disk_full");
    // Nothing of it was written, the rest is there, and when there is room it goes on.
    assert_eq!(bus.notices(&NoticeQuery::default()).unwrap().notices.len(), sent);
    bus.locks(None).unwrap();
    stage.clock.advance(Duration::from_secs(600));
    assert_eq!(bus.purge().unwrap(), sent);
    bus.publish(say()).unwrap();
    bus.acquire(&exclusive(a, &["x"])).unwrap();
}

/// A lock another process has on one of the files SQLite locks; what SQLite itself would find.
fn holder(path: &Path) -> Option<i32> {
    let file = File::options().read(true).write(true).open(path).unwrap();
    fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).unwrap()?.pid.map(|pid| pid.as_raw_nonzero().get())
}

fn wait_for(path: &Path) {
    while !path.exists() {
        std::thread::yield_now();
    }
}

/// Does everything a process does with a bus, says so, and waits; then harms itself as a careless reader would.
pub(crate) fn work(argument: &str) {
    let dir = Path::new(argument);
    let bus =
        Bus::open(dir, Arc::new(bus::system::SystemClock), Arc::new(bus::system::SystemEntropy)).unwrap();
    let janitor = bus.keep_house().unwrap();
    let me = bus.register(new("me", Liveness::Lease { ttl: Duration::from_secs(600) })).unwrap().id;
    let notice = bus.publish(NewNotice::new(me, Channel::task_broadcast(), json!(1))).unwrap();
    let power = bus::Durability::Power;
    bus.publish(NewNotice { durability: power, ..NewNotice::new(me, Channel::state(), json!(2)) }).unwrap();
    let lock = bus.acquire(&exclusive(me, &["x"])).unwrap().locks.remove(0);
    bus.guard("/w", "x", None).unwrap();
    bus.heartbeat(me).unwrap();
    bus.claim(notice.id, me, Duration::from_secs(9)).unwrap();
    bus.wait_notices(me, 0, Duration::from_millis(1)).unwrap();
    bus.release(lock.token, me).unwrap();
    bus.sessions().unwrap();
    bus.outbox(0, 10).unwrap();
    bus.purge().unwrap();
    bus.reap().unwrap();
    drop(janitor);
    bus.tidy().unwrap();
    std::fs::write(dir.join("worked"), "").unwrap();
    std::io::stdin().read_exact(&mut [0u8]).unwrap();
    drop(File::open(dir.join("messaging.db")).unwrap());
    std::fs::write(dir.join("harmed"), "").unwrap();
    std::io::stdin().read_exact(&mut [0u8]).unwrap();
}

#[test]
fn nothing_opens_the_database_but_sqlite() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let mut worker = Process::start(&format!("worker {}", dir.path().display()));
    wait_for(&dir.path().join("worked"));
    // Had anything in that process closed another descriptor on one of these, its locks would be gone.
    for name in ["messaging.db", "messaging.db-shm"] {
        assert_eq!(holder(&dir.path().join(name)), Some(worker.id()), "{name}");
    }
    worker.stdin().write_all(b"!").unwrap();
    wait_for(&dir.path().join("harmed"));
    assert_eq!(holder(&dir.path().join("messaging.db")), None, "the probe sees what it is for");
    worker.stdin().write_all(b"!").unwrap();
    assert!(worker.wait().success());
}
