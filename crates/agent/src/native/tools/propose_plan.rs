//! `propose_plan`: what this agent would do.

use model::{PLANNED_TASKS_MAX, ParticipantStatus};
use serde_json::{Value, json};

use super::{Outcome, Parsed, ToolError, Toolbox, misanswered};
use crate::driver::plan::{Proposal, check};
use crate::run::wire::{Reply, Request};

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
            "properties": {"tasks": {"type": "array", "items": task, "maxItems": PLANNED_TASKS_MAX}},
            "required": ["tasks"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Proposal>) -> Result<Outcome, ToolError> {
    let tasks = check(arguments?).map_err(ToolError::Arguments)?;
    let count = tasks.len();
    toolbox.status(ParticipantStatus::RunningTool, &format!("propose_plan of {count} tasks")).await;
    match toolbox.ask(Request::Propose { tasks }).await? {
        Reply::Accepted => Ok(Outcome::ok(format!("the plan of {count} tasks is handed in"))),
        other => Err(misanswered(&other)),
    }
}
