//! The daemon's side of a turn, as small as it can be: it grants every lock, writes every file, and
//! answers every question, unless a test wants otherwise.

use crate::scene::{KEY, Scene, next, start};
use agent::{Launch, Reply, Request, RunCommand, RunEvent, RunHandle, Start, launch};
use llm::{Endpoint, Secret};
use model::{Refusal, Role, ToolCategory, TurnOutcome, Usage, Vendor};
use scripted::{Scripted, ScriptedOptions};
use std::fs;

/// What a test does with a request: nothing at all, or answer it.
pub(crate) type Answer = Option<Result<Reply, Refusal>>;

pub(crate) struct Daemon {
    pub(crate) scene: Scene,
    pub(crate) model: Scripted,
    pub(crate) handle: Option<RunHandle>,
    pub(crate) events: Vec<RunEvent>,
}

impl Daemon {
    pub(crate) fn new() -> Self {
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        Self { scene: Scene::new(), model, handle: None, events: Vec::new() }
    }

    pub(crate) fn start(&self, vendor: Vendor, prompt: &str) -> Start {
        let endpoint =
            Endpoint { vendor, base_url: Some(self.model.base_url(vendor)), api_key: Secret::new(KEY) };
        Start { endpoint, ..start(prompt) }
    }

    pub(crate) async fn launch(&mut self, start: Start) {
        self.launch_with(start, |_| ()).await;
    }

    pub(crate) async fn launch_with(&mut self, start: Start, change: impl FnOnce(&mut Launch)) {
        let mut launching = Launch { start, ..self.scene.launching() };
        change(&mut launching);
        self.handle = Some(launch(launching).await.unwrap());
    }

    pub(crate) fn handle(&mut self) -> &mut RunHandle {
        self.handle.as_mut().unwrap()
    }

    /// Takes the next event, answering a request as the test wants or as a daemon would.
    pub(crate) async fn step(
        &mut self,
        answer: &mut dyn FnMut(&Request) -> Option<Answer>,
    ) -> Option<RunEvent> {
        let event = next(self.handle()).await?;
        if let RunEvent::Request { id, request } = &event {
            let wanted = answer(request);
            // Whoever withholds answers means those of the turn; commands are permitted as everywhere.
            let permit =
                matches!(request, Request::Permit { .. } | Request::Veto { .. }) && wanted == Some(None);
            let given = wanted.filter(|_| !permit).unwrap_or_else(|| Some(self.carry_out(request)));
            if let Some(result) = given {
                self.handle().send(RunCommand::Reply { id: *id, result }).unwrap();
            }
        }
        self.events.push(event.clone());
        Some(event)
    }

    /// Serves until the next command is permitted.
    pub(crate) async fn permit(&mut self) {
        let permits = |event: &RunEvent| matches!(event, RunEvent::Request { request: request @ Request::Permit { .. }, .. } if !is_reading(request));
        self.serve_until(|_| None, permits).await;
    }

    /// Serves until the run is over.
    pub(crate) async fn serve(&mut self, mut answer: impl FnMut(&Request) -> Option<Answer>) {
        while self.step(&mut answer).await.is_some() {}
    }

    /// Serves until something was said.
    pub(crate) async fn serve_until(
        &mut self,
        mut answer: impl FnMut(&Request) -> Option<Answer>,
        wanted: impl Fn(&RunEvent) -> bool,
    ) {
        loop {
            let event = self.step(&mut answer).await.expect("the run ended before that");
            if wanted(&event) {
                return;
            }
        }
    }

    fn carry_out(&self, request: &Request) -> Result<Reply, Refusal> {
        match request {
            Request::Lock { .. } => Ok(Reply::Locked { token: 7 }),
            Request::Write { path, base, content } => {
                let file = self.scene.worktree().join(path.as_str());
                let present = fs::read(&file).ok().map(|content| blake3::hash(&content).to_hex().to_string());
                if present != *base {
                    return Err(Refusal::conflict("stale_base", "the file has changed"));
                }
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, content).unwrap();
                let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
                Ok(Reply::Written { hash, lines_added: 1, lines_removed: 1 })
            }
            Request::Ask { .. } => Ok(Reply::Answer { text: "blue".into() }),
            Request::Permit { .. } | Request::Veto { .. } => {
                Ok(Reply::Permitted { allowed: true, reason: String::new() })
            }
            Request::Propose { .. } | Request::Notice { .. } => Ok(Reply::Accepted),
        }
    }

    /// Takes the whole turn as a daemon would.
    pub(crate) async fn play(&mut self, start: Start) -> TurnOutcome {
        self.launch(start).await;
        self.serve(|_| None).await;
        self.ended().0
    }

    pub(crate) fn ended(&self) -> (TurnOutcome, u32, Usage) {
        let mut ends = self.events.iter().filter_map(|event| match event {
            RunEvent::Ended { outcome, iterations, usage } => Some((outcome.clone(), *iterations, *usage)),
            _ => None,
        });
        let end = ends.next().expect("the turn has no end");
        assert_eq!(ends.next(), None);
        end
    }

    /// What was asked for; that no rule forbids a call is asked besides, of every call, and so is what is read.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let request = |event: &RunEvent| match event {
            RunEvent::Request { request: Request::Veto { .. }, .. } => None,
            // Which edit a lock is for has tests of its own.
            RunEvent::Request { request: Request::Lock { path, .. }, .. } => {
                Some(Request::Lock { path: path.clone(), change: None })
            }
            RunEvent::Request { request, .. } if !is_reading(request) => Some(request.clone()),
            _ => None,
        };
        self.events.iter().filter_map(request).collect()
    }

    /// The edits that locks were asked for.
    pub(crate) fn changes(&self) -> Vec<serde_json::Value> {
        let change = |event: &RunEvent| match event {
            RunEvent::Request { request: Request::Lock { change, .. }, .. } => change.clone(),
            _ => None,
        };
        self.events.iter().filter_map(change).collect()
    }

    /// What was to be read: the tool, and the paths.
    pub(crate) fn reads(&self) -> Vec<(String, Vec<String>)> {
        let read = |event: &RunEvent| match event {
            RunEvent::Request { request: Request::Permit { ask }, .. }
                if ask.category == ToolCategory::Read =>
            {
                Some((ask.tool.clone(), ask.paths.iter().map(ToString::to_string).collect()))
            }
            _ => None,
        };
        self.events.iter().filter_map(read).collect()
    }

    /// Output of every tool call in order, and whether it was an error.
    pub(crate) fn results(&self) -> Vec<(String, bool)> {
        let mut results = Vec::new();
        for event in &self.events {
            let RunEvent::Message { role: Role::Tool, blocks, .. } = event else { continue };
            for block in blocks {
                let model::Block::ToolResult { output, is_error, .. } = block else { panic!("{block:?}") };
                results.push((output.clone(), *is_error));
            }
        }
        results
    }
}

/// Whether it is the question whether something may be read.
pub(crate) fn is_reading(request: &Request) -> bool {
    matches!(request, Request::Permit { ask } if ask.category == ToolCategory::Read)
}
