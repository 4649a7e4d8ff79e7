//! `propose_plan`: what this agent would do, checked before it is handed in, so that the model can
//! mend it.

use model::{ParticipantStatus, PlannedTask};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;

use super::{Outcome, Parsed, ToolError, Toolbox, misanswered};
use crate::run::wire::{Reply, Request};

/// Tasks of one proposal.
pub(super) const TASKS_MAX: usize = 50;
/// Files of one task.
pub(super) const FILES_MAX: usize = 100;
/// Longest name and title, in bytes.
pub(super) const TITLE_MAX: usize = 200;
/// Longest instructions of one task, in bytes.
pub(super) const INSTRUCTIONS_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
pub(super) struct Arguments {
    tasks: Vec<Proposed>,
}

/// A task as a model writes it: paths are not checked yet.
#[derive(Deserialize)]
struct Proposed {
    name: String,
    title: String,
    instructions: String,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    depends_on: Vec<String>,
    #[serde(default)]
    priority: i32,
}

pub(super) fn spec() -> (&'static str, Value) {
    let task = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "short and unique; other tasks refer to it"},
            "title": {"type": "string"},
            "instructions": {"type": "string", "description": "all that somebody else needs to do it"},
            "files": {"type": "array", "items": {"type": "string"}, "description": "files it will change"},
            "depends_on": {"type": "array", "items": {"type": "string"}, "description": "names of tasks"},
            "priority": {"type": "integer", "description": "higher goes first; 0 when missing"}
        },
        "required": ["name", "title", "instructions", "files"]
    });
    (
        "Hand in the tasks you propose. Call it once; a later call replaces the earlier one.",
        json!({
            "type": "object",
            "properties": {"tasks": {"type": "array", "items": task}},
            "required": ["tasks"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let tasks = check(arguments?.tasks)?;
    let count = tasks.len();
    toolbox.status(ParticipantStatus::RunningTool, &format!("propose_plan of {count} tasks")).await;
    match toolbox.ask(Request::Propose { tasks }).await? {
        Reply::Accepted => Ok(Outcome::ok(format!("the plan of {count} tasks is handed in"))),
        other => Err(misanswered(&other)),
    }
}

/// The proposal with every name and path known to be good, or everything that is wrong with it.
fn check(proposed: Vec<Proposed>) -> Result<Vec<PlannedTask>, ToolError> {
    let mut wrong = Vec::new();
    if proposed.is_empty() || proposed.len() > TASKS_MAX {
        wrong.push(format!("a plan has 1 to {TASKS_MAX} tasks, not {}", proposed.len()));
    }
    let mut names = HashMap::new();
    for (number, task) in proposed.iter().enumerate() {
        if task.name.trim().is_empty() || task.name.len() > TITLE_MAX {
            wrong.push(format!("task {} needs a name of 1 to {TITLE_MAX} bytes", number + 1));
        } else if names.insert(task.name.clone(), number).is_some() {
            wrong.push(format!("two tasks are named `{}`", task.name));
        }
    }
    let mut tasks = Vec::new();
    for task in proposed.into_iter().take(TASKS_MAX) {
        let name = &task.name;
        for (what, text, max) in
            [("title", &task.title, TITLE_MAX), ("instructions", &task.instructions, INSTRUCTIONS_MAX)]
        {
            if text.trim().is_empty() || text.len() > max {
                wrong.push(format!("`{name}` needs {what} of 1 to {max} bytes"));
            }
        }
        if task.files.len() > FILES_MAX {
            wrong.push(format!("`{name}` names more than {FILES_MAX} files"));
        }
        let mut files = Vec::new();
        for file in task.files.iter().take(FILES_MAX) {
            match file.parse() {
                Ok(path) if files.contains(&path) => {}
                Ok(path) => files.push(path),
                Err(error) => wrong.push(format!("`{name}`: {error}")),
            }
        }
        for other in task.depends_on.iter().filter(|other| !names.contains_key(*other)) {
            wrong.push(format!("`{name}` depends on `{other}`, which is not in the plan"));
        }
        tasks.push(PlannedTask {
            name: task.name,
            title: task.title,
            instructions: task.instructions,
            files,
            depends_on: task.depends_on,
            priority: task.priority,
        });
    }
    if wrong.is_empty()
        && let Some(name) = in_circle(&tasks, &names)
    {
        wrong.push(format!("`{name}` depends on itself, directly or through others"));
    }
    if wrong.is_empty() { Ok(tasks) } else { Err(ToolError::Arguments(wrong.join("; "))) }
}

/// A task that is part of a circle of dependencies, or waits for one.
fn in_circle<'a>(tasks: &'a [PlannedTask], names: &HashMap<String, usize>) -> Option<&'a str> {
    let mut done = vec![false; tasks.len()];
    // Every round finishes a task or shows that none can be; so there are as many rounds as tasks.
    while let Some(next) = (0..tasks.len()).find(|at| {
        !done[*at] && tasks[*at].depends_on.iter().all(|other| names.get(other).is_some_and(|at| done[*at]))
    }) {
        done[next] = true;
    }
    done.iter().position(|done| !done).map(|at| tasks[at].name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tasks: &Value) -> Result<Vec<PlannedTask>, String> {
        let tasks: Vec<Proposed> = serde_json::from_value(tasks.clone()).unwrap();
        check(tasks).map_err(|error| error.to_string())
    }

    fn task(name: &str, files: &[&str], depends_on: &[&str]) -> Value {
        json!({"name": name, "title": "t", "instructions": "i", "files": files, "depends_on": depends_on})
    }

    #[test]
    fn a_good_plan_passes_with_its_paths_made_plain() {
        let tasks =
            plan(&json!([task("b", &["./src/a.rs", "src/a.rs"], &["a"]), task("a", &[], &[])])).unwrap();
        assert_eq!(tasks[0].files.len(), 1);
        assert_eq!(tasks[0].files[0].as_str(), "src/a.rs");
        assert_eq!(tasks[1].priority, 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many: Vec<Value> = (0..=TASKS_MAX).map(|n| task(&n.to_string(), &[], &[])).collect();
        for (tasks, word) in [
            (json!([]), "1 to 50 tasks"),
            (json!(many), "1 to 50 tasks"),
            (json!([task("a", &[], &[]), task("a", &[], &[])]), "two tasks are named `a`"),
            (json!([task(" ", &[], &[])]), "needs a name"),
            (json!([task("a", &["../x"], &[])]), "leaves the repository"),
            (json!([task("a", &["/x"], &[])]), "absolute"),
            (json!([task("a", &[".git/config"], &[])]), ".git"),
            (json!([task("a", &[], &["b"])]), "not in the plan"),
            (json!([task("a", &[], &["a"])]), "depends on itself"),
            (json!([task("a", &[], &["b"]), task("b", &[], &["a"])]), "depends on itself"),
            (json!([{"name": "a", "title": "", "instructions": "i"}]), "title"),
            (
                json!([{"name": "a", "title": "t", "instructions": "x".repeat(INSTRUCTIONS_MAX + 1)}]),
                "instructions",
            ),
        ] {
            let error = plan(&tasks).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
