//! What connecting changes in each vendor's files, and that disconnecting takes exactly that away.

use super::*;

fn place(project: Option<&str>) -> Surroundings {
    Surroundings {
        home: "/home/ada".into(),
        environment: BTreeMap::new(),
        project: project.map(PathBuf::from),
    }
}

fn programs() -> Programs {
    Programs { binary: "/opt/it's/coditect".to_owned(), options: Vec::new() }
}

fn plans(cli: Cli, scope: Scope) -> Vec<FilePlan> {
    plan(cli, scope, &place(Some("/repo")), &programs()).unwrap()
}

#[test]
fn every_vendor_is_told_in_the_files_it_reads() {
    let paths = |cli, scope| -> Vec<String> {
        plans(cli, scope).iter().map(|plan| plan.path.display().to_string()).collect()
    };
    assert_eq!(
        paths(Cli::Claude, Scope::User),
        ["/home/ada/.claude/settings.json", "/home/ada/.claude.json"]
    );
    assert_eq!(paths(Cli::Claude, Scope::Project), ["/repo/.claude/settings.local.json", "/repo/.mcp.json"]);
    assert_eq!(
        paths(Cli::Codex, Scope::User),
        ["/home/ada/.codex/hooks.json", "/home/ada/.codex/config.toml"]
    );
    assert_eq!(paths(Cli::Codex, Scope::Project), ["/repo/.codex/hooks.json", "/repo/.codex/config.toml"]);
    assert_eq!(paths(Cli::Gemini, Scope::Project), ["/repo/.gemini/settings.json"]);
    assert_eq!(
        paths(Cli::Kimi, Scope::User),
        ["/home/ada/.kimi-code/config.toml", "/home/ada/.kimi-code/mcp.json"]
    );
    assert_eq!(
        plan(Cli::Kimi, Scope::Project, &place(Some("/repo")), &programs()),
        Err(ConnectError::UserOnly)
    );
    assert_eq!(plan(Cli::Codex, Scope::Project, &place(None), &programs()), Err(ConnectError::NoProject));
}

#[test]
fn folders_that_were_moved_are_found() {
    let mut moved = place(None);
    moved.environment.insert("CLAUDE_CONFIG_DIR".to_owned(), "/else".to_owned());
    let plans = plan(Cli::Claude, Scope::User, &moved, &programs()).unwrap();
    assert_eq!(plans[1].path, Path::new("/else/.claude.json"));
}

#[test]
fn connecting_twice_changes_nothing_and_disconnecting_leaves_the_users_own() {
    let users = "{\n  // mine\n  \"hooks\": {\n    \"PreToolUse\": [ { \"matcher\": \"Bash\", \"hooks\": [ { \"type\": \"command\", \"command\": \"mine hook claude\" } ] } ]\n  },\n  \"mcpServers\": { \"other\": { \"command\": \"x\" } }\n}\n";
    for cli in Cli::ALL {
        for scope in [Scope::User, Scope::Project] {
            let Ok(plans) = plan(cli, scope, &place(Some("/repo")), &programs()) else { continue };
            for file in plans {
                let present = match file.part {
                    Part::Toml(_) => Some("a = 1 # mine\n[b]\n"),
                    Part::Json { .. } => Some(users),
                    Part::Whole(_) => None,
                };
                let once = file.connected(present).unwrap();
                assert_ne!(Some(once.as_str()), present, "{}", file.path.display());
                assert_eq!(file.connected(Some(&once)).unwrap(), once, "{}", file.path.display());
                assert_eq!(file.disconnected(&once).unwrap().as_deref(), present, "{}", file.path.display());
                let from_nothing = file.connected(None).unwrap();
                assert_eq!(file.disconnected(&from_nothing).unwrap(), None, "{}", file.path.display());
            }
        }
    }
}

#[test]
fn a_turn_that_is_interrupted_is_told_where_the_program_tells_it() {
    for (cli, recorded) in [
        (Cli::Codex, &include_bytes!("../../tests/fixtures/hooks/codex/Interrupt.json")[..]),
        (Cli::Kimi, &include_bytes!("../../tests/fixtures/hooks/kimi/Interrupt.json")[..]),
    ] {
        let text: String = plans(cli, Scope::User).iter().map(|file| file.connected(None).unwrap()).collect();
        assert!(text.contains("\"Interrupt\""), "{cli}: {text}");
        let heard = crate::HookEvent::parse(cli, recorded).unwrap();
        assert_eq!(heard.moment, crate::Moment::Stop, "{cli}");
    }
}

#[test]
fn what_cannot_be_taken_out_alone_is_left_with_a_word_of_what_to_do() {
    let file = &plans(Cli::Codex, Scope::User)[1];
    let once = file.connected(Some("[model]\nname = \"x\"\n")).unwrap();
    let within = once.replace("# <<< coditect", "# slow here\nstartup_timeout_sec = 20\n# <<< coditect");
    let refused = file.disconnected(&within).unwrap_err();
    assert!(matches!(&refused, ConnectError::Entangled { path, .. } if *path == file.path), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("startup_timeout_sec") && said.contains("left as it is: move that"), "{said}");
}

#[test]
fn a_binary_that_moved_is_followed() {
    let before = Programs { binary: "/old/coditect".to_owned(), options: vec![] };
    let old = plan(Cli::Claude, Scope::User, &place(None), &before).unwrap()[0].connected(None).unwrap();
    let file = &plans(Cli::Claude, Scope::User)[0];
    let new = file.connected(Some(&old)).unwrap();
    assert!(!new.contains("/old/") && new.contains(r"'/opt/it'\\''s/coditect' hook claude"), "{new}");
    assert_eq!(file.connected(Some(&new)).unwrap(), new);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let json = &plans(Cli::Claude, Scope::User)[0];
    let toml = &plans(Cli::Codex, Scope::User)[1];
    for (file, text) in [(json, "{ nope"), (json, "[]"), (json, "{\"hooks\": []}"), (toml, "a = = b")] {
        let refused = file.connected(Some(text)).unwrap_err();
        assert!(matches!(refused, ConnectError::Unreadable { .. }), "{text}: {refused}");
    }
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(quoted("/usr/bin/coditect"), "/usr/bin/coditect");
    assert_eq!(quoted("a b"), "'a b'");
    assert_eq!(quoted("it's"), r"'it'\''s'");
    assert_eq!(quoted(""), "''");
}
