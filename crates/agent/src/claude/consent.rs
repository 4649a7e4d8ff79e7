//! What Claude Code asks before it acts, as requests to the daemon, and the daemon's answers in its words.

use super::driver::Claude;
use super::wire::{self, EDIT_TOOLS};
use crate::driver::place::{Place, edits_are_wanted};
use crate::native::output::cut;
use crate::run::wire::{Reply, Request, RunEvent};
use model::{Block, PERMISSION_SUMMARY_MAX, PermissionAsk, QUESTION_MAX, Refusal, RepoPath, ToolCategory};
use serde_json::{Map, Value, json};

/// The tool by which Claude Code asks the user something.
const QUESTION_TOOL: &str = "AskUserQuestion";
/// Longest description of a call, in bytes.
const DETAIL_MAX: usize = 120;

/// A request of Claude Code's that waits for the daemon.
#[derive(Debug)]
pub(super) struct Waiting {
    pub request_id: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Edit,
    /// A tool that it may not have to ask about; it is only told of an objection.
    Veto,
    /// A tool and its arguments, which are allowed as they are or not at all.
    Tool {
        input: Value,
    },
    Question {
        input: Value,
    },
}

impl Waiting {
    pub(super) fn edit(request_id: String) -> Self {
        Self { request_id, what: What::Edit }
    }
}

/// The file whose lock an edit needs, or why it may not be made.
pub(super) fn lock_for(claude: &Claude, tool_input: &Value) -> Result<RepoPath, String> {
    edits_are_wanted(claude.start.kind)?;
    let path = wire::edited(tool_input).ok_or("the edit names no file")?;
    claude.place.editable(path)
}

/// The request for the daemon that a call of a tool becomes.
pub(super) fn question(
    place: &Place,
    request_id: String,
    tool: String,
    input: Value,
    description: Option<String>,
) -> (Waiting, Request) {
    if tool == QUESTION_TOOL {
        let question = cut(&in_words(&input), QUESTION_MAX).to_owned();
        return (Waiting { request_id, what: What::Question { input } }, Request::Ask { question });
    }
    let ask = call_of(place, tool, input.clone(), description);
    (Waiting { request_id, what: What::Tool { input } }, Request::Permit { ask })
}

/// What is asked of the daemon before a call of which Claude Code itself may ask nobody.
pub(super) fn veto(place: &Place, request_id: String, tool: String, input: Value) -> (Waiting, Request) {
    let ask = call_of(place, tool, input, None);
    (Waiting { request_id, what: What::Veto }, Request::Veto { ask })
}

/// Whether a tool has a way of its own to the daemon.
pub(super) fn is_judged_elsewhere(tool: &str) -> bool {
    EDIT_TOOLS.contains(&tool) || tool == QUESTION_TOOL
}

fn call_of(place: &Place, tool: String, input: Value, description: Option<String>) -> Box<PermissionAsk> {
    let detail = description.unwrap_or_else(|| detail(&input));
    let summary = cut(&format!("{tool}: {detail}"), PERMISSION_SUMMARY_MAX).to_owned();
    let paths = place.all_editable(wire::edited(&input)).unwrap_or_default();
    let category = category(&tool);
    Box::new(PermissionAsk { tool, category, summary, arguments: input, paths })
}

/// The daemon's answer as Claude Code wants it, and to which of its requests.
pub(super) fn answer(waiting: Waiting, result: Result<Reply, Refusal>) -> (String, Value) {
    let refused = |refusal: Refusal| match refusal.hint {
        Some(hint) => format!("{} ({hint})", refusal.message),
        None => refusal.message,
    };
    let allow = |input: Value| json!({"behavior": "allow", "updatedInput": input});
    let deny = |message: String| json!({"behavior": "deny", "message": message});
    let odd = || "the daemon gave an unexpected answer".to_owned();
    let answer = match (waiting.what, result) {
        (What::Edit, Ok(Reply::Locked { .. })) => wire::before_edit(None),
        (What::Veto, Ok(Reply::Permitted { allowed: true, .. })) => wire::no_objection(),
        (What::Veto, Ok(Reply::Permitted { reason, .. })) => wire::before_edit(Some(&reason)),
        (What::Edit | What::Veto, Ok(_)) => wire::before_edit(Some(&odd())),
        (What::Edit | What::Veto, Err(refusal)) => wire::before_edit(Some(&refused(refusal))),
        (What::Tool { input }, Ok(Reply::Permitted { allowed: true, .. })) => allow(input),
        (What::Tool { .. }, Ok(Reply::Permitted { reason, .. })) => deny(reason),
        (What::Question { input }, Ok(Reply::Answer { text })) => allow(answered(input, &text)),
        (What::Tool { .. } | What::Question { .. }, Ok(_)) => deny(odd()),
        (What::Tool { .. } | What::Question { .. }, Err(refusal)) => deny(refused(refusal)),
    };
    (waiting.request_id, answer)
}

fn category(tool: &str) -> ToolCategory {
    match tool {
        "Bash" | "BashOutput" | "KillShell" | "Monitor" | "PowerShell" => ToolCategory::Shell,
        "WebFetch" | "WebSearch" => ToolCategory::Network,
        "Read" | "Grep" | "Glob" | "LS" | "NotebookRead" => ToolCategory::Read,
        _ if EDIT_TOOLS.contains(&tool) => ToolCategory::Edit,
        _ if tool.starts_with("mcp__") => ToolCategory::Mcp,
        _ => ToolCategory::Admin,
    }
}

/// The questions and what can be chosen.
fn in_words(input: &Value) -> String {
    let mut text = String::new();
    for question in input["questions"].as_array().into_iter().flatten() {
        text.push_str(question["question"].as_str().unwrap_or_default());
        text.push('\n');
        for option in question["options"].as_array().into_iter().flatten() {
            text.push_str(&format!("- {}", option["label"].as_str().unwrap_or_default()));
            if let Some(description) = option["description"].as_str().filter(|text| !text.is_empty()) {
                text.push_str(&format!(": {description}"));
            }
            text.push('\n');
        }
    }
    let text = text.trim();
    if text.is_empty() {
        "Claude has a question that cannot be read; answer in words".to_owned()
    } else {
        text.to_owned()
    }
}

/// The user's words are the answer to each of the questions, which were put together.
fn answered(mut input: Value, words: &str) -> Value {
    let questions = input["questions"].as_array().into_iter().flatten();
    let answers: Map<String, Value> = questions
        .filter_map(|question| Some((question["question"].as_str()?.to_owned(), words.into())))
        .collect();
    input["answers"] = answers.into();
    input
}

/// The last tool that a message calls, in a few words.
pub(super) fn call_in(message: &RunEvent) -> Option<String> {
    let RunEvent::Message { blocks, .. } = message else { return None };
    blocks.iter().rev().find_map(|block| match block {
        Block::ToolCall { tool, arguments, .. } => {
            Some(format!("{tool} {}", detail(arguments)).trim().to_owned())
        }
        _ => None,
    })
}

/// What a call is about: the first of its arguments that says it.
fn detail(input: &Value) -> String {
    const TELLING: [&str; 8] =
        ["command", "file_path", "notebook_path", "pattern", "url", "query", "description", "path"];
    let text = TELLING.iter().find_map(|name| input.get(name)?.as_str()).unwrap_or_default();
    cut(text.lines().next().unwrap_or_default(), DETAIL_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::place::tests::Dice;
    use std::sync::Arc;

    fn asked(tool: &str, input: Value) -> (Waiting, Request) {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        question(&place, "r".into(), tool.into(), input, None)
    }

    #[test]
    fn a_tool_is_permitted_with_exactly_its_arguments_or_denied_with_the_reason() {
        let input = json!({"command": "rm -r x", "timeout": 5});
        for (tool, category) in [
            ("Bash", ToolCategory::Shell),
            ("WebFetch", ToolCategory::Network),
            ("mcp__github__issue", ToolCategory::Mcp),
            ("Grep", ToolCategory::Read),
            ("Edit", ToolCategory::Edit),
            ("CronCreate", ToolCategory::Admin),
            ("SomethingNew", ToolCategory::Admin),
        ] {
            let (waiting, request) = asked(tool, input.clone());
            let Request::Permit { ask } = request else { panic!("{request:?}") };
            assert_eq!((ask.category, &ask.arguments), (category, &input), "{tool}");
            assert_eq!(ask.summary, format!("{tool}: rm -r x"));
            let yes = Reply::Permitted { allowed: true, reason: String::new() };
            assert_eq!(answer(waiting, Ok(yes)).1, json!({"behavior": "allow", "updatedInput": input}));
        }
        let (waiting, _) = asked("Bash", input.clone());
        let no = Reply::Permitted { allowed: false, reason: "not here".into() };
        assert_eq!(answer(waiting, Ok(no)), ("r".into(), json!({"behavior": "deny", "message": "not here"})));
        let (waiting, _) = asked("Bash", input);
        let (_, refused) = answer(waiting, Err(Refusal::invalid("x", "too long").hint("ask for less")));
        assert_eq!(refused["message"], "too long (ask for less)");
    }

    #[test]
    fn an_edit_is_allowed_by_its_lock_and_by_nothing_else() {
        let allowed = answer(Waiting::edit("r".into()), Ok(Reply::Locked { token: 7 })).1;
        assert_eq!(allowed["hookSpecificOutput"]["permissionDecision"], "allow");
        let held = Refusal::conflict("lock_held", "a.rs is held by codex").hint("try later");
        for (result, reason) in [
            (Err(held), "a.rs is held by codex (try later)"),
            (Ok(Reply::Accepted), "the daemon gave an unexpected answer"),
        ] {
            let denied = answer(Waiting::edit("r".into()), result).1;
            assert_eq!(denied["hookSpecificOutput"]["permissionDecision"], "deny");
            assert_eq!(denied["hookSpecificOutput"]["permissionDecisionReason"], reason);
        }
    }

    #[test]
    fn an_objection_denies_and_none_leaves_the_rest_to_the_program() {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let asked = || veto(&place, "r".into(), "Bash".into(), json!({"command": "rm -r x"}));
        let (waiting, request) = asked();
        let Request::Veto { ask } = request else { panic!("{request:?}") };
        assert_eq!((ask.tool.as_str(), ask.category), ("Bash", ToolCategory::Shell));
        let free = Reply::Permitted { allowed: true, reason: String::new() };
        assert_eq!(answer(waiting, Ok(free)).1, json!({"continue": true}), "it may still ask");
        let no = Reply::Permitted { allowed: false, reason: "a rule".into() };
        let lost = Refusal::internal("gone");
        for (result, reason) in [(Ok(no), "a rule"), (Ok(Reply::Accepted), "unexpected"), (Err(lost), "gone")]
        {
            let output = answer(asked().0, result).1["hookSpecificOutput"].clone();
            assert_eq!(output["permissionDecision"], "deny");
            assert!(output["permissionDecisionReason"].as_str().unwrap().contains(reason), "{output}");
        }
        assert!(is_judged_elsewhere("Write") && is_judged_elsewhere(QUESTION_TOOL));
        assert!(!is_judged_elsewhere("Bash") && !is_judged_elsewhere("Read"));
    }

    #[test]
    fn a_question_is_the_users_to_answer() {
        let input = json!({"questions": [{"question": "Which?", "options": [{"label": "A", "description": "first"}, {"label": "B"}]}]});
        let (waiting, request) = asked(QUESTION_TOOL, input);
        assert_eq!(request, Request::Ask { question: "Which?\n- A: first\n- B".into() });
        let (_, answer) = answer(waiting, Ok(Reply::Answer { text: "B".into() }));
        assert_eq!(answer["updatedInput"]["answers"], json!({"Which?": "B"}));
        let (_, odd) = asked(QUESTION_TOOL, json!({"questions": 7}));
        assert!(matches!(odd, Request::Ask { question } if question.contains("in words")));
    }
}
