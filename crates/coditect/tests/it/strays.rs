//! What a shell writes over somebody's locked file is told to both, and can be taken back.

use crate::house::until;
use crate::kill::Workplace;
use model::TaskState;
use serde_json::{Value, json};

#[test]
fn a_shell_that_writes_over_a_locked_file_is_told_to_both_sides_and_taken_back() {
    let place = Workplace::with(&[("claude", json!({})), ("kimi", json!({}))]);
    let _daemon = place.daemon();
    place.repo.write("held.txt", "before\n");
    place.repo.git(&["add", "held.txt"]);
    place.repo.git(&["commit", "-qm", "held"]);
    let session = place.session("claude,kimi");
    let go = place.house.dir.path().join("go");
    let wait = format!(
        "[[edit held.txt|before|the holder's]] [[bash until [ -e {} ]; do sleep 0.02; done]] [[say done]]",
        go.display()
    );
    let holding = place.prompt(&session, "claude", &wait);
    until("the edit", || (place.repo.read("held.txt") == "the holder's\n").then_some(()));
    let wild = place.prompt(&session, "kimi", "[[bash echo wild > held.txt]] [[say done]]");
    assert_eq!(place.over(&wild).0, TaskState::Completed);
    assert_eq!(place.repo.read("held.txt"), "wild\n");

    let notices = place.house.json(&["msg", "list", "--channel", "file_conflict", "--json"]);
    let told: Vec<&Value> =
        notices["items"].as_array().unwrap().iter().filter(|one| one["recipient"].is_string()).collect();
    assert_eq!(told.len(), 2, "{notices}");
    assert_ne!(told[0]["recipient"], told[1]["recipient"]);
    for notice in told {
        let words = notice.to_string();
        assert!(words.contains("held.txt") && words.contains("coditect file restore"), "{words}");
        assert!(words.contains("claude"), "{words}");
    }
    let file = place.repo.path().join("held.txt");
    let file = file.to_str().unwrap();
    let restored = place.house.json(&["file", "restore", file, "--json"]);
    assert_eq!(place.repo.read("held.txt"), "the holder's\n");
    assert_eq!(restored["holder"], "claude");
    let kept = restored["kept_at"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "wild\n", "nothing is lost");
    place.house.json(&["file", "restore", file, "--to", "before-lock", "--json"]);
    assert_eq!(place.repo.read("held.txt"), "before\n");
    std::fs::write(go, "").unwrap();
    assert_eq!(place.over(&holding).0, TaskState::Completed);
    place.house.json(&["file", "restore", file, "--json"]);
    let events = place.house.run(&["events", "export"]);
    let events = String::from_utf8_lossy(&events.stdout);
    assert_eq!(events.matches("file.restored").count(), 3, "{events}");
    let unknown =
        place.house.run(&["file", "restore", place.repo.path().join("README.md").to_str().unwrap()]);
    assert!(!unknown.status.success() && crate::house::text(&unknown).contains("git restore"));
}
