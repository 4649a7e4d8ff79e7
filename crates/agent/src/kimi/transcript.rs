//! Kimi Code's transcripts: `sessions/wd_<name>_<hash>/<session>/agents/<agent>/wire.jsonl`.
//!
//! Typed records. What was said stands there up to three times; it is taken from `context.append_message` and from the loop's events,
//! which are written as they happen. `agent.message.appended` and `turn.prompt` say it again.

use crate::transcript::{At, Content, Dialect, Flat, Page, Text, Understanding, exit_code};
use model::{Block, Role, Timestamp, Usage};
use serde::Deserialize;
use serde_json::Value;

/// First words of the kinds that say nothing of the conversation.
const BOOKKEEPING: &[&str] = &[
    "agent.",
    "cron.",
    "file_history.",
    "goal.",
    "interaction.",
    "mcp.",
    "notifications.",
    "permission.",
    "plan.",
    "plan_mode.",
    "plugin.",
    "prompt.",
    "queue.",
    "reminder.",
    "runtime.",
    "session.",
    "skill.",
    "swarm.",
    "task.",
    "todo.",
    "token_counting.",
    "tools.",
    "turn.",
];
const EXITS: &[&str] = &["Command failed with exit code: "];

#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(default)]
    time: At,
    #[serde(default)]
    created_at: At,
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    event: Option<Event<'a>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(default)]
    usage: Option<Used>,
    #[serde(rename = "environmentDisclosure", borrow, default)]
    environment: Option<Environment<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Environment<'a> {
    #[serde(borrow)]
    cwd: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    origin: Option<From<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct From<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    uuid: Option<Text<'a>>,
    /// Of a result, the call.
    #[serde(borrow)]
    parent_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    part: Option<Part<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    args: Option<Value>,
    #[serde(borrow)]
    result: Option<ToolResult<'a>>,
    #[serde(borrow)]
    display: Option<Display<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    text: Option<String>,
    think: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ToolResult<'a> {
    #[serde(borrow)]
    output: Option<Content<'a>>,
    is_error: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Display<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    #[serde(borrow)]
    path: Option<Text<'a>>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Used {
    input_other: u64,
    output: u64,
    input_cache_read: u64,
    input_cache_creation: u64,
}

/// Calls of edits under way, and the file each one changes.
#[derive(Debug, Default)]
pub(crate) struct Kimi {
    edits: std::collections::HashMap<String, String>,
}

impl Dialect for Kimi {
    fn read(&mut self, line: &str, page: &mut Page) -> Understanding {
        let Ok(record) = serde_json::from_str::<Line<'_>>(line) else { return Understanding::Unknown };
        let at = page.at(record.time.0.or(record.created_at.0));
        match record.kind.as_str() {
            "context.append_loop_event" => match record.event {
                Some(event) => self.event(event, at, line, page).unwrap_or(Understanding::Unknown),
                None => Understanding::Unknown,
            },
            "context.append_message" => match record.message {
                Some(message) => said(message, at, line, page).unwrap_or(Understanding::Unknown),
                None => Understanding::Unknown,
            },
            "usage.record" => match record.usage {
                Some(used) => {
                    page.used(&Usage {
                        input_tokens: used.input_other,
                        output_tokens: used.output,
                        cache_read_tokens: used.input_cache_read,
                        cache_write_tokens: used.input_cache_creation,
                        ..Usage::default()
                    });
                    Understanding::Said
                }
                None => Understanding::Unknown,
            },
            "llm.request" => {
                if let Some(model) = &record.model {
                    page.header.model = Some(model.as_str().to_owned());
                }
                Understanding::Passed
            }
            "profile.bind" => {
                if let Some(cwd) = record.environment.and_then(|environment| environment.cwd) {
                    page.header.cwd.get_or_insert(cwd.0.into_owned());
                }
                Understanding::Passed
            }
            "metadata" | "llm.tools_snapshot" => Understanding::Passed,
            kind if BOOKKEEPING.iter().any(|start| kind.starts_with(start)) => Understanding::Passed,
            _ => Understanding::Unknown,
        }
    }
}

impl Kimi {
    /// None for what is not understood.
    fn event(
        &mut self,
        event: Event<'_>,
        at: Timestamp,
        line: &str,
        page: &mut Page,
    ) -> Option<Understanding> {
        let kind = event.kind.as_ref().map_or("", Text::as_str);
        let own = event.uuid.as_ref().map_or(line, Text::as_str);
        match kind {
            "step.begin" | "step.end" => return Some(Understanding::Passed),
            "content.part" => {
                let part = event.part?;
                let block = match part.kind.as_ref().map_or("", Text::as_str) {
                    "text" => Block::Text { text: part.text? },
                    "think" => Block::Thinking { text: part.think?, signature: None },
                    _ => return None,
                };
                page.say(&[own], at, Role::Assistant, vec![block]);
            }
            "tool.call" => {
                let (call, tool) = (event.tool_call_id?.0.into_owned(), event.name?.0.into_owned());
                page.called(&call, &tool);
                if let Some(path) = event.display.and_then(edited) {
                    self.edits.insert(call.clone(), path);
                }
                let arguments = event.args.unwrap_or_default();
                page.say(
                    &[own],
                    at,
                    Role::Assistant,
                    vec![Block::ToolCall { call_id: call, tool, arguments }],
                );
            }
            "tool.result" => {
                let (call, result) = (event.tool_call_id?.0.into_owned(), event.result?);
                let output = result.output.map(Content::into_text).unwrap_or_default();
                let exit_code = exit_code(end(&output), EXITS);
                if let Some(path) = self.edits.remove(&call).filter(|_| !result.is_error) {
                    page.changed(&path, Some(&call));
                }
                let tool = page.tool(&call);
                let name = event.parent_uuid.as_ref().map_or(line, Text::as_str);
                let is_error = result.is_error;
                let block = Block::ToolResult { call_id: call, tool, output, is_error, exit_code };
                page.say(&["result", name], at, Role::Tool, vec![block]);
            }
            _ => return None,
        }
        Some(Understanding::Said)
    }
}

fn edited(display: Display<'_>) -> Option<String> {
    let file = display.kind.as_ref().is_some_and(|kind| kind.as_str() == "file_io");
    let writes = display.operation.as_ref().is_some_and(|op| op.as_str() != "read");
    display.path.filter(|_| file && writes).map(|path| path.0.into_owned())
}

/// The shell says last how its command ended.
fn end(output: &str) -> &str {
    &output[output.ceil_char_boundary(output.len().saturating_sub(100))..]
}

fn said(message: Message<'_>, at: Timestamp, line: &str, page: &mut Page) -> Option<Understanding> {
    let role = match (message.role.as_ref()?.as_str(), message.origin.and_then(|origin| origin.kind)) {
        ("user", Some(kind)) if kind.as_str() != "user" => Role::System,
        ("user", _) => Role::User,
        ("assistant", _) => Role::Assistant,
        ("system", _) => Role::System,
        _ => return None,
    };
    let blocks = match message.content? {
        Content::Text(text) => vec![Block::Text { text }],
        Content::Other => return None,
        Content::Parts(parts) => parts.into_iter().map(part).collect::<Option<Vec<Block>>>()?,
    };
    page.say(&[message.id.as_ref().map_or(line, Text::as_str)], at, role, blocks);
    Some(Understanding::Said)
}

fn part(part: Flat<'_>) -> Option<Block> {
    match part.kind() {
        "text" => Some(Block::Text { text: part.text? }),
        "think" => Some(Block::Thinking { text: part.thinking.or(part.text)?, signature: None }),
        "image_url" | "video_url" | "audio_url" => {
            Some(Block::Text { text: "[media, in the vendor's transcript]".to_owned() })
        }
        _ => None,
    }
}
