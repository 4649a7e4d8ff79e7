//! `coditect connect` and `disconnect` on real files: what is written, what is left alone, and what comes back.

use crate::command::Home;
use serde_json::json;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const SETTINGS: &str = "{\n  // mine\n  \"model\": \"opus\",\n  \"hooks\": {\n    \"Stop\": [ { \"hooks\": [ { \"type\": \"command\", \"command\": \"say done\" } ] } ]\n  },\n}\n";
const CONFIG: &str = "# mine\nmodel = \"gpt-5.5\"   # fast\n\n[mcp_servers.other]\ncommand = \"x\"\n";

fn write(home: &Home, name: &str, text: &str) {
    let path = home.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(home: &Home, name: &str) -> String {
    std::fs::read_to_string(home.path(name)).unwrap()
}

/// Every file in the home but our own data and the repository's `.git`, with its bytes.
fn everything(home: &Home) -> Vec<(String, Vec<u8>)> {
    fn walk(top: &Path, folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            if name == "data" || name.ends_with(".git") {
                continue;
            }
            if path.is_dir() {
                all.push((format!("{name}/"), Vec::new()));
                walk(top, &path, all);
            } else {
                all.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    walk(&home.path(""), &home.path(""), &mut all);
    all.sort();
    all
}

fn done(home: &Home, args: &[&str]) -> serde_json::Value {
    let said = home.run(&[args, &["--yes", "--json"]].concat());
    assert_eq!(said.exit, 0, "{args:?}: {} {}", said.out, said.err);
    said.json()
}

#[test]
fn what_was_connected_is_disconnected_byte_for_byte() {
    let home = Home::new();
    write(&home, ".claude/settings.json", SETTINGS);
    write(&home, ".claude.json", "{\"numStartups\":3}");
    write(&home, ".codex/config.toml", CONFIG);
    write(&home, ".kimi-code/config.toml", "telemetry = false\r\n");
    write(&home, "repo/.gemini/settings.json", "{\n\t\"ui\": {}\n}\n");
    let before = everything(&home);
    let all: [&[&str]; 7] = [
        &["claude"],
        &["claude", "--project"],
        &["codex"],
        &["codex", "--project"],
        &["gemini"],
        &["gemini", "--project"],
        &["kimi"],
    ];
    for one in all {
        assert_eq!(done(&home, &[&["connect"], one].concat())["changed"], true, "{one:?}");
        let again = done(&home, &[&["connect"], one].concat());
        assert_eq!((&again["changed"], &again["files"]), (&json!(false), &json!([])), "{one:?}");
    }
    assert_ne!(everything(&home), before);
    for one in all {
        assert_eq!(done(&home, &[&["disconnect"], one].concat())["changed"], true, "{one:?}");
        assert_eq!(done(&home, &[&["disconnect"], one].concat())["changed"], false, "{one:?}");
    }
    assert_eq!(everything(&home), before);
    let left = std::fs::read_dir(home.data_root().path().join("connect/originals")).unwrap().count();
    assert_eq!(left, 0, "nothing of the user's configuration stays behind");
}

#[test]
fn of_a_file_that_was_changed_since_only_ours_goes() {
    let home = Home::new();
    write(&home, ".claude/settings.json", SETTINGS);
    done(&home, &["connect", "claude"]);
    let changed = read(&home, ".claude/settings.json").replace("opus", "haiku");
    write(&home, ".claude/settings.json", &changed);
    let said = done(&home, &["disconnect", "claude"]);
    assert_eq!(said["changed_since"].as_array().unwrap().len(), 1);
    assert_eq!(read(&home, ".claude/settings.json"), SETTINGS.replace("opus", "haiku"));
}

#[test]
fn what_the_user_changed_before_a_second_connection_comes_back_too() {
    let home = Home::new();
    write(&home, ".claude/settings.json", "{\"a\":1}\n");
    done(&home, &["connect", "claude"]);
    let changed = read(&home, ".claude/settings.json")
        .replace("\"a\":1", "\"a\":2")
        .replace(" hook claude", " hook claude --old");
    write(&home, ".claude/settings.json", &changed);
    assert_eq!(done(&home, &["connect", "claude"])["changed"], true);
    done(&home, &["disconnect", "claude"]);
    assert_eq!(read(&home, ".claude/settings.json"), "{\"a\":2}\n");
}

#[test]
fn what_cannot_be_read_is_left_alone_with_a_typed_error() {
    let home = Home::new();
    for (vendor, name, text) in [
        ("claude", ".claude/settings.json", "{ not json"),
        ("claude", ".claude/settings.json", "{\"hooks\": 7}"),
        ("codex", ".codex/config.toml", "a = = b"),
        ("kimi", ".kimi-code/config.toml", "hooks = [{ event = \"Stop\" }]\n"),
    ] {
        write(&home, name, text);
        let before = everything(&home);
        let said = home.run(&["connect", vendor, "--yes", "--json"]);
        assert_eq!((said.exit, said.code().as_str()), (5, "config_unreadable"), "{text}: {}", said.out);
        assert!(said.json()["error"]["message"].as_str().unwrap().contains(name), "{}", said.out);
        assert_eq!(everything(&home), before, "{text}");
        std::fs::remove_file(home.path(name)).unwrap();
    }
    std::fs::create_dir_all(home.path(".claude")).unwrap();
    std::fs::write(home.path(".claude/settings.json"), [b'{', 0xff, b'}']).unwrap();
    assert_eq!(home.run(&["connect", "claude", "--yes", "--json"]).code(), "config_unreadable");
    std::fs::remove_file(home.path(".claude/settings.json")).unwrap();
    symlink(home.path("nowhere"), home.path(".claude/settings.json")).unwrap();
    assert_eq!(home.run(&["connect", "claude", "--yes", "--json"]).code(), "config_unreadable");
}

#[test]
fn a_link_is_written_through_and_the_mode_stays() {
    let home = Home::new();
    write(&home, "dotfiles/settings.json", "{}\n");
    std::fs::set_permissions(home.path("dotfiles/settings.json"), std::fs::Permissions::from_mode(0o640))
        .unwrap();
    std::fs::create_dir_all(home.path(".claude")).unwrap();
    symlink(home.path("dotfiles/settings.json"), home.path(".claude/settings.json")).unwrap();
    done(&home, &["connect", "claude"]);
    assert!(home.path(".claude/settings.json").is_symlink());
    assert!(read(&home, "dotfiles/settings.json").contains("hook claude"));
    let mode = std::fs::metadata(home.path("dotfiles/settings.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    done(&home, &["disconnect", "claude"]);
    assert_eq!(read(&home, "dotfiles/settings.json"), "{}\n");
    assert!(home.path(".claude/settings.json").is_symlink());
}

#[test]
fn nothing_is_written_without_a_yes() {
    let home = Home::new();
    let before = everything(&home);
    let shown = home.run(&["connect", "claude", "--dry-run", "--json"]);
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert!(shown.json()["files"][0]["diff"].as_str().unwrap().contains("+ "), "{}", shown.out);
    let unasked = home.run(&["connect", "claude", "--json"]);
    assert_eq!((unasked.exit, unasked.code().as_str()), (8, "not_confirmed"));
    assert_eq!(everything(&home), before);
    assert!(!home.data_root().path().exists());
}

#[test]
fn what_cannot_be_is_said_with_the_next_step() {
    let home = Home::new();
    assert_eq!(home.run(&["connect", "kimi", "--project", "--yes", "--json"]).code(), "user_only");
    assert_eq!(home.run(&["connect", "emacs", "--yes", "--json"]).code(), "unknown_vendor");
    // The root folder: whatever stands above a scratch folder is the machine's own affair.
    let said = home.run_in(Path::new("/"), &["connect", "claude", "--project", "--dry-run", "--json"]);
    assert_eq!(said.code(), "no_worktree");
}

#[test]
fn a_configuration_the_program_refuses_is_taken_back() {
    let mut home = Home::new();
    let bin = home.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("kimi"), "#!/bin/sh\necho 'unknown key' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(bin.join("kimi"), std::fs::Permissions::from_mode(0o755)).unwrap();
    home.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    write(&home, ".kimi-code/config.toml", "telemetry = false\n");
    let before = std::fs::read(home.path(".kimi-code/config.toml")).unwrap();
    let said = home.run(&["connect", "kimi", "--yes", "--json"]);
    assert_eq!(said.code(), "config_refused", "{}", said.out);
    assert!(said.out.contains("unknown key"), "{}", said.out);
    assert_eq!(std::fs::read(home.path(".kimi-code/config.toml")).unwrap(), before);
    assert!(!home.path(".kimi-code/mcp.json").exists());
}

#[test]
fn the_doctor_sees_a_connection_that_drifted_and_repairs_only_that() {
    let home = Home::new();
    done(&home, &["connect", "claude"]);
    let settings = read(&home, ".claude/settings.json");
    let binary = env!("CARGO_BIN_EXE_coditect");
    write(&home, ".claude/settings.json", &settings.replace(binary, "/old/coditect"));
    let finding = |args: &[&str]| {
        let items = home.run(args).json()["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["check"] == "agent_claude").unwrap()
    };
    let found = finding(&["doctor", "--json"]);
    assert_eq!(found["severity"], "warning");
    assert!(found["hint"].as_str().unwrap().contains("--repair"));
    let repaired = finding(&["doctor", "--repair", "--json"]);
    assert!(repaired["message"].as_str().unwrap().contains("connected (user)"), "{repaired}");
    assert_eq!(read(&home, ".claude/settings.json"), settings);
    assert!(!home.path(".codex").exists(), "nothing else is touched");
}
