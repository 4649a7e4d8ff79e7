//! Locks and notices by the command line, with no daemon anywhere.

use crate::command::Home;
use serde_json::json;
use std::io::{BufRead, BufReader};

fn token(home: &Home, args: &[&str]) -> String {
    let said = home.run(args);
    assert_eq!(said.exit, 0, "{}", said.err);
    said.json()["items"][0]["token"].to_string()
}

fn held(home: &Home) -> usize {
    home.run(&["lock", "list", "--json"]).json()["items"].as_array().unwrap().len()
}

#[test]
fn a_lock_is_taken_renewed_and_given_back() {
    let home = Home::new();
    assert_eq!(held(&home), 0);
    assert!(!home.data_root().path().exists(), "looking made something");

    let token = token(&home, &["lock", "acquire", "src/lib.rs", "--ttl", "60", "--json"]);
    let list = home.run(&["lock", "list", "--json"]).json();
    assert_eq!(list["items"][0]["path"], "src/lib.rs");
    assert_eq!(list["items"][0]["mode"], "exclusive");
    assert_eq!(list["schema_version"], 1);

    let before = list["items"][0]["expires_at"].as_str().unwrap().to_owned();
    let renewed = home.run(&["lock", "renew", &token, "--ttl", "3600", "--json"]).json();
    assert!(renewed["expires_at"].as_str().unwrap() > before.as_str());

    assert_eq!(home.run(&["lock", "release", &token, "--json"]).json()["released"][0].to_string(), token);
    assert_eq!(held(&home), 0);
    let again = home.run(&["lock", "release", &token, "--json"]);
    assert_eq!((again.exit, again.code().as_str()), (5, "lock_lost"));
    assert!(!home.data_root().daemon_info().exists(), "a daemon was started for it");
}

#[test]
fn two_commands_of_one_user_exclude_each_other() {
    let home = Home::new();
    token(&home, &["lock", "acquire", "src", "--json"]);
    let refused = home.run(&["lock", "acquire", "src/lib.rs", "--json"]);
    assert_eq!((refused.exit, refused.code().as_str()), (5, "lock_held"));
    assert!(refused.err.starts_with("error: ") && refused.err.contains("\nhint: "), "{}", refused.err);

    let here = home.run_in(&home.repo().join("src"), &["lock", "acquire", "../README.md", "--json"]);
    assert_eq!(here.json()["items"][0]["path"], "README.md");
    let outside = home.run_in(&home.path("data"), &["lock", "acquire", "x", "--json"]);
    assert_eq!((outside.exit, outside.code().as_str()), (2, "no_worktree"));
    for command in ["acquire", "guard", "who", "wait"] {
        let empty = home.run(&["lock", command, "", "--json"]);
        assert_eq!((empty.exit, empty.code().as_str()), (2, "path_empty"), "{command}: {}", empty.err);
        assert!(empty.err.contains("\nhint: "), "{}", empty.err);
    }
    assert_eq!(held(&home), 2, "the empty path took nothing");
}

#[test]
fn the_holder_is_who_was_named() {
    let home = Home::new();
    let said = home.run(&["lock", "acquire", "a", "--as", "ada", "--json"]).json();
    let holder = said["holder"].as_str().unwrap();
    let second = home.run(&["lock", "acquire", "a", "b", "--holder", holder, "--json"]).json();
    assert_eq!(second["items"][0]["token"], said["items"][0]["token"], "what it has it keeps");
    assert_eq!(second["items"][1]["agent"], "ada");
    let released = home.run(&["lock", "release", "--all", "--holder", holder, "--json"]).json();
    assert_eq!(released["released"].as_array().unwrap().len(), 2);
    let gone = home.run(&["lock", "acquire", "a", "--holder", holder, "--json"]);
    assert_eq!((gone.exit, gone.code().as_str()), (5, "registration_ended"));
}

#[test]
fn waiting_ends_with_the_lock_or_with_the_time() {
    let home = Home::new();
    let first = token(&home, &["lock", "acquire", "a", "--json"]);
    let late = home.run(&["lock", "acquire", "a", "--wait", "1", "--json"]);
    assert_eq!((late.exit, late.code().as_str()), (7, "lock_wait_timeout"));
    assert_eq!(home.run(&["lock", "acquire", "a", "--wait", "86401"]).exit, 2, "a day at most");
    assert_eq!(home.run(&["lock", "wait", "a", "--timeout", "1"]).exit, 7);
    assert_eq!(home.run(&["lock", "wait", "b", "--timeout", "1"]).exit, 0);

    let mut waiting = home.start(&["lock", "acquire", "a", "--wait", "60", "--json"]);
    // It says so once it stands in line.
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("waiting for a ("), "{line}");
    assert_eq!(home.run(&["lock", "release", &first]).exit, 0);
    assert!(waiting.wait().unwrap().success());
    assert_eq!(held(&home), 1);
}

#[test]
fn a_lock_can_be_broken_by_order_only() {
    let home = Home::new();
    let token = token(&home, &["lock", "acquire", "a", "--json"]);
    let foreign = home.run(&["lock", "acquire", "b", "--json"]).json()["holder"].clone();
    let not_mine = home.run(&["lock", "release", &token, "--holder", foreign.as_str().unwrap(), "--json"]);
    assert_eq!((not_mine.exit, not_mine.code().as_str()), (4, "lock_not_yours"));
    assert_eq!(home.run(&["lock", "break", &token]).exit, 0);
    assert_eq!(held(&home), 1);
}

#[test]
fn a_notice_is_sent_listed_and_followed() {
    let home = Home::new();
    assert_eq!(home.run(&["msg", "list", "--json"]).json()["items"], json!([]));
    let sent = home.run(&["msg", "send", "task_broadcast", "main is frozen", "--as", "ada", "--json"]).json();
    assert_eq!((&sent["agent"], &sent["ttl_seconds"]), (&json!("ada"), &json!(600)));
    assert_eq!(home.run(&["msg", "send", "build", r#"{"ok":true}"#, "--payload"]).exit, 0);
    let bad = home.run(&["msg", "send", "build", "{", "--payload", "--json"]);
    assert_eq!((bad.exit, bad.code().as_str()), (2, "bad_payload"));

    let list = home.run(&["msg", "list", "--json"]).json();
    assert_eq!(list["items"][0]["payload"], json!({ "text": "main is frozen" }));
    assert_eq!(list["items"][1]["payload"], json!({ "ok": true }));
    let only = home.run(&["msg", "list", "--channel", "build", "--json"]).json();
    assert_eq!(only["items"].as_array().unwrap().len(), 1);

    let tail = home.run(&["msg", "tail", "--from", "beginning", "--timeout", "1", "--json"]);
    let ids: Vec<i64> = tail
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap())
        .collect();
    assert_eq!((tail.exit, ids), (0, vec![1, 2]));
}

#[test]
fn a_line_that_is_no_command_says_so_in_both_forms() {
    let home = Home::new();
    let said = home.run(&["lokc", "--json"]);
    assert_eq!((said.exit, said.code().as_str()), (2, "bad_usage"));
    assert!(said.err.contains("'lock'"), "the nearest command is named: {}", said.err);
    let absent = home.run(&["session", "list", "--no-autostart", "--json"]);
    assert_eq!((absent.exit, absent.code().as_str()), (6, "daemon_not_running"));
    let status = home.run(&["daemon", "status", "--json"]);
    assert_eq!((status.exit, &status.json()["running"]), (6, &json!(false)));
}

#[test]
fn heartbeats_are_shown_once_and_carry_no_text() {
    let home = Home::new();
    let text = home.run(&["msg", "send", "heartbeat", "I am here", "--json"]);
    assert_eq!((text.exit, text.code().as_str()), (2, "heartbeat_text"));
    assert!(text.err.contains("\nhint: "), "{}", text.err);
    let said = home.run(&["lock", "acquire", "a", "--as", "ada", "--json"]).json();
    let ada = said["holder"].as_str().unwrap();
    assert_eq!(home.run(&["msg", "send", "heartbeat", "", "--holder", ada]).exit, 0);
    let tail = ["msg", "tail", "--channel", "heartbeat", "--from", "beginning", "--json"];
    for more in [&["--no-follow"][..], &["--timeout", "1"]] {
        let shown = home.run(&[&tail[..], more].concat());
        assert_eq!(shown.exit, 0, "{}", shown.err);
        let lines: Vec<serde_json::Value> =
            shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{more:?}: {}", shown.out);
        assert_eq!((&lines[0]["agent"], &lines[0]["channel"]), (&json!("ada"), &json!("heartbeat")));
    }
}

#[test]
fn a_claim_that_never_was_is_not_said_to_be_lost() {
    let home = Home::new();
    let ada = home.run(&["lock", "acquire", "a", "--as", "ada", "--json"]).json();
    let ada = ada["holder"].as_str().unwrap();
    for command in ["done", "renew", "giveback"] {
        let said = home.run(&["msg", command, "999", "--holder", ada, "--json"]);
        assert_eq!((said.exit, said.code().as_str()), (5, "claim_lost"));
        assert!(said.err.contains("there is no claim 999"), "{}", said.err);
    }
}
