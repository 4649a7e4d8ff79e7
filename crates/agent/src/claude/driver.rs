//! The driver of Claude Code: its program for one turn, its stream translated.
//!
//! Invariant: no file of the worktree is edited by Claude Code's tools before the daemon has granted the lock, and every question it
//! asks is answered or withdrawn by the turn's end.

use super::consent::{self, Waiting};
use super::relay::Relay;
use super::speech::Speech;
use super::spending::Spending;
use super::wire::{self, Asked, Delta, Said, SessionUsage, Streamed, Streaming, System, Verdict};
use crate::cli::Cli;
use crate::driver::context_files::Reads;
use crate::driver::place::Place;
use crate::driver::program::VendorProgram;
use crate::driver::{About, Driver, DriverError, Steering, Step, preamble};
use crate::programs::{is_at_least, oldest};
use crate::run::wire::{Begin, Reply, Request, RunEvent, Start, TextKind};
use model::{ParticipantStatus, Refusal, TurnOutcome, Usage};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

static ABOUT: About = About {
    name: "Claude Code",
    program: "claude",
    oldest: oldest(Cli::Claude),
    install: "install it with `npm install -g @anthropic-ai/claude-code`",
    login: "run `claude` in a terminal and log in with /login",
};

/// How long the program may take until it answers at all.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// How long it may take to say what a session has used before.
const BASELINE: Duration = Duration::from_secs(5);
/// How long it may take, after its last word, to begin once more for words that wait in its queue. It does so at once.
const TAKE_UP: Duration = Duration::from_secs(10);
/// Refusals of the key after which it is not tried again; Claude Code itself would go on for minutes.
const KEY_REFUSALS: u32 = 3;
/// The model's name that leaves the choice to Claude Code.
pub const OWN_CHOICE: &str = "default";
/// What it reads of a repository. Where none of them is, a newer one would read `AGENTS.md` instead; that it is told that file by us,
/// whatever its version, is said by `SETTINGS`.
const CONTEXT_FILES: [&str; 3] = ["CLAUDE.md", ".claude/CLAUDE.md", "CLAUDE.local.md"];
const SETTINGS: &str =
    r#"{"pluginConfigs":{"cc-plugin-agents-md@builtin":{"options":{"instructionFiles":"claude-md"}}}}"#;
/// Ids of our own requests.
const INITIALIZE: &str = "initialize";
const USAGE: &str = "usage";

pub(crate) struct Claude {
    program: VendorProgram,
    relay: Option<Relay>,
    pub(super) place: Place,
    pub(super) start: Start,
    steps: VecDeque<Step>,
    failed: Option<DriverError>,
    speech: Speech,
    spending: Spending,
    /// What waits for the daemon, by the ids of our requests.
    pub(super) waiting: HashMap<u64, Waiting>,
    last_id: u64,
    /// Words for the turn under way that were not taken up yet: by the ids the program knows them by, ours.
    steered: HashMap<String, u64>,
    /// It has come to an end while words waited.
    resting: Option<Rest>,
    session: Option<String>,
    /// Since when the model is asked.
    called: Instant,
    retries: u32,
    refused_keys: u32,
    initialized: bool,
    used_before: Option<Option<SessionUsage>>,
    under_way: bool,
    interrupted: bool,
}

/// An end that is none if the program begins once more.
struct Rest {
    summary: String,
    until: Instant,
}

impl Driver for Claude {
    fn reads(_: &Start, _: &Place) -> Reads {
        Reads::of(&CONTEXT_FILES).with_imports()
    }

    async fn open(start: &Start, place: &Place) -> Result<Self, DriverError> {
        let relay = start.mcp.as_ref().map(|server| Relay::start(server, place));
        let env = environment(start);
        let env = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let program = VendorProgram::start(&ABOUT, &command(start), env, place)?;
        let mut claude = Self {
            program,
            relay,
            place: place.clone(),
            start: start.clone(),
            steps: VecDeque::new(),
            failed: None,
            speech: Speech::default(),
            spending: Spending::of_new(),
            waiting: HashMap::new(),
            last_id: 0,
            steered: HashMap::new(),
            resting: None,
            session: None,
            called: Instant::now(),
            retries: 0,
            refused_keys: 0,
            initialized: false,
            used_before: None,
            under_way: false,
            interrupted: false,
        };
        let mcp = start.mcp.as_ref().map(|server| server.name.as_str());
        let initialize = wire::initialize(mcp, &preamble::system(start));
        claude.program.send(&wire::request(INITIALIZE, &initialize))?;
        let silent = DriverError::Silent { about: &ABOUT, seconds: HANDSHAKE.as_secs() };
        let shaking = claude.hear_until(|claude| claude.initialized);
        tokio::time::timeout(HANDSHAKE, shaking).await.map_err(|_| silent)??;
        if start.begin != Begin::New {
            claude.look_back().await?;
        }
        Ok(claude)
    }

    async fn prompt(&mut self, text: &str) -> Result<(), DriverError> {
        self.under_way = true;
        self.program.turn_begins();
        self.program.send(&wire::user(text, None))
    }

    async fn next(&mut self) -> Result<Step, DriverError> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(step);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let Some(until) = self.resting.as_ref().map(|rest| rest.until) else {
                self.hear().await;
                continue;
            };
            if tokio::time::timeout_at(until, self.hear()).await.is_err() {
                self.stay_ended();
            }
        }
    }

    async fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Result<(), DriverError> {
        let Some(waiting) = self.waiting.remove(&id) else { return Ok(()) };
        let (request_id, answer) = consent::answer(waiting, result);
        self.program.send(&wire::response(&request_id, &answer))
    }

    /// What it waits for is denied first, so that it can come to its end.
    async fn interrupt(&mut self) -> Result<(), DriverError> {
        self.interrupted = true;
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            let canceled = Err(Refusal::conflict("canceled", "the turn was canceled"));
            let (request_id, answer) = consent::answer(waiting, canceled);
            self.program.send(&wire::response(&request_id, &answer))?;
        }
        self.program.send(&wire::request("interrupt", &json!({"subtype": "interrupt"})))
    }

    /// Claude Code queues them. It takes them up after the tool it uses now; after its last word it begins once more for them.
    async fn steer(&mut self, id: u64, text: &str) -> Result<Steering, DriverError> {
        if !self.under_way || self.interrupted {
            return Ok(Steering::Refused);
        }
        let uuid = self.uuid();
        self.program.send(&wire::user(text, Some(&uuid)))?;
        self.steered.insert(uuid, id);
        Ok(Steering::Queued)
    }

    async fn stop(self) {
        let relay = async {
            if let Some(relay) = self.relay {
                relay.stop().await;
            }
        };
        tokio::join!(self.program.stop(), relay);
    }
}

impl Claude {
    /// Listens until what is waited for has come; what else is heard is kept.
    async fn hear_until(&mut self, come: impl Fn(&Self) -> bool) -> Result<(), DriverError> {
        while !come(self) {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            self.hear().await;
        }
        Ok(())
    }

    /// Asks what the session has used before; one that does not know goes without a price.
    async fn look_back(&mut self) -> Result<(), DriverError> {
        self.program.send(&wire::request(USAGE, &json!({"subtype": "get_usage"})))?;
        let told = self.hear_until(|claude| claude.used_before.is_some());
        if let Ok(told) = tokio::time::timeout(BASELINE, told).await {
            told?;
        }
        self.spending = Spending::of_resumed(self.used_before.take().flatten().as_ref());
        Ok(())
    }

    /// Takes in the next line. Nothing is lost when the future is dropped.
    async fn hear(&mut self) {
        let relay = async {
            match &mut self.relay {
                Some(relay) => relay.answers().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = self.program.next() => match heard {
                Ok((line, value)) => {
                    if let Err(error) = self.take_in(line, value) {
                        self.failed = Some(error);
                    }
                }
                Err(error) => self.gone(error),
            },
            answers = relay => {
                for answer in answers {
                    if let Err(error) = self.program.send(&answer) {
                        self.failed = Some(error);
                    }
                }
            }
        }
    }

    /// The program has ended: what it had said to the last comes before the error.
    fn gone(&mut self, error: DriverError) {
        self.flush(None, None);
        if self.resting.is_some() {
            return self.stay_ended();
        }
        let words = self.program.last_words();
        self.failed = Some(match error {
            DriverError::Died { .. } if words.contains("unknown option") => {
                DriverError::TooOld { about: &ABOUT, found: "(it does not know our options)".to_owned() }
            }
            other => other,
        });
    }

    fn take_in(&mut self, line: String, value: Value) -> Result<(), DriverError> {
        let piece = Said::is_piece(&value);
        let said = Said::read(value);
        // The handshake's answer says what the program can do, not what was done.
        let ours = matches!(&said, Said::ControlResponse { response } if response.request_id == INITIALIZE);
        if !piece && !ours {
            self.say(RunEvent::Record { line });
        }
        match said {
            Said::System(system) => self.told(system),
            Said::StreamEvent(streamed) => {
                self.streamed(streamed);
                Ok(())
            }
            Said::Assistant(spoken) => {
                let before = self.speech.answer(spoken);
                self.steps.extend(before.map(Step::Say));
                Ok(())
            }
            Said::User(spoken) => {
                self.flush(None, None);
                if spoken.is_replay {
                    self.taken_up(spoken.uuid.as_deref());
                } else if let Some(results) = self.speech.results(spoken) {
                    self.say(results);
                }
                Ok(())
            }
            Said::CommandLifecycle { command_uuid, state } => {
                if state == "started" {
                    self.taken_up(Some(&command_uuid));
                }
                Ok(())
            }
            Said::RateLimitEvent { rate_limit_info } => {
                self.steps.extend(rate_limit_info.limited().map(Step::Say));
                Ok(())
            }
            Said::Result(verdict) => self.ended(&verdict),
            Said::ControlRequest { request_id, request } => self.asked(request_id, request),
            Said::ControlCancelRequest { request_id } => {
                let withdrawn = self.waiting.iter().find(|(_, waiting)| waiting.request_id == request_id);
                if let Some(id) = withdrawn.map(|(id, _)| *id) {
                    self.waiting.remove(&id);
                    self.steps.push_back(Step::Withdrawn(id));
                }
                Ok(())
            }
            Said::ControlResponse { response } => {
                match response.request_id.as_str() {
                    INITIALIZE => match response.error {
                        Some(error) => return Err(self.program.nonsense(&error)),
                        None => self.initialized = true,
                    },
                    USAGE => {
                        self.used_before =
                            Some(serde_json::from_value(response.response["session"].clone()).ok());
                    }
                    _ => {}
                }
                Ok(())
            }
            Said::Other => Ok(()),
        }
    }

    fn told(&mut self, system: System) -> Result<(), DriverError> {
        match system.subtype.as_str() {
            "init" => {
                let version = system.claude_code_version;
                if let Some(found) = version.clone().filter(|found| !is_at_least(found, ABOUT.oldest)) {
                    return Err(DriverError::TooOld { about: &ABOUT, found });
                }
                if let Some(session) = system.session_id.filter(|id| self.session.as_ref() != Some(id)) {
                    self.session = Some(session.clone());
                    self.say(RunEvent::Opened { vendor_session: session, version });
                }
                // It says this at every beginning.
                self.resting = None;
            }
            "status" => {
                self.called = Instant::now();
                self.status(ParticipantStatus::Thinking, String::new());
            }
            "api_retry" => {
                self.retries += 1;
                let why = system.error.unwrap_or_default();
                if why == "authentication_failed" {
                    self.refused_keys += 1;
                    if self.refused_keys >= KEY_REFUSALS {
                        return Err(DriverError::NotLoggedIn { about: &ABOUT });
                    }
                }
                let attempt = system.attempt.unwrap_or_default();
                let wait = system.retry_delay_ms.unwrap_or_default();
                self.status(ParticipantStatus::Thinking, format!("attempt {attempt} in {wait:.0} ms: {why}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn streamed(&mut self, streamed: Streamed) {
        match streamed.event {
            // Only the agent's own words are shown as they are written.
            Streaming::ContentBlockDelta { delta } if streamed.parent_tool_use_id.is_none() => match delta {
                Delta::Text { text } => self.say(RunEvent::Delta { kind: TextKind::Text, text }),
                Delta::Thinking { thinking } => {
                    self.say(RunEvent::Delta { kind: TextKind::Thinking, text: thinking });
                }
                Delta::Other => {}
            },
            Streaming::MessageStart { message } => {
                let prompt_tokens = self.spending.begin(message.usage);
                let price = llm::price_of(self.start.endpoint.vendor, &self.start.model, prompt_tokens);
                let estimate = Usage { input_tokens: prompt_tokens, ..Usage::default() };
                let estimated_cost_micros = price.map_or(0, |price| price.cost_micros(&estimate));
                self.say(RunEvent::ModelCalled { prompt_tokens, estimated_cost_micros });
            }
            Streaming::MessageDelta { usage } => self.spending.update(usage),
            Streaming::MessageStop => {
                let usage = self.spending.answered();
                let latency_ms = u64::try_from(self.called.elapsed().as_millis()).unwrap_or(u64::MAX);
                let retries = std::mem::take(&mut self.retries);
                self.say(RunEvent::ModelAnswered { usage, latency_ms, retries });
                self.flush(Some(usage), Some(latency_ms));
            }
            Streaming::ContentBlockDelta { .. } | Streaming::Other => {}
        }
    }

    /// The turn is over, or would be if no words waited.
    fn ended(&mut self, verdict: &Verdict) -> Result<(), DriverError> {
        self.flush(None, None);
        if let Some(usage) = self.spending.rest(verdict) {
            self.say(RunEvent::ModelAnswered { usage, latency_ms: 0, retries: 0 });
        }
        if self.interrupted {
            self.under_way = false;
            self.steps.push_back(Step::Ended(TurnOutcome::Canceled));
            return Ok(());
        }
        let fine = verdict.subtype == "success" && !verdict.is_error;
        if fine {
            let summary = verdict.result.clone().unwrap_or_default();
            self.resting = Some(Rest { summary, until: Instant::now() + TAKE_UP });
            // It begins once more for words that it had not taken up.
            if self.steered.is_empty() {
                self.stay_ended();
            }
            return Ok(());
        }
        self.under_way = false;
        self.resting = None;
        let texts = verdict.result.iter().chain(&verdict.errors).map(String::as_str);
        let message = texts.collect::<Vec<_>>().join("; ");
        Err(match &self.start.begin {
            Begin::Resume { vendor_session: session } | Begin::Fork { vendor_session: session }
                if message.contains("No conversation found") =>
            {
                DriverError::SessionGone { about: &ABOUT, session: session.clone() }
            }
            _ if matches!(verdict.api_error_status, Some(401 | 403)) || message.contains("Not logged in") => {
                DriverError::NotLoggedIn { about: &ABOUT }
            }
            _ if message.is_empty() => {
                let message = format!("it stopped and said only `{}`", verdict.subtype);
                DriverError::Vendor { about: &ABOUT, message }
            }
            _ => DriverError::Vendor { about: &ABOUT, message },
        })
    }

    /// What it said last was its end; words that wait still are not heard.
    fn stay_ended(&mut self) {
        let Some(Rest { summary, .. }) = self.resting.take() else { return };
        self.under_way = false;
        self.steps.push_back(Step::Ended(TurnOutcome::Completed { summary }));
    }

    fn asked(&mut self, request_id: String, asked: Asked) -> Result<(), DriverError> {
        // The call comes before what it asks for.
        self.flush(None, None);
        match asked {
            Asked::HookCallback { callback_id, input } if callback_id == wire::AFTER_EDIT => {
                let path = wire::edited(&input.tool_input).and_then(|path| self.place.editable(path).ok());
                if let Some(path) = path {
                    let diff = wire::diff(path.as_str(), &input.tool_response);
                    self.say(RunEvent::Wrote { path, diff });
                }
                self.program.send(&wire::response(&request_id, &wire::no_objection()))
            }
            Asked::HookCallback { callback_id, input } if callback_id == wire::BEFORE_USE => {
                let (tool, input) = (input.tool_name, input.tool_input);
                // Edits have a callback of their own; who may use our tools is decided by them.
                if consent::is_judged_elsewhere(&tool) || self.is_ours(&tool) {
                    return self.program.send(&wire::response(&request_id, &wire::no_objection()));
                }
                let (waiting, request) = consent::veto(&self.place, request_id, tool, input);
                self.ask(waiting, request);
                Ok(())
            }
            Asked::HookCallback { input, .. } => match consent::lock_for(self, &input.tool_input) {
                Ok(path) => {
                    self.ask(Waiting::edit(request_id), Request::to_edit(path, Some(&input.tool_input)));
                    Ok(())
                }
                Err(reason) => {
                    self.program.send(&wire::response(&request_id, &wire::before_edit(Some(&reason))))
                }
            },
            Asked::CanUseTool { tool_name, input, .. } if self.is_ours(&tool_name) => {
                let allowed = json!({"behavior": "allow", "updatedInput": input});
                self.program.send(&wire::response(&request_id, &allowed))
            }
            Asked::CanUseTool { tool_name, input, description } => {
                let (waiting, request) =
                    consent::question(&self.place, request_id, tool_name, input, description);
                self.ask(waiting, request);
                Ok(())
            }
            Asked::McpMessage { server_name, message } => {
                let relay = self.relay.as_mut().filter(|relay| relay.name() == server_name);
                let Some(relay) = relay else { return self.program.send(&wire::refusal(&request_id)) };
                relay.ask(request_id, &message).map_or(Ok(()), |answer| self.program.send(&answer))
            }
            Asked::Other => self.program.send(&wire::refusal(&request_id)),
        }
    }

    /// A tool of our own MCP server: who may do what is decided there.
    fn is_ours(&self, tool: &str) -> bool {
        let ours = self.relay.as_ref().map(|relay| format!("mcp__{}__", relay.name()));
        ours.is_some_and(|ours| tool.starts_with(&ours))
    }

    fn ask(&mut self, waiting: Waiting, request: Request) {
        self.last_id += 1;
        self.waiting.insert(self.last_id, waiting);
        self.say(RunEvent::Request { id: self.last_id, request });
    }

    fn taken_up(&mut self, uuid: Option<&str>) {
        if let Some(id) = uuid.and_then(|uuid| self.steered.remove(uuid)) {
            self.resting = None;
            self.steps.push_back(Step::TakenUp(id));
        }
    }

    fn flush(&mut self, usage: Option<Usage>, latency_ms: Option<u64>) {
        let Some(message) = self.speech.flush(usage, latency_ms) else { return };
        let call = consent::call_in(&message);
        self.say(message);
        if let Some(detail) = call {
            self.status(ParticipantStatus::RunningTool, detail);
        }
    }

    fn status(&mut self, status: ParticipantStatus, detail: String) {
        self.say(RunEvent::Status { status, detail });
    }

    fn say(&mut self, event: RunEvent) {
        self.steps.push_back(Step::Say(event));
    }

    fn uuid(&self) -> String {
        let mut bytes = [0u8; 16];
        self.place.entropy().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

/// Program and arguments. Everybody on the machine can read them: no key and nothing of the conversation is among them.
fn command(start: &Start) -> Vec<String> {
    let given = start.program.as_ref().map(|program| program.argv.clone()).filter(|argv| !argv.is_empty());
    let mut argv = given.unwrap_or_else(|| vec![ABOUT.program.to_owned()]);
    // Of two, the last would count alone.
    let own_settings = argv.iter().any(|word| word == "--settings" || word.starts_with("--settings="));
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]);
    add(&["--include-partial-messages", "--replay-user-messages", "--forward-subagent-text"]);
    add(&["--permission-prompt-tool", "stdio", "--permission-mode", "default"]);
    if !own_settings {
        add(&["--settings", SETTINGS]);
    }
    if start.model != OWN_CHOICE {
        add(&["--model", &start.model]);
    }
    if let Some(server) = &start.mcp {
        let config = json!({"mcpServers": {&server.name: {"type": "sdk", "name": &server.name}}});
        add(&["--mcp-config", &config.to_string()]);
    }
    match &start.begin {
        Begin::New => {}
        Begin::Resume { vendor_session } => add(&["--resume", vendor_session]),
        Begin::Fork { vendor_session } => add(&["--resume", vendor_session, "--fork-session"]),
    }
    argv
}

/// What its environment has beyond the run's. What the user configured comes last and wins.
fn environment(start: &Start) -> Vec<(String, String)> {
    let mut env = vec![("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned())];
    let endpoint = &start.endpoint;
    if !endpoint.api_key.is_empty() {
        env.push(("ANTHROPIC_API_KEY".to_owned(), endpoint.api_key.expose().to_owned()));
    }
    if let Some(url) = &endpoint.base_url {
        // It adds the version itself.
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/v1").unwrap_or(url);
        env.push(("ANTHROPIC_BASE_URL".to_owned(), url.to_owned()));
    }
    env.extend(start.program.iter().flat_map(|program| program.env.iter().cloned()));
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::place::tests::Dice;
    use crate::native::prompt::tests::start as prompt_start;
    use crate::run::wire::Program;
    use std::sync::Arc;

    fn start(argv: &[&str]) -> Start {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        Start { program: Some(Program { argv, env: Vec::new() }), ..prompt_start(model::TaskKind::Work) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_never_answers_is_silent() {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let opened = Claude::open(&start(&["bash", "-c", "read -r line; read -r line"]), &place).await.err();
        assert_eq!(opened, Some(DriverError::Silent { about: &ABOUT, seconds: HANDSHAKE.as_secs() }));
    }

    /// Shakes hands, reads the prompt and the words that follow it; `$id` is the id of these.
    const STEERED: &str = r#"read -r line
        echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
        read -r prompt; read -r words; id=${words#*'"uuid":"'}; id=${id%%'"'*}
        done_with() { echo "{\"type\":\"result\",\"subtype\":\"success\",\"result\":\"$1\"}"; }
        state() { echo "{\"type\":\"command_lifecycle\",\"command_uuid\":\"$id\",\"state\":\"$1\"}"; }
    "#;

    /// A program that was prompted and has queued the words 7.
    async fn steered(script: &str) -> Claude {
        let script = format!("{STEERED}{script}");
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let mut claude = Claude::open(&start(&["bash", "-c", &script]), &place).await.unwrap();
        claude.prompt("begin").await.unwrap();
        assert_eq!(claude.steer(7, "and this").await.unwrap(), Steering::Queued);
        claude
    }

    /// What matters of a turn to its end: the words taken up, and the end.
    async fn to_its_end(claude: &mut Claude) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            match claude.next().await.unwrap() {
                Step::Say(_) | Step::Withdrawn(_) => {}
                step @ Step::TakenUp(_) => steps.push(step),
                step @ Step::Ended(_) => {
                    steps.push(step);
                    return steps;
                }
            }
        }
    }

    fn completed(summary: &str) -> Step {
        Step::Ended(TurnOutcome::Completed { summary: summary.into() })
    }

    #[tokio::test]
    async fn words_are_taken_when_the_program_takes_them_up_and_not_when_it_queues_them() {
        let mut claude =
            steered("state queued; done_with first; state started; done_with second; read -r end").await;
        assert_eq!(to_its_end(&mut claude).await, [Step::TakenUp(7), completed("second")]);
        claude.stop().await;
    }

    #[tokio::test]
    async fn words_that_are_never_taken_up_neither_count_as_heard_nor_hold_up_the_end() {
        let mut claude = steered("state queued; done_with first; read -r end").await;
        claude.hear_until(|claude| claude.resting.is_some()).await.unwrap();
        tokio::time::pause();
        assert_eq!(to_its_end(&mut claude).await, [completed("first")]);
        tokio::time::resume();
        claude.stop().await;
        let mut gone = steered("done_with first; exit 0").await;
        assert_eq!(to_its_end(&mut gone).await, [completed("first")]);
        gone.stop().await;
    }

    #[test]
    fn a_key_and_what_is_said_are_in_no_argument() {
        let begin = Begin::Fork { vendor_session: "s1".into() };
        let start =
            Start { begin, model: "opus".into(), system: "be kind".into(), ..start(&["claude", "--debug"]) };
        let command = command(&start).join(" ");
        assert!(command.starts_with("claude --debug -p "), "{command}");
        assert!(command.ends_with("--model opus --resume s1 --fork-session"), "{command}");
        for hidden in [start.endpoint.api_key.expose(), &start.prompt, "be kind"] {
            assert!(!command.contains(hidden), "{command}");
        }
        let env = environment(&start);
        assert!(env.contains(&("ANTHROPIC_API_KEY".to_owned(), start.endpoint.api_key.expose().to_owned())));
    }

    #[test]
    fn the_version_of_the_api_is_left_to_the_program() {
        for (given, url) in [
            ("http://127.0.0.1:1/v1", "http://127.0.0.1:1"),
            ("http://127.0.0.1:1/v1/", "http://127.0.0.1:1"),
            ("http://h/api", "http://h/api"),
        ] {
            let mut start = start(&[]);
            start.endpoint.base_url = Some(given.into());
            assert!(
                environment(&start).contains(&("ANTHROPIC_BASE_URL".to_owned(), url.to_owned())),
                "{given}"
            );
        }
        assert_eq!(command(&start(&[]))[0], "claude");
    }
}
