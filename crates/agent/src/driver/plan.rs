//! A plan as an agent writes it: checked before it is handed in, so that the agent can mend it. Agents with our own tools hand it
//! in by one; the others write it as JSON in their words.

use model::{PLANNED_FILES_MAX, PLANNED_NAME_MAX, PLANNED_TASKS_MAX, PlannedTask};
use serde::Deserialize;
use std::collections::HashMap;

/// What is added to the prompt of an agent that writes its plan as text.
pub(crate) const WANTED: &str = "\n\nAnswer with exactly one fenced block of JSON that holds the tasks you propose, small ones:\n\
```json\n{\"tasks\": [{\"name\": \"short and unique\", \"title\": \"…\", \"instructions\": \"all that somebody else needs to do it\", \
\"files\": [\"every/file/it/changes\"], \"depends_on\": [\"names of other tasks\"], \"priority\": 0}]}\n```\n";

#[derive(Deserialize)]
pub(crate) struct Proposal {
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

/// What an agent is told whose plan was not taken.
pub(crate) fn again(why: &str) -> String {
    format!("Your plan was not taken: {why}. Write it once more, whole.")
}

/// The plan in an agent's words: the last fenced block that is one, or the words as a whole.
pub(crate) fn read(words: &str) -> Result<Vec<PlannedTask>, String> {
    let mut blocks: Vec<&str> = words.split("```").skip(1).step_by(2).collect();
    blocks.push(words);
    let mut why = None;
    // The whole is looked at last, the blocks from the end.
    let whole = blocks.pop();
    for block in blocks.into_iter().rev().chain(whole) {
        let block = block.trim().strip_prefix("json").unwrap_or(block).trim();
        match serde_json::from_str::<Proposal>(block) {
            Ok(proposal) => return check(proposal),
            Err(error) if block.starts_with('{') => {
                why = why.or(Some(format!("the JSON cannot be read: {error}")))
            }
            Err(_) => {}
        }
    }
    Err(why.unwrap_or_else(|| "there is no fenced block of JSON in the answer".to_owned()))
}

/// The proposal with every name and path known to be good, or everything that is wrong with it.
pub(crate) fn check(proposal: Proposal) -> Result<Vec<PlannedTask>, String> {
    let proposed = proposal.tasks;
    let mut wrong = Vec::new();
    if proposed.is_empty() || proposed.len() > PLANNED_TASKS_MAX {
        wrong.push(format!("a plan has 1 to {PLANNED_TASKS_MAX} tasks, not {}", proposed.len()));
    }
    let mut names = HashMap::new();
    for (number, task) in proposed.iter().enumerate() {
        if !PlannedTask::is_name(&task.name) {
            let number = number + 1;
            wrong.push(format!("task {number} needs a name of 1 to {PLANNED_NAME_MAX} printable characters"));
        } else if names.insert(task.name.clone(), number).is_some() {
            wrong.push(format!("two tasks are named `{}`", task.name));
        }
    }
    let mut tasks = Vec::new();
    for task in proposed.into_iter().take(PLANNED_TASKS_MAX) {
        let name = &task.name;
        for (what, text) in [("title", &task.title), ("instructions", &task.instructions)] {
            if text.trim().is_empty() {
                wrong.push(format!("`{name}` needs {what}"));
            }
        }
        let mut files = Vec::new();
        // One more than allowed, so that too many are seen as such.
        for file in task.files.iter().take(PLANNED_FILES_MAX + 1) {
            match file.parse() {
                Ok(path) if files.contains(&path) => {}
                Ok(path) => files.push(path),
                Err(error) => wrong.push(format!("`{name}`: {error}")),
            }
        }
        for other in task.depends_on.iter().filter(|other| !names.contains_key(*other)) {
            wrong.push(format!("`{name}` depends on `{other}`, which is not in the plan"));
        }
        let task = PlannedTask {
            name: task.name,
            title: task.title,
            instructions: task.instructions,
            files,
            depends_on: task.depends_on,
            priority: task.priority,
        };
        if let Some((what, given, max)) = task.excess() {
            wrong.push(format!("`{}` has {given} {what}, more than the {max} allowed", task.name));
        }
        tasks.push(task);
    }
    if wrong.is_empty()
        && let Some(name) = in_circle(&tasks, &names)
    {
        wrong.push(format!("`{name}` depends on itself, directly or through others"));
    }
    if wrong.is_empty() { Ok(tasks) } else { Err(wrong.join("; ")) }
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
    use model::{PLANNED_DEPENDENCIES_MAX, PLANNED_INSTRUCTIONS_MAX, PLANNED_TITLE_MAX};
    use serde_json::{Value, json};

    fn plan(tasks: &Value) -> Result<Vec<PlannedTask>, String> {
        check(serde_json::from_value(json!({ "tasks": tasks })).unwrap())
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
    fn the_limits_are_those_of_every_plan() {
        let names = |count: usize, stem: &str| (0..count).map(|n| format!("{stem}{n}")).collect::<Vec<_>>();
        let task = |files: usize, dependencies: usize, title: usize, instructions: usize| {
            let first = json!({"name": "n".repeat(PLANNED_NAME_MAX), "title": "é".repeat(title),
                "instructions": "x".repeat(instructions), "files": names(files, "f"),
                "depends_on": names(dependencies, "t").iter().map(|_| "t0").collect::<Vec<_>>()});
            plan(&json!([first, {"name": "t0", "title": "t", "instructions": "i"}]))
        };
        let (files, dependencies) = (PLANNED_FILES_MAX, PLANNED_DEPENDENCIES_MAX);
        let (title, instructions) = (PLANNED_TITLE_MAX, PLANNED_INSTRUCTIONS_MAX);
        assert_eq!(task(files, dependencies, title, instructions).unwrap().len(), 2);
        for (over, what) in [
            (task(files + 1, 0, 1, 1), "65 files"),
            (task(0, dependencies + 1, 1, 1), "33 dependencies"),
            (task(0, 0, title + 1, 1), "201 characters of title"),
            (task(0, 0, 1, instructions + 1), "32769 bytes of instructions"),
        ] {
            let error = over.unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        let long = json!([{"name": "n".repeat(PLANNED_NAME_MAX + 1), "title": "t", "instructions": "i"}]);
        assert!(plan(&long).unwrap_err().contains("1 to 64 printable characters"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many: Vec<Value> = (0..=PLANNED_TASKS_MAX).map(|n| task(&n.to_string(), &[], &[])).collect();
        for (tasks, word) in [
            (json!([]), "1 to 32 tasks"),
            (json!(many), "1 to 32 tasks"),
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
                json!([{"name": "a", "title": "t", "instructions": "x".repeat(PLANNED_INSTRUCTIONS_MAX + 1)}]),
                "bytes of instructions",
            ),
        ] {
            let error = plan(&tasks).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_plan_is_found_in_the_agents_words() {
        let tasks = r#"{"tasks": [{"name": "a", "title": "t", "instructions": "i"}]}"#;
        for words in [
            tasks.to_owned(),
            format!("Here it is:\n```json\n{tasks}\n```\nAnything else?"),
            format!(
                "```rust\nfn main() {{}}\n```\n```json\n{{\"tasks\": []}}\n```\nor rather\n```\n{tasks}\n```"
            ),
        ] {
            assert_eq!(read(&words).unwrap()[0].name, "a", "{words}");
        }
        for (words, why) in [
            ("I would rather not.", "no fenced block"),
            ("```json\n{\"tasks\": [{\"name\": 7}]}\n```", "cannot be read"),
            ("```json\n{\"tasks\": []}\n```", "1 to 32 tasks"),
            ("```json\n{\"tasks\": [", "cannot be read"),
        ] {
            let error = read(words).unwrap_err();
            assert!(error.contains(why), "{words}: {error}");
        }
    }
}
