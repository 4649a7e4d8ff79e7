//! What an agent tells of its turn, in our events.
//!
//! Invariant: a tool call is told once before its result, and what the agent said before a call comes before it.

use super::flavor::Flavor;
use super::line;
use super::terminal::Terminals;
use crate::run::wire::{RunEvent, TextKind};
use llm::{BYTES_PER_TOKEN, price_of};
use model::{
    Block, CostSource, OutlineState, OutlineStep, ParticipantStatus, RepoPath, Role, ToolCategory, Usage,
    Vendor,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The file as the repository names it, or why it may not be edited.
pub(crate) type Editable<'a> = &'a dyn Fn(&str) -> Result<RepoPath, String>;

/// Millionths of a dollar.
const MICROS: f64 = 1_000_000.0;

pub(crate) struct Updates {
    flavor: Flavor,
    calls: HashMap<String, Call>,
    said: Vec<Block>,
    /// The last words, which are the answer.
    pub(crate) summary: String,
    /// Written by our own hand; the daemon knows of them.
    pub(crate) written: HashSet<RepoPath>,
    /// Bytes of the turn that were told to the agent, and said by it, as far as they came by here.
    told_bytes: u64,
    said_bytes: u64,
    /// Tokens in the agent's context, as it last said.
    pub(crate) context: Option<u64>,
    /// What the session has cost so far, in dollars, now and when the turn began.
    cost: Option<f64>,
    paid: f64,
}

/// A call as far as it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub tool: String,
    pub kind: String,
    title: String,
    input: Option<Value>,
    /// Kimi writes the arguments as text before it tells them.
    written: Option<Value>,
    pub paths: Vec<String>,
    terminal: Option<String>,
    told: bool,
}

impl Call {
    /// The call's arguments, where the agent tells them.
    pub(crate) fn told_input(&self) -> Option<&Value> {
        self.input.as_ref().or(self.written.as_ref())
    }

    /// The call's arguments; what stands for them where the agent does not tell them.
    pub(crate) fn arguments(&self) -> Value {
        if let Some(input) = self.told_input() {
            return input.clone();
        }
        let mut known = Map::new();
        if self.kind == "execute" {
            known.insert("command".to_owned(), json!(self.title));
        } else {
            known.insert("title".to_owned(), json!(self.title));
        }
        if !self.paths.is_empty() {
            known.insert("paths".to_owned(), json!(self.paths));
        }
        Value::Object(known)
    }

    pub(crate) fn category(&self) -> ToolCategory {
        match self.kind.as_str() {
            "read" | "search" | "think" => ToolCategory::Read,
            "edit" | "delete" | "move" => ToolCategory::Edit,
            "execute" => ToolCategory::Shell,
            "fetch" => ToolCategory::Network,
            "switch_mode" => ToolCategory::Admin,
            _ => ToolCategory::Mcp,
        }
    }

    /// The files it is about: as it says, or else as its arguments name one.
    pub(crate) fn files(&self) -> Vec<String> {
        if !self.paths.is_empty() {
            return self.paths.clone();
        }
        let arguments = self.arguments();
        let named = ["path", "file_path"].into_iter().find_map(|name| arguments.get(name)?.as_str());
        named.map(str::to_owned).into_iter().collect()
    }

    pub(crate) fn summary(&self) -> String {
        match self.category() {
            ToolCategory::Shell => format!("Run `{}`", self.command()),
            _ if self.title.is_empty() || self.title == self.tool => format!("Call `{}`", self.tool),
            _ => format!("{}: {}", self.tool, self.title),
        }
    }

    /// The shell line it is about, as a terminal's is compared with it.
    pub(crate) fn line(&self, root: &Path) -> String {
        line::of_call(self.command(), self.told_input().and_then(|input| text(input, "cwd")), root)
    }

    fn command(&self) -> &str {
        let input = self.told_input().and_then(|input| input.get("command")?.as_str());
        input.unwrap_or(&self.title)
    }
}

impl Updates {
    pub(crate) fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            calls: HashMap::new(),
            said: Vec::new(),
            summary: String::new(),
            written: HashSet::new(),
            told_bytes: 0,
            said_bytes: 0,
            context: None,
            cost: None,
            paid: 0.0,
        }
    }

    pub(crate) fn prompted(&mut self, bytes: usize) {
        self.summary.clear();
        (self.told_bytes, self.said_bytes) = (bytes as u64, 0);
        self.context = None;
        self.paid = self.cost.unwrap_or(0.0);
    }

    /// Whether the agent has neither said nor done anything.
    pub(crate) fn is_mute(&self) -> bool {
        self.said_bytes == 0 && self.calls.is_empty()
    }

    /// What an update means.
    pub(crate) fn hear(
        &mut self,
        update: &Value,
        terminals: &Terminals,
        editable: Editable<'_>,
    ) -> Vec<RunEvent> {
        match text(update, "sessionUpdate") {
            Some("agent_message_chunk") => self.chunk(TextKind::Text, update),
            Some("agent_thought_chunk") => self.chunk(TextKind::Thinking, update),
            Some("tool_call" | "tool_call_update") => self.call(update, terminals, editable),
            Some("plan") => outlined(update),
            Some("usage_update") => {
                self.context = update.get("used").and_then(Value::as_u64).or(self.context);
                let dollars = update.get("cost").filter(|cost| text(cost, "currency") == Some("USD"));
                self.cost = dollars.and_then(|cost| cost.get("amount")?.as_f64()).or(self.cost);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn chunk(&mut self, kind: TextKind, update: &Value) -> Vec<RunEvent> {
        let piece = update.pointer("/content/text").and_then(Value::as_str).unwrap_or_default();
        if piece.is_empty() {
            return Vec::new();
        }
        self.said_bytes += piece.len() as u64;
        match (kind, self.said.last_mut()) {
            (TextKind::Text, Some(Block::Text { text }))
            | (TextKind::Thinking, Some(Block::Thinking { text, .. })) => {
                text.push_str(piece);
            }
            (TextKind::Text, _) => self.said.push(Block::Text { text: piece.to_owned() }),
            (TextKind::Thinking, _) => {
                self.said.push(Block::Thinking { text: piece.to_owned(), signature: None });
            }
        }
        vec![RunEvent::Delta { kind, text: piece.to_owned() }]
    }

    /// What was said so far, as a message.
    pub(crate) fn flush(&mut self) -> Option<RunEvent> {
        let blocks = std::mem::take(&mut self.said);
        for block in &blocks {
            if let Block::Text { text } = block
                && !text.trim().is_empty()
            {
                self.summary.clone_from(text);
            }
        }
        (!blocks.is_empty()).then(|| message(Role::Assistant, blocks))
    }

    /// Takes what a tool call says of itself, here or in a question for permission; gives the call as it is known now.
    pub(crate) fn note(&mut self, told: &Value) -> Option<(String, Call)> {
        let id = text(told, "toolCallId")?.to_owned();
        let flavor = self.flavor;
        let call = self.calls.entry(id.clone()).or_default();
        if let Some(title) = text(told, "title") {
            if call.tool.is_empty() {
                call.tool = flavor.tool(&id, title);
            }
            title.clone_into(&mut call.title);
        }
        if let Some(kind) = text(told, "kind") {
            kind.clone_into(&mut call.kind);
        }
        let input = told.get("rawInput").filter(|input| !input.is_null());
        call.input = input.cloned().or_else(|| call.input.take());
        let texts = list(told, "content").filter_map(|piece| piece.pointer("/content/text")?.as_str());
        let written =
            texts.filter_map(|text| serde_json::from_str::<Value>(text).ok()).find(Value::is_object);
        call.written = written.or_else(|| call.written.take());
        let locations = list(told, "locations").filter_map(|location| text(location, "path"));
        let diffs = list(told, "content").filter_map(|piece| text(piece, "path"));
        for path in locations.chain(diffs) {
            if !call.paths.iter().any(|known| known == path) {
                call.paths.push(path.to_owned());
            }
        }
        let terminal = list(told, "content").find_map(|piece| text(piece, "terminalId"));
        call.terminal = terminal.map(str::to_owned).or_else(|| call.terminal.take());
        Some((id, call.clone()))
    }

    fn call(&mut self, update: &Value, terminals: &Terminals, editable: Editable<'_>) -> Vec<RunEvent> {
        let Some((id, call)) = self.note(update) else { return Vec::new() };
        let status = text(update, "status");
        let over = matches!(status, Some("completed" | "failed"));
        let mut events = Vec::new();
        // A call that is only pending may still be written: its arguments come with its beginning.
        if over || status == Some("in_progress") || call.input.is_some() {
            events.extend(self.tell(&id));
        }
        if over {
            if status == Some("completed") && call.category() == ToolCategory::Edit {
                events.extend(self.wrote(&call, editable));
            }
            let result = result(&id, &call, update, terminals);
            if let Block::ToolResult { output, .. } = &result {
                self.told_bytes += output.len() as u64;
            }
            events.push(message(Role::Tool, vec![result]));
            events.push(working(ParticipantStatus::Thinking, ""));
            self.calls.remove(&id);
        }
        events
    }

    /// What the agent wrote by itself.
    fn wrote(&mut self, call: &Call, editable: Editable<'_>) -> Vec<RunEvent> {
        let paths = call.paths.iter().filter_map(|path| editable(path).ok());
        let theirs = paths.filter(|path| !self.written.remove(path));
        theirs.map(|path| RunEvent::Wrote { path, diff: None }).collect()
    }

    /// Tells of a call, once.
    pub(crate) fn tell(&mut self, id: &str) -> Vec<RunEvent> {
        let Some(call) = self.calls.get_mut(id).filter(|call| !call.told) else { return Vec::new() };
        call.told = true;
        let call = call.clone();
        let arguments = call.arguments();
        self.said_bytes += arguments.to_string().len() as u64;
        let block = Block::ToolCall { call_id: id.to_owned(), tool: call.tool.clone(), arguments };
        let status = match call.category() {
            ToolCategory::Edit => working(ParticipantStatus::Editing, &call.title),
            ToolCategory::Shell => working(ParticipantStatus::RunningTool, call.command()),
            _ => working(ParticipantStatus::RunningTool, &call.tool),
        };
        let mut events: Vec<RunEvent> = self.flush().into_iter().collect();
        events.extend([status, message(Role::Assistant, vec![block])]);
        events
    }

    /// What the turn used: by the agent's own count, else by what its context held at the end, else by the text that came by
    /// here, which is less than it was.
    pub(crate) fn usage(&self, result: &Value, vendor: Vendor, model: &str) -> Usage {
        let number = |value: &Value, field: &str| value.get(field).and_then(Value::as_u64).unwrap_or(0);
        let quota = result.pointer("/_meta/quota/token_count");
        let mut usage = if let Some(count) = quota {
            Usage {
                input_tokens: number(count, "input_tokens"),
                output_tokens: number(count, "output_tokens"),
                ..Usage::default()
            }
        } else if let Some(count) = result.get("usage").filter(|usage| usage.is_object()) {
            Usage {
                input_tokens: number(count, "inputTokens"),
                output_tokens: number(count, "outputTokens"),
                cache_read_tokens: number(count, "cachedReadTokens"),
                cache_write_tokens: number(count, "cachedWriteTokens"),
                ..Usage::default()
            }
        } else {
            match self.context {
                Some(context) => Usage { input_tokens: context, ..Usage::default() },
                None => Usage {
                    input_tokens: self.told_bytes.div_ceil(BYTES_PER_TOKEN),
                    output_tokens: self.said_bytes.div_ceil(BYTES_PER_TOKEN),
                    ..Usage::default()
                },
            }
        };
        (usage.cost_micros, usage.cost_source) = match self.cost {
            Some(cost) => (micros(cost - self.paid), CostSource::Vendor),
            None => price_of(vendor, model, usage.input_tokens)
                .map_or((0, CostSource::None), |price| (price.cost_micros(&usage), CostSource::Table)),
        };
        usage
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts from f64 saturate, and a cost is not negative"
)]
fn micros(dollars: f64) -> u64 {
    (dollars.max(0.0) * MICROS).round() as u64
}

fn result(id: &str, call: &Call, update: &Value, terminals: &Terminals) -> Block {
    let status = text(update, "status").unwrap_or_default();
    let texts: Vec<&str> =
        list(update, "content").filter_map(|piece| piece.pointer("/content/text")?.as_str()).collect();
    let ran = call.terminal.as_deref().and_then(|name| terminals.said(name));
    let exit_code = ran.as_ref().and_then(|(_, code)| *code);
    let output = match (text(update, "rawOutput"), ran) {
        (Some(raw), _) => raw.to_owned(),
        (None, Some((said, _))) if !said.is_empty() => said,
        _ if texts.is_empty() => status.to_owned(),
        _ => texts.join("\n"),
    };
    Block::ToolResult {
        call_id: id.to_owned(),
        tool: call.tool.clone(),
        output,
        is_error: status == "failed",
        exit_code,
    }
}

fn outlined(update: &Value) -> Vec<RunEvent> {
    let step = |entry: &Value| {
        let state = match text(entry, "status")? {
            "completed" => OutlineState::Completed,
            "in_progress" => OutlineState::InProgress,
            _ => OutlineState::Pending,
        };
        Some(OutlineStep { text: text(entry, "content")?.to_owned(), state })
    };
    vec![RunEvent::Outlined { steps: list(update, "entries").filter_map(step).collect() }]
}

pub(crate) fn working(status: ParticipantStatus, detail: &str) -> RunEvent {
    RunEvent::Status { status, detail: detail.to_owned() }
}

fn message(role: Role, blocks: Vec<Block>) -> RunEvent {
    RunEvent::Message { role, blocks, usage: None, latency_ms: None }
}

pub(crate) fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editable(path: &str) -> Result<RepoPath, String> {
        path.strip_prefix("/srv/repo/").ok_or("outside")?.parse().map_err(|_| "odd".to_owned())
    }

    fn heard(updates: &mut Updates, lines: &str) -> Vec<RunEvent> {
        let terminals = Terminals::default();
        let mut events = Vec::new();
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            match line["method"].as_str() {
                Some("session/update") => {
                    events.extend(updates.hear(&line["params"]["update"], &terminals, &editable));
                }
                Some("session/request_permission") => {
                    let (id, _) = updates.note(&line["params"]["toolCall"]).unwrap();
                    events.extend(updates.tell(&id));
                }
                Some("fs/write_text_file") => {
                    updates.written.insert(editable(line["params"]["path"].as_str().unwrap()).unwrap());
                }
                _ => {}
            }
        }
        events.extend(updates.flush());
        events
    }

    fn story(events: &[RunEvent]) -> Vec<String> {
        let mut story = Vec::new();
        for event in events {
            match event {
                RunEvent::Wrote { path, .. } => story.push(format!("wrote {path}")),
                RunEvent::Message { blocks, .. } => story.extend(blocks.iter().map(|block| match block {
                    Block::ToolCall { tool, arguments, .. } => format!("calls {tool} {arguments}"),
                    Block::ToolResult { tool, output, is_error, .. } => {
                        format!("{tool}: {output} {is_error}")
                    }
                    Block::Text { text } => format!("says {text}"),
                    Block::Thinking { text, .. } => format!("thinks {text}"),
                    other @ Block::Image { .. } => format!("{other:?}"),
                })),
                _ => {}
            }
        }
        story
    }

    #[test]
    fn recorded_turns_are_told_in_order() {
        let gemini = heard(&mut Updates::new(Flavor::Gemini), include_str!("recorded_gemini.jsonl"));
        assert_eq!(
            story(&gemini),
            [
                r#"calls write_file {"title":"Writing to a.txt","paths":["/srv/repo/a.txt"]}"#,
                "write_file: completed false",
                r#"calls run_shell_command {"command":"touch zz"}"#,
                "run_shell_command: completed false",
                "thinks ****\nthinking hard",
                "says all good",
            ]
        );
        let kimi = heard(&mut Updates::new(Flavor::Kimi), include_str!("recorded_kimi.jsonl"));
        assert_eq!(
            story(&kimi),
            [
                r#"calls Write {"path":"a.txt","content":"hello"}"#,
                "Write: Wrote 5 bytes to a.txt false",
                r#"calls Bash {"command":"touch zz"}"#,
                "Bash: completed false",
                "thinks hm",
                "says all good",
            ]
        );
    }

    #[test]
    fn what_an_agent_writes_by_itself_is_told_and_what_we_wrote_is_not() {
        let mut updates = Updates::new(Flavor::Other);
        let done = |path: &str| {
            json!({"method": "session/update", "params": {"update": {"sessionUpdate": "tool_call_update", "toolCallId": "1",
                "title": "Edit", "kind": "edit", "status": "completed", "locations": [{"path": path}]}}})
            .to_string()
        };
        assert!(story(&heard(&mut updates, &done("/srv/repo/a"))).contains(&"wrote a".to_owned()));
        updates.written.insert("a".parse().unwrap());
        assert!(!story(&heard(&mut updates, &done("/srv/repo/a"))).contains(&"wrote a".to_owned()));
        assert!(!story(&heard(&mut updates, &done("/etc/a"))).iter().any(|line| line.starts_with("wrote")));
    }

    #[test]
    fn usage_is_what_the_agent_counts_or_else_its_context() {
        let mut updates = Updates::new(Flavor::Other);
        let usage = |updates: &Updates, result: &Value| {
            let usage = updates.usage(result, Vendor::Openai, "none");
            (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cost_micros)
        };
        // One that tells nothing has used what came by here at the least.
        updates.prompted(400);
        let words = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x".repeat(80)}});
        updates.hear(&words, &Terminals::default(), &editable);
        assert_eq!(usage(&updates, &json!({})), (100, 20, 0, 0));
        let quota = json!({"_meta": {"quota": {"token_count": {"input_tokens": 300, "output_tokens": 60}}}});
        assert_eq!(usage(&updates, &quota), (300, 60, 0, 0));
        let counted = json!({"usage": {"inputTokens": 1, "outputTokens": 2, "cachedReadTokens": 3}});
        assert_eq!(usage(&updates, &counted), (1, 2, 3, 0));
        let told = |used: u64, dollars: f64| json!({"sessionUpdate": "usage_update", "used": used, "size": 1000, "cost": {"amount": dollars, "currency": "USD"}});
        updates.hear(&told(120, 0.5), &Terminals::default(), &editable);
        assert_eq!(usage(&updates, &json!({})), (120, 0, 0, 500_000));
        // What a session has cost grows over its turns.
        updates.prompted(0);
        updates.hear(&told(240, 0.75), &Terminals::default(), &editable);
        assert_eq!(usage(&updates, &json!({})), (240, 0, 0, 250_000));
    }

    #[test]
    fn a_plan_is_an_outline_and_what_is_unknown_is_nothing() {
        let mut updates = Updates::new(Flavor::Other);
        let terminals = Terminals::default();
        let plan = json!({"sessionUpdate": "plan", "entries": [
            {"content": "one", "priority": "high", "status": "completed"}, {"content": "two", "status": "in_progress"}]});
        let told = updates.hear(&plan, &terminals, &editable);
        let [RunEvent::Outlined { steps }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(steps[1], OutlineStep { text: "two".into(), state: OutlineState::InProgress });
        for odd in [
            json!({"sessionUpdate": "of tomorrow"}),
            json!({}),
            json!(null),
            json!({"sessionUpdate": "tool_call"}),
        ] {
            assert_eq!(updates.hear(&odd, &terminals, &editable), []);
        }
    }
}
