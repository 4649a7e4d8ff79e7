//! Whole turns: a real process, a real model server, and the daemon's answers.

use crate::daemon::Daemon;
use agent::{Reply, Request, RunEvent, TextKind};
use model::{Block, ParticipantStatus, Refusal, Role, TaskKind, TurnOutcome, Usage, Vendor};
use std::fs;

fn completed(summary: &str) -> TurnOutcome {
    TurnOutcome::Completed { summary: summary.into() }
}

fn code(outcome: &TurnOutcome) -> &str {
    match outcome {
        TurnOutcome::Failed { code, .. } => code,
        other => other.as_str(),
    }
}

#[tokio::test]
async fn a_file_is_read_and_edited_with_every_vendor() {
    for vendor in Vendor::ALL {
        let mut daemon = Daemon::new();
        daemon.scene.file("src/a.txt", "one\ntwo\n");
        let prompt = "[[think hm]][[say first]][[read src/a.txt]][[edit src/a.txt|two|2]][[say all done]]";
        let outcome = daemon.play(daemon.start(vendor, prompt)).await;
        assert_eq!(outcome, completed("all done"), "{vendor:?} {:?}", daemon.events);
        assert_eq!(fs::read_to_string(daemon.scene.worktree().join("src/a.txt")).unwrap(), "one\n2\n");
        let path = "src/a.txt".parse().unwrap();
        let base = Some(blake3::hash(b"one\ntwo\n").to_hex().to_string());
        assert_eq!(
            daemon.requests(),
            [
                Request::Lock { path, change: None },
                Request::Write { path: "src/a.txt".parse().unwrap(), base, content: "one\n2\n".into() }
            ]
        );
        assert_eq!(daemon.changes(), [serde_json::json!({"old": "two", "new": "2"})]);
        assert_eq!(
            daemon.results(),
            [("one\ntwo\n".to_owned(), false), ("changed src/a.txt: 1 lines added, 1 removed".into(), false)]
        );
        let (_, iterations, usage) = daemon.ended();
        assert_eq!(iterations, 3);
        check_figures(&daemon, usage);
        check_order(&daemon.events);
        let asked = daemon.model.requests();
        assert!(
            asked.iter().all(|asked| asked.agent.as_deref() == Some("claude") && asked.refused.is_none())
        );
        assert!(matches!(daemon.events.last(), Some(RunEvent::Exited(exit)) if exit.is_clean()));
    }
}

/// The sum of what was said on the way is what is said at the end.
fn check_figures(daemon: &Daemon, total: Usage) {
    let mut sum = Usage::default();
    let mut of_messages = Usage::default();
    for event in &daemon.events {
        match event {
            RunEvent::ModelAnswered { usage, .. } => sum += *usage,
            RunEvent::Message { usage: Some(usage), role, .. } => {
                assert_eq!(*role, Role::Assistant);
                of_messages += *usage;
            }
            _ => {}
        }
    }
    assert!(total.input_tokens > 0 && total.output_tokens > 0);
    assert_eq!((sum, of_messages), (total, total));
}

/// Ready, then calls each with a status, its answer and its message; text as it came is the text of
/// the messages.
fn check_order(events: &[RunEvent]) {
    let mut words = Vec::new();
    let (mut text, mut thinking) = (String::new(), String::new());
    for event in events {
        match event {
            RunEvent::Delta { kind: TextKind::Text, text: piece } => text.push_str(piece),
            RunEvent::Delta { kind: TextKind::Thinking, text: piece } => thinking.push_str(piece),
            RunEvent::Ready => words.push("ready"),
            RunEvent::Status { status: ParticipantStatus::Thinking, .. } => words.push("thinking"),
            RunEvent::Status { status: ParticipantStatus::RunningTool, .. } => words.push("running"),
            RunEvent::Status { status: ParticipantStatus::Editing, .. } => words.push("editing"),
            RunEvent::ModelCalled { .. } => words.push("called"),
            RunEvent::ModelAnswered { .. } => words.push("answered"),
            RunEvent::Message { role, .. } => words.push(role.as_str()),
            RunEvent::Request { .. } => words.push("request"),
            RunEvent::Ended { .. } => words.push("ended"),
            RunEvent::Exited(_) => words.push("exited"),
            other => panic!("{other:?}"),
        }
    }
    let call = ["thinking", "called", "answered", "assistant"];
    let expected: Vec<&str> = ["ready"]
        .into_iter()
        .chain(call)
        .chain(["request", "running", "tool"])
        .chain(call)
        .chain(["editing", "request", "request", "tool"])
        .chain(call)
        .chain(["ended", "exited"])
        .collect();
    assert_eq!(words, expected);
    assert_eq!((text.as_str(), thinking.as_str()), ("firstall done", "hm"));
}

#[tokio::test]
async fn what_goes_wrong_in_a_tool_goes_back_to_the_model() {
    let mut daemon = Daemon::new();
    daemon.scene.file("a.txt", "x x");
    daemon.scene.file("binary", "a\0b");
    std::os::unix::fs::symlink("/etc", daemon.scene.worktree().join("out")).unwrap();
    let start = daemon.start(
        Vendor::Anthropic,
        "[[read missing]][[read ../../etc/passwd]][[read out/passwd]][[read binary]][[edit a.txt|x|y]]\
         [[tool edit_file|{\"path\":\"a.txt\"}]][[tool no_such_tool|{}]][[write out/new|x]][[bash echo no >&2; exit 3]]\
         [[search (]][[say heard: {{result}}]]",
    );
    let outcome = daemon.play(start).await;
    let results = daemon.results();
    let words = [
        "`missing` does not exist",
        "leaves the repository",
        "`out` is a symbolic link",
        "binary file of 3 bytes",
        "occurs 2 times",
        "wrong arguments: missing field `old`",
        "no tool `no_such_tool`",
        "`out` is a symbolic link",
        "no\n[exit code 3]",
        "wrong arguments: regex parse error",
    ];
    assert_eq!(results.len(), words.len(), "{results:?}");
    for ((output, is_error), word) in results.iter().zip(words) {
        assert!(*is_error && output.contains(word), "{word}: {output}");
    }
    let TurnOutcome::Completed { summary } = outcome else { panic!("{outcome:?}") };
    assert!(summary.starts_with("heard: wrong arguments"), "{summary}");
    assert!(!daemon.requests().iter().any(|request| matches!(request, Request::Write { .. })));
}

#[tokio::test]
async fn exit_codes_are_kept_with_the_result() {
    let mut daemon = Daemon::new();
    let start = daemon.start(Vendor::Openai, "[[bash true]][[bash exit 42]][[bash kill -9 $$]]");
    daemon.play(start).await;
    let mut codes = Vec::new();
    for event in &daemon.events {
        let RunEvent::Message { role: Role::Tool, blocks, .. } = event else { continue };
        let [Block::ToolResult { exit_code, is_error, .. }] = blocks.as_slice() else { panic!("{blocks:?}") };
        codes.push((*exit_code, *is_error));
    }
    assert_eq!(codes, [(Some(0), false), (Some(42), true), (None, true)]);
}

#[tokio::test]
async fn a_model_that_never_comes_to_an_end_is_stopped() {
    let mut daemon = Daemon::new();
    let mut start = daemon.start(Vendor::Moonshot, "[[list .]][[list .]][[list .]][[list .]]");
    start.max_iterations = 3;
    let outcome = daemon.play(start).await;
    assert_eq!(code(&outcome), "iteration_cap");
    assert_eq!(daemon.ended().1, 3);
    assert_eq!(daemon.model.requests().len(), 3);
}

#[tokio::test]
async fn a_turn_past_its_deadline_fails() {
    let mut daemon = Daemon::new();
    let mut start = daemon.start(Vendor::Anthropic, "[[bash sleep 1000]]");
    start.deadline_ms = 1500;
    let outcome = daemon.play(start).await;
    assert_eq!(code(&outcome), "deadline");
    assert!(matches!(daemon.events.last(), Some(RunEvent::Exited(exit)) if exit.is_clean()));
    daemon.scene.assert_gone().await;
}

#[tokio::test]
async fn trouble_with_the_model_ends_the_turn_with_its_code() {
    for (prompt, expected) in [
        ("[[error 401]]", "model_auth"),
        ("[[nonsense shape]]", "model_malformed"),
        ("[[nonsense args]]", "model_malformed"),
    ] {
        let mut daemon = Daemon::new();
        let outcome = daemon.play(daemon.start(Vendor::Anthropic, prompt)).await;
        assert_eq!(code(&outcome), expected, "{prompt} {outcome:?}");
    }
    let mut daemon = Daemon::new();
    let mut start = daemon.start(Vendor::Anthropic, "[[say hello]]");
    start.endpoint.api_key = llm::Secret::new(" ");
    assert_eq!(code(&daemon.play(start).await), "model_missing_key");
}

#[tokio::test]
async fn a_call_that_had_to_be_made_again_is_reported() {
    let mut daemon = Daemon::new();
    let outcome = daemon.play(daemon.start(Vendor::Anthropic, "[[error_once 529]][[say hello]]")).await;
    assert_eq!(outcome, completed("hello"));
    let retries = daemon.events.iter().find_map(|event| match event {
        RunEvent::ModelAnswered { retries, .. } => Some(*retries),
        _ => None,
    });
    assert_eq!(retries, Some(1));
    let waits = |event: &RunEvent| matches!(event, RunEvent::Status { status: ParticipantStatus::Thinking, detail } if detail.starts_with("attempt 2"));
    assert!(daemon.events.iter().any(waits), "{:?}", daemon.events);
}

#[tokio::test]
async fn a_long_answer_arrives_in_pieces_and_whole() {
    let mut daemon = Daemon::new();
    let outcome = daemon.play(daemon.start(Vendor::Openai, "[[flood 256]]")).await;
    let TurnOutcome::Completed { summary } = outcome else { panic!("{outcome:?}") };
    let mut pieces = Vec::new();
    for event in &daemon.events {
        if let RunEvent::Delta { text, .. } = event {
            pieces.push(text.clone());
        }
    }
    assert_eq!(pieces.concat().trim(), summary);
    assert!(summary.len() >= 250 * 1024 && pieces.len() > 1);
}

#[tokio::test]
async fn who_may_not_edit_has_no_tool_to_do_it() {
    let plan = r#"{"tasks":[{"name":"a","title":"A","instructions":"do a","files":["a.txt"]}]}"#;
    let broken = r#"{"tasks":[{"name":"a","title":"A","instructions":"do a","files":["../a.txt"]}]}"#;
    let script = format!(
        "[[write a.txt|x]][[edit a.txt|x|y]][[bash touch b]][[plan {broken}]][[plan {plan}]][[list .]][[say end]]"
    );
    let forced =
        "[[tool write_file|{\"path\":\"a\",\"content\":\"x\"}]][[tool bash|{\"command\":\"touch b\"}]]";
    for (kind, tools, plans) in [
        (TaskKind::Review, vec!["read_file", "list_directory", "search_files"], 0),
        (TaskKind::Propose, vec!["read_file", "list_directory", "search_files", "propose_plan"], 1),
    ] {
        for prompt in [script.as_str(), forced] {
            let mut daemon = Daemon::new();
            let mut start = daemon.start(Vendor::Anthropic, prompt);
            start.kind = kind;
            let outcome = daemon.play(start).await;
            assert_eq!(outcome.as_str(), "completed", "{outcome:?}");
            let offered: Vec<String> = daemon.model.requests()[0].body["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tool| tool["name"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(offered, tools);
            let requests = daemon.requests();
            assert!(
                requests.iter().all(|request| matches!(request, Request::Propose { .. })),
                "{requests:?}"
            );
            assert_eq!(requests.len(), if prompt == forced { 0 } else { plans });
            let left: Vec<_> = fs::read_dir(daemon.scene.worktree()).unwrap().collect();
            assert!(left.is_empty(), "{left:?}");
            if prompt == forced {
                assert!(
                    daemon.results().iter().all(|(output, is_error)| *is_error && output.contains("no tool"))
                );
            } else if plans == 1 {
                assert!(daemon.results()[0].0.contains("leaves the repository"), "{:?}", daemon.results());
                let Request::Propose { tasks } = &requests[0] else { panic!() };
                assert_eq!((tasks[0].name.as_str(), tasks[0].files[0].as_str()), ("a", "a.txt"));
            }
        }
    }
}

#[tokio::test]
async fn questions_and_notices_go_through_the_daemon() {
    let mut daemon = Daemon::new();
    let start = daemon.start(
        Vendor::Google,
        "[[ask What colour?]][[notice task_broadcast|hello all]][[notice b a d|x]][[say {{result}}]]",
    );
    daemon.play(start).await;
    assert_eq!(
        daemon.requests(),
        [
            Request::Ask { question: "What colour?".into() },
            Request::Notice { channel: "task_broadcast".into(), text: "hello all".into() },
        ]
    );
    let results = daemon.results();
    assert_eq!(results[0], ("blue".to_owned(), false));
    assert_eq!(results[1], ("sent".to_owned(), false));
    assert!(results[2].1 && results[2].0.contains("channel"), "{results:?}");
    let needs_input = |event: &RunEvent| matches!(event, RunEvent::Status { status: ParticipantStatus::NeedsInput, detail } if detail == "What colour?");
    assert!(daemon.events.iter().any(needs_input));
}

#[tokio::test]
async fn a_refused_lock_keeps_the_file_as_it_is() {
    let mut daemon = Daemon::new();
    daemon.scene.file("a.txt", "old");
    let start = daemon.start(Vendor::Anthropic, "[[edit a.txt|old|new]][[say {{result}}]]");
    daemon.launch(start).await;
    daemon
        .serve(|request| {
            let refusal =
                Refusal::conflict("lock_timeout", "gemini holds the file").hint("do something else first");
            matches!(request, Request::Lock { .. }).then_some(Some(Err(refusal)))
        })
        .await;
    assert_eq!(daemon.ended().0, completed("gemini holds the file (do something else first)"));
    assert_eq!(daemon.requests().len(), 1);
}

#[tokio::test]
async fn an_edit_is_made_again_when_the_file_moved_under_it_and_a_write_is_not_blind() {
    let mut daemon = Daemon::new();
    daemon.scene.file("a.txt", "one\ntwo\n");
    daemon.scene.file("b.txt", "mine");
    let (a, b) = (daemon.scene.worktree().join("a.txt"), daemon.scene.worktree().join("b.txt"));
    let start = daemon.start(
        Vendor::Anthropic,
        "[[read b.txt]][[edit a.txt|two|2]][[write b.txt|ours]][[read b.txt]][[write b.txt|ours]]",
    );
    daemon.launch(start).await;
    let mut writes = 0;
    daemon
        .serve(|request| {
            if let Request::Write { path, .. } = request
                && path.as_str() == "a.txt"
            {
                writes += 1;
                if writes == 1 {
                    fs::write(&a, "zero\none\ntwo\n").unwrap();
                    fs::write(&b, "theirs").unwrap();
                }
            }
            None
        })
        .await;
    assert_eq!(writes, 2);
    assert_eq!(fs::read_to_string(&a).unwrap(), "zero\none\n2\n");
    let results = daemon.results();
    assert!(results[2].1 && results[2].0.contains("changed by somebody else"), "{results:?}");
    assert!(!results[4].1, "{results:?}");
    assert_eq!(fs::read_to_string(&b).unwrap(), "ours");
}

#[tokio::test]
async fn a_reply_of_the_wrong_kind_is_an_error_and_not_a_crash() {
    let mut daemon = Daemon::new();
    let start = daemon.start(Vendor::Anthropic, "[[write a.txt|x]][[say end]]");
    daemon.launch(start).await;
    daemon.serve(|_| Some(Some(Ok(Reply::Accepted)))).await;
    assert_eq!(daemon.ended().0, completed("end"));
    assert!(daemon.results()[0].0.contains("unexpected answer"), "{:?}", daemon.results());
}

#[tokio::test]
async fn the_conversation_so_far_and_the_instructions_reach_the_model() {
    let mut daemon = Daemon::new();
    let mut start = daemon.start(Vendor::Anthropic, "[[say ok]]");
    start.system = "Write short sentences.".into();
    start.history = vec![
        llm::Turn::user("what is it?"),
        llm::Turn::assistant(vec![Block::Text { text: "a test".into() }]),
    ];
    daemon.play(start).await;
    let body = daemon.model.requests()[0].body.to_string();
    for part in ["You are claude,", "Write short sentences.", "what is it?", "a test"] {
        assert!(body.contains(part), "{part}: {body}");
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_neither_shown_nor_found_nor_listed() {
    let mut daemon = Daemon::new();
    daemon.scene.file("secrets/key", "needle in the key");
    daemon.scene.file("a.txt", "no needle");
    let start = daemon.start(
        Vendor::Anthropic,
        r#"[[read secrets/key]] [[tool list_directory|{"path": "secrets"}]]
        [[tool search_files|{"pattern": "needle"}]] [[tool search_files|{"pattern": "needle", "glob": "*.txt"}]] [[say Done.]]"#,
    );
    daemon.launch(start).await;
    let denied = Reply::Permitted { allowed: false, reason: "a rule denies it".into() };
    daemon
        .serve(|request| match request {
            Request::Permit { ask } if ask.paths.iter().any(|path| path.as_str().starts_with("secrets")) => {
                Some(Some(Ok(denied.clone())))
            }
            _ => None,
        })
        .await;
    let results = daemon.results();
    let (shown, refused): (Vec<_>, Vec<_>) = results.iter().partition(|(_, is_error)| !is_error);
    assert_eq!(shown, [&("a.txt:1: no needle".to_owned(), false)]);
    assert_eq!(refused.len(), 3, "{results:?}");
    for (output, _) in refused {
        assert!(output.contains("a rule denies it") && !output.contains("in the key"), "{output}");
    }
    let paths = |tool: &str| {
        let of = daemon.reads().into_iter().filter(|(name, _)| name == tool);
        of.map(|(_, paths)| paths).collect::<Vec<_>>()
    };
    assert_eq!(paths("read_file"), [["secrets/key"]]);
    assert_eq!(paths("list_directory"), [["secrets"]]);
    assert_eq!(paths("search_files"), [vec!["a.txt", "secrets/key"], vec!["a.txt"]]);
}
