//! Gemini CLI's transcripts: `tmp/<project>/chats/session-<time>-<id>.jsonl`.
//!
//! A header, records, and `{"$set": …}` patches of the header. A record is written again, under the same id, as it grows: the last one
//! counts. A journal cannot take anything back, so of a record that comes again only what is new in it is said.

use crate::transcript::{At, Content, Dialect, Flat, Page, Text, Understanding, exit_code};
use model::{Block, Role, Timestamp, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// What the program says in the user's place begins so.
const INJECTED: &[&str] = &["<session_context>", "<hook_context>", "<system-reminder>"];
const EXITS: &[&str] = &["Exit Code: "];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    #[serde(default)]
    start_time: At,
    #[serde(rename = "$set", borrow, default)]
    set: Option<Patch<'a>>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(default)]
    timestamp: At,
    #[serde(rename = "type", borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    tool_calls: Vec<Call<'a>>,
    #[serde(borrow, default)]
    thoughts: Vec<Thought<'a>>,
    #[serde(default)]
    tokens: Option<Tokens>,
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Patch<'a> {
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    result: Option<Value>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(default)]
    timestamp: At,
    #[serde(borrow, default)]
    result_display: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Thought<'a> {
    #[serde(borrow, default)]
    subject: Option<Text<'a>>,
    #[serde(borrow, default)]
    description: Option<Text<'a>>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Tokens {
    input: u64,
    output: u64,
    cached: u64,
    thoughts: u64,
}

/// What was said of a record so far.
#[derive(Debug, Default)]
struct Told {
    text: usize,
    thoughts: usize,
    counted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Gemini {
    told: HashMap<String, Told>,
}

impl Dialect for Gemini {
    fn read(&mut self, line: &str, page: &mut Page) -> Understanding {
        let Ok(record) = serde_json::from_str::<Line<'_>>(line) else { return Understanding::Unknown };
        if let Some(patch) = record.set {
            return self.patch(&patch, page);
        }
        if let (Some(session), None) = (&record.session_id, &record.id) {
            page.header.session = session.as_str().to_owned();
            page.at(record.start_time.0);
            return Understanding::Said;
        }
        self.record(record, page)
    }
}

impl Gemini {
    fn patch(&mut self, patch: &Patch<'_>, page: &mut Page) -> Understanding {
        if let Some(summary) = &patch.summary {
            page.titled(summary.as_str());
        }
        let mut understanding =
            if patch.summary.is_some() { Understanding::Said } else { Understanding::Passed };
        for message in &patch.messages {
            let read = serde_json::from_str::<Line<'_>>(message.get());
            match read.map(|record| self.record(record, page)) {
                Ok(Understanding::Said) if understanding == Understanding::Passed => {
                    understanding = Understanding::Said;
                }
                Ok(Understanding::Unknown) | Err(_) => understanding = Understanding::Unknown,
                Ok(_) => {}
            }
        }
        understanding
    }

    fn record(&mut self, record: Line<'_>, page: &mut Page) -> Understanding {
        let (Some(id), Some(kind)) = (&record.id, &record.kind) else { return Understanding::Unknown };
        let (id, at) = (id.as_str().to_owned(), page.at(record.timestamp.0));
        match kind.as_str() {
            "user" => user(record, &id, at, page),
            "gemini" => self.answer(record, &id, at, page),
            "info" | "error" | "warning" => match record.content.map(Content::into_text) {
                Some(text) if !text.is_empty() => {
                    page.say(&[&id], at, Role::System, vec![Block::Text { text }]);
                    Understanding::Said
                }
                _ => Understanding::Passed,
            },
            _ => Understanding::Unknown,
        }
    }

    fn answer(&mut self, record: Line<'_>, id: &str, at: Timestamp, page: &mut Page) -> Understanding {
        if let Some(model) = &record.model {
            page.header.model = Some(model.as_str().to_owned());
        }
        let told = self.told.entry(id.to_owned()).or_default();
        let mut blocks: Vec<Block> = record.thoughts.iter().skip(told.thoughts).map(thinking).collect();
        told.thoughts = told.thoughts.max(record.thoughts.len());
        let text = record.content.map(Content::into_text).unwrap_or_default();
        // A text that was not continued but written anew is said whole.
        let from = if text.is_char_boundary(told.text) { told.text } else { 0 };
        if text.len() > told.text {
            blocks.push(Block::Text { text: text[from..].to_owned() });
            told.text = text.len();
        }
        let usage = record.tokens.filter(|_| !told.counted).map(Tokens::usage);
        if let Some(usage) = &usage {
            told.counted = true;
            page.used(usage);
        }
        let part = format!("{}:{}", told.thoughts, told.text);
        for call in &record.tool_calls {
            if page.first(&["call", call.id.as_str()]) {
                blocks.push(Block::ToolCall {
                    call_id: call.id.as_str().to_owned(),
                    tool: call.name.as_str().to_owned(),
                    arguments: call.args.clone(),
                });
            }
        }
        // Calls tell two parts apart that say no more words.
        let calls = record.tool_calls.last().map_or("", |call| call.id.as_str());
        if let Some(said) = page.say(&[id, &part, calls], at, Role::Assistant, blocks) {
            said.usage = usage;
        }
        for call in record.tool_calls {
            finished(call, at, page);
        }
        Understanding::Said
    }
}

impl Tokens {
    fn usage(self) -> Usage {
        Usage {
            input_tokens: self.input.saturating_sub(self.cached),
            output_tokens: self.output + self.thoughts,
            cache_read_tokens: self.cached,
            ..Usage::default()
        }
    }
}

fn thinking(thought: &Thought<'_>) -> Block {
    let words: Vec<&str> = [&thought.subject, &thought.description]
        .into_iter()
        .flatten()
        .map(Text::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    Block::Thinking { text: words.join("\n"), signature: None }
}

/// A call whose result is there.
fn finished(call: Call<'_>, at: Timestamp, page: &mut Page) {
    let Some(result) = call.result else { return };
    if !page.first(&["result", call.id.as_str()]) {
        return;
    }
    let output = output_of(&result);
    let failed = call.status.as_ref().is_some_and(|status| status.as_str() != "success");
    let exit_code = exit_code(tail(&output), EXITS);
    let block = Block::ToolResult {
        call_id: call.id.as_str().to_owned(),
        tool: call.name.as_str().to_owned(),
        output,
        is_error: failed || exit_code.is_some_and(|code| code != 0),
        exit_code,
    };
    let at = page.at(call.timestamp.0.or(Some(at)));
    page.say(&["said", call.id.as_str()], at, Role::Tool, vec![block]);
    changed(call.result_display, call.id.as_str(), failed, page);
}

fn changed(display: Option<&RawValue>, call: &str, failed: bool, page: &mut Page) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Display<'a> {
        #[serde(borrow)]
        file_path: Text<'a>,
        #[serde(borrow, rename = "fileDiff")]
        _diff: Text<'a>,
    }
    let display = display.filter(|_| !failed).map(|raw| serde_json::from_str::<Display<'_>>(raw.get()));
    if let Some(Ok(display)) = display {
        page.changed(display.file_path.as_str(), Some(call));
    }
}

/// The shell says last how its command ended.
fn tail(output: &str) -> &str {
    &output[output.ceil_char_boundary(output.len().saturating_sub(200))..]
}

/// `[{"functionResponse": {"response": {"output": …}}}]`, or what a tool makes of it.
fn output_of(result: &Value) -> String {
    let one = |value: &Value| {
        let response = value.pointer("/functionResponse/response")?;
        let text = response.get("output").or_else(|| response.get("error"));
        Some(text.and_then(Value::as_str).map_or_else(|| response.to_string(), str::to_owned))
    };
    match result {
        Value::Array(parts) => {
            let texts: Vec<String> = parts.iter().filter_map(one).collect();
            texts.join("\n")
        }
        Value::String(text) => text.clone(),
        other => one(other).unwrap_or_else(|| other.to_string()),
    }
}

fn user(record: Line<'_>, id: &str, at: Timestamp, page: &mut Page) -> Understanding {
    let parts = match record.content {
        Some(Content::Text(text)) => vec![Flat { text: Some(text), ..Flat::default() }],
        Some(Content::Parts(parts)) => parts,
        Some(Content::Other) | None => return Understanding::Unknown,
    };
    let mut blocks = Vec::new();
    let mut answers = Vec::new();
    for part in parts {
        if let Some(text) = part.text {
            blocks.push(Block::Text { text });
        } else if let Some(answer) = part.function_response {
            answers.push(answer);
        } else {
            blocks.push(Block::Text { text: "[a part without text, in the vendor's transcript]".to_owned() });
        }
    }
    let injected = matches!(blocks.first(), Some(Block::Text { text })
        if INJECTED.iter().any(|start| text.trim_start().starts_with(start)));
    let role = if injected { Role::System } else { Role::User };
    page.say(&[id], at, role, blocks);
    for answer in answers {
        answered(answer, at, page);
    }
    Understanding::Said
}

/// What the model is told of a call: a double, unless its record was not written.
fn answered(answer: &RawValue, at: Timestamp, page: &mut Page) {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        id: Text<'a>,
        #[serde(borrow)]
        name: Text<'a>,
    }
    let (Ok(named), Ok(value)) =
        (serde_json::from_str::<Answer<'_>>(answer.get()), serde_json::from_str::<Value>(answer.get()))
    else {
        return;
    };
    if page.first(&["result", named.id.as_str()]) {
        let block = Block::ToolResult {
            call_id: named.id.as_str().to_owned(),
            tool: named.name.as_str().to_owned(),
            output: output_of(&serde_json::json!({ "functionResponse": value })),
            is_error: value.pointer("/response/error").is_some(),
            exit_code: None,
        };
        page.say(&["said", named.id.as_str()], at, Role::Tool, vec![block]);
    }
}
