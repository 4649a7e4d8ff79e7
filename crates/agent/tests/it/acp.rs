//! Turns of the real Gemini CLI and Kimi Code, against the scripted model.

use crate::codex::mcp_server;
use crate::driven::{Driven, called, failure, said, wrote};
use crate::scene::{kill, until};
use agent::{Reply, Request, RunCommand, RunEvent, Start};
use model::{Refusal, Role, TaskKind, ToolCategory, TurnOutcome};
use rustix::process::Signal;
use std::fs;
use testkit::vendors::VendorCli;

const AGENTS: [VendorCli; 2] = [VendorCli::Gemini, VendorCli::Kimi];

fn agents(what: &str) -> impl Iterator<Item = (VendorCli, Driven)> {
    let find = move |cli: VendorCli| Driven::find(cli, &format!("{} {what}", cli.name()));
    AGENTS.into_iter().filter_map(move |cli| {
        let driven = find(cli)?;
        // Runs work in repositories; outside of one Kimi asks for every edit.
        driven.daemon.scene.file(".git/HEAD", "ref: refs/heads/main\n");
        driven.daemon.scene.file(".git/objects/info/packs", "");
        driven.daemon.scene.file(".git/refs/heads/.none", "");
        Some((cli, driven))
    })
}

fn read(driven: &Driven, path: &str) -> Option<String> {
    fs::read_to_string(driven.daemon.scene.worktree().join(path)).ok()
}

fn completed(outcome: &TurnOutcome) -> bool {
    matches!(outcome, TurnOutcome::Completed { .. })
}

#[tokio::test]
async fn a_file_is_written_by_the_daemon_under_its_lock() {
    for (cli, mut agent) in agents("writes a file") {
        agent.daemon.scene.file("b.txt", "one\ntwo\n");
        let start = agent.start("[[write notes/a.txt|one]] [[edit b.txt|two|2]] [[say All done.]]");
        let outcome = agent.play(start).await;
        assert!(completed(&outcome), "{cli:?}: {outcome:?}");
        assert_eq!(read(&agent, "notes/a.txt").as_deref(), Some("one"), "{cli:?}");
        assert_eq!(read(&agent, "b.txt").as_deref(), Some("one\n2\n"), "{cli:?}");
        let requests = agent.daemon.requests();
        let base = blake3::hash(b"one\ntwo\n").to_hex().to_string();
        let edit =
            Request::Write { path: "b.txt".parse().unwrap(), base: Some(base), content: "one\n2\n".into() };
        assert!(requests.contains(&edit), "{cli:?}: {requests:?}");
        for (at, request) in requests.iter().enumerate() {
            if let Request::Write { path, .. } = request {
                assert!(
                    requests[..at].contains(&Request::Lock { path: path.clone(), change: None }),
                    "{cli:?}: {requests:?}"
                );
            }
            assert!(
                !matches!(request, Request::Permit { .. }),
                "{cli:?}: an edit needs a lock, nothing else"
            );
        }
        let events = &agent.daemon.events;
        assert_eq!(wrote(events), [], "{cli:?}: the daemon wrote it and knows");
        assert!(said(events).contains("All done."), "{cli:?}");
        assert_eq!(called(events).len(), 2, "{cli:?}: {:?}", called(events));
        let failed = agent.daemon.results().into_iter().filter(|(_, is_error)| *is_error).count();
        assert_eq!(failed, 0, "{cli:?}: {:?}", agent.daemon.results());
        assert!(agent.last_request().contains("one of several agents"), "{cli:?}");
        let (_, iterations, usage) = agent.daemon.ended();
        assert!(iterations > 0 && usage.input_tokens > 0, "{cli:?}: {usage:?}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, RunEvent::Record { line } if line.contains("tool_call")))
        );
    }
}

#[tokio::test]
async fn a_refused_lock_denies_the_edit_and_the_model_is_told_who_holds_the_file() {
    for (cli, mut agent) in agents("is denied a locked file") {
        let start = agent.start("[[write held.txt|mine]] [[say Then not.]]");
        agent.daemon.launch(start).await;
        let refusal =
            Refusal::conflict("locked", "`held.txt` is held by codex").hint("work on something else");
        agent
            .daemon
            .serve(|request| matches!(request, Request::Lock { .. }).then(|| Some(Err(refusal.clone()))))
            .await;
        assert!(completed(&agent.daemon.ended().0), "{cli:?}");
        assert_eq!(read(&agent, "held.txt"), None, "{cli:?}");
        let told = agent.last_request();
        assert!(told.contains("`held.txt` is held by codex; work on something else"), "{cli:?}: {told}");
    }
}

#[tokio::test]
async fn a_file_that_changed_while_its_lock_was_waited_for_is_not_overwritten() {
    for (cli, mut agent) in agents("does not overwrite what others wrote") {
        agent.daemon.scene.file("b.txt", "one\ntwo\n");
        let start = agent.start("[[read b.txt]] [[edit b.txt|two|2]] [[say Then not.]]");
        agent.daemon.launch(start).await;
        let file = agent.daemon.scene.worktree().join("b.txt");
        // Whoever held the lock wrote before it was ours.
        agent
            .daemon
            .serve(|request| {
                if matches!(request, Request::Lock { .. }) {
                    fs::write(&file, "one\ntwo\nthree\n").unwrap();
                }
                None
            })
            .await;
        assert_eq!(read(&agent, "b.txt").as_deref(), Some("one\ntwo\nthree\n"), "{cli:?}");
        assert!(completed(&agent.daemon.ended().0), "{cli:?}");
    }
}

#[tokio::test]
async fn an_edit_that_is_asked_for_without_naming_its_file_is_locked_all_the_same() {
    let Some(mut agent) = Driven::find(VendorCli::Kimi, "Kimi asks outside of a repository") else { return };
    let start = agent.start("[[write a.txt|x]] [[say Done.]]");
    assert!(completed(&agent.play(start).await));
    assert_eq!(read(&agent, "a.txt").as_deref(), Some("x"));
    let requests = agent.daemon.requests();
    assert_eq!(
        requests.first(),
        Some(&Request::Lock { path: "a.txt".parse().unwrap(), change: None }),
        "{requests:?}"
    );
    assert!(!requests.iter().any(|request| matches!(request, Request::Permit { .. })), "{requests:?}");
}

#[tokio::test]
async fn nothing_is_edited_in_a_review() {
    for (cli, mut agent) in agents("reviews") {
        let start = agent.start("[[write a.txt|x]] [[say Fine.]]");
        agent.play(Start { kind: TaskKind::Review, ..start }).await;
        assert_eq!((read(&agent, "a.txt"), agent.daemon.requests()), (None, Vec::new()), "{cli:?}");
        assert!(agent.last_request().contains("while work is reviewed"), "{cli:?}");
    }
}

#[tokio::test]
async fn a_command_is_run_when_it_is_permitted_and_not_when_it_is_denied() {
    for (cli, mut agent) in agents("asks before it runs a command") {
        for (allowed, file) in [(true, "yes"), (false, "no")] {
            let start = agent.start(&format!("[[bash touch {file} && echo made]] [[say Done.]]"));
            agent.daemon.events.clear();
            agent.daemon.launch(start).await;
            let answer = Reply::Permitted { allowed, reason: "no shell today".into() };
            agent
                .daemon
                .serve(|request| matches!(request, Request::Permit { .. }).then(|| Some(Ok(answer.clone()))))
                .await;
            let requests = agent.daemon.requests();
            let [Request::Permit { ask }] = requests.as_slice() else { panic!("{cli:?}: {requests:?}") };
            assert_eq!(ask.category, ToolCategory::Shell, "{cli:?}");
            assert!(
                ask.arguments["command"].as_str().unwrap().starts_with(&format!("touch {file}")),
                "{cli:?}: {ask:?}"
            );
            assert_eq!(read(&agent, file).is_some(), allowed, "{cli:?}");
            assert_eq!(agent.last_request().contains("no shell today"), !allowed, "{cli:?}");
            if allowed && cli == VendorCli::Kimi {
                assert!(
                    agent.daemon.results().contains(&("made\n".to_owned(), false)),
                    "{:?}",
                    agent.daemon.results()
                );
            }
        }
    }
}

#[tokio::test]
async fn an_interrupted_turn_is_canceled_and_the_next_one_remembers() {
    for (cli, mut agent) in agents("is interrupted and resumed") {
        let start = agent.start("The word is mellon. [[think Hm.]] [[sleep 60000]]");
        agent.daemon.launch(start).await;
        agent.daemon.model.until(|requests| !requests.is_empty()).await;
        agent.daemon.handle().send(RunCommand::Cancel).unwrap();
        agent.daemon.serve(|_| None).await;
        assert_eq!(agent.daemon.ended().0, TurnOutcome::Canceled, "{cli:?}");
        agent.daemon.scene.assert_gone().await;
        let first = agent.opened();
        let resume = agent.resume("[[say Again.]]");
        let outcome = agent.play(resume).await;
        assert!(completed(&outcome), "{cli:?}: {outcome:?}");
        let anew = agent
            .daemon
            .events
            .iter()
            .any(|event| matches!(event, RunEvent::Message { role: Role::System, .. }));
        // Gemini's session is too young to be loaded; that is said, and a new one begun.
        assert_eq!(anew, cli == VendorCli::Gemini);
        assert_eq!(agent.opened() == first, !anew);
        assert_eq!(agent.last_request().contains("mellon"), !anew, "{cli:?}");
        if cli == VendorCli::Kimi {
            let fork = agent.fork("[[say Elsewhere.]]");
            assert!(completed(&agent.play(fork).await));
            assert_ne!(agent.opened(), first);
            assert!(agent.last_request().contains("mellon"));
        }
    }
}

#[tokio::test]
async fn our_tools_are_called_without_a_question() {
    for (cli, mut agent) in agents("calls an MCP tool") {
        let tool = if cli == VendorCli::Gemini { "mcp_coditect_ping" } else { "mcp__coditect__ping" };
        let start = agent.start(&format!("[[tool {tool}|{{}}]] [[say Done.]]"));
        let outcome = agent.play(Start { mcp: Some(mcp_server()), ..start }).await;
        assert!(completed(&outcome), "{cli:?}: {outcome:?}");
        assert_eq!(agent.daemon.requests(), [], "{cli:?}");
        assert_eq!(called(&agent.daemon.events), [tool], "{cli:?}");
        assert_eq!(agent.daemon.results(), [("pong of ours".to_owned(), false)], "{cli:?}");
    }
}

#[tokio::test]
async fn a_sub_agents_edit_needs_the_same_locks() {
    for (cli, mut agent) in agents("has a sub-agent") {
        let start = agent.start("[[agent <<write sub.txt|from below>> <<say Sub done.>>]] [[say Done.]]");
        let outcome = agent.play(start).await;
        assert!(completed(&outcome), "{cli:?}: {outcome:?}");
        assert_eq!(read(&agent, "sub.txt").as_deref(), Some("from below"), "{cli:?}");
        let lock = Request::Lock { path: "sub.txt".parse().unwrap(), change: None };
        let requests = agent.daemon.requests();
        let write = requests.iter().position(|request| matches!(request, Request::Write { .. }));
        assert!(requests[..write.unwrap()].contains(&lock), "{cli:?}: {requests:?}");
    }
}

#[tokio::test]
async fn a_sub_agent_overwrites_nothing_that_changed_while_its_lock_was_waited_for() {
    let Some(mut agent) = Driven::find(VendorCli::Gemini, "Gemini's sub-agent waits for a lock") else {
        return;
    };
    agent.daemon.scene.file("b.txt", "one\ntwo\n");
    let start = agent.start("[[agent <<read b.txt>> <<edit b.txt|two|2>> <<say Then not.>>]] [[say Done.]]");
    agent.daemon.launch(start).await;
    let file = agent.daemon.scene.worktree().join("b.txt");
    agent
        .daemon
        .serve(|request| {
            if matches!(request, Request::Lock { .. }) {
                fs::write(&file, "one\ntwo\nthree\n").unwrap();
            }
            None
        })
        .await;
    assert_eq!(read(&agent, "b.txt").as_deref(), Some("one\ntwo\nthree\n"));
    assert!(completed(&agent.daemon.ended().0));
}

/// What nobody could be asked about is denied at once: neither does it happen nor is it waited for.
#[tokio::test]
async fn a_sub_agent_of_gemini_does_nothing_that_nobody_could_be_asked_about() {
    let Some(mut agent) = Driven::find(VendorCli::Gemini, "Gemini's sub-agent is held") else { return };
    let outside = agent.daemon.scene.worktree().parent().unwrap().join("outside.txt");
    for (does, file) in [
        ("bash touch made".to_owned(), agent.daemon.scene.worktree().join("made")),
        ("write Cargo.toml|x".to_owned(), agent.daemon.scene.worktree().join("Cargo.toml")),
        (format!("write {}|x", outside.display()), outside),
    ] {
        agent.daemon.events.clear();
        let start = agent.start(&format!("[[agent <<{does}>> <<say Not that.>>]] [[say Done.]]"));
        let outcome = agent.play(start).await;
        assert!(completed(&outcome), "{does}: {outcome:?}");
        assert!(!file.exists(), "{does}");
        assert_eq!(agent.daemon.requests(), [], "{does}");
    }
}

#[tokio::test]
async fn a_killed_program_fails_the_turn_at_once_and_leaves_nothing() {
    for (cli, mut agent) in agents("is killed") {
        let start = agent.start("[[bash sleep 1000 && touch never]] [[say Done.]]");
        agent.daemon.launch(start).await;
        agent.daemon.serve_until(|_| None, |event| matches!(event, RunEvent::Request { .. })).await;
        until("the command runs", || sleeps(&agent)).await;
        let oldest = agent.vendors().into_iter().min().unwrap();
        kill(oldest, Signal::KILL);
        agent.daemon.serve(|_| None).await;
        let (outcome, ..) = agent.daemon.ended();
        assert_eq!(failure(&outcome).0, "vendor_died", "{cli:?}");
        agent.daemon.scene.assert_gone().await;
        assert_eq!(agent.vendors(), Vec::<i32>::new(), "{cli:?}");
    }
}

fn sleeps(agent: &Driven) -> bool {
    agent
        .daemon
        .scene
        .marked()
        .iter()
        .any(|pid| crate::scene::cmdline(*pid).join(" ").starts_with("sleep 1000"))
}
