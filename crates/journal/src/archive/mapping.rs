//! From events to the seed's record format: the one place that knows both.
//!
//! Types the seed names carry exactly the seed's payload keys. What it did not foresee carries our
//! own payload under our own kind (`task.started` becomes `task_started`). Ids stand beside the
//! payload, in `ids`.

use crate::Record;
use model::{
    Block, Event, FileChange, LockChange, LockPhase, Message, ParticipantId, Role, SessionId, TaskId,
    TurnEnd, TurnOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;

/// Names the file needs and single events do not carry.
#[derive(Debug, Default)]
pub(super) struct Cast {
    agents: HashMap<ParticipantId, String>,
    targets: HashMap<TaskId, Vec<ParticipantId>>,
}

/// What is read back of a line.
#[derive(Deserialize)]
pub(super) struct WrittenLine<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    agent: String,
    pub(super) seq: u64,
    #[serde(default)]
    ids: Ids,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Ids {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    participant: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<ParticipantId>,
}

impl Ids {
    fn is_empty(&self) -> bool {
        self.session.is_none() && self.participant.is_none() && self.task.is_none()
    }
}

impl Cast {
    pub(super) fn remember(&mut self, line: &WrittenLine<'_>) {
        match (line.kind, line.ids.participant, line.ids.task) {
            ("agent_init", Some(participant), _) => {
                self.agents.insert(participant, line.agent.clone());
            }
            ("task_submitted", _, Some(task)) => {
                self.targets.insert(task, line.ids.targets.clone());
            }
            _ => {}
        }
    }

    fn agent(&self, participant: Option<ParticipantId>, record: &Record) -> String {
        let known = participant.and_then(|id| self.agents.get(&id));
        known.cloned().unwrap_or_else(|| record.actor.to_string())
    }

    fn target_agents(&self, task: Option<TaskId>) -> Vec<String> {
        let targets = task.and_then(|task| self.targets.get(&task));
        targets.into_iter().flatten().filter_map(|id| self.agents.get(id).cloned()).collect()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    ts: model::Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    agent: &'a str,
    payload: Box<RawValue>,
    seq: u64,
    #[serde(skip_serializing_if = "Ids::is_empty")]
    ids: Ids,
}

/// Collects the lines of one record.
struct Lines<'a> {
    record: &'a Record,
    out: &'a mut Vec<u8>,
}

type Rendered = Result<(), serde_json::Error>;

impl Lines<'_> {
    fn put(&mut self, kind: &str, agent: &str, payload: &impl Serialize, ids: Ids) -> Rendered {
        let payload = to_raw_value(payload)?;
        let seq = self.record.position.cursor.seq;
        serde_json::to_writer(&mut *self.out, &Line { ts: self.record.ts, kind, agent, payload, seq, ids })?;
        self.out.push(b'\n');
        Ok(())
    }
}

/// Appends the lines of a record. `joined` names the agents that joined the session in the same
/// write: they are who a session starts with.
pub(super) fn render(record: &Record, cast: &mut Cast, joined: &[String], out: &mut Vec<u8>) -> Rendered {
    let mut lines = Lines { record, out };
    let actor = record.actor.to_string();
    match &record.event {
        Event::SessionCreated(session) => {
            let payload = SessionStart { workspace_id: &session.workspace, agents: joined };
            let ids = Ids { session: Some(session.id), ..Ids::default() };
            lines.put("session_start", "system", &payload, ids)
        }
        Event::ParticipantJoined(joined) => {
            let agent = joined.agent.to_string();
            cast.agents.insert(joined.id, agent.clone());
            let payload = AgentInit { model: &joined.model, context_window: joined.context_window };
            lines.put("agent_init", &agent, &payload, of(joined.id))
        }
        Event::TaskSubmitted(task) => {
            cast.targets.insert(task.id, task.targets.clone());
            let ids = Ids { task: Some(task.id), targets: task.targets.clone(), ..Ids::default() };
            lines.put("task_submitted", &actor, task, ids)
        }
        Event::MessageAppended(message) => render_message(message, cast, &mut lines),
        // Superseded by the message it becomes; until then the journal has it.
        Event::MessageDrafted(_) => Ok(()),
        Event::LockChanged(change) => render_lock(change, &mut lines),
        Event::ModelCalled(call) => {
            let estimated_cost = dollars(call.estimated_cost_micros);
            let payload = LlmRequest { prompt_tokens: call.prompt_tokens, estimated_cost };
            lines.put("llm_request", &actor, &payload, Ids::default())
        }
        Event::ModelAnswered(answer) => {
            let payload = LlmResponse {
                completion_tokens: answer.usage.output_tokens,
                actual_cost: dollars(answer.usage.cost_micros),
                latency_ms: answer.latency_ms,
            };
            lines.put("llm_response", &actor, &payload, Ids::default())
        }
        Event::FileModified(change) => {
            let agent = cast.agent(Some(change.participant), record);
            let ids = Ids { task: Some(change.task), ..of(change.participant) };
            lines.put("file_edit", &agent, &file_edit(change), ids)
        }
        Event::TurnEnded(end) => render_turn_end(end, cast, &mut lines),
        other => {
            let payload = RawValue::from_string(other.payload()?)?;
            lines.put(&other.kind().replace('.', "_"), &actor, &payload, Ids::default())
        }
    }
}

fn of(participant: ParticipantId) -> Ids {
    Ids { participant: Some(participant), ..Ids::default() }
}

fn render_message(message: &Message, cast: &Cast, lines: &mut Lines<'_>) -> Rendered {
    let ids = Ids { participant: message.participant, task: message.task, ..Ids::default() };
    let agent = cast.agent(message.participant, lines.record);
    match message.role {
        Role::User => {
            let target_agents = cast.target_agents(message.task);
            let payload = UserMessage { content: &message.text(), target_agents };
            return lines.put("user_message", "user", &payload, ids);
        }
        Role::System => {
            return lines.put("system_message", "system", &Content { content: &message.text() }, ids);
        }
        Role::Assistant | Role::Tool => {}
    }
    for block in &message.blocks {
        let ids = ids.clone();
        match block {
            Block::Text { text } => lines.put("agent_message", &agent, &Content { content: text }, ids),
            Block::Thinking { text, .. } => {
                lines.put("agent_thinking", &agent, &Content { content: text }, ids)
            }
            Block::ToolCall { tool, arguments, .. } => {
                lines.put("tool_call", &agent, &ToolCall { tool, args: arguments }, ids)
            }
            Block::ToolResult { output, is_error, exit_code, .. } => {
                // Tools that are no programs have no exit code; 0 and 1 say what one would have.
                let exit_code = exit_code.unwrap_or(i32::from(*is_error));
                lines.put("tool_result", "system", &ToolResult { stdout: output, exit_code }, ids)
            }
            Block::Image { .. } => lines.put("agent_image", &agent, block, ids),
        }?;
    }
    Ok(())
}

fn render_lock(change: &LockChange, lines: &mut Lines<'_>) -> Rendered {
    let file = change.path.as_str();
    let lock_type = change.mode.as_str();
    let ids = Ids::default();
    match change.phase {
        LockPhase::Waiting => {
            lines.put("file_lock_wait", &change.agent, &LockAcquire { file, lock_type }, ids)
        }
        LockPhase::Acquired | LockPhase::TakenOver => {
            lines.put("file_lock_acquire", &change.agent, &LockAcquire { file, lock_type }, ids)
        }
        LockPhase::Released | LockPhase::Expired | LockPhase::Broken => {
            lines.put("file_lock_release", &change.agent, &LockRelease { file }, ids)
        }
    }
}

fn render_turn_end(end: &TurnEnd, cast: &Cast, lines: &mut Lines<'_>) -> Rendered {
    let agent = cast.agent(Some(end.participant), lines.record);
    let ids = Ids { task: Some(end.task), ..of(end.participant) };
    match &end.outcome {
        TurnOutcome::Completed { summary } => {
            lines.put("agent_complete", &agent, &AgentComplete { summary }, ids)
        }
        TurnOutcome::Failed { .. } => lines.put("agent_failed", &agent, &end.outcome, ids),
        TurnOutcome::Canceled => lines.put("agent_canceled", &agent, &end.outcome, ids),
    }
}

fn dollars(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

fn file_edit(change: &FileChange) -> FileEdit<'_> {
    // Both sides of the change name it; content can be found by the hashes in the journal's event.
    let sides = format!("{}..{}", change.before.as_deref().unwrap_or_default(), change.after);
    let diff_hash = blake3::hash(sides.as_bytes()).to_hex()[..16].to_owned();
    // A line that was replaced was added and removed, and changed once.
    let lines_changed = change.lines_added.max(change.lines_removed);
    FileEdit { file: change.path.as_str(), diff_hash, lines_changed }
}

#[derive(Serialize)]
struct SessionStart<'a> {
    workspace_id: &'a str,
    agents: &'a [String],
}

#[derive(Serialize)]
struct AgentInit<'a> {
    model: &'a str,
    context_window: u64,
}

#[derive(Serialize)]
struct UserMessage<'a> {
    content: &'a str,
    target_agents: Vec<String>,
}

#[derive(Serialize)]
struct LockAcquire<'a> {
    file: &'a str,
    lock_type: &'a str,
}

#[derive(Serialize)]
struct LockRelease<'a> {
    file: &'a str,
}

#[derive(Serialize)]
struct LlmRequest {
    prompt_tokens: u64,
    estimated_cost: f64,
}

#[derive(Serialize)]
struct LlmResponse {
    completion_tokens: u64,
    actual_cost: f64,
    latency_ms: u64,
}

#[derive(Serialize)]
struct FileEdit<'a> {
    file: &'a str,
    diff_hash: String,
    lines_changed: u32,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    tool: &'a str,
    args: &'a serde_json::Value,
}

#[derive(Serialize)]
struct ToolResult<'a> {
    stdout: &'a str,
    exit_code: i32,
}

#[derive(Serialize)]
struct AgentComplete<'a> {
    summary: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    content: &'a str,
}
