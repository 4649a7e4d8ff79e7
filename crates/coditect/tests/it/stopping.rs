//! Commands that meet a data root whose daemon does not answer any more, or not yet: they wait for it to have gone.

use crate::house::{House, text, until};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

/// Holds the data root as a daemon does that listens no more.
fn held(house: &House) -> File {
    std::fs::create_dir_all(house.root.daemon_dir()).unwrap();
    let file = File::create(house.root.daemon_lock()).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

/// A command that has said that it waits.
fn waiting(house: &House, args: &[&str], word: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = house.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with(word), "{line}");
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    (child, stderr)
}

fn succeeded((mut child, mut stderr): (Child, BufReader<std::process::ChildStderr>)) {
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
}

#[test]
fn a_daemon_that_stops_is_waited_for_and_then_there_is_a_new_one() {
    let house = House::new();
    let lock = held(&house);
    let command = waiting(&house, &["session", "list", "--json"], "waiting for the daemon");
    assert!(house.pid().is_none());
    drop(lock);
    succeeded(command);
    assert!(house.pid().is_some());
    assert!(house.run(&["daemon", "stop"]).status.success());
}

#[test]
fn stopping_what_stops_already_ends_when_it_has_ended() {
    let house = House::new();
    let lock = held(&house);
    let command = waiting(&house, &["daemon", "stop", "--json"], "stopping the daemon");
    drop(lock);
    succeeded(command);
    let late = house.run(&["daemon", "stop", "--json"]);
    assert!(
        late.status.success() && text(&late).contains("\"stopped\": false")
            || text(&late).contains("\"stopped\":false"),
        "{}",
        text(&late)
    );
}

#[test]
fn what_a_daemon_in_the_background_says_is_beside_its_log() {
    let house = House::new();
    assert!(house.run(&["session", "list", "--json"]).status.success());
    // It answers before it says so.
    until("the daemon's word", || {
        let said = std::fs::read_to_string(house.root.daemon_dir().join("daemon.out")).unwrap();
        said.contains("coditect daemon ready").then_some(())
    });
    let log = std::fs::read_to_string(house.root.daemon_log()).unwrap();
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert!(house.run(&["daemon", "stop"]).status.success());
}
