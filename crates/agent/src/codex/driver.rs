//! The driver of Codex: a thread of its app-server for one turn.
//!
//! Invariant: no file is changed by a patch whose locks the run does not hold. Every patch is asked for under the approval policy
//! `untrusted`, whatever the sandbox and the model; and what is asked is answered only when the locks are there.

use super::approval::{self, Approval, Kind, Question, Settled};
use super::server::{AppServer, Heard, What};
use super::thread::{Ending, Thread, Told};
use crate::cli::Cli;
use crate::driver::clearance::{Clearance, Verdict};
use crate::driver::context_files::Reads;
use crate::driver::place::{Place, edits_are_wanted};
use crate::driver::program::VendorProgram;
use crate::driver::{About, Driver, DriverError, Steering, Step, preamble};
use crate::programs::{is_at_least, oldest};
use crate::run::wire::{Begin, Reply, RunEvent, Start};
use model::{Isolation, Refusal, RepoPath, TaskKind, TurnOutcome};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) static ABOUT: About = About {
    name: "Codex",
    program: "codex",
    oldest: oldest(Cli::Codex),
    install: "install it with `npm install -g @openai/codex@latest`",
    login: "run `codex login`",
};

/// How long the program may take to greet us, and to open a thread.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long it may take to say whether words for the turn under way are taken.
const STEERING: Duration = Duration::from_secs(5);
/// Name of the provider that is made of the agent's endpoint, for this process only.
const PROVIDER: &str = "coditect";
/// Where the provider's key is, in the environment of the program and nowhere else.
const KEY: &str = "CODITECT_MODEL_KEY";
const OPENAI: &str = "https://api.openai.com/v1";

pub(crate) struct Codex {
    server: AppServer,
    thread: Thread,
    place: Arc<Place>,
    kind: TaskKind,
    model: String,
    sandbox: Value,
    /// Our MCP server, whose tools need no permission.
    own: Option<String>,
    clearance: Clearance<Approval>,
    /// Our call that begins the turn, until it is answered.
    prompting: Option<u64>,
    interrupted: bool,
    steps: VecDeque<Step>,
}

impl Driver for Codex {
    /// The first that is there of these. What its configuration adds to them is taken out in `thread_config`.
    fn reads(_: &Start, _: &Place) -> Reads {
        Reads::of(&["AGENTS.override.md", "AGENTS.md"])
    }

    async fn open(start: &Start, place: &Place) -> Result<Self, DriverError> {
        let program = VendorProgram::start(&ABOUT, &argv(start), env(start), place)?;
        let mut server = AppServer::new(&ABOUT, program);
        let version = server.shake_hands(HANDSHAKE).await?;
        if !is_at_least(&version, ABOUT.oldest) {
            return Err(DriverError::TooOld { about: &ABOUT, found: version });
        }
        logged_in(&mut server).await?;
        let root = place.root().to_owned();
        let (id, model) = open_thread(&mut server, start, root).await?;
        let opened = RunEvent::Opened { vendor_session: id.clone(), version: Some(version) };
        Ok(Self {
            server,
            thread: Thread::new(&id, &model),
            place: Arc::new(place.clone()),
            kind: start.kind,
            model: start.model.clone(),
            sandbox: sandbox(start),
            own: start.mcp.as_ref().map(|mcp| mcp.name.clone()),
            clearance: Clearance::new(),
            prompting: None,
            interrupted: false,
            steps: VecDeque::from([Step::Say(opened)]),
        })
    }

    async fn prompt(&mut self, text: &str) -> Result<(), DriverError> {
        let mut params = json!({
            "threadId": self.thread.id(),
            "input": input(text),
            "approvalPolicy": "untrusted",
            "sandboxPolicy": self.sandbox,
        });
        if !self.model.is_empty() {
            params["model"] = json!(self.model);
        }
        self.server.turn_begins();
        self.prompting = Some(self.server.call("turn/start", params)?);
        self.thread.prompted();
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, DriverError> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(step);
            }
            let heard = self.server.next().await?;
            self.take(heard)?;
        }
    }

    async fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Result<(), DriverError> {
        match self.clearance.reply(id, result) {
            Some(verdict) => self.follow(verdict),
            None => Ok(()),
        }
    }

    async fn interrupt(&mut self) -> Result<(), DriverError> {
        self.interrupted = true;
        let thread = self.thread.id().to_owned();
        if let Some(turn) = self.thread.turn(&thread) {
            let params = json!({"threadId": thread, "turnId": turn});
            self.server.call("turn/interrupt", params)?;
        }
        Ok(())
    }

    async fn steer(&mut self, _id: u64, text: &str) -> Result<Steering, DriverError> {
        let thread = self.thread.id().to_owned();
        let Some(id) = self.say(&thread, text)? else { return Ok(Steering::Refused) };
        match self.server.answer(id, STEERING).await {
            // Words that are not answered are not taken; the turn goes on without them.
            Err(DriverError::Silent { .. }) => Ok(Steering::Refused),
            answer => Ok(if answer?.is_ok() { Steering::Taken } else { Steering::Refused }),
        }
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

impl Codex {
    fn take(&mut self, heard: Heard) -> Result<(), DriverError> {
        if !heard.is_piece() {
            self.steps.push_back(Step::Say(RunEvent::Record { line: heard.line.clone() }));
        }
        match heard.what {
            What::Answer { id, result } => self.answered(id, result)?,
            What::Notice { method, params } => {
                let place = Arc::clone(&self.place);
                for told in self.thread.hear(&method, &params, &|path| place.editable(path)) {
                    self.tell(told)?;
                }
            }
            What::Asked { id, method, params } => self.asked(id, &method, &params)?,
        }
        Ok(())
    }

    fn answered(&mut self, id: u64, result: Result<Value, super::server::Fault>) -> Result<(), DriverError> {
        if self.prompting != Some(id) {
            return Ok(());
        }
        self.prompting = None;
        let answer = result.map_err(|fault| DriverError::Vendor { about: &ABOUT, message: fault.message })?;
        if let Some(turn) = answer.pointer("/turn/id").and_then(Value::as_str) {
            self.thread.began(turn);
        }
        // It was interrupted before there was anything to interrupt.
        if self.interrupted {
            let params = json!({"threadId": self.thread.id(), "turnId": answer.pointer("/turn/id")});
            self.server.call("turn/interrupt", params)?;
        }
        Ok(())
    }

    fn tell(&mut self, told: Told) -> Result<(), DriverError> {
        let step = match told {
            Told::Event(event) => Step::Say(event),
            Told::Ended(Ending::Outcome(outcome)) => Step::Ended(outcome),
            Told::Ended(Ending::Interrupted) if self.interrupted => Step::Ended(TurnOutcome::Canceled),
            Told::Ended(Ending::Interrupted) => {
                let message = "it ended the turn early".to_owned();
                return Err(DriverError::Vendor { about: &ABOUT, message });
            }
            Told::Ended(Ending::Trouble(message)) => {
                Step::Ended(DriverError::Vendor { about: &ABOUT, message }.outcome())
            }
            Told::Ended(Ending::Limited(limit)) => {
                self.steps.push_back(Step::Say(limit.event()));
                Step::Ended(limit.error(&ABOUT).outcome())
            }
            Told::Ended(Ending::NotLoggedIn) => return Err(DriverError::NotLoggedIn { about: &ABOUT }),
        };
        self.steps.push_back(step);
        Ok(())
    }

    fn asked(&mut self, id: Value, method: &str, params: &Value) -> Result<(), DriverError> {
        let thread = params.get("threadId").and_then(Value::as_str).unwrap_or_default().to_owned();
        match approval::read(method, params, self.own.as_deref()) {
            Question::Unknown => self.server.refuse(&id, method),
            Question::Plain(answer) => self.server.respond(&id, &answer),
            Question::Ask(kind, request) => {
                let event = self.clearance.ask(Approval { id, thread, kind }, request);
                self.steps.push_back(Step::Say(event));
                Ok(())
            }
            Question::Patch { item } => {
                let subject = Approval { id, thread, kind: Kind::Patch };
                let verdict = match self.may_edit(&item) {
                    Ok(paths) => self.clearance.edit(subject, paths, self.thread.patch(&item)),
                    Err(why) => Verdict::Refused(subject, why),
                };
                self.follow(verdict)
            }
        }
    }

    fn may_edit(&self, item: &str) -> Result<Vec<RepoPath>, String> {
        edits_are_wanted(self.kind)?;
        self.thread.paths(item)
    }

    fn follow(&mut self, verdict: Verdict<Approval>) -> Result<(), DriverError> {
        match verdict {
            Verdict::Ask(event) => {
                self.steps.push_back(Step::Say(event));
                Ok(())
            }
            Verdict::Granted(approval) => {
                self.server.respond(&approval.id, &approval::granted(&approval.kind))
            }
            Verdict::Refused(approval, why) => {
                let answer = approval::denied(&approval.kind);
                self.deny(&approval, &answer, &why)
            }
            Verdict::Answered(approval, reply) => {
                let Approval { id, thread, kind } = approval;
                match approval::settle(kind.clone(), reply) {
                    Settled::Respond(answer) => self.server.respond(&id, &answer),
                    Settled::Denied(answer, why) => self.deny(&Approval { id, thread, kind }, &answer, &why),
                    Settled::Ask(kind, request) => {
                        let event = self.clearance.ask(Approval { id, thread, kind }, request);
                        self.steps.push_back(Step::Say(event));
                        Ok(())
                    }
                }
            }
        }
    }

    /// Says no. The answer has no room for the reason, so the turn under way is told it first: Codex hands it to the model together
    /// with the rejection.
    fn deny(&mut self, approval: &Approval, answer: &Value, why: &str) -> Result<(), DriverError> {
        if !why.is_empty() {
            let what = match approval.kind {
                Kind::Patch => "The edit",
                Kind::Command => "The command",
                Kind::Tool | Kind::Rights(_) | Kind::Questions { .. } => "What you asked for",
            };
            let words = format!("{what} was denied: {why}");
            self.say(&approval.thread, &words)?;
        }
        self.server.respond(&approval.id, answer)
    }

    /// Words for the turn under way in a thread; none when there is no such turn.
    fn say(&mut self, thread: &str, words: &str) -> Result<Option<u64>, DriverError> {
        let Some(turn) = self.thread.turn(thread) else { return Ok(None) };
        let params = json!({"threadId": thread, "expectedTurnId": turn, "input": input(words)});
        self.server.call("turn/steer", params).map(Some)
    }
}

fn input(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

/// The program and its arguments; the key is not among them.
fn argv(start: &Start) -> Vec<String> {
    let configured = start.program.as_ref().map(|program| program.argv.clone()).unwrap_or_default();
    let mut argv = if configured.is_empty() { vec![ABOUT.program.to_owned()] } else { configured };
    argv.push("app-server".to_owned());
    let mut configure = |key: &str, value: &Value| {
        argv.push("-c".to_owned());
        argv.push(format!("{key}={value}"));
    };
    configure("check_for_update_on_startup", &json!(false));
    let endpoint = &start.endpoint;
    if endpoint.base_url.is_none() && endpoint.api_key.is_empty() {
        return argv;
    }
    // JSON texts are TOML texts, too.
    let url = endpoint.base_url.as_deref().unwrap_or(OPENAI);
    configure("model_provider", &json!(PROVIDER));
    configure(&format!("model_providers.{PROVIDER}.name"), &json!(PROVIDER));
    configure(&format!("model_providers.{PROVIDER}.base_url"), &json!(url));
    configure(&format!("model_providers.{PROVIDER}.wire_api"), &json!("responses"));
    if !endpoint.api_key.is_empty() {
        configure(&format!("model_providers.{PROVIDER}.env_key"), &json!(KEY));
    }
    argv
}

fn env(start: &Start) -> impl Iterator<Item = (&str, &str)> {
    let own = start.program.iter().flat_map(|program| &program.env);
    let key = Some(start.endpoint.api_key.expose()).filter(|key| !key.is_empty());
    own.map(|(name, value)| (name.as_str(), value.as_str())).chain(key.map(|key| (KEY, key)))
}

/// What Codex's own sandbox allows a command that was approved. In our sandbox its own would only be in the way.
fn sandbox(start: &Start) -> Value {
    match (start.kind, start.isolation) {
        (TaskKind::Propose | TaskKind::Review | TaskKind::Ask, _) => json!({"type": "readOnly"}),
        (_, Isolation::Sandbox) => json!({"type": "externalSandbox", "networkAccess": "enabled"}),
        (_, Isolation::Shared | Isolation::Worktree) => json!({"type": "workspaceWrite"}),
    }
}

async fn logged_in(server: &mut AppServer) -> Result<(), DriverError> {
    let id = server.call("account/read", json!({"refreshToken": false}))?;
    let Ok(account) = server.answer(id, HANDSHAKE).await? else { return Ok(()) };
    let needed = account.get("requiresOpenaiAuth").and_then(Value::as_bool) == Some(true);
    if needed && account.get("account").is_none_or(Value::is_null) {
        return Err(DriverError::NotLoggedIn { about: &ABOUT });
    }
    Ok(())
}

/// Opens the thread, and gives its id and the model it asks.
async fn open_thread(
    server: &mut AppServer,
    start: &Start,
    root: PathBuf,
) -> Result<(String, String), DriverError> {
    let mut params = json!({
        "cwd": root,
        "approvalPolicy": "untrusted",
        // A thread that may write makes Codex note in the user's configuration that the folder is trusted. What the turn may do
        // is said with the turn.
        "sandbox": "read-only",
        "developerInstructions": preamble::system(start),
        "config": thread_config(start),
    });
    if !start.model.is_empty() {
        params["model"] = json!(start.model);
    }
    let (method, session) = match &start.begin {
        Begin::New => ("thread/start", None),
        Begin::Resume { vendor_session } => ("thread/resume", Some(vendor_session)),
        Begin::Fork { vendor_session } => ("thread/fork", Some(vendor_session)),
    };
    if let Some(session) = session {
        params["threadId"] = json!(session);
        params["excludeTurns"] = json!(true);
    }
    let id = server.call(method, params)?;
    let answer = server.answer(id, HANDSHAKE).await?.map_err(|fault| match session {
        Some(session) => DriverError::SessionGone { about: &ABOUT, session: session.clone() },
        None => DriverError::Vendor { about: &ABOUT, message: fault.message },
    })?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let thread = text("/thread/id")
        .ok_or_else(|| DriverError::Garbage { about: &ABOUT, what: "a thread without an id".to_owned() })?;
    Ok((thread, text("/model").unwrap_or_default()))
}

/// What differs from the user's configuration in this thread only.
fn thread_config(start: &Start) -> Value {
    // With others it would read one that is told to it, too.
    let mut config = Map::from_iter([("project_doc_fallback_filenames".to_owned(), json!([]))]);
    if let Some(mcp) = &start.mcp
        && let Some((program, arguments)) = mcp.argv.split_first()
    {
        let env: Map<String, Value> =
            mcp.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let server = json!({
            "command": program, "args": arguments, "env": env, "default_tools_approval_mode": "approve",
        });
        config.insert(format!("mcp_servers.{}", mcp.name), server);
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixture::start;
    use crate::driver::place::tests::Dice;
    use crate::run::wire::{McpServer, Program};
    use llm::Secret;
    use testkit::vendors::{VendorCli, Vendors};

    fn with_key() -> Start {
        let mut start = start();
        start.endpoint.base_url = Some("http://127.0.0.1:1/v1".into());
        start.endpoint.api_key = Secret::new("very-secret");
        start
    }

    fn place(dir: &std::path::Path) -> Place {
        Place::at(dir, Arc::new(Dice)).unwrap()
    }

    #[test]
    fn the_key_is_in_the_environment_and_nowhere_else() {
        let start = with_key();
        let argv = super::argv(&start).join(" ");
        assert!(argv.starts_with("codex app-server -c check_for_update_on_startup=false"), "{argv}");
        assert!(argv.contains("model_providers.coditect.base_url=\"http://127.0.0.1:1/v1\""), "{argv}");
        assert!(!argv.contains("very-secret"), "{argv}");
        assert_eq!(env(&start).collect::<Vec<_>>(), [(KEY, "very-secret")]);
        // With its own login it keeps its own provider.
        let own = super::argv(&crate::driver::fixture::start()).join(" ");
        assert!(!own.contains("model_provider"), "{own}");
    }

    #[test]
    fn the_turn_is_as_free_as_it_may_be() {
        let with = |kind: TaskKind, isolation: Isolation| {
            sandbox(&Start { kind, isolation, ..start() })["type"].clone()
        };
        assert_eq!(with(TaskKind::Work, Isolation::Shared), "workspaceWrite");
        assert_eq!(with(TaskKind::Work, Isolation::Sandbox), "externalSandbox");
        assert_eq!(with(TaskKind::Review, Isolation::Sandbox), "readOnly");
        assert_eq!(with(TaskKind::Propose, Isolation::Worktree), "readOnly");
    }

    #[test]
    fn our_server_is_offered_to_the_thread_only() {
        let mcp = McpServer {
            name: "coditect".into(),
            argv: vec!["/x".into(), "mcp".into()],
            env: vec![("A".into(), "b".into())],
        };
        let config = thread_config(&Start { mcp: Some(mcp), ..start() });
        let server = &config["mcp_servers.coditect"];
        assert_eq!(
            (&server["command"], &server["args"], &server["env"]),
            (&json!("/x"), &json!(["mcp"]), &json!({"A": "b"}))
        );
        assert_eq!(thread_config(&start()), json!({ "project_doc_fallback_filenames": [] }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_greet_is_not_waited_for() {
        let argv = ["bash", "-c", "sleep 1000"].map(str::to_owned).to_vec();
        let start = Start { program: Some(Program { argv, env: Vec::new() }), ..start() };
        let error = Codex::open(&start, &place(std::path::Path::new("/"))).await.err().unwrap();
        assert_eq!(error, DriverError::Silent { about: &ABOUT, seconds: HANDSHAKE.as_secs() });
    }

    /// Two threads of one real process, their turns at the same time.
    #[tokio::test]
    async fn one_server_hosts_many_threads() {
        let Some(vendors) = Vendors::find("one codex app-server hosts two threads") else { return };
        let model = scripted::Scripted::start(scripted::ScriptedOptions::default()).unwrap();
        let home = vendors.home(VendorCli::Codex, model.addr());
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let argv = [vendors.program(VendorCli::Codex).display().to_string(), "app-server".to_owned()];
        let env: Vec<(String, String)> = home
            .variables()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_string().unwrap()))
            .collect();
        let env = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut server = AppServer::new(&ABOUT, VendorProgram::start(&ABOUT, &argv, env, &place).unwrap());
        server.shake_hands(HANDSHAKE).await.unwrap();
        let mut threads = Vec::new();
        for name in ["one", "two"] {
            let (id, of) = open_thread(&mut server, &start(), dir.path().to_owned()).await.unwrap();
            let mut thread = Thread::new(&id, &of);
            thread.prompted();
            let input = input(&format!("[[write {name}.txt|{name}]] [[say I am {name}.]]"));
            let params = json!({"threadId": id, "input": input, "sandboxPolicy": {"type": "workspaceWrite"}});
            server.call("turn/start", params).unwrap();
            threads.push((thread, Vec::new(), None));
        }
        while threads.iter().any(|(_, _, ended)| ended.is_none()) {
            match server.next().await.unwrap().what {
                What::Notice { method, params } => {
                    for (thread, paths, ended) in &mut threads {
                        for told in thread.hear(&method, &params, &|path| place.editable(path)) {
                            match told {
                                Told::Event(RunEvent::Wrote { path, .. }) => paths.push(path.to_string()),
                                Told::Event(_) => {}
                                Told::Ended(ending) => *ended = Some(ending),
                            }
                        }
                    }
                }
                What::Asked { id, params, .. } => {
                    let item = params["itemId"].as_str().unwrap();
                    let known = threads.iter().filter(|(thread, ..)| thread.paths(item).is_ok()).count();
                    assert_eq!(known, 1, "a patch is that of one thread");
                    server.respond(&id, &json!({"decision": "accept"})).unwrap();
                }
                What::Answer { .. } => {}
            }
        }
        for ((_, paths, ended), name) in threads.into_iter().zip(["one", "two"]) {
            let outcome = TurnOutcome::Completed { summary: format!("I am {name}.") };
            assert_eq!((paths, ended), (vec![format!("{name}.txt")], Some(Ending::Outcome(outcome))));
        }
        server.stop().await;
    }
}
