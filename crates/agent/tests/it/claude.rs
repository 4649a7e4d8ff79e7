//! The real Claude Code, driven for a turn: what it may do, what it remembers, whom it hears.

use crate::daemon::Daemon;
use crate::scene::start;
use agent::{Begin, McpServer, Program, Reply, Request, RunCommand, RunEvent, Start};
use llm::{Endpoint, Secret, Turn};
use model::{Block, Driver, Refusal, Role, TaskKind, ToolCategory, TurnOutcome, Usage, Vendor};
use std::fs;
use std::path::PathBuf;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

/// Claude Code with a home of its own, and the daemon's side of its runs.
pub(crate) struct Real {
    vendors: Vendors,
    home: VendorHome,
    pub(crate) daemon: Daemon,
}

impl Real {
    pub(crate) fn find(what: &str) -> Option<Self> {
        let vendors = Vendors::find(what)?;
        let daemon = Daemon::new();
        let home = vendors.home(VendorCli::Claude, daemon.model.addr());
        Some(Self { vendors, home, daemon })
    }

    pub(crate) fn start(&self, prompt: &str) -> Start {
        let env = self.home.variables().into_iter();
        let env = env.map(|(name, value)| (name.to_owned(), value.into_string().unwrap())).collect();
        let argv = vec![self.vendors.program(VendorCli::Claude).display().to_string()];
        Start {
            driver: Driver::Claude,
            program: Some(Program { argv, env }),
            endpoint: Endpoint {
                vendor: Vendor::Anthropic,
                base_url: None,
                api_key: Secret::new(String::new()),
            },
            model: self.home.model().to_owned(),
            ..start(prompt)
        }
    }

    /// Another run in the same place, for the same agent.
    fn again(&mut self) {
        self.daemon.handle = None;
        self.daemon.events.clear();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.daemon.scene.worktree().join(name)
    }

    fn session(&self) -> String {
        let opened = self.daemon.events.iter().find_map(|event| match event {
            RunEvent::Opened { vendor_session, .. } => Some(vendor_session.clone()),
            _ => None,
        });
        opened.expect("no session was opened")
    }

    fn usage(&self) -> Usage {
        self.daemon.ended().2
    }

    /// Everything the model was told in the last request.
    fn last_told(&self) -> String {
        self.daemon.model.requests().last().unwrap().body.to_string()
    }
}

pub(crate) fn completed(summary: &str) -> TurnOutcome {
    TurnOutcome::Completed { summary: summary.into() }
}

fn position(daemon: &Daemon, wanted: impl Fn(&RunEvent) -> bool) -> usize {
    daemon.events.iter().position(wanted).unwrap_or_else(|| panic!("{:?}", daemon.events))
}

#[tokio::test]
async fn a_turn_is_told_as_that_of_every_other_driver() {
    let Some(mut real) = Real::find("Claude Code edits under a lock") else { return };
    let prompt = "[[think hm]][[say first]][[write a.txt|one\\ntwo\\n]][[edit a.txt|two|2]][[say all done]]";
    let start = real.start(prompt);
    assert_eq!(real.daemon.play(start).await, completed("all done"), "{:?}", real.daemon.events);
    assert_eq!(fs::read_to_string(real.file("a.txt")).unwrap(), "one\n2\n");
    let path = "a.txt".parse().unwrap();
    assert_eq!(
        real.daemon.requests(),
        [
            Request::Lock { path, change: None },
            Request::Lock { path: "a.txt".parse().unwrap(), change: None }
        ]
    );
    let daemon = &real.daemon;
    let opened = position(daemon, |event| matches!(event, RunEvent::Opened { version: Some(_), .. }));
    let call = position(daemon, |event| matches!(event, RunEvent::Message { role: Role::Assistant, .. }));
    let lock = position(daemon, |event| matches!(event, RunEvent::Request { .. }));
    let wrote = position(daemon, |event| matches!(event, RunEvent::Wrote { .. }));
    let result = position(daemon, |event| matches!(event, RunEvent::Message { role: Role::Tool, .. }));
    assert!(opened < call && call < lock && lock < wrote && wrote < result, "{:?}", daemon.events);
    let RunEvent::Message { blocks, usage: Some(_), latency_ms: Some(_), .. } = &daemon.events[call] else {
        panic!("{:?}", daemon.events[call])
    };
    let [Block::Thinking { text: thought, .. }, Block::Text { text }, Block::ToolCall { tool, .. }] =
        blocks.as_slice()
    else {
        panic!("{blocks:?}")
    };
    assert_eq!((thought.as_str(), text.as_str(), tool.as_str()), ("hm", "first", "Write"));
    let edits: Vec<&str> = daemon
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Wrote { diff, .. } => diff.as_deref(),
            _ => None,
        })
        .collect();
    assert!(edits[0].ends_with("+one\n+two\n") && edits[1].ends_with(" one\n-two\n+2\n"), "{edits:?}");
    let deltas: String = daemon
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Delta { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, "hmfirstall done");
    assert!(
        daemon
            .events
            .iter()
            .any(|event| matches!(event, RunEvent::Record { line } if line.contains("tool_use_result")))
    );
    let (_, iterations, usage) = daemon.ended();
    assert_eq!(iterations, 3);
    assert!(usage.input_tokens > 0 && usage.output_tokens > 0 && usage.cost_micros > 0, "{usage:?}");
    assert!(real.last_told().contains("You are claude, one of several agents"));
}

#[tokio::test]
async fn a_command_runs_only_when_it_is_permitted() {
    let Some(mut real) = Real::find("Claude Code asks before it runs a command") else { return };
    for allowed in [true, false] {
        real.again();
        let start = real.start("[[bash touch made.txt]][[say {{result}}]]");
        real.daemon.launch(start).await;
        let answer = |request: &Request| match request {
            Request::Permit { .. } => {
                Some(Some(Ok(Reply::Permitted { allowed, reason: "not today".into() })))
            }
            _ => None,
        };
        real.daemon.serve(answer).await;
        let requests = real.daemon.requests();
        let [Request::Permit { ask }] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!((ask.tool.as_str(), ask.category), ("Bash", ToolCategory::Shell));
        assert_eq!(ask.arguments["command"], "touch made.txt");
        assert_eq!(real.file("made.txt").exists(), allowed);
        let (output, is_error) = real.daemon.results().pop().unwrap();
        assert_eq!((is_error, output.contains("not today")), (!allowed, !allowed), "{output}");
        let _ = fs::remove_file(real.file("made.txt"));
    }
}

#[tokio::test]
async fn an_edit_waits_for_its_lock_and_a_refused_one_is_not_made() {
    let Some(mut real) = Real::find("Claude Code waits for a lock") else { return };
    let start = real.start("[[write held.txt|mine]][[say {{result}}]]");
    real.daemon.launch(start.clone()).await;
    let is_lock = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Lock { .. }, .. });
    real.daemon.serve_until(|_| Some(None), is_lock).await;
    assert!(!real.file("held.txt").exists());
    let Some(RunEvent::Request { id, .. }) = real.daemon.events.last().cloned() else { panic!("no request") };
    let refusal = Refusal::conflict("lock_held", "held.txt is held by codex").hint("try again later");
    real.daemon.handle().send(RunCommand::Reply { id, result: Err(refusal) }).unwrap();
    real.daemon.serve(|_| None).await;
    assert!(!real.file("held.txt").exists());
    let (output, is_error) = real.daemon.results().pop().unwrap();
    assert!(is_error && output.contains("held by codex (try again later)"), "{output}");
    assert!(!real.daemon.events.iter().any(|event| matches!(event, RunEvent::Wrote { .. })));
}

#[tokio::test]
async fn nothing_outside_the_worktree_is_edited_and_in_a_review_nothing_at_all() {
    let Some(mut real) = Real::find("Claude Code edits where it may") else { return };
    for (kind, path, why) in [
        (TaskKind::Work, "../outside.txt", "outside the worktree"),
        (TaskKind::Work, ".git/config", ".git"),
        (TaskKind::Review, "inside.txt", "while work is reviewed"),
    ] {
        real.again();
        let start = Start { kind, ..real.start(&format!("[[write {path}|x]][[say done]]")) };
        real.daemon.play(start).await;
        let (output, is_error) = real.daemon.results().pop().unwrap();
        assert!(is_error && output.contains(why), "{path}: {output}");
        assert!(!real.file(path).exists());
        assert_eq!(real.daemon.requests(), []);
    }
}

#[tokio::test]
async fn a_session_goes_on_and_is_forked_and_each_turn_pays_its_own() {
    let Some(mut real) = Real::find("Claude Code remembers") else { return };
    let start = real.start("[[say the word is heliotrope]]");
    real.daemon.play(start).await;
    let (session, first) = (real.session(), real.usage());
    for fork in [false, true] {
        real.again();
        let vendor_session = session.clone();
        let begin = if fork { Begin::Fork { vendor_session } } else { Begin::Resume { vendor_session } };
        let start = Start { begin, ..real.start("[[say again]]") };
        assert_eq!(real.daemon.play(start).await, completed("again"), "{:?}", real.daemon.events);
        assert!(real.last_told().contains("heliotrope"));
        assert_eq!(real.session() != session, fork);
        let usage = real.usage();
        assert!(
            usage.cost_micros > 0 && usage.cost_micros * 2 < first.cost_micros * 3,
            "{first:?} {usage:?}"
        );
        assert!(usage.input_tokens * 2 < first.input_tokens * 3, "{first:?} {usage:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_anew_with_what_was_said() {
    let Some(mut real) = Real::find("Claude Code has lost its session") else { return };
    let vendor_session = "00000000-0000-4000-8000-000000000000".to_owned();
    let history = vec![
        Turn::user("the word is heliotrope"),
        Turn::new(Role::Assistant, vec![Block::Text { text: "noted".into() }]),
    ];
    let begin = Begin::Resume { vendor_session: vendor_session.clone() };
    let start = Start { begin, history, ..real.start("[[say here]]") };
    assert_eq!(real.daemon.play(start).await, completed("here"), "{:?}", real.daemon.events);
    assert!(real.last_told().contains("heliotrope"));
    let said = position(&real.daemon, |event| matches!(event, RunEvent::Message { role: Role::System, .. }));
    let RunEvent::Message { blocks, .. } = &real.daemon.events[said] else { panic!("no message") };
    assert!(matches!(&blocks[0], Block::Text { text } if text.contains(&vendor_session)), "{blocks:?}");
    assert_ne!(real.session(), vendor_session);
}

/// An MCP server in a few lines of shell.
const PINGING: &str = r#"while read -r line; do
    id=$(sed -n 's/.*"id":\([0-9]*\).*/\1/p' <<<"$line")
    case "$line" in
        *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}' ;;
        *'"tools/list"'*) result='{"tools":[{"name":"ping","description":"answers","inputSchema":{"type":"object","properties":{}}}]}' ;;
        *'"tools/call"'*) result='{"content":[{"type":"text","text":"pong for '$WORD'"}]}' ;;
        *) continue ;;
    esac
    echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$result}"
done"#;

#[tokio::test]
async fn the_tools_of_our_server_are_called_through_its_pipe() {
    let Some(mut real) = Real::find("Claude Code calls a tool of ours") else { return };
    let mcp = Some(McpServer {
        name: "coditect".into(),
        argv: ["bash", "-c", PINGING].map(str::to_owned).to_vec(),
        env: vec![("WORD".into(), "you".into())],
    });
    let start = Start { mcp, ..real.start("[[tool mcp__coditect__ping|{}]][[say {{result}}]]") };
    assert_eq!(real.daemon.play(start).await, completed("pong for you"), "{:?}", real.daemon.events);
    assert_eq!(real.daemon.requests(), [], "our own tools need no permission");
    real.daemon.scene.assert_gone().await;
}

#[tokio::test]
async fn a_sub_agent_edits_under_the_locks_of_the_run_and_is_named() {
    let Some(mut real) = Real::find("Claude Code has a sub-agent") else { return };
    let start = real.start("[[agent <<say from below>> <<write sub.txt|x>> <<say sub done>>]][[say all]]");
    assert_eq!(real.daemon.play(start).await, completed("all"), "{:?}", real.daemon.events);
    assert!(real.file("sub.txt").exists());
    assert_eq!(real.daemon.requests(), [Request::Lock { path: "sub.txt".parse().unwrap(), change: None }]);
    let words = real.daemon.events.iter().find_map(|event| match event {
        RunEvent::Message { blocks, .. } => match blocks.as_slice() {
            [Block::Text { text: who }, Block::Text { text }, ..] if text == "from below" => {
                Some(who.clone())
            }
            _ => None,
        },
        _ => None,
    });
    assert!(words.unwrap().starts_with("[sub-agent general-purpose"));
    let streamed: u64 = real
        .daemon
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Message { usage: Some(usage), .. } => Some(usage.input_tokens),
            _ => None,
        })
        .sum();
    assert!(real.usage().input_tokens > streamed, "what the sub-agent used counts");
}

#[tokio::test]
async fn words_for_the_turn_under_way_are_heard_in_it() {
    let Some(mut real) = Real::find("Claude Code is steered") else { return };
    let start = real.start("[[bash touch one.txt]][[say done]]");
    real.daemon.launch(start).await;
    let asks = |event: &RunEvent| matches!(event, RunEvent::Request { request: Request::Permit { .. }, .. });
    real.daemon.serve_until(|_| Some(None), asks).await;
    let Some(RunEvent::Request { id, .. }) = real.daemon.events.last().cloned() else { panic!("no request") };
    real.daemon.handle().send(RunCommand::Steer { id: 5, text: "mind the heliotrope".into() }).unwrap();
    let queued = |event: &RunEvent| matches!(event, RunEvent::Record { line } if line.contains("queued"));
    real.daemon.serve_until(|_| None, queued).await;
    let is_steered = |event: &RunEvent| matches!(event, RunEvent::Steered { .. });
    assert!(!real.daemon.events.iter().any(is_steered), "what is queued is not heard yet");
    let allowed = Ok(Reply::Permitted { allowed: true, reason: String::new() });
    real.daemon.handle().send(RunCommand::Reply { id, result: allowed }).unwrap();
    real.daemon.serve(|_| None).await;
    let steered: Vec<_> = real.daemon.events.iter().filter(|event| is_steered(event)).collect();
    assert_eq!(steered, [&RunEvent::Steered { id: 5, taken: true }]);
    assert_eq!(real.daemon.ended().0, completed("done"));
    assert!(real.last_told().contains("mind the heliotrope"));
}

#[tokio::test]
async fn words_that_come_with_the_last_word_are_not_lost() {
    let Some(mut real) = Real::find("Claude Code is steered at its end") else { return };
    let start = real.start("[[say first]]");
    real.daemon.launch(start).await;
    let said = |event: &RunEvent| matches!(event, RunEvent::Message { role: Role::Assistant, .. });
    real.daemon.serve_until(|_| None, said).await;
    let late = RunCommand::Steer { id: 1, text: "[[say second]]".into() };
    real.daemon.handle().send(late).unwrap();
    real.daemon.serve(|_| None).await;
    let taken = real.daemon.events.iter().find_map(|event| match event {
        RunEvent::Steered { id: 1, taken } => Some(*taken),
        _ => None,
    });
    // Either the turn took them, and answered, or it was over and says so.
    let expected = if taken.expect("no answer to the words") { "second" } else { "first" };
    assert_eq!(real.daemon.ended().0, completed(expected), "{:?}", real.daemon.events);
}

#[tokio::test]
async fn a_plan_is_written_as_text_and_mended_when_it_was_not_taken() {
    let Some(mut real) = Real::find("Claude Code proposes a plan") else { return };
    let plan = r#"{"tasks": [{"name": "a", "title": "t", "instructions": "i", "files": ["a.rs"]}]}"#;
    let start =
        Start { kind: TaskKind::Propose, ..real.start(&format!("[[say Here: ```json\n{plan}\n```]]")) };
    real.daemon.launch(start).await;
    let mut refusals = vec![Refusal::invalid("plan_invalid", "too small")];
    let answer = |request: &Request| match request {
        Request::Propose { .. } => refusals.pop().map(|refusal| Some(Err(refusal))),
        _ => None,
    };
    real.daemon.serve(answer).await;
    assert!(matches!(real.daemon.ended().0, TurnOutcome::Completed { .. }), "{:?}", real.daemon.events);
    let requests = real.daemon.requests();
    let [Request::Propose { .. }, Request::Propose { tasks }] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(tasks[0].files[0].as_str(), "a.rs");
    assert!(real.last_told().contains("too small"));
}
