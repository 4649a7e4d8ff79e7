//! A daemon that is killed between the end of a session and the word of it to the session that waits.

use crate::kill::Workplace;
use serde_json::{Value, json};

/// Where the daemon is killed, seen from the child's task.
const MOMENTS: [&[&str]; 3] =
    [&["submitted", "working", "completed"], &["working", "completed"], &["completed"]];
const ROUNDS: usize = 9;

fn tasks(place: &Workplace, session: &str) -> Vec<Value> {
    let listed = place.house.json(&["task", "list", "--session", session, "--json"]);
    listed["items"].as_array().unwrap().clone()
}

/// Tasks of the session that tell of the child.
fn told(place: &Workplace, session: &str, child: &str) -> usize {
    let tells = |task: &&Value| task["prompt"].as_str().unwrap().contains(child);
    tasks(place, session).iter().filter(tells).count()
}

#[test]
fn a_callback_is_told_once_and_to_nobody_else_however_often_the_daemon_is_killed() {
    let place = Workplace::new();
    let mut daemon = place.daemon();
    let parent = place.session("claude");
    let mut children = Vec::new();
    for round in 0..ROUNDS {
        let prompt = format!("[[say built {round}]]");
        let line = ["session", "spawn", &parent, &prompt, "--callback", "once", "--json"];
        let spawned = place.house.json(&line);
        let child = spawned["session"]["short_id"].as_str().unwrap().to_owned();
        let task = spawned["task"]["id"].as_str().unwrap().to_owned();
        crate::house::until("the moment", || {
            let state = place.house.json(&["task", "show", &task, "--json"])["state"].clone();
            MOMENTS[round % MOMENTS.len()].iter().any(|moment| state == json!(moment)).then_some(())
        });
        daemon.kill();
        daemon = place.daemon();
        crate::house::until("the parent is told", || (told(&place, &parent, &child) > 0).then_some(()));
        children.push(child);
    }
    let fork = place.house.json(&["session", "fork", &parent, "--json"])["id"].as_str().unwrap().to_owned();
    daemon.kill();
    let _daemon = place.daemon();
    let over = |state: &Value| *state == json!("completed") || *state == json!("failed");
    crate::house::until("the parent has heard it all", || {
        tasks(&place, &parent).iter().all(|task| over(&task["state"])).then_some(())
    });
    for child in &children {
        assert_eq!(told(&place, &parent, child), 1, "{child}");
        assert_eq!(tasks(&place, child).len(), 1, "a child has its own work and no word of others");
    }
    assert_eq!(tasks(&place, &fork), Vec::<Value>::new(), "a fork of the parent waits for nobody");
}
