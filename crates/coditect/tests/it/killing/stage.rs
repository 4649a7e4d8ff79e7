//! A scratch data root, the demo's repository and model, and a daemon that is killed and started.

use client::{Client, Options};
use model::{Clock, Cursor, DEFAULT_WORKSPACE, DataRoot, Event, PlanState, RunId, Timestamp, Vendor};
use protocol::{EventQuery, NewAnswer, NewPlan, NewRepo, NewSession, Plan, TaskQuery};
use rustix::process::{Pid, Signal, kill_process};
use scripted::{Scripted, ScriptedOptions};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything may take that is waited for. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
const AGENTS: [(&str, Vendor); 4] = [
    ("claude", Vendor::Anthropic),
    ("gemini", Vendor::Google),
    ("kimi", Vendor::Moonshot),
    ("codex", Vendor::Openai),
];

pub(super) struct Record {
    pub(super) ts: Timestamp,
    pub(super) event: Event,
}

pub(super) struct Stage {
    dir: tempfile::TempDir,
    client: Client,
    daemon: Option<Child>,
    repos: usize,
    repo: String,
    _model: Scripted,
}

/// What the demo needs and this machine has not.
pub(super) fn missing() -> Option<String> {
    ["git", "node"].into_iter().find(|name| command(name).arg("--version").output().is_err()).map(|name| {
        format!("{name} is not installed, so the daemon was not killed in the middle of the demo")
    })
}

impl Stage {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        let root = DataRoot::new(dir.path().join("data"));
        let agents: serde_json::Map<_, _> = AGENTS
            .into_iter()
            .map(|(name, vendor)| {
                let agent = serde_json::json!({
                    "vendor": vendor, "model": name, "api_key_env": "DEMO_KEY", "base_url": model.base_url(vendor),
                });
                (name.to_owned(), agent)
            })
            .collect();
        std::fs::create_dir_all(root.config().parent().unwrap()).unwrap();
        std::fs::write(root.config(), serde_json::json!({ "agents": agents }).to_string()).unwrap();
        let client = Client::new(Options {
            timeout: Duration::from_secs(10),
            ..Options::user(root, Arc::new(bus::system::SystemEntropy))
        });
        Self { dir, client, daemon: None, repos: 0, repo: String::new(), _model: model }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn root(&self) -> DataRoot {
        DataRoot::new(self.path("data"))
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root().workspace(DEFAULT_WORKSPACE).journal()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Slug of the repository that is worked on.
    pub(super) fn repo(&self) -> String {
        self.repo.clone()
    }

    pub(super) fn clock(&self) -> Timestamp {
        bus::system::SystemClock.now()
    }

    /// Starts a daemon and waits for its word.
    pub(super) fn start(&mut self) {
        let mut child = command(env!("CARGO_BIN_EXE_coditect"))
            .arg("__daemon")
            .arg(self.root().path())
            .env("DEMO_KEY", "sk-demo")
            .env("HOME", self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "the daemon said: {line:?}");
        self.daemon = Some(child);
    }

    pub(super) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    pub(super) fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        let _ = daemon.kill();
        daemon.wait().unwrap();
    }

    /// A fresh repository and a plan for it. Gives the plan's id.
    pub(super) async fn coordinate(&mut self) -> String {
        self.repos += 1;
        self.repo = format!("stint-{}", self.repos);
        let path = self.path(&self.repo);
        copy(&Path::new(EXAMPLES).join("stint"), &path);
        for args in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "--all"],
            &["-c", "user.name=T", "-c", "user.email=t@example.invalid", "commit", "--quiet", "-m", "first"],
        ] {
            assert!(command("git").arg("-C").arg(&path).args(args).status().unwrap().success());
        }
        let test_command = Some(vec!["node".to_owned(), "--test".to_owned()]);
        let new = NewRepo { path: path.display().to_string(), slug: Some(self.repo.clone()), test_command };
        self.client.add_repo(&new, None).await.unwrap();
        let new = NewSession {
            title: String::new(),
            repo: Some(self.repo.clone()),
            agents: AGENTS.iter().map(|(name, _)| name.parse().unwrap()).collect(),
            board: None,
            parent: None,
        };
        let session = self.client.create_session(&new, None).await.unwrap();
        let prompt = std::fs::read_to_string(Path::new(EXAMPLES).join("stint.demo/prompt.md")).unwrap();
        let new = NewPlan { prompt, agents: Vec::new() };
        self.client.coordinate(&session.id.to_string(), &new, None).await.unwrap().id.to_string()
    }

    /// Answers what is asked until the plan is over.
    pub(super) async fn plan_over(&self, plan: &str) -> Plan {
        self.until("the plan is over", || async {
            let query = TaskQuery { state: Some("input_required".to_owned()) };
            for task in self.client.tasks(&query).await.unwrap().items {
                // The turn that asked may just have ended.
                let _ = self.client.answer_task(&task.id.to_string(), &NewAnswer { answer: "yes".into() }, None).await;
            }
            let plan = self.client.plan(plan).await.unwrap().value;
            matches!(plan.state, PlanState::Completed | PlanState::Failed)
        })
        .await;
        self.client.plan(plan).await.unwrap().value
    }

    /// The whole journal.
    pub(super) async fn events(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut after = Cursor::default();
        loop {
            let query = EventQuery { after: Some(after.to_string()), session: None, limit: Some(1000) };
            let page = self.client.events(&query).await.unwrap();
            if page.items.is_empty() {
                return records;
            }
            after = page.next;
            records.extend(page.items.into_iter().map(|item| Record {
                ts: item.ts,
                event: Event::parse(&item.kind, &item.payload.to_string()).unwrap(),
            }));
        }
    }

    /// Within two seconds nothing lives of runs whose daemon is dead.
    pub(super) async fn no_process_of(&self, runs: &[RunId]) {
        let marks: Vec<String> = runs.iter().map(|run| format!("CODITECT_RUN={run}")).collect();
        self.until("the runs of the dead daemon are dead", || async {
            let environs = std::fs::read_dir("/proc").unwrap().flatten();
            !environs.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok()).any(|environ| {
                let environ = String::from_utf8_lossy(&environ).into_owned();
                environ.split('\0').any(|variable| marks.iter().any(|mark| mark == variable))
            })
        })
        .await;
    }

    /// Whoever holds a lock is alive.
    pub(super) async fn no_lock_of_the_dead(&self) {
        self.until("the locks of the dead are free", || async {
            let locks = self.client.locks().await.unwrap().items;
            let alive = self.client.registrations().await.unwrap().items;
            locks.iter().all(|lock| alive.iter().any(|one| one.id == lock.holder))
        })
        .await;
    }

    pub(super) async fn until<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            assert!(Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A failed test leaves no daemon behind.
impl Drop for Stage {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.kill();
        }
    }
}

pub(super) fn shoot(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[expect(clippy::disallowed_methods, reason = "the test starts the product and its tools as a user would")]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_remove("GIT_DIR");
    command
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
