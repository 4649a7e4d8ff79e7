//! Terminals on the bus beyond what the manual shows: what is refused, who dies, and what is decided when nobody can be
//! asked.

use crate::command::{Home, Said};
use crate::house::until;
use bus::system::{SystemClock, SystemEntropy};
use model::{Event, LockPhase};
use serde_json::{Value, json};
use std::process::Child;
use std::sync::Arc;

/// A process to live by, until it is killed.
struct Shell(Child);

impl Shell {
    fn open(home: &Home) -> Self {
        Self(home.start(&["msg", "tail"]))
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn join(home: &Home, name: &str, shell: &Shell) -> Value {
    let pid = shell.0.id().to_string();
    let said = home.run(&["join", "--as", name, "--pid", &pid, "--json"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    said.json()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_notice_of_ten_megabytes_is_refused_before_it_is_made() {
    let home = Home::new();
    let said: Said = home.feed(&["msg", "send", "state", "-", "--json"], &vec![b'x'; 10 * 1024 * 1024]);
    assert_eq!((said.exit, said.code().as_str()), (2, "payload_too_large"));
    assert!(!home.data_root().path().exists(), "it made something");
    let most = vec![b'x'; model::NOTICE_PAYLOAD_MAX - r#"{"text":""}"#.len()];
    assert_eq!(home.feed(&["msg", "send", "state", "-"], &most).exit, 0, "and as much as may be is sent");
}

#[test]
fn a_name_of_two_or_of_nobody_is_answered_with_who_is_there() {
    let home = Home::new();
    let shells = [Shell::open(&home), Shell::open(&home)];
    let first = join(&home, "ada", &shells[0]);
    join(&home, "ada", &shells[1]);
    let both = home.run(&["msg", "send", "x", "hi", "--to", "ada", "--json"]);
    assert_eq!((both.exit, both.code().as_str()), (2, "ambiguous_session"));
    assert!(both.err.contains(text(&first["short_id"])), "{}", both.err);
    for (args, code) in [
        (&["msg", "send", "x", "hi", "--to", "zzzzzzzzzz"][..], "no_session"),
        (&["who", "nobody"], "no_session"),
        (&["lock", "acquire", "a", "--holder", "nobody"], "no_session"),
        (&["msg", "inbox", "--holder", "nobody"], "no_session"),
    ] {
        let said = home.run(&[args, &["--json"]].concat());
        assert_eq!((said.exit, said.code().as_str()), (3, code), "{args:?}");
        assert!(said.err.contains("ada "), "{}", said.err);
    }
    let by_short = home.run(&["who", &text(&first["short_id"])[..6], "--json"]);
    assert_eq!(by_short.json()["id"], first["id"]);
    let alone = home.run(&["msg", "inbox", "--json"]);
    assert_eq!((alone.exit, alone.code().as_str()), (2, "not_joined"), "this test has not joined");
}

#[test]
fn work_goes_to_one_and_to_the_next_when_that_one_dies() {
    let home = Home::new();
    let mut shells = [Shell::open(&home), Shell::open(&home)];
    join(&home, "ada", &shells[0]);
    join(&home, "bob", &shells[1]);
    assert_eq!(home.run(&["msg", "send", "task_broadcast", "port the lexer"]).exit, 0);
    let claim = |who: &str| home.run(&["msg", "claim", "--holder", who, "--json"]);
    let won = claim("ada").json();
    assert_eq!(won["notice"]["payload"], json!({ "text": "port the lexer" }));
    assert_eq!((claim("bob").exit, claim("bob").code().as_str()), (3, "no_work"));
    let token = won["token"].to_string();
    let not_his = home.run(&["msg", "done", &token, "--holder", "bob", "--json"]);
    assert_eq!(not_his.exit, 4, "{}", not_his.err);
    assert_eq!(home.run(&["msg", "renew", &token, "--holder", "ada"]).exit, 0);
    let notice = won["notice"]["id"].to_string();
    shells[0].kill();
    let next = home.run(&["msg", "claim", &notice, "--holder", "bob", "--json"]).json();
    assert!(next["token"].as_u64() > won["token"].as_u64(), "{next}");
    assert_eq!(
        (&next["attempts"], home.run(&["msg", "done", &next["token"].to_string(), "--holder", "bob"]).exit),
        (&json!(2), 0)
    );
    assert_eq!(claim("bob").exit, 3, "done is done");
}

#[test]
fn a_guard_that_cannot_ask_denies_beside_others_and_notes_it_when_alone() {
    let mut home = Home::new();
    let mut shells = [Shell::open(&home), Shell::open(&home)];
    let ada = join(&home, "ada", &shells[0]);
    let bob = join(&home, "bob", &shells[1]);
    home.set("CODITECT_HOLDER", text(&ada["id"]));
    let guard = || home.run(&["lock", "guard", "src/a.rs", "--json"]);
    assert_eq!((guard().exit, &guard().json()["items"][0]["decided"]), (0, &json!(true)));
    let bus = home.data_root().workspace(model::DEFAULT_WORKSPACE).bus();
    for name in ["messaging.db-wal", "messaging.db-shm"] {
        let _ = std::fs::remove_file(bus.join(name));
    }
    std::fs::write(bus.join("messaging.db"), "this is no database ".repeat(1000)).unwrap();
    let denied = guard();
    let item = &denied.json()["items"][0];
    assert_eq!(
        (denied.exit, &item["allowed"], &item["decided"]),
        (2, &json!(false), &json!(false)),
        "{item}"
    );
    assert!(denied.err.contains(text(&bob["short_id"])), "{}", denied.err);
    assert_eq!(bus::undecided_allowed(&bus), 0);
    shells[1].kill();
    let allowed = guard();
    let item = &allowed.json()["items"][0];
    assert_eq!((allowed.exit, &item["recorded"]), (0, &json!(true)), "{item}");
    assert_eq!(bus::undecided_allowed(&bus), 1);
    let outside = home.run(&["lock", "guard", "../../x", "--json"]);
    assert_eq!((outside.exit, outside.code().as_str()), (2, "path_outside"));
}

#[test]
fn a_daemon_clears_away_the_dead_and_journals_it() {
    let home = Home::new();
    assert_eq!(home.run(&["daemon", "start"]).exit, 0);
    let mut shell = Shell::open(&home);
    let ada = join(&home, "ada", &shell);
    let held = home.run(&["lock", "acquire", "src/a.rs", "--holder", "ada", "--json"]).json();
    let told = |kind: &str, of: &dyn Fn(&Value) -> bool| {
        let said = home.run(&["events", "export", "--json"]);
        let mut events = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.any(|event| event["kind"] == kind && of(&event["payload"])).then_some(())
    };
    shell.kill();
    until("the end of ada in the journal", || {
        told("registration.ended", &|end| end["registration"] == ada["id"] && end["reason"] == "died")
    });
    until("her lock's end in the journal", || {
        told("lock.changed", &|lock| {
            lock["token"] == held["items"][0]["token"] && lock["phase"] == "released"
        })
    });
    assert_eq!(home.run(&["who", "ada"]).exit, 3);
}

#[test]
fn the_dead_do_not_count_as_living_and_their_locks_are_marked() {
    let home = Home::new();
    let mut shells = [Shell::open(&home), Shell::open(&home)];
    join(&home, "ada", &shells[0]);
    join(&home, "bob", &shells[1]);
    assert_eq!(home.run(&["lock", "acquire", "a", "--holder", "ada"]).exit, 0);
    let bus = || {
        let doctor = home.run(&["doctor", "--json"]).json();
        let items = doctor["items"].as_array().unwrap().clone();
        text(&items.iter().find(|one| one["check"] == "bus").unwrap()["message"]).to_owned()
    };
    assert_eq!(bus(), "2 live session(s), 1 lock(s)");
    assert!(!home.run(&["lock", "list"]).err.contains("is dead"));
    shells[0].kill();
    assert_eq!(bus(), "1 live session(s), 1 dead, 1 lock(s)");
    let list = home.run(&["lock", "list"]);
    assert!(list.err.contains("is dead; a is free for whoever asks"), "{}", list.err);
}

#[test]
fn a_broken_lock_says_who_ordered_it() {
    let home = Home::new();
    let shell = Shell::open(&home);
    join(&home, "ada", &shell);
    let lock = home.run(&["lock", "acquire", "a", "--holder", "ada", "--json"]).json();
    // What this test runs is typed under it.
    let pid = std::process::id().to_string();
    let boss = home.run(&["join", "--as", "boss", "--pid", &pid, "--json"]).json();
    assert_eq!(home.run(&["lock", "break", &lock["items"][0]["token"].to_string()]).exit, 0);
    let dir = home.data_root().workspace(model::DEFAULT_WORKSPACE).bus();
    let bus = bus::Bus::open(&dir, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    let (_, rows) = bus.outbox(0, 100).unwrap();
    let ordered = rows.iter().find_map(|row| match &row.event {
        Event::LockChanged(change) if change.phase == LockPhase::Broken => Some(change.other),
        _ => None,
    });
    let by = ordered.flatten().map(|id| id.to_string());
    assert_eq!(by.as_deref(), boss["id"].as_str(), "{boss}");
    assert!(by.is_some());
}
