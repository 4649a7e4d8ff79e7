//! What lies around a vendor's program: a configuration that cannot be read, and two of its sessions that ask at the same moment.

use crate::command::{Home, Said};
use serde_json::{Value, json};

const VENDORS: [&str; 4] = ["claude", "codex", "gemini", "kimi"];

/// The user's configuration, by its name and as nobody can read it.
const UNREADABLE: [(&str, &str, &str); 4] = [
    ("claude", ".claude/settings.json", "{ \"model\": \"opus\", // half of it\n"),
    ("codex", ".codex/config.toml", "model = \"gpt\napproval = = 1\r\n"),
    ("gemini", ".gemini/settings.json", "{ \"ui\": { \"theme\": }, }\n\n"),
    ("kimi", ".kimi-code/config.toml", "[providers.kimi\ntelemetry = false\n"),
];

#[test]
fn a_configuration_nobody_can_read_is_named_and_left_as_it_is() {
    for (vendor, name, text) in UNREADABLE {
        let home = Home::new();
        let path = home.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // Gemini's own file is not ours to change for a user: the project's is.
        let project = home.repo().join(".gemini/settings.json");
        if vendor == "gemini" {
            std::fs::create_dir_all(project.parent().unwrap()).unwrap();
            std::fs::write(&project, text).unwrap();
        }
        let scope = if vendor == "gemini" { "--project" } else { "--user" };
        let said = home.run(&["connect", vendor, scope, "--yes", "--json"]);
        assert_eq!((said.exit, said.code().as_str()), (5, "config_unreadable"), "{vendor}: {}", said.out);
        let error = &said.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(name), "{vendor}: {error}");
        assert!(error["message"].as_str().unwrap().contains("correct it"), "{vendor}: {error}");
        let found = doctor(&home, vendor);
        assert_eq!(found["severity"], "warning", "{vendor}: {found}");
        assert!(found["message"].as_str().unwrap().contains(name), "{vendor}: {found}");
        home.run(&["doctor", "--repair", "--json"]);
        home.run(&["disconnect", vendor, scope, "--yes", "--json"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{vendor}");
        if vendor == "gemini" {
            assert_eq!(std::fs::read_to_string(&project).unwrap(), text, "{vendor}");
        }
    }
}

fn doctor(home: &Home, vendor: &str) -> Value {
    let items = home.run(&["doctor", "--json"]).json()["items"].as_array().unwrap().clone();
    let check = format!("agent_{vendor}");
    items.into_iter().find(|item| item["check"] == check.as_str()).unwrap()
}

#[test]
fn the_doctor_says_what_is_wrong_with_each_program_and_what_to_do() {
    for vendor in VENDORS {
        for (script, words, hint) in [
            (None, "not installed", None),
            (Some("echo 0.0.1"), "too old", Some("npm install")),
            (Some("echo this is not a version"), "of an unknown version", Some("--version")),
            (Some("exit 1"), "of an unknown version", Some("--version")),
            (Some("echo 99.0.0"), "no login seen", None),
        ] {
            let mut home = Home::new();
            let bin = home.path("bin");
            std::fs::create_dir(&bin).unwrap();
            if let Some(script) = script {
                use std::os::unix::fs::PermissionsExt;
                std::fs::write(bin.join(vendor), format!("#!/bin/sh\n{script}\n")).unwrap();
                std::fs::set_permissions(bin.join(vendor), std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            home.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
            let found = doctor(&home, vendor);
            assert!(found["message"].as_str().unwrap().contains(words), "{vendor}: {found}");
            assert_eq!(found["hint"].is_null(), hint.is_none(), "{vendor}: {found}");
            let told = found["hint"].as_str().unwrap_or_default();
            assert!(told.contains(hint.unwrap_or_default()), "{vendor}: {found}");
            assert_eq!(found["severity"], if hint.is_some() { "warning" } else { "ok" }, "{vendor}: {found}");
        }
    }
}

/// What the vendor's program tells its hook before it writes `a.txt`.
fn before(vendor: &str, session: &str, home: &Home) -> Value {
    let repo = home.repo();
    let (event, tool, input) = match vendor {
        "codex" => {
            let patch = "*** Begin Patch\n*** Add File: a.txt\n+x\n*** End Patch\n";
            ("PreToolUse", "apply_patch", json!({ "command": patch }))
        }
        "gemini" => ("BeforeTool", "write_file", json!({ "file_path": "a.txt", "content": "x" })),
        "kimi" => ("PreToolUse", "Write", json!({ "path": repo.join("a.txt"), "content": "x" })),
        _ => ("PreToolUse", "Write", json!({ "file_path": repo.join("a.txt"), "content": "x" })),
    };
    json!({
        "session_id": session, "cwd": repo, "hook_event_name": event, "tool_name": tool, "tool_input": input,
        "tool_use_id": session, "tool_call_id": session,
    })
}

#[test]
fn of_two_hooks_at_once_one_lets_its_edit_through_and_the_other_says_who_has_the_file() {
    for vendor in VENDORS {
        let home = Home::new();
        assert_eq!(home.run(&["connect", "claude", "--yes", "--json"]).exit, 0);
        let ask = |session: &str| -> Said {
            home.feed(&["hook", vendor], before(vendor, session, &home).to_string().as_bytes())
        };
        let said = std::thread::scope(|scope| {
            let asked = ["one", "two"].map(|session| scope.spawn(move || ask(session)));
            asked.map(|asked| asked.join().unwrap())
        });
        assert!(said.iter().all(|said| said.exit == 0), "{vendor}: {:?}", said.map(|said| said.err));
        let denied: Vec<&Said> = said.iter().filter(|said| said.out.contains("deny")).collect();
        let [denied] = denied.as_slice() else { panic!("{vendor}: {} were denied", denied.len()) };
        assert!(denied.out.contains("holds `a.txt`"), "{vendor}: {}", denied.out);
        let locks = home.run(&["lock", "list", "--json"]).json();
        assert_eq!(locks["items"].as_array().unwrap().len(), 1, "{vendor}: {locks}");
    }
}
