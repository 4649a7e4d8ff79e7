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

/// Says what the real guard says, holds the lock the real guard holds, writes to the daemon what the test put into `script`,
/// keeps the answers in `heard`, writes what is in `then` after as many of them as `replies` says, and ends when it is told.
const GUARD: &str = r#"#!/bin/sh
here=$(dirname "$0")
while [ "$1" != "--liveness" ]; do shift; done
exec 9<>"$2"
flock 9
echo '{"guard":"ready","wire":4}'
cat "$here/script"
waits=$(cat "$here/replies")
[ "$waits" -eq 0 ] && cat "$here/then"
while IFS= read -r line; do
    case "$line" in
        *'"command":"reply"'*)
            printf '%s\n' "$line" >> "$here/heard"
            waits=$((waits - 1))
            [ "$waits" -eq 0 ] && cat "$here/then" ;;
        *'"command":"cancel"'*) exit 1 ;;
        *'"command":"leave"'*) exit 0 ;;
    esac
done
"#;

/// Writes down what it is asked, and has the real one answer.
const COUNTED_GIT: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> '{seen}'
exec '{git}' "$@"
"#;

pub(crate) struct Scene {
    /// What runs are made of: the real program, or the script of [`GUARD`].
    executable: PathBuf,
    dir: tempfile::TempDir,
    pub(crate) repo: TempRepo,
    pub(crate) model: Scripted,
    engine: Option<Engine>,
}

/// What waits for something else of the engine's would be waited for at the end of a test.
impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            engine.begin_shutdown();
        }
    }
}

impl Scene {
    pub(crate) async fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        let executable = PathBuf::from(env!("CARGO_BIN_EXE_engine-under-test"));
        let mut scene = Self { executable, dir, repo: TempRepo::with(files), model, engine: None };
        scene.configure(serde_json::json!({}));
        scene.open().await;
        scene
    }

    /// With a git of which [`Self::git_calls`] knows what it was asked.
    pub(crate) async fn with_counted_git(files: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let mut scene = Self::new(files).await;
        scene.shut().await;
        let path = testkit::search_path();
        let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file()).unwrap();
        let programs = scene.dir.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        let seen = scene.dir.path().join("git-calls").display().to_string();
        let script = COUNTED_GIT.replace("{seen}", &seen).replace("{git}", &git.display().to_string());
        std::fs::write(programs.join("git"), script).unwrap();
        std::fs::set_permissions(programs.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
        scene.open().await;
        scene
    }

    /// The verbs that git was asked since the last time, each with its arguments.
    pub(crate) fn git_calls(&self) -> Vec<String> {
        let seen = self.dir.path().join("git-calls");
        let text = std::fs::read_to_string(&seen).unwrap_or_default();
        let _ = std::fs::remove_file(seen);
        let verb = |line: &str| {
            let mut words = line.split(' ').peekable();
            while words.next_if_eq(&"-c").is_some() {
                words.next();
            }
            words.collect::<Vec<_>>().join(" ")
        };
        text.lines().map(verb).collect()
    }

    /// With runs that do what [`Self::script`] says, and `more` in config.json. Their commands are asked about.
    pub(crate) async fn scripted(mut more: serde_json::Value) -> Self {
        use std::os::unix::fs::PermissionsExt;
        more["agent"]["permissions"] = "ask".into();
        let dir = tempfile::tempdir().unwrap();
        let executable = dir.path().join("guard");
        std::fs::write(&executable, GUARD).unwrap();
        std::fs::set_permissions(&executable, std::fs::Permissions::from_mode(0o755)).unwrap();
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        let mut scene =
            Self { executable, dir, repo: TempRepo::with(&[("a.txt", "one\n")]), model, engine: None };
        scene.configure_with(more);
        scene.open().await;
        scene
    }

    /// What the next runs say, and what they say after so many answers.
    pub(crate) fn script(&self, first: &[serde_json::Value], replies: usize, then: &[serde_json::Value]) {
        let lines = |events: &[serde_json::Value]| -> String {
            events.iter().map(|event| format!("{event}\n")).collect()
        };
        for (name, text) in
            [("script", lines(first)), ("replies", replies.to_string()), ("then", lines(then))]
        {
            std::fs::write(self.dir.path().join(name), text).unwrap();
        }
    }

    /// The answers that runs have heard, in their order.
    pub(crate) fn heard(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir.path().join("heard")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes config.json with `more` beside the agents; `more.agent` is in each of them.
    pub(crate) fn configure_with(&self, mut more: serde_json::Value) {
        self.configure(serde_json::json!({}));
        let path = self.root().config();
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let of_agents = more.as_object_mut().unwrap().remove("agent");
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        for agent in config["agents"].as_object_mut().unwrap().values_mut() {
            for (name, value) in of_agents.iter().flat_map(|fields| fields.as_object().unwrap()) {
                agent[name] = value.clone();
            }
        }
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// Writes config.json with these limits.
    pub(crate) fn configure(&self, limits: serde_json::Value) {
        self.write_config(limits, None);
    }

    /// Writes config.json without this agent.
    pub(crate) fn configure_without(&self, agent: &str) {
        self.write_config(serde_json::json!({}), Some(agent));
    }

    /// Says in config.json who names sessions.
    pub(crate) fn titled_by(&self, whom: &str) {
        let path = self.root().config();
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config["titles"] = whom.into();
        std::fs::write(path, config.to_string()).unwrap();
        self.engine().reload_config().unwrap();
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
        // What a test counts are the requests of its agents.
        let config = serde_json::json!({ "agents": agents, "limits": limits, "titles": "words" });
        let root = self.root();
        std::fs::create_dir_all(root.config().parent().unwrap()).unwrap();
        std::fs::write(root.config(), config.to_string()).unwrap();
    }

    pub(crate) fn root(&self) -> DataRoot {
        DataRoot::new(self.dir.path().join("data"))
    }

    /// Opens the engine; says what it repaired.
    pub(crate) async fn open(&mut self) -> Vec<String> {
        testkit::name_database(&self.root().config());
        let options = EngineOptions {
            data_root: self.root(),
            workspace: "default".to_owned(),
            clock: Arc::new(bus::system::SystemClock),
            entropy: Arc::new(bus::system::SystemEntropy),
            executable: self.executable.clone(),
            environment: Arc::new(variables(self.dir.path().join("programs"))),
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
        let new = NewPlan { prompt: prompt.to_owned(), ..NewPlan::default() };
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

/// The same, with the programs of a folder before all others when it is there.
fn variables(programs: PathBuf) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let found = environment(name)?;
        match name == "PATH" && programs.is_dir() {
            true => Some(format!("{}:{found}", programs.display())),
            false => Some(found),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests run what is on this machine's PATH")]
fn environment(name: &str) -> Option<String> {
    match name {
        "PATH" => std::env::var(name).ok(),
        "KEYLESS_KEY" => None,
        name if name.ends_with("_KEY") => Some(KEY.to_owned()),
        "HOME" => Some("/nonexistent".to_owned()),
        testkit::DATABASE => testkit::database(),
        _ => None,
    }
}
