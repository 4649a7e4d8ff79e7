//! A scratch data root, the demo's repository and model, and a daemon that is killed and started.

use crate::house::{coditect, program};
use client::{Client, Options};
use model::{
    Clock, Cursor, DEFAULT_WORKSPACE, DataRoot, Event, PlanState, RegistrationId, RunId, Timestamp, Vendor,
};
use protocol::{EventQuery, NewAnswer, NewPlan, NewRepo, NewSession, Plan, TaskQuery};
use rustix::process::{Pid, Signal, kill_process};
use scripted::{Scripted, ScriptedOptions};
use std::future::Future;
use std::path::{Path, PathBuf};
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
    daemon: Option<u32>,
    repos: usize,
    repo: String,
    _model: Scripted,
}

/// What the demo needs and this machine has not.
pub(super) fn missing() -> Option<String> {
    ["git", "node"]
        .into_iter()
        .find(|name| program(name).arg("--version").output().is_err())
        .map(|name| format!("{name} is not installed"))
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
            // The sockets of a dead daemon stay open until its last write has come to the disk.
            timeout: Duration::from_secs(30),
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

    /// Starts a daemon as a user does.
    pub(super) fn start(&mut self) {
        let up = coditect(self.dir.path())
            .env("DEMO_KEY", "sk-demo-of-the-kills")
            .arg("--data-root")
            .arg(self.root().path())
            .args(["up", "--headless"])
            .output()
            .unwrap();
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        let info = std::fs::read(self.root().daemon_info()).unwrap();
        let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
        self.daemon = u32::try_from(info["pid"].as_u64().unwrap()).ok();
    }

    pub(super) fn pid(&self) -> u32 {
        self.daemon.unwrap()
    }

    /// Kills the daemon, if it is not dead yet, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        let Some(pid) = self.daemon.take() else { return };
        shoot(pid);
        let deadline = Instant::now() + PATIENCE;
        while lives(pid) {
            assert!(Instant::now() < deadline, "the daemon survives kill -9");
            std::thread::sleep(Duration::from_millis(1));
        }
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
            assert!(program("git").arg("-C").arg(&path).args(args).status().unwrap().success());
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
        let new = NewPlan { prompt, ..NewPlan::default() };
        self.client.coordinate(&session.id.to_string(), &new, None).await.unwrap().id.to_string()
    }

    /// Answers what is asked until the plan is over.
    pub(super) async fn plan_over(&self, plan: &str) -> Plan {
        self.until("the plan is over", || async {
            let query = TaskQuery { state: Some("input_required".to_owned()), ..TaskQuery::default() };
            for task in self.client.tasks(&query).await.unwrap().items {
                // The turn that asked may just have ended.
                let _ = self
                    .client
                    .answer_task(
                        &task.id.to_string(),
                        &NewAnswer { answer: "yes".into(), client: None },
                        None,
                    )
                    .await;
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

    /// Nothing lives of runs whose daemon is dead.
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

    /// Nobody who registered under the dead daemon holds a lock.
    pub(super) async fn no_lock_of(&self, dead: &[RegistrationId]) {
        self.until("the locks of the dead are free", || async {
            let locks = self.client.locks().await.unwrap().items;
            !locks.iter().any(|lock| dead.contains(&lock.holder))
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
        self.kill();
    }
}

pub(super) fn shoot(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

pub(super) fn lives(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // A zombie has given back everything; whoever adopted it is slow.
    state.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
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
