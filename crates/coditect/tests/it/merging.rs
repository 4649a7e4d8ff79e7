//! The merge queue as its users have it: commands, and the tools of the user's own agents.

use crate::house::Daemon;
use crate::kill::Workplace;
use serde_json::{Value, json};
use std::path::Path;

fn place() -> (Workplace, Daemon) {
    let place = Workplace::new();
    let daemon = place.daemon();
    let repo = place.repo.path().to_str().unwrap();
    place.house.json(&["repo", "add", repo, "--name", "shop", "--test", "! grep -q bad *.txt", "--json"]);
    (place, daemon)
}

/// A worktree in which a file was committed.
fn work(place: &Workplace, name: &str, text: &str) {
    let made = place.house.json(&["worktree", "add", "shop", name, "--json"]);
    let path = made["path"].as_str().unwrap();
    std::fs::write(Path::new(path).join(format!("{name}.txt")), text).unwrap();
    place.repo.git(&["-C", path, "add", "--all"]);
    place.repo.git(&["-C", path, "commit", "-qm", name]);
}

fn merge(place: &Workplace, args: &[&str]) -> Value {
    place.house.json(&[&["merge"], args, &["--json"]].concat())
}

fn names(listed: &Value) -> Vec<&str> {
    listed["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn finished_worktrees_are_queued_ordered_and_landed_by_commands() {
    let (place, _daemon) = place();
    for (name, text) in [("one", "good\n"), ("two", "bad\n"), ("three", "good\n")] {
        work(&place, name, text);
    }
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let added = merge(&place, &["add", name, "--hold"]);
        assert_eq!((&added["state"], &added["into"]), (&json!("held"), &json!("main")));
        ids.push(added["short_id"].as_str().unwrap().to_owned());
    }
    let again = place.house.run(&["merge", "add", "one", "--json"]);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("merge_queued"),
        "{}",
        crate::house::text(&again)
    );
    let moved = merge(&place, &["move", &ids[2], "--before", &ids[0]]);
    assert_eq!(names(&moved), ["shop/three", "shop/one", "shop/two"]);
    let canceled = merge(&place, &["cancel", &ids[0]]);
    assert_eq!(canceled["state"], "canceled");
    merge(&place, &["run", "--repo", "shop", "--bisect"]);
    crate::house::until("the queue is empty", || names(&merge(&place, &["list"])).is_empty().then_some(()));
    let ended = merge(&place, &["list", "--ended"]);
    let states: Vec<(&str, &str)> = ended["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("shop/three", "landed"), ("shop/two", "failed"), ("shop/one", "canceled")]);
    let shown = place.house.run(&["merge", "show", &ids[1]]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("its checks fail on top of main"));
    assert_eq!(place.repo.read("three.txt"), "good\n");
    assert!(!place.repo.path().join("two.txt").exists() && !place.repo.path().join("one.txt").exists());
    // One is waited for: how it came out is how the command does.
    assert_eq!(merge(&place, &["add", "one", "--wait"])["state"], "landed");
    let failed = place.house.run(&["merge", "add", "two", "--wait", "--json"]);
    assert!(!failed.status.success());
}

#[test]
fn an_agent_of_the_users_queues_work_by_tool_and_sees_it_land() {
    let (place, _daemon) = place();
    work(&place, "one", "good\n");
    work(&place, "two", "bad\n");
    let (mut agent, _home) = crate::mcp_client::Agent::of_user(&place.house.root);
    for name in ["one", "two"] {
        let added = agent.call("merge_add", json!({ "worktree": name, "bisect": true }));
        assert_eq!(added.data()["worktree"], format!("shop/{name}"), "{added:?}");
    }
    let unclear = agent.call("merge_add", json!({}));
    assert_eq!(unclear.code(), "merge_unclear", "the user works in no worktree");
    let ended = crate::house::until("both are over", || {
        let listed = agent.call("merge_list", json!({ "repo": "shop", "ended": true }));
        let all = listed.data()["merges"].as_array().unwrap().clone();
        let over = |one: &Value| one["state"] == "landed" || one["state"] == "failed";
        (all.len() == 2 && all.iter().all(over)).then_some(all)
    });
    let mut states: Vec<(&str, &str)> =
        ended.iter().map(|one| (one["worktree"].as_str().unwrap(), one["state"].as_str().unwrap())).collect();
    states.sort_unstable();
    assert_eq!(states, [("shop/one", "landed"), ("shop/two", "failed")]);
    assert_eq!(place.repo.read("one.txt"), "good\n");
}
