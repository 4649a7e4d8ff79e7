//! The message codec: from what a face was given to a prompt the engine takes, and from a committed
//! message to what a face shows. Every face goes through here, so that they cannot drift apart.

use crate::Task;
use crate::limits::{DEPENDENCIES_MAX, PRIORITY_MAX, TARGETS_MAX};
use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use model::{
    AgentName, MessageId, PROMPT_MAX, ParticipantId, Refusal, Role, SessionId, TaskId, Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    #[schema(value_type = String)]
    pub id: MessageId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskId>,
    #[schema(value_type = Option<String>)]
    pub turn: Option<TurnId>,
    /// The participant who said it; none for the user and the system.
    #[schema(value_type = Option<String>)]
    pub participant: Option<ParticipantId>,
    #[schema(value_type = Option<String>)]
    pub parent: Option<MessageId>,
    #[schema(value_type = words::Role)]
    pub role: Role,
    pub blocks: Vec<Block>,
    /// What the model call behind it used; none for messages no model wrote.
    pub usage: Option<Usage>,
    /// Milliseconds from request to the last byte of the answer.
    pub latency_ms: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    Text {
        text: String,
    },
    Thinking {
        text: String,
        signature: Option<String>,
    },
    ToolCall {
        call_id: String,
        tool: String,
        arguments: serde_json::Value,
    },
    ToolResult {
        call_id: String,
        tool: String,
        output: String,
        is_error: bool,
        exit_code: Option<i32>,
    },
    /// `hash` names the bytes in the blob store.
    Image {
        media_type: String,
        hash: String,
    },
}

/// What model calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    /// Millionths of a US dollar, by the price table of the daemon; 0 when the model has no price there.
    pub cost_micros: u64,
}

impl From<model::Usage> for Usage {
    fn from(usage: model::Usage) -> Self {
        let model::Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros } =
            usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros }
    }
}

impl From<model::Block> for Block {
    fn from(block: model::Block) -> Self {
        match block {
            model::Block::Text { text } => Self::Text { text },
            model::Block::Thinking { text, signature } => Self::Thinking { text, signature },
            model::Block::ToolCall { call_id, tool, arguments } => {
                Self::ToolCall { call_id, tool, arguments }
            }
            model::Block::ToolResult { call_id, tool, output, is_error, exit_code } => {
                Self::ToolResult { call_id, tool, output, is_error, exit_code }
            }
            model::Block::Image { media_type, hash } => Self::Image { media_type, hash },
        }
    }
}

impl From<model::Message> for Message {
    fn from(message: model::Message) -> Self {
        Self {
            id: message.id,
            session: message.session,
            task: message.task,
            turn: message.turn,
            participant: message.participant,
            parent: message.parent,
            role: message.role,
            blocks: message.blocks.into_iter().map(Block::from).collect(),
            usage: message.usage.map(Usage::from),
            latency_ms: message.latency_ms,
            created_at: message.created_at,
        }
    }
}

impl Message {
    /// The text a reader sees first: text blocks only, joined by blank lines. Thinking and tools are
    /// shown apart or not at all.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self
            .blocks
            .iter()
            .filter_map(|block| match block {
                Block::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        texts.join("\n\n")
    }
}

/// Body of `POST /sessions/{id}/messages`: a prompt, which becomes a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrompt {
    /// At most 256 KiB.
    pub text: String,
    /// Agents of the session; empty: all of them. At most 16.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub targets: Vec<AgentName>,
    /// -100 to 100; higher goes first.
    #[serde(default)]
    pub priority: i32,
    /// Ids or short ids of tasks that must be completed first. At most 64.
    #[serde(default)]
    pub depends_on: Vec<String>,
}

impl NewPrompt {
    /// The prompt as the engine takes it: text in one form, targets and dependencies named once.
    pub fn checked(self) -> Result<Self, Refusal> {
        let text = prompt_text(&self.text)?;
        let targets = prompt_targets(self.targets)?;
        if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&self.priority) {
            let message =
                format!("priority {} is not between -{PRIORITY_MAX} and {PRIORITY_MAX}", self.priority);
            return Err(Refusal::invalid("priority_out_of_range", message));
        }
        let depends_on = once_each(self.depends_on);
        if depends_on.len() > DEPENDENCIES_MAX {
            let message = format!("a task waits for at most {DEPENDENCIES_MAX} others");
            return Err(Refusal::invalid("too_many_dependencies", message));
        }
        Ok(Self { text, targets, priority: self.priority, depends_on })
    }
}

/// A prompt's text in the one form that is stored: `\n` line ends, nothing blank at its end. Empty,
/// oversized and NUL-carrying texts are refused.
pub fn prompt_text(given: &str) -> Result<String, Refusal> {
    if given.len() > PROMPT_MAX {
        return Err(Refusal::invalid(
            "prompt_too_long",
            format!("the prompt has {} bytes; the limit is {PROMPT_MAX}", given.len()),
        )
        .hint("put the long part into a file of the repository and name the file"));
    }
    if given.contains('\0') {
        return Err(Refusal::invalid("prompt_not_text", "the prompt contains a NUL character"));
    }
    let text = given.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_end();
    if text.trim_start().is_empty() {
        return Err(Refusal::invalid("prompt_empty", "the prompt is empty").hint("say what is to be done"));
    }
    Ok(text.to_owned())
}

/// The agents a prompt or a plan is for, each once, in the order given.
pub fn prompt_targets(given: Vec<AgentName>) -> Result<Vec<AgentName>, Refusal> {
    let targets = once_each(given);
    if targets.len() > TARGETS_MAX {
        let message = format!("a prompt goes to at most {TARGETS_MAX} agents");
        return Err(Refusal::invalid("too_many_targets", message));
    }
    Ok(targets)
}

fn once_each<T: Ord + Clone>(given: Vec<T>) -> Vec<T> {
    let mut seen = std::collections::BTreeSet::new();
    given.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// Which messages of a session to list: the newest page, or the newest before one. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// `next` of the page after: messages older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<MessageId>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with messages.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("messages", id, method, path, access, summary);
    vec![
        op(
            "list_messages",
            Get,
            "/sessions/{id}/messages",
            Run,
            "Lists the newest messages, oldest of them first.",
        )
        .query::<MessageQuery>()
        .lists::<Message>(),
        op(
            "prompt",
            Post,
            "/sessions/{id}/messages",
            User,
            "Prompts agents of a session; the answer is the task.",
        )
        .body::<NewPrompt>()
        .creates::<Task>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(prompt: NewPrompt) -> Result<NewPrompt, String> {
        prompt.checked().map_err(|refusal| refusal.code.into_owned())
    }

    fn prompt(text: &str) -> NewPrompt {
        NewPrompt { text: text.to_owned(), ..NewPrompt::default() }
    }

    fn agents(names: &[&str]) -> Vec<AgentName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn text_is_stored_in_one_form() {
        assert_eq!(checked(prompt("  a\r\nb\rc \n\n")).unwrap().text, "  a\nb\nc");
        assert_eq!(prompt_text("x").unwrap(), prompt_text("x\r\n").unwrap());
    }

    #[test]
    fn texts_nobody_could_answer_are_refused() {
        assert_eq!(checked(prompt(" \r\n\t")), Err("prompt_empty".to_owned()));
        assert_eq!(checked(prompt("a\0b")), Err("prompt_not_text".to_owned()));
        assert_eq!(checked(prompt(&"x".repeat(PROMPT_MAX + 1))), Err("prompt_too_long".to_owned()));
        assert!(checked(prompt(&"x".repeat(PROMPT_MAX))).is_ok());
    }

    #[test]
    fn targets_and_dependencies_count_once() {
        let mut given = prompt("x");
        given.targets = agents(&["kimi", "claude", "kimi"]);
        given.depends_on = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
        let taken = checked(given).unwrap();
        assert_eq!(taken.targets, agents(&["kimi", "claude"]));
        assert_eq!(taken.depends_on, ["b", "a"]);
    }

    #[test]
    fn lists_and_priorities_have_bounds() {
        let mut many = prompt("x");
        many.targets = (0..=TARGETS_MAX).map(|n| format!("a{n}").parse().unwrap()).collect();
        assert_eq!(checked(many), Err("too_many_targets".to_owned()));
        let mut waiting = prompt("x");
        waiting.depends_on = (0..=DEPENDENCIES_MAX).map(|n| n.to_string()).collect();
        assert_eq!(checked(waiting), Err("too_many_dependencies".to_owned()));
        for priority in [PRIORITY_MAX, -PRIORITY_MAX] {
            assert!(checked(NewPrompt { priority, ..prompt("x") }).is_ok());
        }
        for priority in [PRIORITY_MAX + 1, -PRIORITY_MAX - 1, i32::MAX, i32::MIN] {
            let refused = checked(NewPrompt { priority, ..prompt("x") });
            assert_eq!(refused, Err("priority_out_of_range".to_owned()), "{priority}");
        }
    }

    #[test]
    fn blocks_have_one_form_in_journal_and_wire() {
        let blocks = vec![
            model::Block::Text { text: "t".to_owned() },
            model::Block::Thinking { text: "h".to_owned(), signature: Some("s".to_owned()) },
            model::Block::ToolCall {
                call_id: "1".to_owned(),
                tool: "bash".to_owned(),
                arguments: serde_json::json!({"command": "ls"}),
            },
            model::Block::ToolResult {
                call_id: "1".to_owned(),
                tool: "bash".to_owned(),
                output: "x".to_owned(),
                is_error: true,
                exit_code: Some(1),
            },
            model::Block::Image { media_type: "image/png".to_owned(), hash: "00".to_owned() },
        ];
        for block in blocks {
            let stored = serde_json::to_value(&block).unwrap();
            assert_eq!(serde_json::to_value(Block::from(block)).unwrap(), stored);
        }
    }
}
