//! A workspace with agents of four vendors, a repository and a scripted model, and ways to wait for what happens.

use engine::{
    Call, Engine, EngineOptions, EventsPage, NewPlan, NewPrompt, NewRepo, NewSession, PlanView, TaskView,
};
use model::{
    AgentName, Cursor, DataRoot, Event, PlanId, PlanState, Refusal, Repo, SessionId, TaskId, TaskState,
    Vendor,
};
use scripted::{Scripted, ScriptedOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::TempRepo;

/// How long anything may take that is waited for. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The key of every test; the model takes any.
const KEY: &str = "sk-test-of-the-engine";
pub(crate) const KEYLESS: &str = "keyless";
const AGENTS: [(&str, Vendor); 5] = [
    ("claude", Vendor::Anthropic),
    ("gemini", Vendor::Google),
    ("kimi", Vendor::Moonshot),
    ("codex", Vendor::Openai),
    // Whose key is not there.
    (KEYLESS, Vendor::Openai),
];

pub(crate) struct Scene {
    dir: tempfile::TempDir,
    pub(crate) repo: TempRepo,
    pub(crate) model: Scripted,
    engine: Option<Engine>,
}

impl Scene {
    pub(crate) async fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        let mut scene = Self { dir, repo: TempRepo::with(files), model, engine: None };
        scene.configure(serde_json::json!({}));
        scene.open().await;
        scene
    }

    /// Writes config.json with these limits.
    pub(crate) fn configure(&self, limits: serde_json::Value) {
        self.write_config(limits, None);
    }

    /// Writes config.json without this agent.
    pub(crate) fn configure_without(&self, agent: &str) {
        self.write_config(serde_json::json!({}), Some(agent));
    }

    /// Puts an agent into config.json, or another one in its place.
    pub(crate) fn seat(&self, name: &str, agent: serde_json::Value) {
        let path = self.root().config();
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config["agents"][name] = agent;
        std::fs::write(path, config.to_string()).unwrap();
        self.engine().reload_config().unwrap();
    }

    fn write_config(&self, limits: serde_json::Value, without: Option<&str>) {
        let agents: serde_json::Map<_, _> = AGENTS
            .into_iter()
            .filter(|(name, _)| Some(*name) != without)
            .map(|(name, vendor)| {
                let agent = serde_json::json!({
                    "vendor": vendor, "model": format!("{name}-test"), "api_key_env": format!("{}_KEY", name.to_uppercase()),
                    "base_url": self.model.base_url(vendor),
                });
                (name.to_owned(), agent)
            })
            .collect();
        let config = serde_json::json!({ "agents": agents, "limits": limits });
        let root = self.root();
        std::fs::create_dir_all(root.config().parent().unwrap()).unwrap();
        std::fs::write(root.config(), config.to_string()).unwrap();
    }

    pub(crate) fn root(&self) -> DataRoot {
        DataRoot::new(self.dir.path().join("data"))
    }

    /// Opens the engine; says what it repaired.
    pub(crate) async fn open(&mut self) -> Vec<String> {
        let options = EngineOptions {
            data_root: self.root(),
            workspace: "default".to_owned(),
            clock: Arc::new(bus::system::SystemClock),
            entropy: Arc::new(bus::system::SystemEntropy),
            executable: PathBuf::from(env!("CARGO_BIN_EXE_engine-under-test")),
            environment: Arc::new(environment),
            version: "0.0.0-test",
        };
        let (engine, report) = Engine::open(options).await.unwrap();
        self.engine = Some(engine);
        report.repairs
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the engine is open")
    }

    /// Stops the engine as the daemon does when it is asked to.
    pub(crate) async fn shut(&mut self) {
        self.engine.take().expect("the engine is open").shutdown().await;
    }

    pub(crate) async fn add_repo(&self, test_command: Option<&[&str]>) -> Repo {
        let test_command = test_command.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        let path = self.repo.path().display().to_string();
        self.engine().add_repo(&call(), NewRepo { path, slug: None, test_command }).await.unwrap()
    }

    pub(crate) async fn session(&self, repo: Option<&Repo>, agents: &[&str]) -> SessionId {
        let new =
            NewSession { repo: repo.map(|repo| repo.id), agents: names(agents), ..NewSession::default() };
        self.engine().create_session(&call(), new).await.unwrap().session.id
    }

    pub(crate) async fn prompt(
        &self,
        session: SessionId,
        text: &str,
        targets: &[&str],
    ) -> Result<TaskView, Refusal> {
        let new = NewPrompt { text: text.to_owned(), targets: names(targets), ..NewPrompt::default() };
        self.engine().prompt(&call(), session, new).await
    }

    pub(crate) async fn coordinate(&self, session: SessionId, prompt: &str) -> PlanView {
        let new = NewPlan { prompt: prompt.to_owned(), agents: Vec::new() };
        self.engine().coordinate(&call(), session, new).await.unwrap()
    }

    /// The task once it is in one of these states.
    pub(crate) async fn task_in(&self, task: TaskId, states: &[TaskState]) -> TaskView {
        self.until(&format!("the task is {states:?}"), || {
            Some(self.engine().task(task).unwrap()).filter(|view| states.contains(&view.state))
        })
        .await
    }

    pub(crate) async fn task_over(&self, task: TaskId) -> TaskView {
        self.until("the task is over", || {
            Some(self.engine().task(task).unwrap()).filter(|view| view.state.is_terminal())
        })
        .await
    }

    pub(crate) async fn plan_over(&self, plan: PlanId) -> PlanView {
        self.until("the plan is over", || {
            Some(self.engine().plan(plan).unwrap())
                .filter(|view| matches!(view.state, PlanState::Completed | PlanState::Failed))
        })
        .await
    }

    /// What `look` finds, looked for after every commit.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let mut bell = self.engine().doorbell();
        let found = async {
            loop {
                bell.mark_unchanged();
                if let Some(found) = look() {
                    return found;
                }
                bell.changed().await.expect("the engine is open");
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain until {what}; events: {:#?}", self.kinds()),
        }
    }

    /// What `look` finds of that which makes no event.
    pub(crate) async fn soon<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain until {what}; events: {:#?}", self.kinds()),
        }
    }

    /// Waits until nothing is held: locks are given back after the end of their turn is committed.
    pub(crate) async fn all_locks_given_back(&self) {
        let free = async {
            while !self.engine().locks().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("every lock is given back");
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut after = Cursor::default();
        loop {
            match self.engine().events_after(after, None, 1000).unwrap() {
                EventsPage::Events { events: page, next } if !page.is_empty() => {
                    events.extend(page.into_iter().map(|entry| entry.event));
                    after = next;
                }
                EventsPage::Events { .. } => return events,
                EventsPage::Reset { .. } => panic!("a journal from its start was reset"),
            }
        }
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.events().iter().map(Event::kind).collect()
    }

    /// Subjects of the commits on the branch, the newest first.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.repo.git(&["log", "--format=%s"]).lines().map(str::to_owned).collect()
    }
}

pub(crate) fn call() -> Call {
    Call::user("test")
}

pub(crate) fn names(agents: &[&str]) -> Vec<AgentName> {
    agents.iter().map(|agent| agent.parse().unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the tests run what is on this machine's PATH")]
fn environment(name: &str) -> Option<String> {
    match name {
        "PATH" => std::env::var(name).ok(),
        "KEYLESS_KEY" => None,
        name if name.ends_with("_KEY") => Some(KEY.to_owned()),
        "HOME" => Some("/nonexistent".to_owned()),
        _ => None,
    }
}
