//! The demo, and its figures counted again from what it left: the event export, the git log, the request log of
//! the models, and the sample's own tests.

use crate::house::{
    House, Process, coditect, command_line, demo_scratch, descendants, kill, lives, program, text, until,
};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

fn demo(home: &Path, more: &[&str]) -> Command {
    let mut command = coditect(home);
    command.args(["demo", "--headless", "--json"]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn every_figure_of_the_summary_can_be_counted_again() {
    let house = House::new();
    let began = Instant::now();
    let played = demo(house.dir.path(), &["--keep"]).output().unwrap();
    let took = began.elapsed();
    assert!(played.status.success(), "{}", text(&played));
    let summary: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!(summary["ok"], true);
    let field = |name: &str| summary[name].as_str().unwrap_or_else(|| panic!("no {name} in {summary}"));
    let (root, repo) = (Path::new(field("data_root")), Path::new(field("repo")));

    // The event export, up to the event the demo counted to.
    let events = export(&house, root, field("cursor"));
    let count = |wanted: &dyn Fn(&Value) -> bool| events.iter().filter(|event| wanted(event)).count();
    let phase = |phase: &'static str| {
        move |event: &Value| event["kind"] == "lock.changed" && event["payload"]["phase"] == phase
    };
    assert_eq!(summary["events"], events.len());
    assert_eq!(summary["lock_waits"], count(&phase("waiting")));
    assert_eq!(summary["lock_takeovers"], count(&phase("taken_over")));
    assert!(summary["lock_waits"].as_u64() >= Some(2), "two agents want one file: {summary}");
    assert_eq!(summary["lock_takeovers"], 1, "one dies with the lock: {summary}");
    let tested = events.iter().rfind(|event| event["kind"] == "plan.tested").expect("the tests ran");
    assert_eq!(summary["tests_passed"], tested["payload"]["report"]["passed"]);
    let asked = count(&|event| event["kind"] == "task.input_requested");
    assert_eq!((asked, count(&|event| event["kind"] == "task.input_answered")), (1, 1));
    assert_eq!(count(&|event| event["kind"] == "task.resubmitted"), 1);
    let elapsed = summary["elapsed_ms"].as_u64().unwrap();
    assert!(u128::from(elapsed) <= took.as_millis(), "{elapsed} ms of {took:?}");
    assert!(elapsed >= span(&events), "{elapsed} ms for events over {} ms", span(&events));

    same_as_the_git_log(&summary, repo);
    same_as_the_sample_says(&summary, repo);
    same_as_the_models_say(&events, &root.with_file_name("model-requests.jsonl"));

    let verified = coditect(house.dir.path())
        .args(["--json", "--data-root", field("data_root"), "data", "verify"])
        .output()
        .unwrap();
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(summary["journal_verified"], verified["ok"]);
    stop(&house, root);
}

/// All events up to a cursor, by the command that exports them.
fn export(house: &House, root: &Path, cursor: &str) -> Vec<Value> {
    let exported = coditect(house.dir.path())
        .arg("--data-root")
        .arg(root)
        .args(["events", "export", "--json"])
        .output()
        .unwrap();
    assert!(exported.status.success(), "{}", text(&exported));
    let last: model::Cursor = cursor.parse().unwrap();
    String::from_utf8(exported.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["cursor"].as_str().unwrap().parse::<model::Cursor>().unwrap() <= last)
        .collect()
}

/// Milliseconds from the first event to the last.
fn span(events: &[Value]) -> u64 {
    let at = |event: Option<&Value>| {
        event.unwrap()["ts"].as_str().unwrap().parse::<model::Timestamp>().unwrap().as_millis()
    };
    u64::try_from(at(events.last()) - at(events.first())).unwrap()
}

fn same_as_the_git_log(summary: &Value, repo: &Path) {
    let git = |args: &[&str]| {
        let output = program("git").arg("-C").arg(repo).args(args).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let commits: u64 = git(&["rev-list", "--count", "HEAD"]).trim().parse().unwrap();
    assert_eq!(summary["commits"], commits - 1, "the first one was there before");
    let trailers = git(&["log", "--format=%(trailers:key=Co-authored-by,valueonly)"]);
    for agent in ["claude", "gemini", "kimi", "codex"] {
        assert!(trailers.contains(&format!("{agent} <")), "{agent} is not among the authors: {trailers}");
    }
    assert_eq!(git(&["status", "--porcelain"]), "", "nothing is left uncommitted");
}

fn same_as_the_sample_says(summary: &Value, repo: &Path) {
    let mut node = program("node");
    // Another test runner above would have this one report to it.
    let tested = node
        .args(["--test", "--test-reporter=tap"])
        .env_remove("NODE_TEST_CONTEXT")
        .current_dir(repo)
        .output()
        .unwrap();
    let said = text(&tested);
    assert!(tested.status.success(), "{said}");
    let passed =
        said.lines().find_map(|line| line.strip_prefix("# pass ")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(summary["tests_passed"], passed.trim().parse::<u64>().unwrap());
}

/// The models were asked as often as the journal says, by the four, and by the one who died once more.
fn same_as_the_models_say(events: &[Value], log: &Path) {
    let requests: Vec<Value> = std::fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kind = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    let answered = requests.iter().filter(|request| request["status"] == 200).count();
    assert_eq!(answered, kind("model.answered"));
    assert_eq!(requests.len(), kind("model.called"));
    let agents: BTreeSet<&str> = requests.iter().filter_map(|request| request["agent"].as_str()).collect();
    assert_eq!(agents, BTreeSet::from(["claude", "codex", "gemini", "kimi"]));
    let vendors: BTreeSet<&str> = requests.iter().filter_map(|request| request["vendor"].as_str()).collect();
    assert_eq!(vendors, BTreeSet::from(["anthropic", "google", "moonshot", "openai"]));
    let begun = |agent: &str| {
        requests.iter().filter(|request| request["agent"] == agent && request["step"] == 0).count()
    };
    // A proposal and a task each; kimi's task began twice, gemini has a review as well.
    assert_eq!((begun("claude"), begun("codex"), begun("kimi"), begun("gemini")), (2, 2, 3, 3));
}

fn stop(house: &House, root: &Path) {
    let stopped =
        coditect(house.dir.path()).arg("--data-root").arg(root).args(["daemon", "stop"]).output().unwrap();
    assert!(stopped.status.success(), "{}", text(&stopped));
}

/// The process that holds a data root.
fn holder(root: &model::DataRoot) -> u32 {
    let holder: Value = serde_json::from_slice(&std::fs::read(root.daemon_lock()).unwrap()).unwrap();
    u32::try_from(holder["pid"].as_u64().unwrap()).unwrap()
}

/// Kills the daemon while the demo sleeps, so that somebody else's is the next.
fn start_another(house: &House, demo: &Child, root: &model::DataRoot) {
    kill(demo.id(), Signal::STOP);
    let first = holder(root);
    kill(first, Signal::KILL);
    let started = coditect(house.dir.path())
        .arg("--data-root")
        .arg(root.path())
        .args(["daemon", "start"])
        .output()
        .unwrap();
    assert!(started.status.success(), "{}", text(&started));
    assert_ne!(holder(root), first);
    kill(demo.id(), Signal::CONT);
}

#[test]
fn a_killed_daemon_is_started_again_and_the_demo_goes_on() {
    let house = House::new();
    let mut running = demo(house.dir.path(), &[]).spawn().unwrap();
    let scratch = until("the scratch folder", || demo_scratch(house.dir.path()));
    let root = model::DataRoot::new(scratch.join("data"));
    let mut seen = Vec::new();
    let stderr = running.stderr.take().unwrap();
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap();
        // While all plan, while all work, and near the end.
        let now =
            ["proposes:", "edits src/", "commit "].iter().enumerate().find(|(_, word)| line.contains(**word));
        if let Some((at, _)) = now
            && !seen.contains(&at)
        {
            seen.push(at);
            if at == 1 {
                start_another(&house, &running, &root);
            } else {
                kill(holder(&root), Signal::KILL);
            }
        }
    }
    let played = running.wait_with_output().unwrap();
    assert!(played.status.success(), "{}", text(&played));
    let summary: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!(seen.len(), 3, "the daemon was to be killed three times");
    assert_eq!((&summary["ok"], &summary["tests_passed"]), (&Value::Bool(true), &Value::from(53)));
    assert!(scratch.exists(), "what the summary names is there");
}

/// A demo that has its daemon and its models; gives their processes.
fn under_way(house: &House) -> (Child, Vec<Process>) {
    let running = demo(house.dir.path(), &[]).stderr(Stdio::null()).spawn().unwrap();
    let below = until("an agent at work", || {
        let below = descendants(running.id());
        let runs = below.iter().filter(|(pid, _)| command_line(*pid).contains(" __drive ")).count();
        (runs > 0).then_some(below)
    });
    (running, below)
}

#[test]
fn an_interrupted_demo_ends_everything_and_cleans_up() {
    let house = House::new();
    let (running, below) = under_way(&house);
    kill(running.id(), Signal::INT);
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended));
    until("all processes to end", || below.iter().all(|process| !lives(process)).then_some(()));
    assert_eq!(demo_scratch(house.dir.path()), None);
}

#[test]
fn what_a_killed_demo_started_ends_by_itself() {
    let house = House::new();
    let (mut running, below) = under_way(&house);
    kill(running.id(), Signal::KILL);
    running.wait().unwrap();
    until("all processes to end", || below.iter().all(|process| !lives(process)).then_some(()));
}

#[test]
fn a_missing_program_is_named_with_what_to_install() {
    let house = House::new();
    let bin = house.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let play = || demo(house.dir.path(), &[]).env("PATH", &bin).output().unwrap();
    for (code, hint) in [("git_missing", "install git"), ("node_missing", "install Node 20")] {
        let refused = play();
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
        let error: Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!(error["error"]["code"], code);
        assert!(error["error"]["hint"].as_str().unwrap().contains(hint), "{error}");
        let git = bin.join("git");
        if !git.exists() {
            std::os::unix::fs::symlink(find("git"), git).unwrap();
        }
    }
    assert_eq!(demo_scratch(house.dir.path()), None, "nothing was made");
}

fn find(name: &str) -> std::path::PathBuf {
    std::env::split_paths(&testkit::search_path())
        .map(|dir| dir.join(name))
        .find(|path| path.exists())
        .unwrap()
}

/// A browser that only notes where it was sent.
const BROWSER: &str = "#!/bin/sh\nprintf '%s' \"$1\" > \"$(dirname \"$0\")/../opened\"\n";

#[test]
fn with_a_display_the_page_is_opened_and_stays_until_ctrl_c() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let bin = house.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let browser = bin.join("xdg-open");
    std::fs::write(&browser, BROWSER).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(testkit::search_path());
    let mut command = coditect(house.dir.path());
    command.args(["demo", "--json"]).env("PATH", path).env("DISPLAY", ":0");
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let scratch = until("the scratch folder", || demo_scratch(house.dir.path()));
    let root = scratch.join("data");
    let ask = |args: &[&str]| {
        let mut command = coditect(house.dir.path());
        command.args(["--json", "--no-autostart", "--data-root"]).arg(&root).args(args).output().unwrap()
    };
    // The question is left to the person at the page.
    let question = until("the question", || {
        let tasks: Value = serde_json::from_slice(&ask(&["task", "list"]).stdout).ok()?;
        let tasks = tasks["items"].as_array()?;
        let asking = tasks.iter().find(|task| task["state"] == "input_required")?;
        Some(asking["id"].as_str()?.to_owned())
    });
    assert!(ask(&["task", "answer", &question, "Yes, by hand"]).status.success());
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let summary: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(summary["ok"], true, "{summary}");

    let opened = std::fs::read_to_string(house.dir.path().join("opened")).unwrap();
    let root = model::DataRoot::new(summary["data_root"].as_str().unwrap());
    let info: Value = serde_json::from_slice(&std::fs::read(root.daemon_info()).unwrap()).unwrap();
    let address = info["address"].as_str().unwrap();
    assert!(opened.starts_with(&format!("http://{address}/")) && opened.contains("code="), "{opened}");
    let below = descendants(running.id());
    assert!(below.len() >= 2, "the daemon and the models are still there: {below:?}");
    kill(running.id(), Signal::INT);
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(below.iter().all(|process| !lives(process)));
    let said = std::fs::read_to_string(scratch.join("model-requests.jsonl")).unwrap();
    assert!(said.contains("Yes, by hand"), "the agent goes on with the person's answer");
}
