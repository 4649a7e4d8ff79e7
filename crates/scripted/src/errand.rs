//! Calls no script asks for, without which the scripted one cannot be made: some programs tell the
//! model of a tool only when it searches for it, and some start a sub-agent without waiting for it.
//!
//! Invariant: errands do not count. Their ids say what they are, so the number of results since the
//! prompt is the same for the same script with every program.

use crate::conversation::{Conversation, Form, OfferedTool, Said, ToolResult};
use crate::directive::Directive;
use crate::script::{Call, Step};
use serde_json::{Value, json};

/// What the ids of errands begin with, after what the dialect puts before.
const MARK: &str = "errand_";
/// How long a sub-agent is waited for, in milliseconds.
const WAIT_MS: u64 = 60_000;
/// Most errands in a row: a sub-agent that never ends does not keep its parent for ever.
const ERRANDS_MAX: usize = 5;

pub(crate) fn errand_id(answer: &str) -> String {
    format!("{MARK}{answer}")
}

pub(crate) fn is_errand(result: &ToolResult) -> bool {
    result.call_id.as_deref().is_some_and(|id| id.trim_start_matches("toolu_").starts_with(MARK))
}

/// What is to be done before the step: none when it can be played.
pub(crate) fn before(conversation: &Conversation, step: &Step) -> Option<Step> {
    if errands_run(conversation) >= ERRANDS_MAX {
        return None;
    }
    let call = waiting(conversation).or_else(|| searching(conversation, step))?;
    Some(Step { before: Vec::new(), calls: vec![call] })
}

/// Errands since the last call of the script.
fn errands_run(conversation: &Conversation) -> usize {
    let results = conversation.messages.iter().rev().filter_map(|said| match said {
        Said::Results(results) => Some(results),
        _ => None,
    });
    results.take_while(|results| results.iter().all(is_errand)).count()
}

/// Search for the tool the step calls, once, when it is not offered yet.
fn searching(conversation: &Conversation, step: &Step) -> Option<Call> {
    if errands_run(conversation) > 0 {
        return None;
    }
    let offered = |name: &str| conversation.tools.iter().any(|tool| tool.name == name);
    let missing =
        step.calls.iter().find(|call| !offered(&call.tool) && is_deferred(conversation, &call.tool))?;
    let search =
        conversation.tools.iter().find(|tool| tool.name == "ToolSearch" || tool.form == Form::Search)?;
    let arguments = if search.form == Form::Search {
        json!({"query": missing.tool.replace('_', " "), "limit": 16})
    } else {
        json!({"query": format!("select:{}", missing.tool), "max_results": 5})
    };
    Some(errand("search", search, arguments))
}

/// Wait for the sub-agent that was started last, when its program does not.
fn waiting(conversation: &Conversation) -> Option<Call> {
    let mut said = conversation.messages.iter().rev();
    let Some(Said::Results(results)) = said.next() else { return None };
    let Some(Said::Assistant { calls }) = said.next() else { return None };
    let space = calls.iter().find_map(|call| call.tool.strip_suffix("spawn_agent"))?;
    let wait = conversation.tools.iter().find(|tool| tool.name == format!("{space}wait_agent"))?;
    let started = results.last().and_then(|result| serde_json::from_str::<Value>(&result.output).ok());
    let agent = started.and_then(|started| Some(started.get("agent_id")?.clone()));
    let mut arguments = json!({"timeout_ms": WAIT_MS});
    for field in ["targets", "ids"] {
        if wait.schema.pointer("/properties").and_then(|known| known.get(field)).is_some() {
            arguments[field] = json!([agent.clone()?]);
        }
    }
    Some(errand("wait", wait, arguments))
}

/// A sub-agent of Gemini's has not ended before it calls a tool that says so.
pub(crate) fn at_end(conversation: &Conversation, mut step: Step) -> Step {
    let end = conversation.tools.iter().find(|tool| tool.name == "complete_task");
    // Once: a program that does not take it is not asked again.
    let refused = matches!(conversation.messages.last(), Some(Said::Results(results))
        if results.iter().any(|result| result.tool.as_deref() == Some("complete_task")));
    if let Some(tool) = end.filter(|_| step.calls.is_empty() && !refused) {
        let said = step.before.iter().rev().find_map(|directive| match directive {
            Directive::Say(text) => Some(text.as_str()),
            _ => None,
        });
        let arguments = saying(&tool.schema, said.unwrap_or("Done."));
        step.calls.push(errand("end", tool, arguments));
    }
    step
}

/// What the schema requires, with the text wherever a text is wanted.
fn saying(schema: &Value, text: &str) -> Value {
    if schema.get("type").is_some_and(|kind| kind == "string") {
        return json!(text);
    }
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let fields = names.filter_map(|name| {
        let name = name.as_str()?;
        Some((name.to_owned(), saying(schema.get("properties")?.get(name)?, text)))
    });
    Value::Object(fields.collect())
}

fn errand(directive: &'static str, tool: &OfferedTool, arguments: Value) -> Call {
    Call { directive, tool: tool.name.clone(), form: tool.form.clone(), arguments, errand: true }
}

/// Whether a search would find it.
pub(crate) fn is_deferred(conversation: &Conversation, tool: &str) -> bool {
    let is = |known: &String| {
        tool == known || tool.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with("__"))
    };
    conversation.deferred.iter().any(is)
}
