//! One thread of Codex, translated: what the server tells of it, in our events.
//!
//! Sub-agents are threads of their own, begun by ours. What they edit and run is told as ours, for it happens under our locks; what
//! they say is theirs, and stays in the records.
//!
//! Invariant: of the threads that share a server, only ours and those that descend from it are heard.

use super::item::{self, Change, text};
use super::usage::Meter;
use crate::driver::limit::Limit;
use crate::run::wire::{RunEvent, TextKind};
use model::{Block, OutlineState, OutlineStep, ParticipantStatus, RepoPath, Role, Timestamp, TurnOutcome};
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
    /// The account's limits that are used up by their ids, the one told of last at the end, and when each is new again. Another
    /// model may have a limit of its own.
    resets: Vec<(String, Timestamp)>,
}

/// A patch the agent wants to make.
struct Patch {
    changes: Vec<Change>,
    /// The same, as Codex told it.
    told: Value,
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
    /// It failed, and this is what Codex says.
    Trouble(String),
    /// The vendor takes no more calls for now.
    Limited(Limit),
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
            resets: Vec::new(),
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

    /// A patch as it came, for whoever is asked about it.
    pub(crate) fn patch(&self, item: &str) -> Option<Value> {
        self.patches.get(item).map(|patch| patch.told.clone())
    }

    /// What a notice means.
    pub(crate) fn hear(&mut self, method: &str, params: &Value, editable: Editable<'_>) -> Vec<Told> {
        self.adopt(method, params);
        // The account is the same in all threads.
        if method == "account/rateLimits/updated" {
            self.limits_told(params.get("rateLimits").unwrap_or(&Value::Null));
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

    /// Notes the threads of our sub-agents: those a call of ours names, and those whose turn comes from ours.
    fn adopt(&mut self, method: &str, params: &Value) {
        if method == "turn/started" {
            let root = params.pointer("/turn/rootTurnId").and_then(Value::as_str);
            let descends = root.is_some_and(|root| self.turns.values().flatten().any(|turn| turn == root));
            if let Some(thread) = text(params, "threadId").filter(|_| descends) {
                self.turns.entry(thread.to_owned()).or_default();
            }
        }
        let Some(item) = params.get("item").filter(|_| self.concerns(params)) else { return };
        if text(item, "type") != Some("collabAgentToolCall") {
            return;
        }
        let named = item.get("receiverThreadIds").and_then(Value::as_array).into_iter().flatten();
        for thread in named.filter_map(Value::as_str) {
            self.turns.entry(thread.to_owned()).or_default();
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
        let told = item.get("changes").cloned().unwrap_or_default();
        self.patches.insert(id.to_owned(), Patch { changes, told, paths });
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
            _ => {
                // The last one came with the answer that ended the turn.
                let resets_at = self.resets.last().map(|(_, at)| *at);
                failure(turn.get("error").unwrap_or(&Value::Null), resets_at)
            }
        };
        vec![Told::Ended(ending)]
    }

    /// What is told of one limit says nothing of another.
    fn limits_told(&mut self, limits: &Value) {
        let id = text(limits, "limitId").unwrap_or_default();
        self.resets.retain(|(known, _)| known != id);
        self.resets.extend(used_up(limits).map(|at| (id.to_owned(), at)));
    }
}

/// What Codex says of a turn that failed.
fn failure(error: &Value, resets_at: Option<Timestamp>) -> Ending {
    let info = error.get("codexErrorInfo").unwrap_or(&Value::Null);
    if info.as_str() == Some("unauthorized") {
        return Ending::NotLoggedIn;
    }
    let mut message = text(error, "message").unwrap_or("it gave no reason").to_owned();
    if let Some(details) = text(error, "additionalDetails").filter(|details| !details.is_empty()) {
        message = format!("{message}: {details}");
    }
    if info.as_str() == Some("usageLimitExceeded") {
        return Ending::Limited(Limit::told(message, resets_at));
    }
    // Each kind of trouble with the connection has a name of its own, and the status in it.
    let status = info.as_object().and_then(|kinds| kinds.values().next()?.get("httpStatusCode")?.as_i64());
    match Limit::of(status, &message) {
        Some(limit) => Ending::Limited(limit),
        None => Ending::Trouble(message),
    }
}

/// When the last of the windows that are used up is over.
fn used_up(limits: &Value) -> Option<Timestamp> {
    let windows = ["primary", "secondary"].into_iter().filter_map(|name| limits.get(name));
    let full = windows
        .filter(|window| window.get("usedPercent").and_then(Value::as_f64).is_some_and(|used| used >= 100.0));
    let seconds = full.filter_map(|window| window.get("resetsAt")?.as_i64()).max()?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::Usage;
    use serde_json::json;

    /// What the real program wrote in a turn: a patch that was accepted, one that was declined, a command, an answer.
    const RECORDED: &str = include_str!("recorded_turn.jsonl");

    fn editable(path: &str) -> Result<RepoPath, String> {
        path.strip_prefix("/srv/repo/").ok_or("outside")?.parse().map_err(|_| "odd".to_owned())
    }

    fn hear(thread: &mut Thread, line: &Value) -> Vec<Told> {
        let method = line["method"].as_str().unwrap_or_default();
        thread.hear(method, &line["params"], &editable)
    }

    fn heard(thread: &mut Thread, lines: &str) -> Vec<Told> {
        lines.lines().flat_map(|line| hear(thread, &serde_json::from_str(line).unwrap())).collect()
    }

    fn begun() -> Thread {
        let mut thread = Thread::new("thread-1", "none");
        thread.prompted();
        thread.began("turn-1");
        thread
    }

    fn events(told: &[Told]) -> Vec<&RunEvent> {
        told.iter()
            .filter_map(|told| if let Told::Event(event) = told { Some(event) } else { None })
            .collect()
    }

    #[tokio::test]
    async fn a_recorded_turn_is_told_in_order() {
        let told = heard(&mut begun(), RECORDED);
        let mut story = Vec::new();
        for event in events(&told) {
            story.push(match event {
                RunEvent::Wrote { path, diff } => {
                    format!("wrote {path}: {}", diff.as_deref().unwrap_or_default())
                }
                RunEvent::Message { blocks, .. } => match &blocks[0] {
                    Block::ToolCall { tool, .. } => format!("calls {tool}"),
                    Block::ToolResult { tool, output, is_error, .. } => {
                        format!("{tool}: {} {is_error}", output.trim())
                    }
                    Block::Text { text } => format!("says {text}"),
                    other => format!("{other:?}"),
                },
                RunEvent::Delta { text, .. } => format!("… {text}"),
                RunEvent::ModelAnswered { .. } => "answered".to_owned(),
                _ => continue,
            });
        }
        assert_eq!(
            story,
            [
                "calls apply_patch",
                "wrote b.txt: --- a/b.txt\n+++ b/b.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
                "apply_patch: completed false",
                "answered",
                "calls apply_patch",
                "apply_patch: declined true",
                "answered",
                "calls exec_command",
                "exec_command: b.txt false",
                "answered",
                "… al",
                "… l done",
                "says all done",
                "answered",
            ]
        );
        let outcome = TurnOutcome::Completed { summary: "all done".into() };
        assert_eq!(told.last(), Some(&Told::Ended(Ending::Outcome(outcome))));
        let mut usage = Usage::default();
        for event in events(&told) {
            if let RunEvent::ModelAnswered { usage: more, .. } = event {
                usage += *more;
            }
        }
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (360, 40, 80));
    }

    #[tokio::test]
    async fn two_threads_of_one_server_are_kept_apart() {
        let mut ours = begun();
        let mut theirs = Thread::new("thread-2", "none");
        theirs.prompted();
        theirs.began("turn-2");
        let other =
            RECORDED.replace("thread-1", "thread-2").replace("turn-1", "turn-2").replace("call-", "other-");
        let mut interleaved = String::new();
        for (line, beside) in RECORDED.lines().zip(other.lines()) {
            interleaved.push_str(&format!("{line}\n{beside}\n"));
        }
        let alone = heard(&mut begun(), RECORDED).len();
        assert_eq!(heard(&mut ours, &interleaved).len(), alone);
        assert_eq!(heard(&mut theirs, &interleaved).len(), alone);
        let paths = ours.paths("other-2");
        assert!(paths.unwrap_err().contains("not known"), "another thread's patch is none of ours");
    }

    #[tokio::test]
    async fn a_patch_waits_under_its_paths_until_it_is_done() {
        let mut thread = begun();
        let line = |kind: &str, path: &str| {
            json!({"method": "item/started", "params": {"threadId": "thread-1", "item": {"type": "fileChange", "id": "c",
                "status": "inProgress", "changes": [{"path": path, "kind": {"type": kind}, "diff": "x"}]}}})
        };
        hear(&mut thread, &line("add", "/srv/repo/a/b.txt"));
        assert_eq!(thread.paths("c").unwrap(), ["a/b.txt".parse().unwrap()]);
        hear(&mut thread, &line("add", "/etc/passwd"));
        assert_eq!(thread.paths("c"), Err("outside".to_owned()));
        assert!(thread.paths("d").is_err());
    }

    #[tokio::test]
    async fn sub_agents_are_ours_and_strangers_are_not() {
        let mut thread = begun();
        let spawned = json!({"method": "item/completed", "params": {"threadId": "thread-1", "item":
            {"type": "collabAgentToolCall", "id": "s", "tool": "spawnAgent", "status": "completed",
             "receiverThreadIds": ["sub-1"], "agentsStates": {}}}});
        hear(&mut thread, &spawned);
        let started = |thread: &str, root: &str| json!({"method": "turn/started", "params": {"threadId": thread, "turn": {"id": "t", "rootTurnId": root}}});
        assert_eq!(hear(&mut thread, &started("sub-1", "turn-1")).len(), 1);
        assert_eq!(hear(&mut thread, &started("sub-2", "turn-1")).len(), 1);
        assert_eq!(hear(&mut thread, &started("stranger", "turn-9")), []);
        assert_eq!(thread.turn("sub-2"), Some("t"));
        let said = json!({"method": "item/completed", "params": {"threadId": "sub-1", "item":
            {"type": "agentMessage", "id": "m", "text": "done below"}}});
        assert_eq!(hear(&mut thread, &said), [], "what a sub-agent says is in its caller's result");
        let over = json!({"method": "turn/completed", "params": {"threadId": "sub-1", "turn": {"status": "completed"}}});
        assert_eq!(hear(&mut thread, &over), [], "its end is not the turn's");
    }

    #[tokio::test]
    async fn ends_and_troubles_are_told_apart() {
        let end = |status: &str, error: Value| {
            let line = json!({"method": "turn/completed", "params":
                {"threadId": "thread-1", "turn": {"id": "turn-1", "status": status, "error": error}}});
            match hear(&mut begun(), &line).pop() {
                Some(Told::Ended(ending)) => ending,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(end("interrupted", Value::Null), Ending::Interrupted);
        let unauthorized = json!({"message": "401", "codexErrorInfo": "unauthorized"});
        assert_eq!(end("failed", unauthorized), Ending::NotLoggedIn);
        let failed = |message: &str| Ending::Trouble(message.into());
        let broken =
            json!({"message": "broken", "codexErrorInfo": "badRequest", "additionalDetails": "wholly"});
        assert_eq!(end("failed", broken), failed("broken: wholly"));
        let limit =
            json!({"message": "limit", "codexErrorInfo": "usageLimitExceeded", "additionalDetails": "wait"});
        let limit_of = Limit::told("limit: wait".to_owned(), None);
        assert_eq!(end("failed", limit), Ending::Limited(limit_of));
        assert_eq!(end("failed", Value::Null), failed("it gave no reason"));
        let retry = json!({"method": "error", "params": {"threadId": "thread-1", "willRetry": true,
            "error": {"message": "Reconnecting... 1/5"}}});
        let status = status(ParticipantStatus::Thinking, "Reconnecting... 1/5");
        assert_eq!(hear(&mut begun(), &retry), [Told::Event(status)]);
    }

    #[tokio::test]
    async fn a_plan_is_an_outline() {
        let line = json!({"method": "turn/plan/updated", "params": {"threadId": "thread-1", "turnId": "turn-1", "plan":
            [{"step": "one", "status": "completed"}, {"step": "two", "status": "inProgress"}, {"step": "three", "status": "pending"}]}});
        let told = hear(&mut begun(), &line);
        let [Told::Event(RunEvent::Outlined { steps })] = told.as_slice() else { panic!("{told:?}") };
        let states: Vec<OutlineState> = steps.iter().map(|step| step.state).collect();
        assert_eq!(states, [OutlineState::Completed, OutlineState::InProgress, OutlineState::Pending]);
    }

    /// What the real program wrote when its model's server had answered 429 for good: with the account's limit used up, with a quota
    /// used up, and without a reason, after it had tried six times.
    const LIMITED: &str = r#"{"method":"account/rateLimits/updated","params":{"rateLimits":{"limitId":"codex","primary":{"usedPercent":100,"windowDurationMins":300,"resetsAt":1795319296},"secondary":null,"credits":null,"planType":null,"rateLimitReachedType":null}}}
{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","items":[],"status":"failed","error":{"message":"You’ve hit your usage limit. Upgrade to Pro or try again at 3:48 AM.","codexErrorInfo":"usageLimitExceeded","additionalDetails":null}}}}
{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","items":[],"status":"failed","error":{"message":"Quota exceeded. Check your plan and billing details.","codexErrorInfo":"usageLimitExceeded","additionalDetails":null}}}}
{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","items":[],"status":"failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests","codexErrorInfo":{"responseTooManyFailedAttempts":{"httpStatusCode":429}},"additionalDetails":null}}}}
{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","items":[],"status":"failed","error":{"message":"exceeded retry limit","codexErrorInfo":{"responseTooManyFailedAttempts":{"httpStatusCode":500}},"additionalDetails":null}}}}"#;

    #[test]
    fn a_limit_that_is_used_up_is_told_with_its_time_where_there_is_one() {
        let lines: Vec<&str> = LIMITED.lines().collect();
        let ending = |lines: &str| match heard(&mut Thread::new("t", "gpt-5.5"), lines).as_slice() {
            [Told::Ended(ending)] => ending.clone(),
            other => panic!("{other:?}"),
        };
        let until = |ending| match ending {
            Ending::Limited(limit) => match limit.event() {
                RunEvent::Limited { until, .. } => until.map(Timestamp::as_millis),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(until(ending(&lines[..2].join("\n"))), Some(1_795_319_296_000));
        assert_eq!(
            (until(ending(lines[1])), until(ending(lines[2])), until(ending(lines[3]))),
            (None, None, None)
        );
        assert_eq!(ending(lines[4]), Ending::Trouble("exceeded retry limit".to_owned()));
        let half = lines[0].replace("\"usedPercent\":100", "\"usedPercent\":99");
        assert_eq!(until(ending(&[half.as_str(), lines[2]].join("\n"))), None, "that window is not it");
        // Each limit is told of by itself: another one that has room takes nothing back, and the one that was full last is it.
        let other = half.replace("\"limitId\":\"codex\"", "\"limitId\":\"codex_other\"");
        let full =
            other.replace("\"usedPercent\":99", "\"usedPercent\":100").replace("1795319296", "1795319300");
        let then = |told: &[&str]| until(ending(&[told, &lines[1..2]].concat().join("\n")));
        assert_eq!(then(&[lines[0], &other]), Some(1_795_319_296_000));
        assert_eq!(then(&[lines[0], &full]), Some(1_795_319_300_000));
        assert_eq!(then(&[&full, lines[0]]), Some(1_795_319_296_000));
        assert_eq!(then(&[lines[0], &full, &other]), Some(1_795_319_296_000));
        assert_eq!(then(&[lines[0], &half]), None, "it has room again");
    }
}
