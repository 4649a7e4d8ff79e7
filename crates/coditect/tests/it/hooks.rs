//! `coditect hook`, as a vendor's program calls it: what it answers, and what the bus knows afterwards.

use crate::command::{Home, Said};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A home whose repository takes part.
fn taking_part() -> Home {
    let home = Home::new();
    let said = home.run(&["connect", "claude", "--yes", "--json"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    assert_eq!(said.json()["repository"], home.repo().canonicalize().unwrap().to_str().unwrap());
    home
}

struct Session<'a> {
    home: &'a Home,
    id: &'a str,
    agent: Option<&'a str>,
}

impl<'a> Session<'a> {
    fn new(home: &'a Home, id: &'a str) -> Self {
        Self { home, id, agent: None }
    }

    fn said(&self, event: &str, more: Value) -> Said {
        let mut input = json!({ "session_id": self.id, "cwd": self.home.repo(), "hook_event_name": event });
        let fields = input.as_object_mut().unwrap();
        if let Some(agent) = self.agent {
            fields.insert("agent_id".to_owned(), agent.into());
            fields.insert("agent_type".to_owned(), "explorer".into());
        }
        fields.extend(more.as_object().cloned().unwrap_or_default());
        let said = self.home.feed(&["hook", "claude"], input.to_string().as_bytes());
        assert_eq!(said.exit, 0, "{event}: {}", said.err);
        said
    }

    fn tool(&self, event: &str, tool: &str, input: Value) -> Said {
        self.said(event, json!({ "tool_name": tool, "tool_use_id": "t1", "tool_input": input }))
    }

    fn write(&self, path: &str) -> Option<String> {
        denial(&self.tool(
            "PreToolUse",
            "Write",
            json!({ "file_path": self.home.repo().join(path), "content": "x" }),
        ))
    }

    fn bash(&self, command: &str) -> Option<String> {
        denial(&self.tool("PreToolUse", "Bash", json!({ "command": command })))
    }

    fn heard(&self, event: &str) -> String {
        context(&self.said(event, json!({ "prompt": "go on" })))
    }
}

fn denial(said: &Said) -> Option<String> {
    if said.out.is_empty() {
        return None;
    }
    let out = &said.json()["hookSpecificOutput"];
    assert_eq!(out["permissionDecision"], "deny");
    Some(out["permissionDecisionReason"].as_str().unwrap().to_owned())
}

fn context(said: &Said) -> String {
    if said.out.is_empty() {
        return String::new();
    }
    said.json()["hookSpecificOutput"]["additionalContext"].as_str().unwrap().to_owned()
}

fn sessions(home: &Home) -> Vec<Value> {
    home.run(&["who", "--json"]).json()["items"].as_array().unwrap().clone()
}

fn locks(home: &Home) -> Vec<String> {
    let items = home.run(&["lock", "list", "--json"]).json()["items"].as_array().unwrap().clone();
    items.iter().map(|lock| lock["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_repository_that_takes_no_part_is_left_alone() {
    let home = Home::new();
    let session = Session::new(&home, "s");
    for event in ["SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"] {
        let said = session.said(event, json!({}));
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{event}");
    }
    assert_eq!(session.write("a.txt"), None);
    let garbage = home.feed(&["hook", "claude"], b"PreToolUse {");
    assert_eq!((garbage.exit, garbage.out.as_str()), (0, ""));
    assert!(!home.data_root().path().exists(), "it made something");
}

#[test]
fn a_session_joins_takes_its_locks_and_gives_them_back_when_its_turn_ends() {
    let home = taking_part();
    let (ada, bob) = (Session::new(&home, "ada"), Session::new(&home, "bob"));
    let hello = ada.heard("SessionStart");
    assert!(hello.starts_with("You are claude ") && hello.contains("Nobody else works"), "{hello}");
    assert_eq!(ada.write("src/lib.rs"), None);
    assert_eq!(ada.write("src/lib.rs"), None, "its own");
    assert_eq!(locks(&home), ["src/lib.rs"]);
    let hello = bob.heard("SessionStart");
    assert!(hello.contains("Here also work: claude ") && hello.contains("`src/lib.rs`"), "{hello}");
    let no = bob.write("src/lib.rs").unwrap();
    assert!(no.contains("claude ") && no.contains("holds `src/lib.rs`") && no.contains("--wait"), "{no}");
    assert!(!no.contains('\n'), "one sentence: {no}");
    assert_eq!(bob.write("src/other.rs"), None);
    ada.said("Stop", json!({}));
    assert_eq!(bob.write("src/lib.rs"), None, "free again");
    bob.said("SessionEnd", json!({ "reason": "exit" }));
    assert_eq!(locks(&home), Vec::<String>::new());
    assert_eq!(sessions(&home).len(), 1);
}

#[test]
fn a_session_whose_start_was_missed_joins_at_its_first_edit_and_one_that_comes_back_is_another() {
    let home = taking_part();
    let ada = Session::new(&home, "ada");
    assert_eq!(ada.write("a"), None);
    let first = sessions(&home);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["active_files"], json!(["a"]));
    assert_eq!(first[0]["vendor"], "anthropic");
    ada.said("SessionEnd", json!({ "reason": "exit" }));
    ada.said("SessionStart", json!({ "source": "resume" }));
    let second = sessions(&home);
    assert_eq!(second.len(), 1);
    assert_ne!(first[0]["id"], second[0]["id"]);
}

#[test]
fn sub_agents_are_told_apart() {
    let home = taking_part();
    let ada = Session::new(&home, "ada");
    let sub = Session { agent: Some("a1"), ..Session::new(&home, "ada") };
    let other = Session { agent: Some("a2"), ..Session::new(&home, "ada") };
    assert_eq!(sub.write("a"), None);
    assert!(ada.write("a").unwrap().contains("claude:explorer"));
    assert!(other.write("a").is_some());
    let all = sessions(&home);
    let parent = all.iter().find(|one| one["sub_agent"].is_null()).unwrap();
    let subs: Vec<&Value> = all.iter().filter(|one| one["sub_agent"] == "explorer").collect();
    assert_eq!(subs.len(), 2);
    assert!(subs.iter().all(|one| one["parent"] == parent["id"]));
    sub.said("SubagentStop", json!({}));
    assert_eq!(ada.write("a"), None);
    ada.said("SessionEnd", json!({}));
    assert!(sessions(&home).is_empty(), "its sub-agents end with it");
}

#[test]
fn a_shell_command_that_plainly_changes_a_held_file_is_denied_and_reading_is_free() {
    let home = taking_part();
    let (ada, bob) = (Session::new(&home, "ada"), Session::new(&home, "bob"));
    assert_eq!(ada.write("src/lib.rs"), None);
    for command in ["echo x > src/lib.rs", "cd src && rm lib.rs", "echo x > src/li?.rs", "git reset --hard"] {
        assert!(bob.bash(command).unwrap().contains("holds `src/lib.rs`"), "{command}");
    }
    for command in ["cat src/lib.rs", "echo x > src/other.rs", "cargo build"] {
        assert_eq!(bob.bash(command), None, "{command}");
    }
    assert_eq!(ada.bash("echo x > src/lib.rs"), None, "its own");
}

#[test]
fn a_held_file_that_changes_all_the_same_is_told_to_both_sides() {
    let home = taking_part();
    let (ada, bob) = (Session::new(&home, "ada"), Session::new(&home, "bob"));
    let file = home.repo().join("src/lib.rs");
    std::fs::write(&file, "ada's").unwrap();
    assert_eq!(ada.write("src/lib.rs"), None);
    ada.tool("PostToolUse", "Write", json!({ "file_path": file }));
    assert_eq!(bob.bash("python3 build.py"), None);
    std::fs::write(&file, "bob's was here").unwrap();
    let told = context(&bob.tool("PostToolUse", "Bash", json!({ "command": "python3 build.py" })));
    assert!(told.contains("`src/lib.rs` changed while your Bash ran, and claude "), "{told}");
    let heard = ada.heard("UserPromptSubmit");
    assert!(heard.contains("claude changed `src/lib.rs` without its lock"), "{heard}");
    let conflicts = home.run(&["msg", "list", "--channel", "file_conflict", "--json"]).json();
    let payload = &conflicts["items"][0]["payload"];
    assert_eq!((&payload["event"], &payload["file"]), (&json!("changed_without_lock"), &json!("src/lib.rs")));
    assert_eq!(payload["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(context(&bob.tool("PostToolUse", "Bash", json!({ "command": "ls" }))), "", "once");
}

#[test]
fn what_the_holder_itself_writes_is_nobodys_fault() {
    let home = taking_part();
    let (ada, bob) = (Session::new(&home, "ada"), Session::new(&home, "bob"));
    let file = home.repo().join("a");
    assert_eq!(ada.write("a"), None);
    assert_eq!(bob.bash("sleep 1"), None);
    std::fs::write(&file, "ada's").unwrap();
    // Ada's call has not come back: nobody can say yet.
    let still = context(&bob.tool("PostToolUse", "Bash", json!({ "command": "sleep 1" })));
    assert!(!still.contains("changed while"), "{still}");
    ada.tool("PostToolUse", "Write", json!({ "file_path": file }));
    let later = context(&bob.tool("PostToolUse", "Read", json!({})));
    assert!(!later.contains("changed while"), "{later}");
    let conflicts = home.run(&["msg", "list", "--channel", "file_conflict", "--json"]).json();
    assert_eq!(conflicts["items"], json!([]));
}

#[test]
fn notices_are_told_once_and_bounded() {
    let home = taking_part();
    let ada = Session::new(&home, "ada");
    ada.said("SessionStart", json!({}));
    let short = sessions(&home)[0]["short_id"].as_str().unwrap().to_owned();
    for n in 0..10 {
        let text = format!("word {n} {}", "x".repeat(700));
        assert_eq!(home.run(&["msg", "send", "talk", &text, "--to", &short, "--as", "bob"]).exit, 0);
    }
    let heard = ada.heard("UserPromptSubmit");
    assert!(heard.contains("bob ") && heard.contains("word 0") && heard.contains("word 7"), "{heard}");
    assert!(!heard.contains("word 8") && heard.contains("More wait"), "{heard}");
    assert!(heard.len() < 8 * 800, "{}", heard.len());
    let rest = context(&ada.tool("PostToolUse", "Read", json!({})));
    assert!(rest.contains("word 8") && rest.contains("word 9") && !rest.contains("word 7"), "{rest}");
    assert_eq!(ada.heard("UserPromptSubmit"), "", "nothing is new");
}

#[test]
fn many_hooks_at_once_are_one_session() {
    let home = taking_part();
    std::thread::scope(|scope| {
        for n in 0..6 {
            let home = &home;
            scope.spawn(move || assert_eq!(Session::new(home, "ada").write(&format!("f{n}")), None));
        }
    });
    assert_eq!(sessions(&home).len(), 1);
    assert_eq!(locks(&home).len(), 6);
}

#[test]
fn a_hook_inside_a_run_acts_for_its_registration_and_makes_no_other() {
    let mut home = taking_part();
    let pid = std::process::id().to_string();
    let joined = home.run(&["join", "--as", "driven", "--pid", &pid, "--json"]).json();
    let id = joined["id"].as_str().unwrap().to_owned();
    home.set("CODITECT_REGISTRATION", &id);
    let run = Session::new(&home, "vendor-session");
    assert!(run.heard("SessionStart").contains("You are driven "));
    assert_eq!(run.write("a"), None);
    run.said("Stop", json!({}));
    assert_eq!(locks(&home), ["a"], "the daemon frees them, after the checkpoint");
    run.said("SessionEnd", json!({}));
    let all = sessions(&home);
    assert_eq!((all.len(), all[0]["id"].as_str()), (1, Some(id.as_str())));
}

/// messaging.db that cannot be asked.
fn broken_bus(home: &Home) -> PathBuf {
    let path = home.data_root().workspace("default").messaging_db();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    path
}

#[test]
fn without_the_bus_a_change_is_denied_where_others_live_and_else_allowed_and_written_down() {
    let home = taking_part();
    let ada = Session::new(&home, "ada");
    ada.said("SessionStart", json!({}));
    broken_bus(&home);
    assert_eq!(ada.write("a"), None, "alone");
    assert_eq!(bus::undecided_allowed(&home.data_root().workspace("default").bus()), 1);
    assert_eq!(context(&ada.said("UserPromptSubmit", json!({}))), "", "nothing else is decided");
    let bob = Session::new(&home, "bob");
    let no = bob.write("a").unwrap();
    assert!(no.contains("the bus cannot say whether it is free"), "{no}");
    let garbage = home.feed(&["hook", "claude"], b"{\"hook_event_name\":\"PreToolUse\",");
    assert_eq!(garbage.exit, 2, "{}", garbage.out);
    assert!(garbage.err.contains("do not change"), "{}", garbage.err);
    assert_eq!(home.feed(&["hook", "claude"], b"garbage").exit, 0);
}

#[test]
fn an_edit_that_names_no_file_is_decided_as_one_of_any_file() {
    let home = taking_part();
    let (ada, bob) = (Session::new(&home, "ada"), Session::new(&home, "bob"));
    ada.said("SessionStart", json!({}));
    let no = denial(&bob.tool("PreToolUse", "Write", json!({ "file": "renamed in a later version" })));
    assert!(no.unwrap().contains("names no file"));
}

#[test]
fn a_later_versions_event_and_a_strange_vendor_are_harmless() {
    let home = taking_part();
    let ada = Session::new(&home, "ada");
    assert_eq!(ada.said("Tomorrow", json!({ "tool_input": 7 })).out, "");
    let said = home.run(&["hook", "emacs", "--json"]);
    assert_eq!((said.exit, said.code().as_str()), (2, "unknown_vendor"));
}
