//! A real daemon with one agent as a stage.

use super::{Answer, Ended, Ending, Need, Stage};
use crate::house::{Daemon, House, command_line, descendants, kill, until};
use bus::system::SystemClock;
use model::{TaskState, Vendor};
use rustix::process::Signal;
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use testkit::TempRepo;
use testkit::vendors::{VendorCli, VendorHome, Vendors};

const KEY_VARIABLE: &str = "CODITECT_TEST_KEY";
const AGENT: &str = "ada";

/// What the command line of our own loop's process has in it.
const LOOP: [&str; 2] = ["__native", "__drive"];

pub(super) struct DaemonStage {
    // Ended before the house it lives in.
    _daemon: Daemon,
    pid: u32,
    house: House,
    repo: TempRepo,
    models: Scripted,
    driver: &'static str,
    /// The processes that are the agent: those with any of these in their command lines.
    agent_process: Vec<String>,
    /// Keeps the program's own home until the stage is struck.
    _home: Option<VendorHome>,
    session: Option<String>,
    task: Option<String>,
}

/// The configuration of an agent that is the vendor's program in that home.
pub(crate) fn agent(vendors: &Vendors, home: &VendorHome, permissions: &str) -> serde_json::Value {
    let cli = home.cli();
    let program = vendors.program(cli).to_str().unwrap().to_owned();
    let (vendor, driver, more) = match cli {
        VendorCli::Claude => ("anthropic", "claude", None),
        VendorCli::Codex => ("openai", "codex", None),
        VendorCli::Gemini => ("google", "acp", Some("--acp")),
        VendorCli::Kimi => ("moonshot", "acp", Some("acp")),
    };
    let variables = home.variables().into_iter();
    let env: BTreeMap<&str, String> =
        variables.map(|(name, value)| (name, value.into_string().unwrap())).collect();
    let command: Vec<&str> = [program.as_str()].into_iter().chain(more).collect();
    json!({
        "vendor": vendor, "driver": driver, "model": home.model(), "command": command, "env": env,
        "permissions": permissions,
    })
}

pub(crate) fn models() -> Scripted {
    let clock = Some(Arc::new(SystemClock) as Arc<dyn model::Clock>);
    Scripted::start(ScriptedOptions { clock, ..ScriptedOptions::default() }).unwrap()
}

impl DaemonStage {
    /// Our own loop, on a scripted model.
    pub(super) fn native(asks: bool) -> Self {
        let models = models();
        let agent = json!({
            "vendor": "anthropic", "driver": "native", "model": "claude-sonnet-4-5",
            "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY_VARIABLE,
            "permissions": if asks { "ask" } else { "all" },
        });
        Self::with(models, "native", LOOP.map(str::to_owned).to_vec(), None, &agent)
    }

    /// The vendor's own program, driven.
    pub(super) fn driven(vendors: &Vendors, cli: VendorCli, asks: bool) -> Self {
        let models = models();
        let home = vendors.home(cli, models.addr());
        let agent = agent(vendors, &home, if asks { "ask" } else { "all" });
        let program = vendors.program(cli).to_str().unwrap().to_owned();
        let real = std::fs::canonicalize(&program).unwrap().to_str().unwrap().to_owned();
        // Started by a link, by Node, or under a name the program gives itself.
        let processes = vec![
            program,
            real,
            format!("/{} ", cli.name()),
            format!("{}-code", cli.name()),
            format!("{}-cli", cli.name()),
        ];
        Self::with(models, cli.name(), processes, Some(home), &agent)
    }

    fn with(
        models: Scripted,
        driver: &'static str,
        agent_process: Vec<String>,
        home: Option<VendorHome>,
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
        Self {
            _daemon: daemon,
            pid,
            house,
            repo,
            models,
            driver,
            agent_process,
            _home: home,
            session: None,
            task: None,
        }
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
            // As the product says of its agents.
            Need::SubAgents => {
                let agents = self.house.api(async |client| client.agents().await.unwrap()).items;
                agents.iter().any(|agent| agent.name.as_str() == AGENT && agent.sub_agents)
            }
            Need::Approval | Need::Fork | Need::Usage => true,
        }
    }

    fn repo(&self) -> &TempRepo {
        &self.repo
    }

    fn models(&self) -> &Scripted {
        &self.models
    }

    fn begin(&mut self, prompt: &str, fork: bool) {
        if self.session.is_none() {
            let repo = self.repo.path().to_str().unwrap();
            let made =
                self.house.json(&["session", "new", "scenario", "--agents", AGENT, "--repo", repo, "--json"]);
            self.session = Some(made["id"].as_str().unwrap().to_owned());
        }
        let mut session = self.session.clone().unwrap();
        if fork {
            let copy = self
                .house
                .api(async |client| client.fork_session(&session, &Default::default(), None).await.unwrap());
            session = copy.id.to_string();
            self.session = Some(session.clone());
        }
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
            .filter(|pid| {
                let line = command_line(*pid);
                self.agent_process.iter().any(|process| line.contains(process))
            })
            .collect();
        assert!(!agents.is_empty(), "none of {:?} below the daemon", self.agent_process);
        for pid in agents {
            kill(pid, Signal::KILL);
        }
    }

    fn answer(&mut self, answer: Answer) {
        let session = self.session.clone().expect("a step is under way");
        let query = protocol::PermissionQuery { session: Some(session), ..Default::default() };
        until("a question", || {
            self.house.api(async |client| {
                let waiting = client.permissions(&query).await.unwrap().items;
                let asked = waiting.into_iter().find(|asked| asked.decision.is_none())?;
                let decision = protocol::NewDecision {
                    allow: answer == Answer::Allow,
                    scope: None,
                    arguments_hash: asked.arguments_hash,
                    reason: "the scenario says no".to_owned(),
                };
                client.decide_permission(&asked.id.to_string(), &decision, None).await.unwrap();
                Some(())
            })
        });
    }

    fn end(&mut self) -> Ended {
        let task = self.task().to_owned();
        let ended = until("the end of the task", || {
            let task = self.house.api(async |client| client.task(&task).await.unwrap()).value;
            let ending = match task.state {
                TaskState::Completed => Ending::Completed,
                TaskState::Canceled => Ending::Canceled,
                TaskState::Failed | TaskState::Rejected => Ending::Failed,
                _ => return None,
            };
            let tokens = task.usage.input_tokens + task.usage.output_tokens;
            Some(Ended { ending, text: task.text.unwrap_or_default(), tokens: Some(tokens) })
        });
        // A daemon that did the work with its own loop would come to the same end.
        for asked in self.models.requests() {
            let ours = asked.headers.get("user-agent").is_none_or(|name| name.starts_with("coditect/"));
            assert_eq!(ours, self.driver == "native", "{}: {:?}", self.driver, asked.headers);
        }
        ended
    }
}
