//! Two machines of one team: two data roots, two daemons, and a real server between them.

use crate::house::{Daemon, House, text, until};
use serde_json::{Value, json};

/// The server a variable names; without it the test is skipped, and a line says so.
#[expect(clippy::disallowed_methods, reason = "the environment names the servers of these tests")]
fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        testkit::skipped("two machines", &format!("set {variable} or run cargo xtask test"));
    }
    url
}

/// A machine of this name, its daemon joined to the team.
fn machine(name: &str, team: &str, url: &str) -> (House, Daemon) {
    let house = House::new();
    std::fs::create_dir_all(house.root.path()).unwrap();
    // The server's URL has a password, which no file holds.
    let config = json!({ "bus": { "url_env": "TEAM_BUS", "team": team, "machine": name } });
    std::fs::write(house.root.config(), config.to_string()).unwrap();
    let daemon = joined(&house, url);
    (house, daemon)
}

fn joined(house: &House, url: &str) -> Daemon {
    let mut command = house.command(&["daemon", "run"]);
    command.env("TEAM_BUS", url);
    Daemon::start(command)
}

/// The agents of another machine that a house knows.
fn known(house: &House, machine: &str) -> Vec<String> {
    let who = house.json(&["who", "--json"]);
    let items = who["items"].as_array().unwrap().iter();
    let theirs = items.filter(|one| one["machine"] == machine);
    theirs.map(|one| one["agent"].as_str().unwrap().to_owned()).collect()
}

fn say(house: &House, words: &str) {
    let said = house.run(&["msg", "send", "talk", words]);
    assert!(said.status.success(), "{}", text(&said));
}

/// What a house has of that channel, in order.
fn heard(house: &House) -> Vec<Value> {
    let listed = house.json(&["msg", "list", "--channel", "talk", "--json"]);
    listed["items"].as_array().unwrap().iter().map(|notice| notice["payload"].clone()).collect()
}

fn payload(house: &House, words: &str) -> Value {
    let own = heard(house);
    own.into_iter().find(|payload| payload.to_string().contains(words)).unwrap()
}

fn meet_through(url: &str) {
    let place = tempfile::tempdir().unwrap();
    let team: String = place.path().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).collect();
    let team = team.to_ascii_lowercase();
    let (alpha, first) = machine("alpha", &team, url);
    let (beta, _second) = machine("beta", &team, url);
    until("beta knows of alpha's user", || known(&beta, "alpha").contains(&"user".to_owned()).then_some(()));
    until("alpha knows of beta's user", || known(&alpha, "beta").contains(&"user".to_owned()).then_some(()));

    // A command that speaks and is gone; nobody on the other machine knew it.
    say(&alpha, "one");
    let one = payload(&alpha, "one");
    until("it is heard", || (heard(&beta) == [one.clone()]).then_some(()));

    // The daemon is killed, and what is said meanwhile waits in the file.
    first.kill();
    say(&alpha, "two");
    let two = payload(&alpha, "two");
    assert_eq!(heard(&beta), std::slice::from_ref(&one));
    let _again = joined(&alpha, url);
    until("it follows", || (heard(&beta).len() > 1).then_some(()));
    say(&alpha, "three");
    let three = payload(&alpha, "three");
    until("the last follows", || heard(&beta).contains(&three).then_some(()));
    assert_eq!(heard(&beta), [one, two, three], "each once, in the order said");

    let doctor = alpha.json(&["doctor", "--json"]);
    let findings = doctor["items"].as_array().unwrap();
    let joined = findings.iter().find(|finding| finding["check"] == "other_machines").unwrap();
    assert_eq!(joined["severity"], "ok", "{joined}");
}

#[test]
fn two_machines_meet_through_postgresql() {
    if let Some(url) = server("CODITECT_TEST_POSTGRES") {
        meet_through(&url);
    }
}

#[test]
fn two_machines_meet_through_nats() {
    if let Some(url) = server("CODITECT_TEST_NATS") {
        meet_through(&url);
    }
}

/// No server there: the daemon starts, works, and says what it does not reach.
#[test]
fn a_server_that_is_not_there_stops_nothing() {
    let (alpha, _daemon) = machine("alpha", "nobody", "nats://127.0.0.1:1");
    say(&alpha, "alone");
    assert_eq!(heard(&alpha).len(), 1);
    let trouble = until("doctor says so", || {
        let doctor = alpha.json(&["doctor", "--json"]);
        let findings = doctor["items"].as_array().unwrap().clone();
        findings.into_iter().find(|one| one["check"] == "other_machines" && one["severity"] == "warning")
    });
    assert!(trouble["message"].as_str().unwrap().contains("not reached"), "{trouble}");
}
