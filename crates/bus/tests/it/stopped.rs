//! A holder that is stopped past the end of its lease wakes up and is refused.

use crate::process::{Process, SharedClock};
use crate::stage::{TREE, exclusive, new};
use bus::system::SystemEntropy;
use bus::{Bus, BusError, Liveness, LockLost};
use model::RegistrationId;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn open(dir: &Path) -> (Bus, Arc<SharedClock>) {
    let clock = Arc::new(SharedClock::open(dir));
    (Bus::open(dir, Arc::clone(&clock) as _, Arc::new(SystemEntropy)).unwrap(), clock)
}

fn register(bus: &Bus, name: &str) -> RegistrationId {
    let pid = std::process::id();
    let starttime = bus::system::process_start(pid).unwrap();
    bus.register(new(name, Liveness::Process { pid, starttime })).unwrap().id
}

/// The holder: takes the lock, says so, and when it is told to go on writes the file, if it may.
pub(crate) fn run(argument: &str) {
    let dir = Path::new(argument);
    let (bus, _) = open(dir);
    let me = register(&bus, "stopped");
    let token = bus.acquire(&exclusive(me, &["x"])).unwrap().locks[0].token;
    std::fs::write(dir.join("holds"), token.to_string()).unwrap();
    std::io::stdin().read_exact(&mut [0u8]).unwrap();
    let said = match bus.check(token, TREE, "x", me) {
        Ok(()) => {
            std::fs::write(dir.join("x"), "stale").unwrap();
            "written".to_owned()
        }
        Err(BusError::Lost(lost)) => format!("{} {lost}", lost.code()),
        Err(other) => format!("{other:?}"),
    };
    std::fs::write(dir.join("said"), said).unwrap();
}

#[test]
fn a_holder_stopped_past_its_lease_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let (bus, clock) = open(dir.path());
    let mut holder = Process::start(&format!("stopped {}", dir.path().display()));
    while bus.locks(None).unwrap().is_empty() || !dir.path().join("holds").exists() {
        assert!(holder.has_finished().is_none(), "the holder failed");
        std::thread::yield_now();
    }
    let me = register(&bus, "next");
    assert!(matches!(bus.acquire(&exclusive(me, &["x"])), Err(BusError::Contended(_))));
    holder.stop();
    // It is told to go on while it is stopped, so that writing is the first thing it does.
    holder.stdin().write_all(b"!").unwrap();
    clock.leap(Duration::from_secs(61));
    let token = bus.acquire(&exclusive(me, &["x"])).unwrap().locks[0].token;
    bus.check(token, TREE, "x", me).unwrap();
    std::fs::write(dir.path().join("x"), "fresh").unwrap();
    holder.signal(Signal::CONT);
    assert!(holder.wait().success());
    let said = std::fs::read_to_string(dir.path().join("said")).unwrap();
    assert!(said.starts_with("lock_lost") && said.contains("next holds"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("x")).unwrap(), "fresh");
    bus.check(token, TREE, "x", me).unwrap();
    let stale: u64 = std::fs::read_to_string(dir.path().join("holds")).unwrap().parse().unwrap();
    assert!(token > stale);
    assert!(matches!(bus.release(stale, me), Err(BusError::Lost(LockLost::Gone { .. }))));
}
