//! A real daemon with one agent as a stage.

use super::{Ended, Ending, Need, Stage};
use crate::house::{Daemon, House, command_line, descendants, kill, until};
use bus::system::SystemClock;
use model::{TaskState, Vendor};
use rustix::process::Signal;
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use std::sync::Arc;
use testkit::TempRepo;

const KEY_VARIABLE: &str = "CODITECT_TEST_KEY";
const AGENT: &str = "ada";

/// The processes that are the agent: those with this in their command lines.
const NATIVE_LOOP: &str = "__native";

pub(super) struct DaemonStage {
    // Ended before the house it lives in.
    _daemon: Daemon,
    pid: u32,
    house: House,
    repo: TempRepo,
    models: Scripted,
    driver: &'static str,
    agent_process: &'static str,
    session: Option<String>,
    task: Option<String>,
}

impl DaemonStage {
    /// Our own loop, on a scripted model.
    pub(super) fn native() -> Self {
        let clock = Some(Arc::new(SystemClock) as Arc<dyn model::Clock>);
        let models = Scripted::start(ScriptedOptions { clock, ..ScriptedOptions::default() }).unwrap();
        let agent = json!({
            "vendor": "anthropic", "driver": "native", "model": "claude-sonnet-4-5",
            "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY_VARIABLE,
        });
        Self::with(models, "native", NATIVE_LOOP, &agent)
    }

    fn with(
        models: Scripted,
        driver: &'static str,
        agent_process: &'static str,
        agent: &serde_json::Value,
    ) -> Self {
        let house = House::new();
        std::fs::create_dir_all(house.root.path()).unwrap();
        // One attempt: what a scenario kills is not to be done again behind its back.
        let config = json!({"agents": {AGENT: agent}, "limits": {"max_attempts": 1}});
        std::fs::write(house.root.config(), config.to_string()).unwrap();
        let mut command = house.command(&["daemon", "run"]);
        command.env(KEY_VARIABLE, "a-key-of-no-value");
        let daemon = Daemon::start(command);
        let pid = daemon.pid();
        let repo = TempRepo::new();
        Self { _daemon: daemon, pid, house, repo, models, driver, agent_process, session: None, task: None }
    }

    fn task(&self) -> &str {
        self.task.as_deref().expect("a step is under way")
    }
}

impl Stage for DaemonStage {
    fn name(&self) -> String {
        format!("{}, by the daemon", self.driver)
    }

    fn can(&self, need: Need) -> bool {
        match need {
            // Sessions are not copied yet, and our loop has no tool that starts another agent.
            Need::Fork | Need::SubAgents => false,
            Need::Usage => true,
        }
    }

    fn repo(&self) -> &TempRepo {
        &self.repo
    }

    fn models(&self) -> &Scripted {
        &self.models
    }

    fn begin(&mut self, prompt: &str, fork: bool) {
        assert!(!fork, "what it cannot do it is not asked");
        if self.session.is_none() {
            let repo = self.repo.path().to_str().unwrap();
            let made =
                self.house.json(&["session", "new", "scenario", "--agents", AGENT, "--repo", repo, "--json"]);
            self.session = Some(made["id"].as_str().unwrap().to_owned());
        }
        let session = self.session.clone().unwrap();
        let new = protocol::NewPrompt { text: prompt.to_owned(), ..protocol::NewPrompt::default() };
        let task = self.house.api(async |client| client.prompt(&session, &new, None).await.unwrap());
        self.task = Some(task.id.to_string());
    }

    fn interrupt(&mut self) {
        let task = self.task().to_owned();
        self.house.api(async |client| client.cancel_task(&task, None).await.unwrap());
    }

    fn kill(&mut self) {
        let agents: Vec<u32> = descendants(self.pid)
            .into_iter()
            .map(|(pid, _)| pid)
            .filter(|pid| command_line(*pid).contains(self.agent_process))
            .collect();
        assert!(!agents.is_empty(), "no {} below the daemon", self.agent_process);
        for pid in agents {
            kill(pid, Signal::KILL);
        }
    }

    fn end(&mut self) -> Ended {
        let task = self.task().to_owned();
        until("the end of the task", || {
            let task = self.house.api(async |client| client.task(&task).await.unwrap()).value;
            let ending = match task.state {
                TaskState::Completed => Ending::Completed,
                TaskState::Canceled => Ending::Canceled,
                TaskState::Failed | TaskState::Rejected => Ending::Failed,
                _ => return None,
            };
            let tokens = task.usage.input_tokens + task.usage.output_tokens;
            Some(Ended { ending, text: task.text.unwrap_or_default(), tokens: Some(tokens) })
        })
    }
}
