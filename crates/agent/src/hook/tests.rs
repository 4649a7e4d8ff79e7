//! What the four programs really wrote to their hooks (recorded from them), read and answered.

use super::*;
use proptest::prelude::*;

fn recorded(cli: Cli, name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/hooks/{cli}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn event(cli: Cli, name: &str) -> HookEvent {
    HookEvent::parse(cli, &recorded(cli, name)).unwrap()
}

fn tool(cli: Cli, name: &str) -> ToolUse {
    match event(cli, name).moment {
        Moment::BeforeTool(tool) | Moment::AfterTool(tool) => tool,
        other => panic!("{cli} {name}: {other:?}"),
    }
}

#[test]
fn every_recorded_input_is_understood() {
    for cli in Cli::ALL {
        let folder = format!("{}/tests/fixtures/hooks/{cli}", env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let found = event(cli, name.trim_end_matches(".json"));
            assert_ne!(found.moment, Moment::Other, "{cli} {name}");
            assert_eq!(found.cwd.as_deref(), Some(std::path::Path::new("/repo")), "{cli} {name}");
            seen += 1;
        }
        assert!(seen >= 8, "{cli}: {seen} recordings");
    }
}

#[test]
fn edits_name_their_files() {
    for (cli, name, path) in [
        (Cli::Claude, "PreToolUse-Write", "/repo/a1.txt"),
        (Cli::Claude, "PostToolUse-Edit", "/repo/a1.txt"),
        (Cli::Codex, "PreToolUse-apply_patch-add", "a1.txt"),
        (Cli::Codex, "PreToolUse-apply_patch-update", "a1.txt"),
        (Cli::Gemini, "BeforeTool-write_file", "a1.txt"),
        (Cli::Gemini, "AfterTool-replace", "a1.txt"),
        (Cli::Kimi, "PreToolUse-Write", "a1.txt"),
        (Cli::Kimi, "PostToolUse-Edit", "a1.txt"),
    ] {
        let tool = tool(cli, name);
        assert_eq!((tool.paths.as_slice(), tool.mutates), (&[path.to_owned()][..], true), "{cli} {name}");
    }
}

#[test]
fn shell_commands_are_found() {
    for (cli, name) in [
        (Cli::Claude, "PreToolUse-Bash"),
        (Cli::Codex, "PreToolUse-Bash"),
        (Cli::Gemini, "BeforeTool-run_shell_command"),
        (Cli::Kimi, "PreToolUse-Bash"),
    ] {
        assert_eq!(tool(cli, name).command.as_deref(), Some("echo hi > b.txt"), "{cli}");
    }
}

#[test]
fn a_sub_agent_is_told_from_its_session() {
    let stop = event(Cli::Claude, "SubagentStop");
    assert_eq!(stop.moment, Moment::SubagentStop);
    assert_eq!(stop.agent.as_deref(), Some("ae4a986d96ceef3ec"));
    assert_eq!(stop.agent_type.as_deref(), Some("general-purpose"));
    assert_eq!(event(Cli::Claude, "Stop").agent, None);
}

#[test]
fn answers_are_in_the_vendors_form() {
    let deny = Answer::Deny("held".to_owned());
    let claude = event(Cli::Claude, "PreToolUse-Write").render(&deny);
    assert_eq!(
        claude.stdout,
        r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"held"}}"#
    );
    let gemini = event(Cli::Gemini, "BeforeTool-replace").render(&deny);
    assert_eq!((gemini.stdout.as_str(), gemini.exit), (r#"{"decision":"deny","reason":"held"}"#, 0));
    let told = Answer::Context("hear".to_owned());
    let codex = event(Cli::Codex, "SessionStart").render(&told);
    assert_eq!(
        codex.stdout,
        r#"{"hookSpecificOutput":{"hookEventName":"SessionStart","additionalContext":"hear"}}"#
    );
    assert_eq!(event(Cli::Kimi, "UserPromptSubmit").render(&told).stdout, "hear\n");
    let unheard = event(Cli::Kimi, "SessionStart");
    assert!(!unheard.is_heard());
    assert_eq!(unheard.render(&told), Rendered::default());
}

#[test]
fn an_edit_without_a_readable_path_still_mutates() {
    for input in [r#"{"file_path": 7}"#, "[]", "null", r#"{"file_path":""}"#] {
        let text = format!(
            r#"{{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Write","tool_input":{input}}}"#
        );
        let Moment::BeforeTool(tool) = HookEvent::parse(Cli::Claude, text.as_bytes()).unwrap().moment else {
            panic!("{input}")
        };
        assert!(tool.mutates && tool.paths.is_empty(), "{input}");
    }
}

#[test]
fn an_argv_is_a_command() {
    let text = br#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"shell","tool_input":{"command":["bash","-lc","rm a"]}}"#;
    let Moment::BeforeTool(tool) = HookEvent::parse(Cli::Codex, text).unwrap().moment else { panic!() };
    assert_eq!(tool.command.as_deref(), Some("rm a"));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_reason() {
    let parse = |text: &[u8]| HookEvent::parse(Cli::Claude, text).unwrap_err();
    assert!(matches!(parse(b"{"), HookError::Unreadable(_)));
    assert!(matches!(parse(b"\xff"), HookError::Unreadable(_)));
    assert_eq!(parse(b"{}"), HookError::Missing("hook_event_name"));
    assert_eq!(parse(br#"{"hook_event_name":"Stop"}"#), HookError::Missing("session_id"));
    let long = format!(r#"{{"hook_event_name":"Stop","session_id":"{}"}}"#, "x".repeat(VENDOR_ID_MAX + 1));
    assert_eq!(parse(long.as_bytes()), HookError::Missing("session_id"));
    assert_eq!(parse(&vec![b' '; HOOK_INPUT_MAX + 1]), HookError::TooLong);
    assert!(looks_like_a_tool(b"{\"hook_event_name\":\"PreToolUse\""));
    assert!(!looks_like_a_tool(b"{\"hook_event_name\":\"Stop\""));
}

#[test]
fn an_event_of_a_later_version_is_none_of_ours() {
    let text = br#"{"session_id":"s","hook_event_name":"Tomorrow","tool_input":{"file_path":"x"}}"#;
    for cli in Cli::ALL {
        assert_eq!(HookEvent::parse(cli, text).unwrap().moment, Moment::Other);
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for cli in Cli::ALL {
            let _ = HookEvent::parse(cli, &bytes);
        }
    }

    /// Recordings with a piece cut out or put in.
    #[test]
    fn no_damage_makes_it_panic(at in 0usize..400, len in 0usize..40, put in "[\\{\\}\\[\\]\",:a0]{0,6}") {
        let mut text = recorded(Cli::Codex, "PreToolUse-apply_patch-add");
        let at = at.min(text.len());
        let end = (at + len).min(text.len());
        text.splice(at..end, put.bytes());
        if let Ok(event) = HookEvent::parse(Cli::Codex, &text) {
            let _ = event.render(&Answer::Deny("no".to_owned()));
        }
    }
}
