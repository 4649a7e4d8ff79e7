//! What a shell writes over somebody's locked file is told to both, and can be taken back.

use crate::house::until;
use crate::kill::Workplace;
use model::TaskState;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

/// A session of Claude Code that somebody started by hand in the repository.
struct ByHand<'a> {
    place: &'a Workplace,
    id: &'a str,
}

impl ByHand<'_> {
    /// What the hook said to the model.
    fn tool(&self, event: &str, tool: &str, input: &Value) -> String {
        let repo = self.place.repo.path();
        let input = json!({
            "session_id": self.id, "cwd": repo, "hook_event_name": event, "tool_name": tool, "tool_use_id": "t1",
            "tool_input": input,
        });
        let house = &self.place.house;
        let mut command = crate::house::coditect(house.dir.path());
        command.args(["hook", "claude", "--data-root"]).arg(house.root.path());
        let mut child =
            command.current_dir(repo).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", crate::house::text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn begins_edit(&self, path: &str) {
        let said =
            self.tool("PreToolUse", "Write", &json!({ "file_path": self.place.repo.path().join(path) }));
        assert!(!said.contains("deny"), "{said}");
    }

    fn ends_edit(&self, path: &str) {
        self.tool("PostToolUse", "Write", &json!({ "file_path": self.place.repo.path().join(path) }));
    }
}

impl Workplace {
    /// A command that says that it runs, and ends when it is told to.
    fn waits(&self, name: &str) -> String {
        let (here, go) = (self.signal("begun", name), self.signal("go", name));
        format!("touch {}; until [ -e {} ]; do sleep 0.02; done", here.display(), go.display())
    }

    fn signal(&self, what: &str, name: &str) -> std::path::PathBuf {
        self.house.dir.path().join(format!("{what}-{name}"))
    }

    fn runs(&self, name: &str) {
        until(name, || self.signal("begun", name).exists().then_some(()));
    }

    fn go(&self, name: &str) {
        std::fs::write(self.signal("go", name), "").unwrap();
    }

    fn committed(&self, path: &str, text: &str) {
        self.repo.write(path, text);
        self.repo.git(&["add", path]);
        self.repo.git(&["commit", "-qm", path]);
    }

    fn addressed(&self) -> Vec<Value> {
        let notices = self.house.json(&["msg", "list", "--channel", "file_conflict", "--json"]);
        notices["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["recipient"].is_string())
            .cloned()
            .collect()
    }

    fn strays(&self) -> usize {
        let events = self.house.run(&["events", "export"]);
        String::from_utf8_lossy(&events.stdout).matches("file.strayed").count()
    }

    fn restored(&self, path: &str, to: &str) -> Value {
        let file = self.repo.path().join(path);
        self.house.json(&["file", "restore", file.to_str().unwrap(), "--to", to, "--json"])
    }
}

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

#[test]
fn what_a_session_by_hand_writes_under_its_lock_is_nobodys_stray() {
    let place = Workplace::with(&[("kimi", json!({}))]);
    let _daemon = place.daemon();
    place.committed("held.txt", "before\n");
    let session = place.session("kimi");
    let ada = ByHand { place: &place, id: "ada" };
    let (first, second) = (place.waits("first"), place.waits("second"));
    let task = place.prompt(&session, "kimi", &format!("[[bash {first}]] [[bash {second}]] [[say done]]"));
    place.runs("first");
    ada.begins_edit("held.txt");
    place.repo.write("held.txt", "ada's, half done\n");
    place.go("first");
    place.runs("second");
    place.repo.write("held.txt", "ada's\n");
    ada.ends_edit("held.txt");
    place.go("second");
    assert_eq!(place.over(&task).0, TaskState::Completed);
    assert_eq!((place.addressed(), place.strays()), (Vec::new(), 0));
}

#[test]
fn a_shell_of_a_session_by_hand_over_an_agents_file_is_told_at_once_and_not_blamed_on_the_agent() {
    let place = Workplace::with(&[("kimi", json!({}))]);
    let _daemon = place.daemon();
    place.committed("held.txt", "before\n");
    let session = place.session("kimi");
    let bob = ByHand { place: &place, id: "bob" };
    let waits = place.waits("holding");
    let text = format!("[[edit held.txt|before|the agent's]] [[bash {waits}]] [[say done]]");
    let task = place.prompt(&session, "kimi", &text);
    place.runs("holding");
    until("the agent edits no more", || {
        let who = place.house.json(&["who", "--json"]);
        let kimi = who["items"].as_array().unwrap().iter().find(|one| one["agent"] == "kimi").cloned();
        (kimi?["status"] == "running_tool").then_some(())
    });
    let build = json!({ "command": "python3 build.py" });
    // What the holder itself has written before is not what it is about.
    bob.tool("PreToolUse", "Bash", &build);
    place.repo.write("held.txt", "wild\n");
    let told = bob.tool("PostToolUse", "Bash", &build);
    assert!(told.contains("`held.txt` changed while your Bash ran, and kimi "), "{told}");
    let addressed = place.addressed();
    assert_eq!(addressed.len(), 1, "{addressed:?}");
    let words = addressed[0]["payload"]["text"].as_str().unwrap();
    assert!(words.starts_with("held.txt changed without its lock, which you hold"), "{words}");
    assert!(words.contains("`coditect file restore held.txt` brings back what kimi had in it"), "{words}");
    place.go("holding");
    assert_eq!(place.over(&task).0, TaskState::Completed);
    assert_eq!((place.addressed().len(), place.strays()), (1, 0), "once, and the victim is not blamed");
    place.restored("held.txt", "last-known");
    assert_eq!(place.repo.read("held.txt"), "the agent's\n");
}

#[test]
fn what_a_session_by_hand_had_in_a_file_is_brought_back() {
    let place = Workplace::with(&[("kimi", json!({}))]);
    let _daemon = place.daemon();
    place.committed("held.txt", "before\n");
    let session = place.session("kimi");
    let ada = ByHand { place: &place, id: "ada" };
    ada.begins_edit("held.txt");
    place.repo.write("held.txt", "ada's\n");
    ada.ends_edit("held.txt");
    let task = place.prompt(&session, "kimi", "[[bash echo wild > held.txt]] [[say done]]");
    assert_eq!(place.over(&task).0, TaskState::Completed);
    assert_eq!((place.addressed().len(), place.strays()), (2, 1));
    for notice in place.addressed() {
        let words = notice["payload"]["text"].as_str().unwrap().to_owned();
        assert!(
            words.contains("`coditect file restore held.txt` brings back what claude had in it"),
            "{words}"
        );
    }
    assert_eq!(place.restored("held.txt", "last-known")["holder"], "claude");
    assert_eq!(place.repo.read("held.txt"), "ada's\n");
    place.restored("held.txt", "before-lock");
    assert_eq!(place.repo.read("held.txt"), "before\n");
}

#[test]
fn what_was_locked_by_the_command_is_brought_back_too() {
    let place = Workplace::with(&[("kimi", json!({}))]);
    let _daemon = place.daemon();
    place.committed("held.txt", "before\n");
    let session = place.session("kimi");
    let worktree = place.repo.path().to_str().unwrap();
    place.house.json(&["lock", "acquire", "held.txt", "--worktree", worktree, "--as", "terminal", "--json"]);
    let task = place.prompt(&session, "kimi", "[[bash echo wild > held.txt]] [[say done]]");
    assert_eq!(place.over(&task).0, TaskState::Completed);
    let addressed = place.addressed();
    assert_eq!(addressed.len(), 2, "{addressed:?}");
    let words = addressed[0]["payload"]["text"].as_str().unwrap();
    assert!(words.contains("brings back what it held when terminal locked it"), "{words}");
    place.restored("held.txt", "last-known");
    assert_eq!(place.repo.read("held.txt"), "before\n");
}
