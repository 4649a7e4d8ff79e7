//! The demo's script against the example library: whatever the timing, and however often a task is
//! played again, the tests pass in the end.

use super::*;
use scripted::Directive;
use std::path::{Path, PathBuf};

const AGENTS: [&str; 4] = ["claude", "gemini", "kimi", "codex"];
type Files = BTreeMap<PathBuf, String>;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn script(text: &str, agent: &str) -> Vec<Directive> {
    let lines = scripted::parse(text).unwrap().unwrap_or_default();
    lines.into_iter().filter(|line| line.is_for(agent)).map(|line| line.directive).collect()
}

fn demo_plan() -> MergedPlan {
    let prompt = std::fs::read_to_string(examples().join("stint.demo/prompt.md")).unwrap();
    let proposals: Vec<Proposal> = AGENTS
        .iter()
        .map(|agent| {
            let tasks = script(&prompt, agent).into_iter().find_map(|directive| match directive {
                Directive::Plan(mut plan) => Some(plan["tasks"].take()),
                _ => None,
            });
            let tasks: Vec<PlannedTask> = serde_json::from_value(tasks.unwrap()).unwrap();
            tests::proposal(agent, tasks)
        })
        .collect();
    merge(&tests::agents(&AGENTS), &proposals).unwrap()
}

fn read(dir: &Path, root: &Path, into: &mut Files) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), root, into);
        } else {
            let name = entry.path().strip_prefix(root).unwrap().to_owned();
            into.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn library() -> Files {
    let mut files = Files::new();
    let root = examples().join("stint");
    read(&root, &root, &mut files);
    files
}

/// What the edit tool does: the old text must be there once, or nothing happens. True when it did.
fn play(files: &mut Files, directive: &Directive) -> bool {
    let Directive::Edit { path, old, new } = directive else { return false };
    let text = files.get_mut(Path::new(path)).unwrap();
    let fits = text.matches(old.as_str()).count() == 1;
    if fits {
        *text = text.replacen(old.as_str(), new, 1);
    }
    fits
}

fn edits(task: &MergedTask) -> Vec<Directive> {
    let script = script(&task.instructions, task.assignee.as_str());
    script.into_iter().filter(|directive| matches!(directive, Directive::Edit { .. })).collect()
}

fn mended() -> Files {
    let mut files = library();
    for edit in demo_plan().tasks.iter().flat_map(edits) {
        assert!(play(&mut files, &edit), "{edit:?}");
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "the example's tests are run by node, as the demo runs them")]
fn tests_pass(files: &Files) -> bool {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = std::process::Command::new("node").arg("--test").current_dir(dir.path()).output();
    output.expect("run node 20 or newer").status.success()
}

#[test]
fn one_reviews_and_each_has_a_task() {
    let plan = demo_plan();
    let rows: Vec<_> =
        plan.tasks.iter().map(|t| (t.name.as_str(), t.files[0].as_str(), t.reviewers.len())).collect();
    assert_eq!(
        rows,
        [
            ("claude/durations", "src/duration.js", 1),
            ("gemini/spans", "src/spans.js", 0),
            ("kimi/text", "src/text.js", 0),
            ("codex/tables", "src/table.js", 0)
        ]
    );
    let review = script(&plan.tasks[0].instructions, "gemini");
    assert!(matches!(&review[..], [Directive::Read { .. }, Directive::Say(_)]), "{review:?}");
}

#[test]
fn two_tasks_edit_a_file_that_neither_lists() {
    let plan = demo_plan();
    let shared = |task: &&MergedTask| {
        let edits = edits(task);
        edits.iter().any(|edit| matches!(edit, Directive::Edit { path, .. } if path == "src/index.js"))
    };
    let names: Vec<_> = plan.tasks.iter().filter(shared).map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["kimi/text", "codex/tables"]);
    assert!(plan.tasks.iter().all(|task| task.files.iter().all(|file| file.as_str() != "src/index.js")));
}

#[test]
fn the_tests_fail_before_and_pass_after() {
    assert!(!tests_pass(&library()));
    assert!(tests_pass(&mended()));
}

#[test]
fn a_task_played_again_after_any_step_changes_nothing_twice() {
    let wanted = mended();
    let plan = demo_plan();
    for broken in &plan.tasks {
        for step in 0..=edits(broken).len() {
            let mut files = library();
            for edit in edits(broken).iter().take(step) {
                play(&mut files, edit);
            }
            for edit in plan.tasks.iter().rev().flat_map(edits) {
                play(&mut files, &edit);
            }
            assert!(files == wanted, "{} again after step {step}", broken.name);
        }
    }
}
