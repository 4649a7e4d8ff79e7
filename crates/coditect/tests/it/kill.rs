//! What is left when a daemon is killed: nothing that runs, nothing that says it does.

use crate::house::{Daemon, House, command_line, descendants, lives, text, until};
use bus::system::SystemClock;
use rustix::process::Signal;
use scripted::{Scripted, ScriptedOptions};
use std::sync::Arc;
use testkit::TempRepo;

const KEY_VARIABLE: &str = "CODITECT_TEST_KEY";
/// Long enough to be seen, and to be missed.
const PROMPT: &str = "[[write note.txt|seen]] [[bash sleep 613 & sleep 614]] [[say done]]";

/// A data root with one agent, whose model is scripted.
pub(crate) struct Workplace {
    pub(crate) house: House,
    pub(crate) repo: TempRepo,
    _models: Scripted,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self::with(&[("claude", serde_json::json!({}))])
    }

    /// Agents by name, each with what its configuration says besides the usual.
    pub(crate) fn with(agents: &[(&str, serde_json::Value)]) -> Self {
        Self::within(agents, serde_json::json!({}))
    }

    /// The same, and what the configuration says of limits.
    pub(crate) fn within(agents: &[(&str, serde_json::Value)], limits: serde_json::Value) -> Self {
        let house = House::new();
        let models = Scripted::start(ScriptedOptions {
            clock: Some(Arc::new(SystemClock)),
            ..ScriptedOptions::default()
        })
        .unwrap();
        let mut config = serde_json::json!({ "agents": {}, "limits": limits });
        for (name, more) in agents {
            config["agents"][*name] = serde_json::json!({
                "vendor": "anthropic", "model": "claude-sonnet-4-5",
                "base_url": models.base_url(model::Vendor::Anthropic), "api_key_env": KEY_VARIABLE,
            });
            for (key, value) in more.as_object().unwrap() {
                config["agents"][*name][key] = value.clone();
            }
        }
        std::fs::create_dir_all(house.root.path()).unwrap();
        std::fs::write(house.root.config(), config.to_string()).unwrap();
        Self { house, repo: TempRepo::with(&[("README.md", "# here\n")]), _models: models }
    }

    pub(crate) fn daemon(&self) -> Daemon {
        let mut command = self.house.command(&["daemon", "run"]);
        command.env(KEY_VARIABLE, "a-key-of-no-value");
        Daemon::start(command)
    }

    /// A session whose agent is in the middle of a shell command. Gives its processes.
    fn busy(&self, daemon: &Daemon) -> (String, Vec<crate::house::Process>) {
        let id = self.prompted(PROMPT);
        (id, self.sleepers(daemon))
    }

    /// A session whose agent was given something to do.
    pub(crate) fn prompted(&self, text: &str) -> String {
        let id = self.session("claude");
        self.prompt(&id, "claude", text);
        id
    }

    pub(crate) fn session(&self, agents: &str) -> String {
        let repo = self.repo.path().to_str().unwrap();
        let session =
            self.house.json(&["session", "new", "work", "--agents", agents, "--repo", repo, "--json"]);
        session["id"].as_str().unwrap().to_owned()
    }

    /// Gives one agent of the session something to do; the task's id.
    pub(crate) fn prompt(&self, session: &str, agent: &str, text: &str) -> String {
        let targets = vec![agent.parse().unwrap()];
        let prompt = protocol::NewPrompt { text: text.to_owned(), targets, ..protocol::NewPrompt::default() };
        self.house.api(async |client| client.prompt(session, &prompt, None).await.unwrap()).id.to_string()
    }

    /// Waits until the task is over; how it ended, and the words to it.
    pub(crate) fn over(&self, task: &str) -> (model::TaskState, String) {
        until("the task's end", || {
            let task = self.house.api(async |client| client.task(task).await.unwrap().value);
            task.state.is_terminal().then(|| (task.state, task.text.unwrap_or_default()))
        })
    }

    /// Waits until both commands of the prompt run; gives everything below the daemon.
    fn sleepers(&self, daemon: &Daemon) -> Vec<crate::house::Process> {
        until("the agent's commands", || {
            let below = descendants(daemon.pid());
            let sleeping = below.iter().filter(|(pid, _)| command_line(*pid).starts_with("sleep 61")).count();
            (sleeping == 2).then_some(below)
        })
    }
}

#[test]
fn stopping_in_good_order_leaves_no_process() {
    let place = Workplace::new();
    let daemon = place.daemon();
    let (_, below) = place.busy(&daemon);
    assert!(below.len() >= 4, "a guard, a loop and two commands: {below:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let left: Vec<_> = below.iter().filter(|process| lives(process)).collect();
    assert!(left.is_empty(), "{left:?} outlived the daemon");
}

#[test]
fn a_command_that_will_not_hear_of_it_does_not_outlive_the_daemon_either() {
    let place = Workplace::new();
    let daemon = place.daemon();
    place.prompted("[[bash trap '' TERM INT HUP; sleep 613 & sleep 614]] [[say done]]");
    let below = place.sleepers(&daemon);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let left: Vec<_> = below.iter().filter(|process| lives(process)).collect();
    assert!(left.is_empty(), "{left:?} outlived the daemon");
}

#[test]
fn a_killed_daemon_takes_its_runs_along_and_the_next_one_goes_on() {
    let place = Workplace::new();
    let first = place.daemon();
    let (session, below) = place.busy(&first);
    first.kill();
    until("the guards to clean up", || below.iter().all(|process| !lives(process)).then_some(()));

    let second = place.daemon();
    let again = place.sleepers(&second);
    let (tasks, locks) = place.house.api(async |client| {
        (client.session_tasks(&session).await.unwrap().value.items, client.locks().await.unwrap())
    });
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].attempt, 2, "the task goes on with its next attempt");
    let agents: Vec<&str> = locks.items.iter().map(|lock| lock.path.as_str()).collect();
    assert!(agents.len() <= 1, "locks of the dead are free: {agents:?}");
    assert_eq!(place.repo.read("note.txt"), "seen");
    let running = place.house.api(async |client| client.status().await.unwrap()).running_turns;
    assert_eq!(running, 1, "the first turn does not say that it runs");

    let canceled =
        place.house.api(async |client| client.cancel_task(&tasks[0].id.to_string(), None).await.unwrap());
    assert_eq!(canceled.id, tasks[0].id);
    until("the run to end", || again.iter().all(|process| !lives(process)).then_some(()));
    second.signal(Signal::TERM);
    assert_eq!(second.ended(), Some(0));
}

#[test]
fn a_guard_that_is_killed_with_its_daemon_is_swept_up_after() {
    let place = Workplace::new();
    let first = place.daemon();
    let (_, below) = place.busy(&first);
    let guards: Vec<u32> =
        below.iter().map(|(pid, _)| *pid).filter(|pid| command_line(*pid).contains(" __guard ")).collect();
    assert_eq!(guards.len(), 1);
    crate::house::kill(first.pid(), Signal::STOP);
    for guard in guards {
        crate::house::kill(guard, Signal::KILL);
    }
    first.kill();
    let second = place.daemon();
    until("the sweep", || below.iter().all(|process| !lives(process)).then_some(()));
    let verified = place.house.run(&["data", "verify", "--json"]);
    assert!(verified.status.success(), "{}", text(&verified));
    drop(second);
}
