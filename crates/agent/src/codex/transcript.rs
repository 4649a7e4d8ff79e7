//! Codex's transcripts: `sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`.
//!
//! Most of what happens is written twice: as a `response_item`, which is what the model gets to see, and as an `event_msg`, which
//! is what the terminal shows. The conversation is taken from the items; of the events only what no item says: which files
//! a patch changed and, in older files, what was used.

use crate::transcript::{At, Content, Dialect, Flat, Page, Text, Understanding, exit_code};
use model::{Block, Role, Timestamp, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Events that say again what items say, or show progress.
const SHOWN: &[&str] = &[
    "agent_message",
    "agent_message_delta",
    "agent_reasoning",
    "agent_reasoning_delta",
    "agent_reasoning_raw_content",
    "agent_reasoning_section_break",
    "apply_patch_approval_request",
    "background_event",
    "collab_agent_interaction_begin",
    "collab_agent_interaction_end",
    "collab_agent_spawn_begin",
    "collab_agent_spawn_end",
    "collab_close_begin",
    "collab_close_end",
    "collab_waiting_begin",
    "collab_waiting_end",
    "context_compacted",
    "deprecation_notice",
    "entered_review_mode",
    "error",
    "exec_approval_request",
    "exec_command_begin",
    "exec_command_end",
    "exec_command_output_delta",
    "exited_review_mode",
    "hook_completed",
    "hook_started",
    "image_generation_begin",
    "image_generation_end",
    "item_completed",
    "item_started",
    "mcp_startup_complete",
    "mcp_startup_update",
    "mcp_tool_call_begin",
    "mcp_tool_call_end",
    "model_reroute",
    "patch_apply_begin",
    "plan_update",
    "session_configured",
    "shutdown_complete",
    "stream_error",
    "task_complete",
    "task_started",
    "terminal_interaction",
    "thread_name_updated",
    "thread_rolled_back",
    "thread_settings_applied",
    "turn_aborted",
    "turn_complete",
    "turn_diff",
    "turn_started",
    "undo_completed",
    "undo_started",
    "user_message",
    "view_image_tool_call",
    "warning",
    "web_search_begin",
    "web_search_end",
];
/// What the program says in the user's place begins so.
const INJECTED: &[&str] =
    &["<environment_context>", "<user_instructions>", "# AGENTS.md", "<turn_aborted>", "<INSTRUCTIONS>"];
/// How its shells say how a command ended.
const EXITS: &[&str] = &["Process exited with code ", "Exit code: "];

#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(default)]
    timestamp: At,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    summary: Option<Content<'a>>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    arguments: Option<Value>,
    input: Option<Value>,
    action: Option<Value>,
    query: Option<Value>,
    output: Option<Value>,
    #[serde(rename = "internal_chat_message_metadata_passthrough", borrow)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    content_item_kinds: Vec<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    id: Option<String>,
    timestamp: At,
    cwd: Option<String>,
    cli_version: Option<String>,
    git: Option<Git>,
    source: Option<Value>,
    forked_from_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Git {
    branch: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Used {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_input_tokens: u64,
    output_tokens: u64,
}

impl Used {
    fn usage(self) -> Usage {
        let cached = self.cached_input_tokens + self.cache_write_input_tokens;
        Usage {
            input_tokens: self.input_tokens.saturating_sub(cached),
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cached_input_tokens,
            cache_write_tokens: self.cache_write_input_tokens,
            ..Usage::default()
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Codex {
    /// The file has records of use, which make the counts of events doubles.
    records_use: bool,
    /// The sum of the last event, which is sent again without news.
    counted: u64,
    known: bool,
}

impl Dialect for Codex {
    fn read(&mut self, line: &str, page: &mut Page) -> Understanding {
        let Ok(record) = serde_json::from_str::<Line<'_>>(line) else { return Understanding::Unknown };
        let at = page.at(record.timestamp.0);
        let payload = record.payload.get();
        match record.kind.as_str() {
            "session_meta" => self.meta(payload, page),
            "turn_context" => turn_context(payload, page),
            "response_item" => match serde_json::from_str::<Item<'_>>(payload) {
                Ok(item) => say(item, at, line, page).unwrap_or(Understanding::Unknown),
                Err(_) => Understanding::Unknown,
            },
            "event_msg" => self.event(payload, page),
            "token_usage_record" => self.used(payload, page),
            "compacted" => compacted(payload, at, line, page),
            "world_state" => Understanding::Passed,
            _ => Understanding::Unknown,
        }
    }
}

impl Codex {
    fn meta(&mut self, payload: &str, page: &mut Page) -> Understanding {
        let Ok(meta) = serde_json::from_str::<Meta>(payload) else { return Understanding::Unknown };
        // A fork carries the meta of what it was forked from behind its own.
        if std::mem::replace(&mut self.known, true) {
            return Understanding::Passed;
        }
        let header = &mut page.header;
        if let Some(id) = meta.id {
            header.session = id;
        }
        header.started = meta.timestamp.0.or(header.started);
        header.cwd = meta.cwd.or_else(|| header.cwd.take());
        header.version = meta.cli_version;
        header.branch = meta.git.and_then(|git| git.branch);
        let spawned =
            meta.source.as_ref().and_then(|source| source.pointer("/subagent/thread_spawn/parent_thread_id"));
        header.parent = spawned.and_then(Value::as_str).map(str::to_owned).or(meta.forked_from_id);
        Understanding::Said
    }

    fn event(&mut self, payload: &str, page: &mut Page) -> Understanding {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Event<'a> {
            #[serde(rename = "type", borrow)]
            kind: Option<Text<'a>>,
            #[serde(borrow)]
            item: Option<&'a RawValue>,
            #[serde(borrow)]
            changes: Option<&'a RawValue>,
            #[serde(borrow)]
            call_id: Option<Text<'a>>,
            success: Option<bool>,
            info: Option<Info>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Info {
            total_token_usage: Option<Used>,
            last_token_usage: Option<Used>,
        }
        let Ok(event) = serde_json::from_str::<Event<'_>>(payload) else { return Understanding::Unknown };
        match event.kind.as_ref().map_or("", Text::as_str) {
            "token_count" => {
                let Some(info) = event.info else { return Understanding::Passed };
                let total = info.total_token_usage.unwrap_or_default();
                let total = total.input_tokens + total.output_tokens;
                if let Some(last) = info.last_token_usage
                    && !self.records_use
                    && total != self.counted
                {
                    self.counted = total;
                    page.used(&last.usage());
                    return Understanding::Said;
                }
                Understanding::Passed
            }
            "item_completed" => {
                if let Some(item) = event.item {
                    changed_by_item(item.get(), page);
                }
                Understanding::Passed
            }
            "patch_apply_end" => {
                if let Some(changes) = event.changes.filter(|_| event.success == Some(true)) {
                    changed(changes.get(), event.call_id.as_ref().map(Text::as_str), page);
                }
                Understanding::Passed
            }
            kind if SHOWN.contains(&kind) => Understanding::Passed,
            _ => Understanding::Unknown,
        }
    }

    fn used(&mut self, payload: &str, page: &mut Page) -> Understanding {
        #[derive(Deserialize)]
        struct Record<'a> {
            #[serde(borrow, default)]
            response_id: Option<Text<'a>>,
            usage: Used,
        }
        let Ok(record) = serde_json::from_str::<Record<'_>>(payload) else { return Understanding::Unknown };
        self.records_use = true;
        let fresh = record.response_id.as_ref().is_none_or(|id| page.first(&["response", id.as_str()]));
        if fresh {
            page.used(&record.usage.usage());
        }
        Understanding::Said
    }
}

fn turn_context(payload: &str, page: &mut Page) -> Understanding {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Context {
        model: Option<String>,
    }
    let Ok(context) = serde_json::from_str::<Context>(payload) else { return Understanding::Unknown };
    page.header.model = context.model.or_else(|| page.header.model.take());
    Understanding::Passed
}

fn compacted(payload: &str, at: Timestamp, line: &str, page: &mut Page) -> Understanding {
    #[derive(Deserialize)]
    struct Compacted {
        message: String,
    }
    match serde_json::from_str::<Compacted>(payload) {
        Ok(compacted) if compacted.message.is_empty() => Understanding::Passed,
        Ok(compacted) => {
            page.say(&[line], at, Role::System, vec![Block::Text { text: compacted.message }]);
            Understanding::Said
        }
        Err(_) => Understanding::Unknown,
    }
}

fn changed_by_item(item: &str, page: &mut Page) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Item<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<Text<'a>>,
        #[serde(borrow)]
        id: Option<Text<'a>>,
        #[serde(borrow)]
        changes: Option<&'a RawValue>,
        #[serde(borrow)]
        status: Option<Text<'a>>,
    }
    let Ok(item) = serde_json::from_str::<Item<'_>>(item) else { return };
    let is = |text: &Option<Text<'_>>, word| text.as_ref().is_some_and(|text| text.as_str() == word);
    if is(&item.kind, "FileChange")
        && is(&item.status, "completed")
        && let Some(changes) = item.changes
    {
        changed(changes.get(), item.id.as_ref().map(Text::as_str), page);
    }
}

/// Changes are named by their paths.
fn changed(changes: &str, call: Option<&str>, page: &mut Page) {
    let changes: std::collections::BTreeMap<String, serde::de::IgnoredAny> =
        serde_json::from_str(changes).unwrap_or_default();
    for path in changes.keys() {
        page.changed(path, call);
    }
}

/// None for an item that is not understood.
fn say(item: Item<'_>, at: Timestamp, line: &str, page: &mut Page) -> Option<Understanding> {
    let own = item.id.as_ref().map(|id| id.0.to_string());
    let kind = item.kind.as_ref().map_or("", Text::as_str).to_owned();
    let name: [&str; 2] = [&kind, own.as_deref().unwrap_or(line)];
    let (role, blocks) = match kind.as_str() {
        "message" => {
            let blocks = texts(item.content?)?;
            (role(item.role.as_ref()?.as_str(), item.metadata.as_ref(), &blocks)?, blocks)
        }
        "reasoning" => match item.summary.map(Content::into_text).filter(|text| !text.is_empty()) {
            Some(text) => (Role::Assistant, vec![Block::Thinking { text, signature: None }]),
            None => return Some(Understanding::Passed),
        },
        "function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call"
        | "tool_search_call" => (Role::Assistant, vec![call(item, &kind, page)?]),
        "function_call_output"
        | "custom_tool_call_output"
        | "local_shell_call_output"
        | "tool_search_output" => (Role::Tool, vec![result(item, page)?]),
        "additional_tools" | "compaction" | "compaction_summary" | "ghost_snapshot" => {
            return Some(Understanding::Passed);
        }
        _ => return None,
    };
    page.say(&name, at, role, blocks);
    Some(Understanding::Said)
}

fn texts(content: Content<'_>) -> Option<Vec<Block>> {
    match content {
        Content::Text(text) => Some(vec![Block::Text { text }]),
        Content::Other => None,
        Content::Parts(parts) => parts
            .into_iter()
            .map(|part: Flat<'_>| match part.kind() {
                "input_text" | "output_text" | "text" => Some(Block::Text { text: part.text? }),
                "input_image" => Some(Block::Text { text: "[image, in the vendor's transcript]".to_owned() }),
                _ => None,
            })
            .collect(),
    }
}

fn role(given: &str, metadata: Option<&Metadata<'_>>, blocks: &[Block]) -> Option<Role> {
    match given {
        "assistant" => Some(Role::Assistant),
        "developer" | "system" => Some(Role::System),
        "user" => {
            let kinds = metadata.map(|metadata| metadata.content_item_kinds.as_slice()).unwrap_or_default();
            let by_kind = !kinds.is_empty() && !kinds.iter().any(|kind| kind.as_str().starts_with("user."));
            let by_text = matches!(blocks.first(), Some(Block::Text { text })
                if INJECTED.iter().any(|start| text.trim_start().starts_with(start)));
            Some(if by_kind || (kinds.is_empty() && by_text) { Role::System } else { Role::User })
        }
        _ => None,
    }
}

fn call(item: Item<'_>, kind: &str, page: &mut Page) -> Option<Block> {
    let call = item.call_id.or(item.id).map(|id| id.0.into_owned()).unwrap_or_default();
    let tool = match (item.namespace, item.name) {
        (Some(space), Some(name)) => format!("{}{}", space.0, name.0),
        (None, Some(name)) => name.0.into_owned(),
        (_, None) => kind.trim_end_matches("_call").to_owned(),
    };
    let arguments = match item.arguments.or(item.action).or(item.query) {
        // Arguments are JSON within a string; broken ones stay what they are.
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Some(value) => value,
        None => item.input.map(|input| serde_json::json!({ "input": input })).unwrap_or_default(),
    };
    page.called(&call, &tool);
    Some(Block::ToolCall { call_id: call, tool, arguments })
}

fn result(item: Item<'_>, page: &mut Page) -> Option<Block> {
    let call = item.call_id?.0.into_owned();
    let output = match item.output {
        Some(Value::String(text)) => unwrapped(text),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join("\n")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let exit_code = exit_code(&output, EXITS);
    let is_error = exit_code.is_some_and(|code| code != 0);
    Some(Block::ToolResult { tool: page.tool(&call), call_id: call, output, is_error, exit_code })
}

/// Older versions put the output into JSON of its own.
fn unwrapped(text: String) -> String {
    #[derive(Deserialize)]
    struct Wrapped {
        output: String,
        #[serde(default)]
        metadata: Option<Ended>,
    }
    #[derive(Deserialize)]
    struct Ended {
        exit_code: i32,
    }
    if !text.starts_with("{\"output\":") {
        return text;
    }
    match serde_json::from_str::<Wrapped>(&text) {
        Ok(Wrapped { output, metadata: Some(ended) }) => format!("Exit code: {}\n{output}", ended.exit_code),
        Ok(Wrapped { output, metadata: None }) => output,
        Err(_) => text,
    }
}
