//! A daemon for one test: a data root, an engine, a server, a repository, and a guard that starts
//! no agent.

use crate::wire::{Ask, Reply};
use bus::system::{SystemClock, SystemEntropy};
use engine::{Engine, EngineOptions};
use model::DataRoot;
use protocol::{API_PREFIX, API_REVISION, DaemonInfo};
use serde_json::{Value, json};
use server::{Bounds, Port, Running, Server, ServerOptions, announce};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::TempRepo;

/// Between two looks, and how many there are: a minute. Only a failing test waits that long.
const NAP: Duration = Duration::from_millis(5);
const LOOKS: usize = 12_000;

/// Says what the real guard says, holds the lock the real guard holds, writes to the daemon what the
/// test put into `script` beside it, and ends when it is told to.
const GUARD: &str = r#"#!/bin/sh
here=$(dirname "$0")
while [ "$1" != "--liveness" ]; do shift; done
exec 9<>"$2"
flock 9
echo '{"guard":"ready","wire":4}'
[ -f "$here/script" ] && cat "$here/script"
grep -q -m1 '"command":"cancel"'
"#;

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) root: DataRoot,
    pub(crate) engine: Engine,
    pub(crate) repo: TempRepo,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    running: Option<Running>,
}

/// What waits for something else of the engine's would be waited for at the end of a test.
impl Drop for House {
    fn drop(&mut self) {
        self.engine.begin_shutdown();
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Bounds)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let guard = dir.path().join("guard");
        std::fs::write(&guard, GUARD).unwrap();
        std::fs::set_permissions(&guard, std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = DataRoot::new(dir.path().join("data"));
        std::fs::create_dir_all(root.path()).unwrap();
        // No model is asked for anything but what a test prompts.
        std::fs::write(root.config(), json!({ "titles": "words" }).to_string()).unwrap();
        let repo = TempRepo::with(&[("README.md", "# textkit\n")]);
        let mut bounds = Bounds { token_poll: Duration::from_millis(20), ..Bounds::default() };
        change(&mut bounds);
        let engine = open_engine(&root, guard, dir.path().to_owned()).await;
        let running = start(&root, engine.clone(), bounds, Port::Any).await;
        let (address, token) = (running.address(), std::fs::read_to_string(root.token()).unwrap());
        Self { dir, root, engine, repo, address, token: token.trim().to_owned(), running: Some(running) }
    }

    /// Stops the server and starts another one on the same engine and port.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let port = Port::Preferred(self.address.port());
        let running = start(&self.root, self.engine.clone(), Bounds::default(), port).await;
        self.address = running.address();
        self.running = Some(running);
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub(crate) fn take(&mut self) -> Running {
        self.running.take().unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.daemon_dir().join("sock")
    }

    /// The user's request to a path under the API.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(method, &format!("{API_PREFIX}{path}")).bearer(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path).send(self.address).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path).json(&body).send(self.address).await
    }

    /// Registers the repository.
    pub(crate) async fn add_repo(&self) -> Value {
        let added = self.post("/repos", json!({ "path": self.repo.path(), "slug": "textkit" })).await;
        assert_eq!(added.status, 201, "{added:?}");
        added.json()
    }

    /// A session with claude and kimi in the repository.
    pub(crate) async fn session(&self) -> String {
        if self.get("/repos/textkit").await.status == 404 {
            self.add_repo().await;
        }
        let new = json!({ "title": "t", "repo": "textkit", "agents": ["claude", "kimi"] });
        let made = self.post("/sessions", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Renames the session so many times: so many events.
    pub(crate) async fn events(&self, session: &str, count: usize) {
        for n in 0..count {
            let renamed =
                self.ask("PATCH", &format!("/sessions/{session}")).json(&json!({ "title": format!("t{n}") }));
            assert_eq!(renamed.send(self.address).await.status, 200);
        }
    }

    /// What the next runs say to the daemon, one event a line.
    pub(crate) fn script(&self, events: &[Value]) {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(self.dir.path().join("script"), lines).unwrap();
    }

    /// Waits until the task is in the state.
    pub(crate) async fn task_in_state(&self, id: &str, state: &str) -> Value {
        self.until(&format!("/tasks/{id}"), |task| task["state"] == state).await
    }

    /// Asks until the answer is the wished one.
    pub(crate) async fn until(&self, path: &str, wished: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS {
            last = self.get(path).await.json();
            if wished(&last) {
                return last;
            }
            tokio::time::sleep(NAP).await;
        }
        panic!("{path} never became it: {last}");
    }

    /// Waits until the token of the start is worth nothing.
    pub(crate) async fn until_refused(&self) {
        for _ in 0..LOOKS {
            if self.get("/version").await.status == 401 {
                return;
            }
            tokio::time::sleep(NAP).await;
        }
        panic!("the token still counts");
    }

    /// Publishes a notice on a channel of this name and waits until the journal has it.
    pub(crate) async fn mark(&self, channel: &str) {
        let before = self.engine.newest();
        let sent = self.post("/notices", json!({ "channel": channel, "payload": null })).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        let marked = |events: &Value| {
            events["items"]
                .as_array()
                .is_some_and(|all| all.iter().any(|event| event["payload"]["channel"] == channel))
        };
        let events = self.until(&format!("/events?after={before}"), marked).await;
        let mark: model::Cursor =
            events["items"].as_array().unwrap().last().unwrap()["cursor"].as_str().unwrap().parse().unwrap();
        // It is shown as soon as the journal has it, and counts when the databases have it, too.
        for _ in 0..LOOKS {
            if self.engine.newest() >= mark {
                return;
            }
            tokio::time::sleep(NAP).await;
        }
        panic!("the mark never counted");
    }

    /// The credential of the one run that lives in the session.
    pub(crate) async fn run_token(&self, session: &str) -> String {
        let runs = self.root.workspace("default").runs();
        self.until(&format!("/sessions/{session}/tasks"), |tasks| tasks["items"][0]["state"] == "working")
            .await;
        let folders = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
        let tokens: Vec<String> =
            folders.filter_map(|folder| std::fs::read_to_string(folder.join("token")).ok()).collect();
        tokens.last().unwrap().trim().to_owned()
    }

    pub(crate) fn client(&self) -> client::Client {
        client::Client::new(client::Options::user(self.root.clone(), Arc::new(SystemEntropy)))
    }
}

async fn open_engine(root: &DataRoot, executable: PathBuf, home: PathBuf) -> Engine {
    testkit::name_database(&root.config());
    let environment = move |name: &str| match name {
        "PATH" => testkit::search_path().into_string().ok(),
        "HOME" => home.to_str().map(str::to_owned),
        name if name.ends_with("_API_KEY") => Some("no-key-at-all".to_owned()),
        testkit::DATABASE => testkit::database(),
        _ => None,
    };
    let options = EngineOptions {
        data_root: root.clone(),
        workspace: "default".to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        executable,
        environment: Arc::new(environment),
        version: "0.0.0-test",
    };
    let (engine, _) = Engine::open(options).await.unwrap();
    engine
}

async fn start(root: &DataRoot, engine: Engine, bounds: Bounds, port: Port) -> Running {
    let options = ServerOptions {
        token_file: root.token(),
        socket: Some(root.daemon_dir().join("sock")),
        port,
        version: "0.0.0-test",
        workspace: "default".to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        bounds,
    };
    let running = Server::bind(engine, options).await.unwrap();
    let info = DaemonInfo {
        version: "0.0.0-test".to_owned(),
        api_revision: API_REVISION,
        pid: std::process::id(),
        socket: running.socket().map(ToOwned::to_owned),
        address: running.address(),
        started_at: model::Timestamp::from_millis(0),
    };
    announce(&root.daemon_info(), &info).unwrap();
    running
}
