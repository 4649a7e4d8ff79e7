//! Agents in worktrees of their own that change the same lines: seen while they work, told to both, listed by every face.

use crate::house::{Daemon, until};
use crate::kill::Workplace;
use serde_json::{Value, json};

fn place() -> (Workplace, Daemon) {
    let apart = json!({ "isolation": "worktree" });
    let place = Workplace::with(&[("claude", apart.clone()), ("kimi", apart)]);
    let daemon = place.daemon();
    (place, daemon)
}

fn conflicts(place: &Workplace, verb: &str) -> Vec<Value> {
    place.house.json(&["conflict", verb, "--json"])["items"].as_array().unwrap().clone()
}

#[test]
fn two_agents_that_change_the_same_lines_hear_of_it_while_they_work() {
    let (place, _daemon) = place();
    let session = place.session("claude,kimi");
    let go = place.house.dir.path().join("go");
    let waits = format!("[[bash until [ -e {} ]; do sleep 0.02; done]] [[say done]]", go.display());
    let first = place.prompt(&session, "claude", &format!("[[edit README.md|# here|# claude]] {waits}"));
    let second = place.prompt(&session, "kimi", &format!("[[edit README.md|# here|# kimi]] {waits}"));
    let found = until("the conflict, without a sweep", || conflicts(&place, "list").pop());
    assert_eq!((&found["kind"], &found["paths"]), (&json!("merge_conflict"), &json!(["README.md"])));
    assert_eq!(found["agents"], json!(["claude", "kimi"]));
    assert_eq!(found["sessions"], json!([session]));
    assert_eq!(found["worktrees"].as_array().unwrap().len(), 2);
    let told = until("both were told", || {
        let notices = place.house.json(&["msg", "list", "--channel", "file_conflict", "--json"]);
        let all = notices["items"].as_array().unwrap();
        let told: Vec<Value> =
            all.iter().filter(|one| one["payload"]["type"] == "worktree_conflict").cloned().collect();
        (told.len() == 2).then_some(told)
    });
    assert_ne!(told[0]["recipient"], told[1]["recipient"]);
    assert!(told[0]["payload"]["text"].as_str().unwrap().contains("a merge would conflict in README.md"));
    let (mut agent, _home) = crate::mcp_client::Agent::of_user(&place.house.root);
    let listed = agent.call("conflict_list", json!({}));
    let one = &listed.data()["conflicts"][0];
    assert_eq!((&one["id"], &one["files"]), (&found["id"], &found["paths"]), "{listed:?}");
    assert_eq!((&one["kind"], &one["agents"]), (&found["kind"], &found["agents"]), "{listed:?}");
    std::fs::write(go, "").unwrap();
    place.over(&first);
    place.over(&second);
    // One lands: the other is in conflict with the branch now, and with nobody else.
    place.house.json(&["session", "land", &session, "--agent", "claude", "--json"]);
    let kinds: Vec<Value> = conflicts(&place, "sweep").into_iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["base_conflict"]);
    assert_eq!(conflicts(&place, "list").len(), 1);
    let events = place.house.run(&["events", "export", "--json"]);
    let phases = String::from_utf8_lossy(&events.stdout).matches(r#""phase":"gone""#).count();
    assert_eq!(phases, 1);
    let refused = place.house.run(&["conflict", "list", "--repo", "no-such-repo", "--json"]);
    assert!(!refused.status.success());
}
