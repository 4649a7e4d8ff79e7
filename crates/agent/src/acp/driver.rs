//! The driver of agents that speak the Agent Client Protocol: one session for one turn.
//!
//! Invariant: what such an agent writes through us goes to the daemon's writer, under a lock the run holds, from the content it was
//! made from; and what it asks for is answered once, also when the turn is canceled meanwhile.

use super::flavor::Flavor;
use super::link::{Answer, Heard, Link};
use super::policy::Policy;
use super::terminal::Terminals;
use super::updates::{Call, Updates, list, text, working};
use super::{line, options, session};
use crate::driver::clearance::{Clearance, Verdict};
use crate::driver::context_files::Reads;
use crate::driver::limit::Limit;
use crate::driver::place::{Place, edits_are_wanted};
use crate::driver::program::VendorProgram;
use crate::driver::{Driver, DriverError, Steering, Step, preamble};
use crate::kimi::ending::{End, Mark};
use crate::native::output::cut;
use crate::run::wire::{Begin, Reply, Request, RunEvent, Start};
use model::{
    PERMISSION_SUMMARY_MAX, ParticipantStatus, PermissionAsk, Refusal, RepoPath, TaskKind, ToolCategory,
    TurnOutcome, Vendor,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Our code for an edit that is refused; the protocol's own codes mean other things.
const REFUSED: i32 = -32001;
const NOT_FOUND: i32 = -32002;
const INVALID: i32 = -32602;
const UNKNOWN: i32 = -32601;
/// What a command is called that no tool call was allowed for.
const TERMINAL: &str = "terminal";
/// What reading is called, whichever tool of the agent reads.
const READ: &str = "read_text_file";
/// Largest file that is read for an agent, in bytes.
const READ_MAX: u64 = 4 * 1024 * 1024;
/// How long after its answer an agent may still say what it used.
const AFTERTHOUGHT: Duration = Duration::from_millis(300);
/// How often in one turn an agent is told why something was denied, when its own protocol has no words for that.
const EXPLANATIONS_MAX: u32 = 2;

pub(crate) struct Acp {
    link: Link,
    flavor: Flavor,
    session: String,
    place: Place,
    kind: TaskKind,
    vendor: Vendor,
    model: String,
    own: Option<String>,
    /// What precedes the first prompt of a session.
    preamble: Option<String>,
    updates: Updates,
    terminals: Terminals,
    clearance: Clearance<Pending>,
    /// Shell lines that were allowed and have not been run yet; each is run once.
    lines: Vec<String>,
    /// BLAKE3 of what the agent last saw of a file.
    seen: HashMap<RepoPath, String>,
    /// Files the daemon is writing for us, by our requests, and what is to be written into them after that.
    writing: HashMap<u64, RepoPath>,
    parked: VecDeque<(RepoPath, Pending)>,
    /// Where Kimi keeps its sessions, and where this one's transcript stood when the turn began.
    sessions: Option<PathBuf>,
    mark: Option<Mark>,
    prompting: Option<u64>,
    prompted_at: Instant,
    interrupted: bool,
    /// Why things were denied, as far as the agent's model does not know.
    untold: Vec<String>,
    explanations: u32,
    /// The turn is over but for what it used.
    ending: Option<(TurnOutcome, Value, Instant)>,
    steps: VecDeque<Step>,
}

/// What waits for the daemon.
struct Pending {
    answer: Answer,
    what: Wanted,
}

enum Wanted {
    /// To be allowed an edit that the agent makes itself or hands to us next; the question.
    Edit(Value),
    /// To be allowed something else; the question, and the shell line it is about.
    Permit { question: Value, line: Option<String> },
    /// To have a file of the worktree read.
    Read(Value),
    /// To have a command run that was not asked about in these words.
    Terminal(Value),
    /// To have a file written; BLAKE3 of what the content was made from, none when there was no such file.
    Write { path: RepoPath, base: Option<String>, content: String },
}

impl Driver for Acp {
    fn reads(start: &Start, place: &Place) -> Reads {
        Flavor::of(start).reads_by_itself(start, place)
    }

    async fn open(start: &Start, place: &Place) -> Result<Self, DriverError> {
        let flavor = Flavor::of(start);
        let mut argv = flavor.argv(start);
        if argv.is_empty() {
            let message = "the agent has no `command`; set agents.<name>.command to a program that speaks the Agent Client Protocol";
            return Err(DriverError::Other {
                code: "agent_command_missing".to_owned(),
                message: message.to_owned(),
            });
        }
        let policy = Policy::of(flavor, start, &*place.entropy()).map_err(|error| DriverError::Other {
            code: "run_folder".to_owned(),
            message: format!("cannot write the rules for sub-agents: {error}; make room in the data root"),
        })?;
        argv.extend(policy.iter().flat_map(|policy| policy.arguments(&argv)).collect::<Vec<_>>());
        let env = flavor.env(start);
        let env = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let program = VendorProgram::start(flavor.about(), &argv, env, place)?;
        let mut link = Link::new(flavor.about(), program);
        let opened = session::open(&mut link, flavor, start, place).await?;
        // They have been read as the session was opened.
        drop(policy);
        let mut steps: VecDeque<Step> =
            opened.lines.into_iter().map(|line| Step::Say(RunEvent::Record { line })).collect();
        let vendor_session = opened.session.clone();
        steps.push_back(Step::Say(RunEvent::Opened { vendor_session, version: opened.version }));
        Ok(Self {
            link,
            flavor,
            session: opened.session,
            place: place.clone(),
            kind: start.kind,
            vendor: start.endpoint.vendor,
            model: start.model.clone(),
            own: start.mcp.as_ref().map(|mcp| mcp.name.clone()),
            preamble: (!matches!(start.begin, Begin::Resume { .. })).then(|| preamble::system(start)),
            updates: Updates::new(flavor),
            terminals: Terminals::default(),
            clearance: Clearance::new(),
            lines: Vec::new(),
            seen: HashMap::new(),
            writing: HashMap::new(),
            parked: VecDeque::new(),
            sessions: flavor.sessions_of_kimi(start),
            mark: None,
            prompting: None,
            prompted_at: Instant::now(),
            interrupted: false,
            untold: Vec::new(),
            explanations: 0,
            ending: None,
            steps,
        })
    }

    async fn prompt(&mut self, text: &str) -> Result<(), DriverError> {
        let first = self.preamble.take().map(|words| json!({"type": "text", "text": words}));
        let blocks: Vec<Value> = first.into_iter().chain([json!({"type": "text", "text": text})]).collect();
        let bytes = blocks.iter().filter_map(|block| block.get("text")?.as_str()).map(str::len).sum();
        self.updates.prompted(bytes);
        self.link.turn_begins();
        self.prompted_at = Instant::now();
        self.mark = self.sessions.as_deref().map(|sessions| Mark::now(sessions, &self.session));
        let params = json!({"sessionId": self.session, "prompt": blocks});
        self.prompting = Some(self.link.call("session/prompt", params).await?);
        self.steps.push_back(Step::Say(working(ParticipantStatus::Thinking, "")));
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, DriverError> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(step);
            }
            let due = self.ending.as_ref().map(|(_, _, due)| *due);
            tokio::select! {
                biased;
                heard = self.link.next() => match heard {
                    Ok(heard) => self.take(heard).await?,
                    // It has answered; what it used stays unknown.
                    Err(_) if self.ending.is_some() => self.end(),
                    Err(error) => return Err(error),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.end(),
            }
        }
    }

    async fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Result<(), DriverError> {
        if let Some(verdict) = self.clearance.reply(id, result) {
            let written = self.writing.remove(&id);
            self.follow(verdict);
            if let Some(path) = written {
                self.write_on(&path);
            }
        }
        Ok(())
    }

    async fn interrupt(&mut self) -> Result<(), DriverError> {
        self.interrupted = true;
        self.terminals.kill_all();
        // The protocol wants every question answered.
        self.writing.clear();
        let parked = std::mem::take(&mut self.parked).into_iter().map(|(_, pending)| pending);
        for pending in self.clearance.drain().chain(parked) {
            match pending.what {
                Wanted::Edit(_) | Wanted::Permit { .. } => pending.answer.give(options::canceled()),
                Wanted::Write { .. } | Wanted::Read(_) | Wanted::Terminal(_) => {
                    pending.answer.refuse(REFUSED, "the turn was canceled");
                }
            }
        }
        self.link.tell("session/cancel", json!({"sessionId": self.session})).await
    }

    /// The protocol has no words for a turn under way.
    async fn steer(&mut self, _id: u64, _text: &str) -> Result<Steering, DriverError> {
        Ok(Steering::Refused)
    }

    async fn stop(mut self) {
        self.terminals.kill_all();
        self.link.stop().await;
    }
}

impl Acp {
    fn say(&mut self, events: impl IntoIterator<Item = RunEvent>) {
        self.steps.extend(events.into_iter().map(Step::Say));
    }

    async fn take(&mut self, heard: Heard) -> Result<(), DriverError> {
        match heard {
            Heard::Line { line, update } => {
                if !update.is_some_and(|update| update.ends_with("_chunk")) {
                    self.say([RunEvent::Record { line }]);
                }
            }
            Heard::Notice { method, params } if method == "session/update" => {
                if text(&params, "sessionId") == Some(self.session.as_str())
                    && let Some(update) = params.get("update")
                {
                    let place = &self.place;
                    let events = self.updates.hear(update, &self.terminals, &|path| place.editable(path));
                    self.say(events);
                    if self.ending.is_some() && text(update, "sessionUpdate") == Some("usage_update") {
                        self.end();
                    }
                }
            }
            Heard::Notice { .. } => {}
            Heard::Asked { method, params, answer } => self.asked(&method, params, answer),
            Heard::Answered { id, result } if self.prompting == Some(id) => {
                self.prompting = None;
                match result {
                    Ok(result) => self.answered(result).await?,
                    Err(_) if self.interrupted => self.steps.push_back(Step::Ended(TurnOutcome::Canceled)),
                    Err(fault) => match session::limit(&fault) {
                        Some(limit) => {
                            let outcome = self.limited(limit);
                            self.steps.push_back(Step::Ended(outcome));
                        }
                        None => return Err(session::refused(self.flavor, &fault)),
                    },
                }
            }
            Heard::Answered { .. } => {}
        }
        Ok(())
    }

    /// The agent has ended its turn.
    async fn answered(&mut self, result: Value) -> Result<(), DriverError> {
        let said = self.updates.flush();
        self.say(said);
        let reason = text(&result, "stopReason").unwrap_or_default().to_owned();
        if !self.interrupted && matches!(reason.as_str(), "end_turn" | "cancelled") && self.explain().await? {
            self.used(&result);
            return Ok(());
        }
        let failed = |code: &str, message: String| TurnOutcome::Failed { code: code.to_owned(), message };
        let name = self.flavor.about().name;
        let outcome = match reason.as_str() {
            _ if self.interrupted => TurnOutcome::Canceled,
            "end_turn" => self.what_it_came_to().await,
            "max_tokens" => {
                failed("output_limit", format!("{name} stopped at its output limit; ask for less at once"))
            }
            "max_turn_requests" => {
                let words = "stopped at its limit of model calls; prompt it to go on";
                failed("iteration_cap", format!("{name} {words}"))
            }
            "refusal" => {
                failed("model_declined", "the model declined to answer; ask in other words".to_owned())
            }
            other => {
                let message = format!("it ended the turn early ({other})");
                DriverError::Vendor { about: self.flavor.about(), message }.outcome()
            }
        };
        self.ending = Some((outcome, result, Instant::now() + AFTERTHOUGHT));
        let told = self.ending.as_ref().is_some_and(|(_, result, _)| {
            result.get("usage").is_some_and(Value::is_object) || result.pointer("/_meta/quota").is_some()
        });
        if told || self.interrupted {
            self.end();
        }
        Ok(())
    }

    /// The vendor takes no more calls for now.
    fn limited(&mut self, limit: Limit) -> TurnOutcome {
        self.say([limit.event()]);
        limit.error(self.flavor.about()).outcome()
    }

    /// Whether a turn that ended went well. Kimi ends one that failed at its model in the same way, and writes down why.
    async fn what_it_came_to(&mut self) -> TurnOutcome {
        let end = match &self.mark {
            Some(mark) => mark.end_soon().await,
            None => None,
        };
        let about = self.flavor.about();
        match end {
            Some(End::Failed { status, message }) => match Limit::of(status, &message) {
                Some(limit) => self.limited(limit),
                None => DriverError::Vendor { about, message }.outcome(),
            },
            None if self.flavor == Flavor::Kimi && self.updates.is_mute() => {
                let message = "it ended the turn without a word".to_owned();
                DriverError::Vendor { about, message }.outcome()
            }
            Some(End::Well) | None => TurnOutcome::Completed { summary: self.updates.summary.clone() },
        }
    }

    /// Says what was used, and the end.
    fn end(&mut self) {
        if let Some((outcome, result, _)) = self.ending.take() {
            self.used(&result);
            self.steps.push_back(Step::Ended(outcome));
        }
    }

    fn used(&mut self, result: &Value) {
        let usage = self.updates.usage(result, self.vendor, &self.model);
        let latency_ms = u64::try_from(self.prompted_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let prompt_tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
        // The protocol tells of the turn as a whole, not of its calls of the model.
        self.say([
            RunEvent::ModelCalled { prompt_tokens, estimated_cost_micros: usage.cost_micros },
            RunEvent::ModelAnswered { usage, latency_ms, retries: 0 },
        ]);
    }

    /// Tells the agent why it was denied what it wanted: all it heard was that somebody said no. False when there is nothing to tell.
    async fn explain(&mut self) -> Result<bool, DriverError> {
        let reasons = std::mem::take(&mut self.untold);
        if reasons.is_empty() || self.explanations == EXPLANATIONS_MAX {
            return Ok(false);
        }
        self.explanations += 1;
        let words = format!(
            "Some of what you wanted was denied, not by the user but for a reason:\n- {}\nGo on with what is possible, or say what \
             you could not do.",
            reasons.join("\n- ")
        );
        self.prompt(&words).await?;
        Ok(true)
    }

    fn asked(&mut self, method: &str, params: Value, answer: Answer) {
        match method {
            "session/request_permission" => self.permission(params, answer),
            "fs/write_text_file" => self.write(&params, answer),
            "fs/read_text_file" => self.want_to_read(params, answer),
            "terminal/create" => self.terminal(params, answer),
            _ if method.starts_with("terminal/") => self.terminals.answer(method, &params, answer),
            _ => answer.refuse(UNKNOWN, &format!("coditect does not answer `{method}`")),
        }
    }

    fn permission(&mut self, params: Value, answer: Answer) {
        let noted = params.get("toolCall").and_then(|call| self.updates.note(call));
        let Some((id, call)) = noted else { return answer.give(options::no(&params)) };
        let told = self.updates.tell(&id);
        self.say(told);
        if self.own.as_ref().is_some_and(|own| self.flavor.is_of(&call.tool, own)) {
            return answer.give(options::once(&params).unwrap_or_else(|| options::no(&params)));
        }
        let files = call.files();
        if call.category() == ToolCategory::Edit && !files.is_empty() {
            let paths = self.may_edit(files.iter().map(String::as_str));
            let change = self.change_of(&call, &params);
            let subject = Pending { answer, what: Wanted::Edit(params) };
            let verdict = match paths {
                Ok(paths) => self.clearance.edit(subject, paths, change),
                Err(why) => Verdict::Refused(subject, why),
            };
            return self.follow(verdict);
        }
        let request = self.permit(&call);
        let line = (call.category() == ToolCategory::Shell).then(|| call.line(self.place.root()));
        let what = Wanted::Permit { question: params, line };
        let event = self.clearance.ask(Pending { answer, what }, request);
        self.say([event]);
    }

    /// A command that was allowed is run. One that was not asked about, or in other words, is asked about now: what the agent
    /// itself holds for allowed says nothing here.
    fn terminal(&mut self, params: Value, answer: Answer) {
        let Some(line) = line::of_terminal(&params, self.place.root()) else {
            return answer.refuse(INVALID, "there is no command");
        };
        if self.interrupted {
            return answer.refuse(REFUSED, "the turn was canceled");
        }
        if let Some(at) = self.lines.iter().position(|allowed| *allowed == line) {
            self.lines.remove(at);
            return self.run(&params, answer);
        }
        let ask = PermissionAsk {
            tool: TERMINAL.to_owned(),
            category: ToolCategory::Shell,
            summary: cut(&format!("Run `{line}`"), PERMISSION_SUMMARY_MAX).to_owned(),
            arguments: json!({"command": line}),
            paths: Vec::new(),
        };
        let request = Request::Permit { ask: Box::new(ask) };
        let event = self.clearance.ask(Pending { answer, what: Wanted::Terminal(params) }, request);
        self.say([event]);
    }

    fn run(&mut self, params: &Value, answer: Answer) {
        match self.terminals.create(params, self.place.root()) {
            Ok(name) => answer.give(json!({"terminalId": name})),
            Err(why) => answer.refuse(INVALID, &why),
        }
    }

    fn permit(&self, call: &Call) -> Request {
        let paths = call.paths.iter().filter_map(|path| self.place.editable(path).ok()).collect();
        let ask = PermissionAsk {
            tool: call.tool.clone(),
            category: call.category(),
            summary: call.summary(),
            arguments: call.arguments(),
            paths,
        };
        Request::Permit { ask: Box::new(ask) }
    }

    fn may_edit<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Result<Vec<RepoPath>, String> {
        edits_are_wanted(self.kind)?;
        self.place.all_editable(paths)
    }

    /// What an edit does, as far as the agent says it. Where that is the whole new content it is told as with the writing that
    /// follows, so that one yes is enough.
    fn change_of(&self, call: &Call, params: &Value) -> Option<Value> {
        let diffs = params.get("toolCall").into_iter().flat_map(|call| list(call, "content"));
        let mut diffs = diffs.filter(|piece| text(piece, "type") == Some("diff"));
        if let (true, Some(diff), None) = (self.flavor.shows_whole_files(), diffs.next(), diffs.next()) {
            return Some(json!({"content": text(diff, "newText").unwrap_or_default()}));
        }
        let told = call.told_input()?;
        let whole = |told: &Map<String, Value>| {
            told.keys().all(|name| ["path", "file_path", "content"].contains(&name.as_str()))
        };
        match told.get("content") {
            Some(content) if told.as_object().is_some_and(whole) => Some(json!({"content": content})),
            _ => Some(told.clone()),
        }
    }

    fn write(&mut self, params: &Value, answer: Answer) {
        let (Some(given), Some(content)) = (text(params, "path"), text(params, "content")) else {
            return answer.refuse(INVALID, "a file is written with a path and a content");
        };
        let verdict = match self.may_edit([given]) {
            Ok(mut paths) => match paths.pop() {
                Some(path) => {
                    let what = Wanted::Write {
                        path: path.clone(),
                        base: self.made_from(&path),
                        content: content.to_owned(),
                    };
                    let change = json!({"content": content});
                    self.clearance.edit(Pending { answer, what }, vec![path], Some(change))
                }
                None => return answer.refuse(INVALID, "there is no path"),
            },
            Err(why) => {
                self.untold_unless_told(&why);
                return answer.refuse(REFUSED, &why);
            }
        };
        self.follow(verdict);
    }

    /// What an agent made its content from: what it last saw of the file through us, or else what is there as it asks. By the time
    /// the lock is granted somebody else may have written.
    fn made_from(&mut self, path: &RepoPath) -> Option<String> {
        // One that reads by itself has seen what it was permitted to edit, and after that we do not know.
        let seen = if self.flavor.reads() { self.seen.get(path).cloned() } else { self.seen.remove(path) };
        seen.or_else(|| present(&self.place, path).ok().flatten().as_deref().map(hash))
    }

    fn follow(&mut self, verdict: Verdict<Pending>) {
        match verdict {
            Verdict::Ask(event) => self.say([event]),
            Verdict::Granted(pending) => self.granted(pending),
            Verdict::Refused(pending, why) => self.denied(pending, &why),
            Verdict::Answered(pending, reply) => match (&pending.what, reply) {
                (Wanted::Write { path, .. }, Reply::Written { hash, .. }) => {
                    if self.flavor.reads() {
                        self.seen.insert(path.clone(), hash);
                    }
                    self.updates.written.insert(path.clone());
                    pending.answer.give(json!({}));
                }
                (Wanted::Edit(_) | Wanted::Write { .. }, _) => {
                    self.denied(pending, "the answer was not one to this question")
                }
                (_, Reply::Permitted { allowed: true, .. }) => self.granted(pending),
                (_, Reply::Permitted { allowed: false, reason }) => self.denied(pending, &reason),
                _ => self.denied(pending, "the answer was not one to this question"),
            },
        }
    }

    fn granted(&mut self, pending: Pending) {
        match pending.what {
            Wanted::Edit(ref params) => match self.stale(params) {
                Some(why) => self.denied(pending, &why),
                None => self.allow(pending),
            },
            Wanted::Permit { ref line, .. } => {
                self.lines.extend(line.clone());
                self.allow(pending);
            }
            Wanted::Read(params) => match self.read(&params) {
                Ok(content) => pending.answer.give(json!({"content": content})),
                Err((code, why)) => pending.answer.refuse(code, &why),
            },
            Wanted::Terminal(params) => self.run(&params, pending.answer),
            // What it wants to write twice at once is written one after the other, each from what the one before left.
            Wanted::Write { ref path, .. } if self.is_writing(path) => {
                self.parked.push_back((path.clone(), pending));
            }
            Wanted::Write { ref path, ref base, ref content } => {
                let present = match present(&self.place, path) {
                    Ok(present) => present,
                    Err(why) => return self.denied(pending, &why),
                };
                if present.as_deref() == Some(content.as_bytes()) {
                    return pending.answer.give(json!({}));
                }
                // An earlier write of its own may have been answered meanwhile.
                let own = self.seen.get(path).filter(|_| self.flavor.reads());
                let base = own.or(base.as_ref()).cloned();
                let request = Request::Write { path: path.clone(), base, content: content.clone() };
                let path = path.clone();
                let event = self.clearance.ask(pending, request);
                if let RunEvent::Request { id, .. } = &event {
                    self.writing.insert(*id, path);
                }
                self.say([event]);
            }
        }
    }

    fn is_writing(&self, path: &RepoPath) -> bool {
        self.writing.values().any(|writing| writing == path)
    }

    /// A file is written, or is not to be: whoever waits to write it, too, comes next.
    fn write_on(&mut self, path: &RepoPath) {
        while !self.is_writing(path)
            && let Some(at) = self.parked.iter().position(|(parked, _)| parked == path)
            && let Some((_, pending)) = self.parked.remove(at)
        {
            self.granted(pending);
        }
    }

    fn allow(&mut self, pending: Pending) {
        let (Wanted::Edit(params) | Wanted::Permit { question: params, .. }) = &pending.what else {
            return;
        };
        match options::once(params) {
            Some(once) => pending.answer.give(once),
            None => {
                let no = options::no(params);
                pending.answer.give(no);
            }
        }
    }

    fn denied(&mut self, pending: Pending, why: &str) {
        match pending.what {
            Wanted::Edit(params) | Wanted::Permit { question: params, .. } => {
                if !why.is_empty() {
                    self.untold.push(why.to_owned());
                }
                pending.answer.give(options::no(&params));
            }
            Wanted::Write { path, .. } => {
                // It may have changed since; the agent is to look again.
                self.seen.remove(&path);
                self.untold_unless_told(why);
                pending.answer.refuse(REFUSED, why);
            }
            Wanted::Read(_) | Wanted::Terminal(_) => {
                self.untold_unless_told(why);
                pending.answer.refuse(REFUSED, why);
            }
        }
    }

    /// Gemini shows its model `[object Object]` for an error of ours.
    fn untold_unless_told(&mut self, why: &str) {
        if self.flavor == Flavor::Gemini {
            self.untold.push(why.to_owned());
        }
    }

    /// Why an edit may not be made from what the agent has read: somebody changed the file while its lock was waited for.
    fn stale(&mut self, params: &Value) -> Option<String> {
        if !self.flavor.shows_whole_files() {
            return None;
        }
        let call = params.get("toolCall")?;
        for diff in list(call, "content").filter(|piece| text(piece, "type") == Some("diff")) {
            let path = self.place.editable(text(diff, "path")?).ok()?;
            let before = text(diff, "oldText").unwrap_or_default();
            let present = present(&self.place, &path).ok()?;
            if present.as_deref().unwrap_or_default() != before.as_bytes() {
                return Some(format!(
                    "`{path}` was changed by somebody else meanwhile; read it again and make the edit anew"
                ));
            }
            if let Some(present) = present {
                self.seen.insert(path, hash(&present));
            }
        }
        None
    }

    /// Reading is judged by the rules as everything else, and is done in the worktree alone.
    fn want_to_read(&mut self, params: Value, answer: Answer) {
        let Some(given) = text(&params, "path") else { return answer.refuse(INVALID, "there is no path") };
        let path = match self.place.readable(given) {
            Ok((_, path)) => path,
            Err(why) => {
                self.untold_unless_told(&why);
                return answer.refuse(REFUSED, &why);
            }
        };
        let request = Request::to_read(
            READ,
            &format!("Read {given}"),
            json!({"path": given}),
            path.into_iter().collect(),
        );
        let event = self.clearance.ask(Pending { answer, what: Wanted::Read(params) }, request);
        self.say([event]);
    }

    fn read(&mut self, params: &Value) -> Result<String, (i32, String)> {
        let given = text(params, "path").ok_or_else(|| (INVALID, "there is no path".to_owned()))?;
        // What it leads to may be something else by now.
        let (path, _) = self.place.readable(given).map_err(|why| (REFUSED, why))?;
        let content = read(&path)?;
        let content =
            String::from_utf8(content).map_err(|_| (INVALID, format!("`{given}` is not a text in UTF-8")))?;
        let number =
            |field: &str| params.get(field).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (line, limit) = (number("line"), number("limit"));
        if line.is_none() && limit.is_none() {
            if let Ok(path) = self.place.editable(given) {
                self.seen.insert(path, hash(content.as_bytes()));
            }
            return Ok(content);
        }
        let from = line.unwrap_or(1).saturating_sub(1);
        Ok(content.split_inclusive('\n').skip(from).take(limit.unwrap_or(usize::MAX)).collect())
    }
}

/// What is in a file of the worktree now; none when there is no such file.
fn present(place: &Place, path: &RepoPath) -> Result<Option<Vec<u8>>, String> {
    match read(&place.root().join(path.as_str())) {
        Ok(content) => Ok(Some(content)),
        Err((NOT_FOUND, _)) => Ok(None),
        Err((_, why)) => Err(why),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, (i32, String)> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => (NOT_FOUND, format!("`{shown}` does not exist")),
        _ => (INVALID, format!("cannot read `{shown}`: {error}")),
    };
    let meta = fs::metadata(path).map_err(failed)?;
    // A pipe without a writer would hold us for ever.
    if !meta.is_file() {
        return Err((INVALID, format!("`{shown}` is not a regular file")));
    }
    if meta.len() > READ_MAX {
        return Err((INVALID, format!("`{shown}` has {} bytes; up to {READ_MAX} are read", meta.len())));
    }
    fs::read(path).map_err(failed)
}

fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixture::start;
    use crate::driver::place::tests::Dice;
    use crate::run::wire::Program;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_greet_is_not_waited_for() {
        let argv = ["bash", "-c", "sleep 1000"].map(str::to_owned).to_vec();
        let start = Start { program: Some(Program { argv, env: Vec::new() }), ..start() };
        let place = Place::at(Path::new("/"), Arc::new(Dice)).unwrap();
        let error = Acp::open(&start, &place).await.err().unwrap();
        assert_eq!(error.code(), "vendor_silent");
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        assert_eq!(read(&file("none")).unwrap_err().0, NOT_FOUND);
        assert!(read(dir.path()).unwrap_err().1.contains("not a regular file"));
        for (bytes, fits) in [(READ_MAX, true), (READ_MAX + 1, false)] {
            fs::File::create(file("large")).unwrap().set_len(bytes).unwrap();
            assert_eq!(read(&file("large")).is_ok(), fits);
        }
    }
}
