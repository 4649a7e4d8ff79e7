//! Claude Code's transcripts: `projects/<cwd>/<session>.jsonl`, and beside it `<session>/subagents/agent-<id>.jsonl`.
//!
//! One line per content block; lines of one answer share `message.id` and its usage. The format is private to the program and
//! changes with it: what is not known here is handed back raw.

use crate::transcript::{At, Content, Dialect, Flat, Page, Text, Understanding, exit_code};
use model::{Block, CostSource, Role, Timestamp, Usage};
use serde::Deserialize;
use std::collections::HashMap;

/// Records of the program's own bookkeeping.
const BOOKKEEPING: &[&str] = &[
    "agent-color",
    "agent-name",
    "agent-setting",
    "api-request",
    "api-request-blob",
    "api-request-shape",
    "atis-latch",
    "attachment",
    "attribution-snapshot",
    "bridge-session",
    "content-replacement",
    "file-history-snapshot",
    "last-prompt",
    "mode",
    "permission-mode",
    "pr-link",
    "progress",
    "queue-operation",
    "tag",
    "tools-used",
    "worktree-state",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    uuid: Option<Text<'a>>,
    #[serde(default)]
    timestamp: At,
    #[serde(borrow, default)]
    cwd: Option<Text<'a>>,
    #[serde(borrow, default)]
    git_branch: Option<Text<'a>>,
    #[serde(borrow, default)]
    version: Option<Text<'a>>,
    #[serde(default)]
    is_meta: Option<bool>,
    #[serde(default)]
    is_compact_summary: Option<bool>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    tool_use_result: Option<Changed<'a>>,
    #[serde(borrow, default)]
    summary: Option<Text<'a>>,
    #[serde(borrow, default)]
    ai_title: Option<Text<'a>>,
    #[serde(borrow, default)]
    custom_title: Option<Text<'a>>,
    #[serde(rename = "totalCostUSD", default)]
    total_cost_usd: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    content: Content<'a>,
    #[serde(default)]
    usage: Option<Used>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Used {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
}

/// What a tool did, of which only the file it changed is wanted. Strings and lists are other tools' results.
#[derive(Debug, Default)]
struct Changed<'a> {
    path: Option<Text<'a>>,
    patched: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Changed<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Record<'a> {
            #[serde(borrow)]
            file_path: Option<Text<'a>>,
            structured_patch: Option<serde::de::IgnoredAny>,
        }
        // The result of a tool nobody knows may have any shape.
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        let record: Record<'de> = serde_json::from_str(raw.get()).unwrap_or_default();
        Ok(Self { path: record.file_path, patched: record.structured_patch.is_some() })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Claude {
    /// What was counted of an answer so far, by its id.
    answers: HashMap<String, Usage>,
    /// The cost counted so far, in millionths of a US dollar.
    cost: u64,
}

impl Dialect for Claude {
    fn read(&mut self, line: &str, page: &mut Page) -> Understanding {
        let Ok(mut record) = serde_json::from_str::<Line<'_>>(line) else { return Understanding::Unknown };
        let at = page.at(record.timestamp.0);
        learn(&record, page);
        match record.kind.as_str() {
            "user" => match record.message.take() {
                Some(message) => user(&record, message, at, line, page),
                None => Understanding::Unknown,
            },
            "assistant" => match record.message.take() {
                Some(message) => self.assistant(&record, message, at, line, page),
                None => Understanding::Unknown,
            },
            "system" => system(&mut record, at, line, page),
            "summary" | "ai-title" | "custom-title" => {
                let title = record.custom_title.as_ref().or(record.ai_title.as_ref());
                match title.or(record.summary.as_ref()) {
                    Some(title) => page.titled(title.as_str()),
                    None => return Understanding::Unknown,
                }
                Understanding::Said
            }
            "cost-state" => self.cost(&record, page),
            kind if BOOKKEEPING.contains(&kind) => Understanding::Passed,
            _ => Understanding::Unknown,
        }
    }
}

impl Claude {
    fn assistant(
        &mut self,
        record: &Line<'_>,
        message: Message<'_>,
        at: Timestamp,
        line: &str,
        page: &mut Page,
    ) -> Understanding {
        // The program's own words in the model's place have this model.
        if let Some(model) = message.model.as_ref().filter(|model| model.as_str() != "<synthetic>") {
            page.header.model = Some(model.as_str().to_owned());
        }
        let usage = self.more(&message, page);
        let Some(blocks) = blocks(message.content, page) else { return Understanding::Unknown };
        if let Some(said) = page.say(&name(record, line), at, Role::Assistant, blocks) {
            said.usage = usage;
        }
        Understanding::Said
    }

    /// What this line adds to what was counted of its answer: every line of one repeats all of it.
    fn more(&mut self, message: &Message<'_>, page: &mut Page) -> Option<Usage> {
        let used = message.usage?;
        let total = Usage {
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            cache_read_tokens: used.cache_read_input_tokens,
            cache_write_tokens: used.cache_creation_input_tokens,
            ..Usage::default()
        };
        let counted = match &message.id {
            Some(id) => self.answers.entry(id.as_str().to_owned()).or_default(),
            None => &mut Usage::default(),
        };
        let more = Usage {
            input_tokens: total.input_tokens.saturating_sub(counted.input_tokens),
            output_tokens: total.output_tokens.saturating_sub(counted.output_tokens),
            cache_read_tokens: total.cache_read_tokens.saturating_sub(counted.cache_read_tokens),
            cache_write_tokens: total.cache_write_tokens.saturating_sub(counted.cache_write_tokens),
            ..Usage::default()
        };
        if more == Usage::default() {
            return None;
        }
        *counted = total;
        page.used(&more);
        Some(more)
    }

    /// The program's own sum for the session, which it writes again and again.
    fn cost(&mut self, record: &Line<'_>, page: &mut Page) -> Understanding {
        let Some(dollars) = record.total_cost_usd.filter(|dollars| (0.0..1e9).contains(dollars)) else {
            return Understanding::Unknown;
        };
        let micros = (dollars * 1e6).round() as u64;
        page.used(&Usage {
            cost_micros: micros.saturating_sub(self.cost),
            cost_source: CostSource::Vendor,
            ..Usage::default()
        });
        self.cost = self.cost.max(micros);
        Understanding::Said
    }
}

fn learn(record: &Line<'_>, page: &mut Page) {
    let learn = |known: &mut Option<String>, said: &Option<Text<'_>>| {
        if known.is_none()
            && let Some(said) = said
            && !said.as_str().is_empty()
        {
            *known = Some(said.as_str().to_owned());
        }
    };
    learn(&mut page.header.cwd, &record.cwd);
    learn(&mut page.header.branch, &record.git_branch);
    learn(&mut page.header.version, &record.version);
}

/// A record's own name; without one, all it says.
fn name<'n>(record: &'n Line<'_>, line: &'n str) -> [&'n str; 1] {
    [record.uuid.as_ref().map_or(line, Text::as_str)]
}

fn user(
    record: &Line<'_>,
    message: Message<'_>,
    at: Timestamp,
    line: &str,
    page: &mut Page,
) -> Understanding {
    let Some(blocks) = blocks(message.content, page) else { return Understanding::Unknown };
    let call = blocks.iter().find_map(|block| match block {
        Block::ToolResult { call_id, .. } => Some(call_id.clone()),
        _ => None,
    });
    let injected = record.is_meta == Some(true) || record.is_compact_summary == Some(true);
    let role = match (&call, injected) {
        (Some(_), _) => Role::Tool,
        (None, true) => Role::System,
        (None, false) => Role::User,
    };
    if page.say(&name(record, line), at, role, blocks).is_some()
        && let Some(changed) = record.tool_use_result.as_ref().filter(|changed| changed.patched)
        && let Some(path) = &changed.path
    {
        page.changed(path.as_str(), call.as_deref());
    }
    Understanding::Said
}

/// Words of the program to its user. Those without text are marks of its own.
fn system(record: &mut Line<'_>, at: Timestamp, line: &str, page: &mut Page) -> Understanding {
    match record.content.take() {
        Some(Content::Text(text)) if !text.trim().is_empty() => {
            page.say(&name(record, line), at, Role::System, vec![Block::Text { text }]);
            Understanding::Said
        }
        _ => Understanding::Passed,
    }
}

/// None when there is a part of an unknown kind.
fn blocks(content: Content<'_>, page: &mut Page) -> Option<Vec<Block>> {
    match content {
        Content::Text(text) => Some(vec![Block::Text { text }]),
        Content::Other => None,
        Content::Parts(parts) => parts.into_iter().map(|part| block(part, page)).collect(),
    }
}

fn block(part: Flat<'_>, page: &mut Page) -> Option<Block> {
    match part.kind() {
        "text" => Some(Block::Text { text: part.text? }),
        "thinking" => Some(Block::Thinking { text: part.thinking?, signature: part.signature }),
        "redacted_thinking" => Some(Block::Thinking { text: String::new(), signature: None }),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            let (call, tool) = (part.id?, part.name?);
            page.called(call.as_str(), tool.as_str());
            Some(Block::ToolCall {
                call_id: call.0.into_owned(),
                tool: tool.0.into_owned(),
                arguments: part.input.unwrap_or_default(),
            })
        }
        "tool_result" => {
            let call = part.tool_use_id?;
            let output = part.content.map(Content::into_text).unwrap_or_default();
            Some(Block::ToolResult {
                tool: page.tool(call.as_str()),
                call_id: call.0.into_owned(),
                exit_code: exit_code(&output[..output.floor_char_boundary(20)], &["Exit code "]),
                output,
                is_error: part.is_error == Some(true),
            })
        }
        "image" | "document" => Some(part.source?.note()),
        _ => None,
    }
}
