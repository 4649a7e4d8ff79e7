//! One thread of Codex, translated: what the server tells of it, in our events.
//!
//! Sub-agents are threads of their own, begun by ours. What they edit and run is told as ours, for it happens under our locks; what
//! they say is theirs, and stays in the records.
//!
//! Invariant: of the threads that share a server, only ours and those that descend from it are heard.

use super::item::{self, Change, text};
use super::usage::Meter;
use crate::run::wire::{RunEvent, TextKind};
use model::{Block, OutlineState, OutlineStep, ParticipantStatus, RepoPath, Role, TurnOutcome};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;

/// Where an edit of the agent may go: the file as the repository names it, or a sentence that says why not.
pub(crate) type Editable<'a> = &'a dyn Fn(&str) -> Result<RepoPath, String>;

pub(crate) struct Thread {
    id: String,
    model: String,
    /// The turn under way of our thread and of each of its sub-agents.
    turns: HashMap<String, Option<String>>,
    patches: HashMap<String, Patch>,
    /// Calls that were told of already.
    called: HashSet<String>,
    meter: Meter,
    summary: String,
    since: Instant,
}

/// A patch the agent wants to make.
struct Patch {
    changes: Vec<Change>,
    /// Its paths in the repository, or why one of them may not be edited.
    paths: Result<Vec<RepoPath>, String>,
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Event(RunEvent),
    Ended(Ending),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    Outcome(TurnOutcome),
    Interrupted,
    NotLoggedIn,
}

impl Thread {
    pub(crate) fn new(id: &str, model: &str) -> Self {
        Self {
            id: id.to_owned(),
            model: model.to_owned(),
            turns: HashMap::from([(id.to_owned(), None)]),
            patches: HashMap::new(),
            called: HashSet::new(),
            meter: Meter::default(),
            summary: String::new(),
            since: Instant::now(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The turn under way in a thread of ours.
    pub(crate) fn turn(&self, thread: &str) -> Option<&str> {
        self.turns.get(thread)?.as_deref()
    }

    /// Whether what was said is about our thread or one of its sub-agents.
    pub(crate) fn concerns(&self, params: &Value) -> bool {
        text(params, "threadId").is_some_and(|thread| self.turns.contains_key(thread))
    }

    /// A turn was asked for.
    pub(crate) fn prompted(&mut self) {
        self.summary.clear();
        self.since = Instant::now();
    }

    /// The turn that was asked for has begun.
    pub(crate) fn began(&mut self, turn: &str) {
        self.turns.insert(self.id.clone(), Some(turn.to_owned()));
    }

    /// The repository's paths of a patch, or a sentence for the agent.
    pub(crate) fn paths(&self, item: &str) -> Result<Vec<RepoPath>, String> {
        match self.patches.get(item) {
            Some(patch) => patch.paths.clone(),
            None => Err("it is not known which files this patch changes; make it again".to_owned()),
        }
    }

    /// What a notice means.
    pub(crate) fn hear(&mut self, method: &str, params: &Value, editable: Editable<'_>) -> Vec<Told> {
        if method == "thread/started" {
            self.adopt(params);
            return Vec::new();
        }
        if !self.concerns(params) {
            return Vec::new();
        }
        let ours = text(params, "threadId") == Some(self.id.as_str());
        let events = match method {
            "turn/started" => {
                self.turn_started(params);
                vec![status(ParticipantStatus::Thinking, "")]
            }
            "item/agentMessage/delta" if ours => delta(TextKind::Text, params),
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" if ours => {
                delta(TextKind::Thinking, params)
            }
            "item/started" => self.item_started(params, editable),
            "item/completed" => self.item_completed(params, ours, editable),
            "turn/plan/updated" if ours => outlined(params),
            "thread/tokenUsage/updated" => self.used(params),
            "error" if params.get("willRetry").and_then(Value::as_bool) == Some(true) => {
                let reason = params.get("error").and_then(|error| text(error, "message"));
                vec![status(ParticipantStatus::Thinking, reason.unwrap_or("trying again"))]
            }
            "turn/completed" => return self.turn_completed(params, ours),
            _ => Vec::new(),
        };
        events.into_iter().map(Told::Event).collect()
    }

    /// A sub-agent of ours has a thread of its own.
    fn adopt(&mut self, params: &Value) {
        let Some(thread) = params.get("thread") else { return };
        let descends = text(thread, "parentThreadId").is_some_and(|parent| self.turns.contains_key(parent));
        if let Some(id) = text(thread, "id").filter(|_| descends) {
            self.turns.entry(id.to_owned()).or_default();
        }
    }

    fn turn_started(&mut self, params: &Value) {
        let turn = params.get("turn").and_then(|turn| text(turn, "id"));
        if let (Some(thread), Some(turn)) = (text(params, "threadId"), turn) {
            self.turns.insert(thread.to_owned(), Some(turn.to_owned()));
        }
    }

    fn item_started(&mut self, params: &Value, editable: Editable<'_>) -> Vec<RunEvent> {
        let Some(item) = params.get("item") else { return Vec::new() };
        self.note_patch(item, editable);
        let Some(call) = item::call(item) else { return Vec::new() };
        let Block::ToolCall { call_id, tool, .. } = &call else { return Vec::new() };
        self.called.insert(call_id.clone());
        let working = match self.patches.get(call_id) {
            Some(patch) => {
                let names: Vec<&str> = patch.paths.iter().flatten().map(RepoPath::as_str).collect();
                status(ParticipantStatus::Editing, &names.join(", "))
            }
            None => status(ParticipantStatus::RunningTool, text(item, "command").unwrap_or(tool)),
        };
        vec![working, message(Role::Assistant, call)]
    }

    fn note_patch(&mut self, item: &Value, editable: Editable<'_>) {
        if text(item, "type") != Some("fileChange") {
            return;
        }
        let (Some(id), Some(changes)) = (text(item, "id"), Change::all(item)) else { return };
        let paths = changes.iter().flat_map(Change::paths).map(editable).collect();
        self.patches.insert(id.to_owned(), Patch { changes, paths });
    }

    fn item_completed(&mut self, params: &Value, ours: bool, editable: Editable<'_>) -> Vec<RunEvent> {
        let Some(item) = params.get("item") else { return Vec::new() };
        match text(item, "type") {
            Some("agentMessage") if ours => {
                let said = text(item, "text").unwrap_or_default().to_owned();
                if said.trim().is_empty() {
                    return Vec::new();
                }
                self.summary.clone_from(&said);
                return vec![message(Role::Assistant, Block::Text { text: said })];
            }
            Some("reasoning") if ours => {
                let text = item::reasoning(item);
                let thought = Block::Thinking { text, signature: None };
                let empty = matches!(&thought, Block::Thinking { text, .. } if text.trim().is_empty());
                return if empty { Vec::new() } else { vec![message(Role::Assistant, thought)] };
            }
            _ => {}
        }
        let (Some(call), Some(result)) = (item::call(item), item::result(item)) else { return Vec::new() };
        let Block::ToolCall { call_id, .. } = &call else { return Vec::new() };
        let mut events = Vec::new();
        if !self.called.remove(call_id) {
            events.push(message(Role::Assistant, call.clone()));
        }
        if text(item, "type") == Some("fileChange") {
            self.note_patch(item, editable);
            let patch = self.patches.remove(call_id);
            if text(item, "status") == Some("completed") {
                events.extend(patch.iter().flat_map(|patch| wrote(&patch.changes, editable)));
            }
        }
        events.push(message(Role::Tool, result));
        events.push(status(ParticipantStatus::Thinking, ""));
        events
    }

    fn used(&mut self, params: &Value) -> Vec<RunEvent> {
        // A thread that goes on begins by telling what its earlier turns used.
        let turn = text(params, "threadId").and_then(|thread| self.turn(thread));
        let counts = turn.is_some() && turn == text(params, "turnId");
        let Some(usage) = self.meter.hear(params, &self.model, counts) else { return Vec::new() };
        let latency_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since = Instant::now();
        // Codex does not tell when it asks its model, only what an answer used.
        let prompt_tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
        let called = RunEvent::ModelCalled { prompt_tokens, estimated_cost_micros: usage.cost_micros };
        vec![called, RunEvent::ModelAnswered { usage, latency_ms, retries: 0 }]
    }

    fn turn_completed(&mut self, params: &Value, ours: bool) -> Vec<Told> {
        let turn = params.get("turn").cloned().unwrap_or_default();
        if let Some(thread) = text(params, "threadId") {
            self.turns.insert(thread.to_owned(), None);
        }
        if !ours {
            return Vec::new();
        }
        let ending = match text(&turn, "status") {
            Some("completed") => {
                Ending::Outcome(TurnOutcome::Completed { summary: std::mem::take(&mut self.summary) })
            }
            Some("interrupted") => Ending::Interrupted,
            _ => failure(turn.get("error").unwrap_or(&Value::Null)),
        };
        vec![Told::Ended(ending)]
    }
}

/// What Codex says of a turn that failed.
fn failure(error: &Value) -> Ending {
    if text(error, "codexErrorInfo") == Some("unauthorized") {
        return Ending::NotLoggedIn;
    }
    let mut message = text(error, "message").unwrap_or("Codex gave no reason").to_owned();
    if let Some(details) = text(error, "additionalDetails").filter(|details| !details.is_empty()) {
        message = format!("{message}: {details}");
    }
    Ending::Outcome(TurnOutcome::Failed { code: "vendor_error".to_owned(), message })
}

fn wrote(changes: &[Change], editable: Editable<'_>) -> Vec<RunEvent> {
    let of = |change: &Change| -> Vec<RunEvent> {
        let named = change.paths().filter_map(|path| editable(path).ok());
        named.map(|path| RunEvent::Wrote { diff: Some(change.unified(path.as_str())), path }).collect()
    };
    changes.iter().flat_map(of).collect()
}

fn outlined(params: &Value) -> Vec<RunEvent> {
    let Some(plan) = params.get("plan").and_then(Value::as_array) else { return Vec::new() };
    let step = |step: &Value| {
        let state = match text(step, "status")? {
            "completed" => OutlineState::Completed,
            "inProgress" => OutlineState::InProgress,
            _ => OutlineState::Pending,
        };
        Some(OutlineStep { text: text(step, "step")?.to_owned(), state })
    };
    vec![RunEvent::Outlined { steps: plan.iter().filter_map(step).collect() }]
}

fn delta(kind: TextKind, params: &Value) -> Vec<RunEvent> {
    match text(params, "delta") {
        Some(piece) if !piece.is_empty() => vec![RunEvent::Delta { kind, text: piece.to_owned() }],
        _ => Vec::new(),
    }
}

pub(crate) fn status(status: ParticipantStatus, detail: &str) -> RunEvent {
    RunEvent::Status { status, detail: detail.to_owned() }
}

fn message(role: Role, block: Block) -> RunEvent {
    RunEvent::Message { role, blocks: vec![block], usage: None, latency_ms: None }
}
