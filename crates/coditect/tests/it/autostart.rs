//! Commands that need a daemon start one.

use crate::house::{House, text};

#[test]
fn the_first_command_starts_the_daemon_and_the_next_finds_it() {
    let house = House::new();
    let started = house.run(&["session", "list", "--json"]);
    assert!(started.status.success(), "{}", text(&started));
    let pid = house.pid().expect("a daemon runs now");
    let again = house.run(&["session", "list", "--json"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(house.pid(), Some(pid));
    let stopped = house.run(&["daemon", "stop"]);
    assert!(stopped.status.success(), "{}", text(&stopped));
    assert_eq!(bus::system::process_start(pid), None, "it is gone when the command has ended");
}

#[test]
fn commands_at_the_same_moment_share_one_daemon() {
    let house = House::new();
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..6).map(|_| scope.spawn(|| house.run(&["session", "list", "--json"]))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for output in outputs {
        assert!(output.status.success(), "{}", text(&output));
    }
    // Who comes too late to be the daemon does not become it once the first has gone.
    assert!(house.run(&["daemon", "stop"]).status.success());
    let root = house.root.path().as_os_str().as_encoded_bytes().to_owned();
    let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == root)
    });
    assert_eq!(left.count(), 0, "daemons that were started beside the first");
    let log = std::fs::read_to_string(house.root.daemon_log()).unwrap();
    assert_eq!(log.matches(r#""message":"ready""#).count(), 1, "{log}");
}

#[test]
fn without_leave_to_start_one_the_command_says_that_none_runs() {
    let house = House::new();
    let refused = house.run(&["--no-autostart", "session", "list"]);
    assert_eq!(refused.status.code(), Some(6), "{}", text(&refused));
    assert!(text(&refused).contains("coditect up"), "{}", text(&refused));
    assert!(!house.root.daemon_info().exists());
}
