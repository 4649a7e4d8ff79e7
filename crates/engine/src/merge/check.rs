//! What one agent's proposal must be by itself, so that it can be mended while the agent still listens.

use super::order;
use model::{AgentName, PLANNED_NAME_MAX, PLANNED_TASKS_MAX, PlannedTask};
use std::collections::{BTreeMap, BTreeSet};

/// Why proposals cannot be merged. [`check`] finds all but the last three while the agent that
/// proposed can still mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    #[error("{agent} proposes {given} tasks, more than the {PLANNED_TASKS_MAX} allowed; join some")]
    TooManyTasks { agent: AgentName, given: usize },
    #[error("{agent}: task `{task}` has {given} {what}, more than the {max} allowed")]
    TooMany { agent: AgentName, task: String, what: &'static str, given: usize, max: usize },
    #[error(
        "{agent}: a task's name must be 1 to {PLANNED_NAME_MAX} printable characters, and one has {given:?}"
    )]
    Name { agent: AgentName, given: String },
    #[error("{agent}: two tasks are named `{task}`")]
    SameName { agent: AgentName, task: String },
    #[error("{agent}: task `{task}` depends on `{dependency}`, which is not among its tasks")]
    UnknownDependency { agent: AgentName, task: String, dependency: String },
    #[error("{agent}: the tasks {} wait for each other", .tasks.join(", "))]
    Cycle { agent: AgentName, tasks: Vec<String> },
    #[error("{0} proposes a plan but takes no part in it")]
    UnknownAgent(AgentName),
    #[error("{0} proposes twice")]
    TwoProposals(AgentName),
    #[error("no agent proposes a task")]
    Nothing,
}

/// Checks one agent's proposal by itself.
pub(crate) fn check(agent: &AgentName, tasks: &[PlannedTask]) -> Result<(), MergeError> {
    let agent = || agent.clone();
    if tasks.len() > PLANNED_TASKS_MAX {
        return Err(MergeError::TooManyTasks { agent: agent(), given: tasks.len() });
    }
    let mut names = BTreeSet::new();
    for task in tasks {
        let name = &task.name;
        if !PlannedTask::is_name(name) {
            return Err(MergeError::Name {
                agent: agent(),
                given: name.chars().take(PLANNED_NAME_MAX).collect(),
            });
        }
        if !names.insert(name.as_str()) {
            return Err(MergeError::SameName { agent: agent(), task: name.clone() });
        }
        if let Some((what, given, max)) = task.excess() {
            return Err(MergeError::TooMany { agent: agent(), task: name.clone(), what, given, max });
        }
    }
    for task in tasks {
        if let Some(unknown) = task.depends_on.iter().find(|name| !names.contains(name.as_str())) {
            let (task, dependency) = (task.name.clone(), unknown.chars().take(PLANNED_NAME_MAX).collect());
            return Err(MergeError::UnknownDependency { agent: agent(), task, dependency });
        }
    }
    let waits = tasks.iter().map(|task| positions(tasks, &task.depends_on)).collect();
    match order::find_cycle(&waits) {
        None => Ok(()),
        Some(cycle) => {
            let tasks = cycle.into_iter().map(|at| tasks[at].name.clone()).collect();
            Err(MergeError::Cycle { agent: agent(), tasks })
        }
    }
}

/// The tasks of these names, in the form [`order`] takes.
pub(super) fn positions(tasks: &[PlannedTask], names: &[String]) -> BTreeMap<usize, bool> {
    names.iter().filter_map(|name| Some((tasks.iter().position(|task| task.name == *name)?, false))).collect()
}
