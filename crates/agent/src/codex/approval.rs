//! What Codex asks before it does something, and how each of its questions is answered.

use super::item::{mcp_tool, text};
use crate::run::wire::{Reply, Request};
use model::{PermissionAsk, ToolCategory};
use serde_json::{Map, Value, json};

/// A question of the server that waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Approval {
    /// The server's own number of the question.
    pub id: Value,
    /// Which thread asks: ours or a sub-agent's.
    pub thread: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Patch,
    Command,
    /// A call of an MCP server's tool.
    Tool,
    /// More rights for the sandbox; these.
    Rights(Value),
    /// Questions for the user: those answered, and those that are left, the next one last.
    Questions {
        answers: Map<String, Value>,
        current: String,
        left: Vec<(String, String)>,
    },
}

/// How the server's questions are read.
#[derive(Debug, PartialEq)]
pub(crate) enum Question {
    /// The locks of this patch are needed.
    Patch {
        item: String,
    },
    /// The daemon is to be asked this.
    Ask(Kind, Request),
    /// What the answer is without anybody being asked.
    Plain(Value),
    Unknown,
}

/// What the server wants to know. `own` is the MCP server that is ours.
pub(crate) fn read(method: &str, params: &Value, own: Option<&str>) -> Question {
    match method {
        "item/fileChange/requestApproval" => {
            Question::Patch { item: text(params, "itemId").unwrap_or_default().to_owned() }
        }
        "item/commandExecution/requestApproval" => command(params),
        "item/permissions/requestApproval" => rights(params),
        "mcpServer/elicitation/request" => elicitation(params, own),
        "item/tool/requestUserInput" => questions(params),
        _ => Question::Unknown,
    }
}

fn permit(tool: String, category: ToolCategory, summary: String, arguments: Value) -> Request {
    let ask = PermissionAsk { tool, category, summary, arguments, paths: Vec::new() };
    Request::Permit { ask: Box::new(ask) }
}

fn command(params: &Value) -> Question {
    let network = params.get("networkApprovalContext").filter(|context| !context.is_null());
    let command = text(params, "command").unwrap_or_default();
    let (category, summary) = match network {
        Some(context) => {
            let host = text(context, "host").unwrap_or("the network");
            (ToolCategory::Network, format!("Reach {host} from `{command}`"))
        }
        None => (ToolCategory::Shell, format!("Run `{command}`")),
    };
    let mut arguments = json!({"command": command, "cwd": params.get("cwd")});
    if let Some(context) = network {
        arguments["network"] = context.clone();
    }
    Question::Ask(Kind::Command, permit("exec_command".to_owned(), category, summary, arguments))
}

fn rights(params: &Value) -> Question {
    let wanted = params.get("permissions").cloned().unwrap_or_else(|| json!({}));
    let reason = text(params, "reason").unwrap_or("it gave no reason");
    let summary = format!("Give more rights to the sandbox of this turn: {reason}");
    let request = permit("request_permissions".to_owned(), ToolCategory::Admin, summary, wanted.clone());
    Question::Ask(Kind::Rights(wanted), request)
}

/// Codex asks by an elicitation of its own whether an MCP tool may be called. What MCP servers themselves want to be filled in
/// is declined.
fn elicitation(params: &Value, own: Option<&str>) -> Question {
    let meta = params.get("_meta").cloned().unwrap_or_default();
    if text(&meta, "codex_approval_kind") != Some("mcp_tool_call") {
        return Question::Plain(json!({"action": "decline"}));
    }
    let server = text(params, "serverName").unwrap_or_default();
    if own == Some(server) {
        return Question::Plain(json!({"action": "accept", "content": {}}));
    }
    let tool = text(&meta, "tool_name").unwrap_or_default();
    let summary = format!("Call `{tool}` of the MCP server `{server}`");
    let arguments = meta.get("tool_params").cloned().unwrap_or_default();
    Question::Ask(Kind::Tool, permit(mcp_tool(server, tool), ToolCategory::Mcp, summary, arguments))
}

fn questions(params: &Value) -> Question {
    let list = params.get("questions").and_then(Value::as_array);
    let mut left: Vec<(String, String)> = list
        .into_iter()
        .flatten()
        .filter_map(|asked| Some((text(asked, "id")?.to_owned(), worded(asked)?)))
        .collect();
    left.reverse();
    match left.pop() {
        None => Question::Plain(json!({"answers": {}})),
        Some((current, question)) => {
            let kind = Kind::Questions { answers: Map::new(), current, left };
            Question::Ask(kind, Request::Ask { question })
        }
    }
}

fn worded(asked: &Value) -> Option<String> {
    let mut question = text(asked, "question")?.to_owned();
    let options = asked.get("options").and_then(Value::as_array);
    for option in options.into_iter().flatten() {
        if let Some(label) = text(option, "label") {
            question.push_str(&format!("\n- {label}"));
        }
    }
    Some(question)
}

/// The server's answer when it is allowed.
pub(crate) fn granted(kind: &Kind) -> Value {
    match kind {
        Kind::Patch | Kind::Command => json!({"decision": "accept"}),
        Kind::Tool => json!({"action": "accept", "content": {}}),
        Kind::Rights(wanted) => json!({"permissions": wanted, "scope": "turn"}),
        Kind::Questions { answers, .. } => json!({"answers": answers}),
    }
}

/// The server's answer when it is not. None of these ends the turn; `cancel` would.
pub(crate) fn denied(kind: &Kind) -> Value {
    match kind {
        Kind::Patch | Kind::Command => json!({"decision": "decline"}),
        Kind::Tool => json!({"action": "decline"}),
        Kind::Rights(_) => json!({"permissions": {}, "scope": "turn"}),
        Kind::Questions { answers, .. } => json!({"answers": answers}),
    }
}

/// What the daemon's answer makes of a question.
#[derive(Debug, PartialEq)]
pub(crate) enum Settled {
    Respond(Value),
    /// Not allowed, and what the agent is told of it.
    Denied(Value, String),
    Ask(Kind, Request),
}

pub(crate) fn settle(kind: Kind, reply: Reply) -> Settled {
    match (kind, reply) {
        (kind, Reply::Permitted { allowed: true, .. }) => Settled::Respond(granted(&kind)),
        (kind, Reply::Permitted { allowed: false, reason }) => Settled::Denied(denied(&kind), reason),
        (Kind::Questions { mut answers, current, mut left }, Reply::Answer { text }) => {
            answers.insert(current, json!({"answers": [text]}));
            match left.pop() {
                None => Settled::Respond(json!({"answers": answers})),
                Some((current, question)) => {
                    Settled::Ask(Kind::Questions { answers, current, left }, Request::Ask { question })
                }
            }
        }
        (kind, _) => Settled::Denied(denied(&kind), "the answer was not one to this question".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, params: &Value) -> (Kind, PermissionAsk) {
        match read(method, params, Some("coditect")) {
            Question::Ask(kind, Request::Permit { ask }) => (kind, *ask),
            other => panic!("{other:?}"),
        }
    }

    fn permitted(allowed: bool) -> Reply {
        Reply::Permitted { allowed, reason: "not now".to_owned() }
    }

    #[test]
    fn commands_are_asked_with_their_exact_arguments() {
        let params = json!({"command": "/bin/bash -lc 'rm x'", "cwd": "/w", "itemId": "i"});
        let (kind, ask) = asked("item/commandExecution/requestApproval", &params);
        assert_eq!((ask.tool.as_str(), ask.category), ("exec_command", ToolCategory::Shell));
        assert_eq!(ask.arguments, json!({"command": "/bin/bash -lc 'rm x'", "cwd": "/w"}));
        assert_eq!(settle(kind.clone(), permitted(true)), Settled::Respond(json!({"decision": "accept"})));
        assert_eq!(
            settle(kind, permitted(false)),
            Settled::Denied(json!({"decision": "decline"}), "not now".to_owned())
        );
        let params = json!({"command": "curl", "networkApprovalContext": {"host": "example.org"}});
        assert_eq!(asked("item/commandExecution/requestApproval", &params).1.category, ToolCategory::Network);
    }

    #[test]
    fn tools_of_others_are_asked_for_and_ours_are_not() {
        let params = |server: &str| {
            json!({"serverName": server, "mode": "form", "message": "Allow?", "_meta":
                {"codex_approval_kind": "mcp_tool_call", "tool_name": "create", "tool_params": {"n": 1}}})
        };
        let (kind, ask) = asked("mcpServer/elicitation/request", &params("github"));
        assert_eq!((ask.tool.as_str(), ask.category), ("mcp__github__create", ToolCategory::Mcp));
        assert_eq!(ask.arguments, json!({"n": 1}));
        let accepted = json!({"action": "accept", "content": {}});
        assert_eq!(settle(kind, permitted(true)), Settled::Respond(accepted.clone()));
        let own = read("mcpServer/elicitation/request", &params("coditect"), Some("coditect"));
        assert_eq!(own, Question::Plain(accepted));
        let form = read("mcpServer/elicitation/request", &json!({"serverName": "x"}), Some("coditect"));
        assert_eq!(form, Question::Plain(json!({"action": "decline"})));
    }

    #[test]
    fn more_rights_are_given_as_asked_or_not_at_all() {
        let wanted = json!({"network": {"enabled": true}});
        let params = json!({"permissions": wanted, "reason": "to download"});
        let (kind, ask) = asked("item/permissions/requestApproval", &params);
        assert_eq!((ask.category, &ask.arguments), (ToolCategory::Admin, &wanted));
        assert_eq!(granted(&kind)["permissions"], wanted);
        assert_eq!(denied(&kind)["permissions"], json!({}));
    }

    #[test]
    fn questions_are_asked_one_after_the_other() {
        let params = json!({"questions": [
            {"id": "a", "header": "h", "question": "Which?", "options": [{"label": "red", "description": "d"}]},
            {"id": "b", "header": "h", "question": "Why?"},
        ]});
        let answer = |text: &str| Reply::Answer { text: text.to_owned() };
        let Question::Ask(kind, Request::Ask { question }) =
            read("item/tool/requestUserInput", &params, None)
        else {
            panic!("not asked");
        };
        assert_eq!(question, "Which?\n- red");
        let Settled::Ask(kind, Request::Ask { question }) = settle(kind, answer("red")) else {
            panic!("not asked")
        };
        assert_eq!(question, "Why?");
        let all = json!({"answers": {"a": {"answers": ["red"]}, "b": {"answers": ["so"]}}});
        assert_eq!(settle(kind, answer("so")), Settled::Respond(all));
        let none = read("item/tool/requestUserInput", &json!({}), None);
        assert_eq!(none, Question::Plain(json!({"answers": {}})));
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        assert_eq!(read("attestation/generate", &json!({}), None), Question::Unknown);
        assert_eq!(read("item/tool/call", &json!({}), None), Question::Unknown);
    }
}
