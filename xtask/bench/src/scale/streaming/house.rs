//! The daemon's rooms in this process, and the sessions that stream in them.

use super::speaker::Speaker;
use super::watcher::{Heard, Watcher};
use super::{STEP_MS, Scale};
use crate::{process, say};
use bus::system::{SystemClock, SystemEntropy};
use client::{Client, Options};
use engine::{Call, Engine, EngineOptions, NewPrompt, NewSession};
use model::{AgentName, DataRoot, TaskId, TaskState, Vendor};
use protocol::{API_REVISION, DaemonInfo};
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use server::{Bounds, Port, Running, Server, ServerOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The agent that one driver speaks for in all its sessions.
pub(super) const MULTIPLEXED: &str = "multiplexed";
const NATIVE: &str = "native";
/// Where the guards of its runs make themselves known, under the data root.
pub(super) const JOINED: &str = "joined";
const KEY: &str = "CODITECT_BENCH_KEY";
/// Turns begun at once: a machine of two cores starts no more processes than this in a moment.
const WAVE: usize = 20;
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After the last turn has begun: what a beginning leaves to be done is over then.
const SETTLED: Duration = Duration::from_secs(3);
const ARRIVED: Duration = Duration::from_millis(300);

pub(super) struct House {
    engine: Engine,
    running: Running,
    client: Client,
    joined: PathBuf,
    tasks: Vec<TaskId>,
    _models: Scripted,
}

impl House {
    /// Opens everything, and lets every turn begin.
    pub(super) async fn open(folder: &Path, scale: Scale) -> Result<Self, String> {
        let root = DataRoot::new(folder.join("data"));
        let joined = root.path().join(JOINED);
        std::fs::create_dir_all(&joined).map_err(|error| error.to_string())?;
        let models = Scripted::start(ScriptedOptions::default()).map_err(|error| error.to_string())?;
        configure(&root, &models, scale)?;
        let options = EngineOptions {
            data_root: root.clone(),
            workspace: model::DEFAULT_WORKSPACE.to_owned(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            executable: std::env::current_exe().map_err(|error| error.to_string())?,
            environment: Arc::new(|name| match name {
                KEY => Some("a-key-of-no-value".to_owned()),
                name => process::told(name),
            }),
            version: "bench",
        };
        let (engine, _) = Engine::open(options).await.map_err(|refusal| refusal.to_string())?;
        let running = serve(&root, engine.clone()).await?;
        let client = Client::new(Options::user(root, Arc::new(SystemEntropy)));
        let mut house = Self { engine, running, client, joined, tasks: Vec::new(), _models: models };
        house.begin(scale).await?;
        Ok(house)
    }

    async fn begin(&mut self, scale: Scale) -> Result<(), String> {
        say(&format!("core: {} sessions of one driver begin", scale.sessions));
        let begun = Instant::now();
        while self.tasks.len() < scale.sessions {
            for _ in 0..WAVE.min(scale.sessions - self.tasks.len()) {
                let task = self.prompt(MULTIPLEXED, "stream").await?;
                self.tasks.push(task);
            }
            let wanted = self.tasks.len();
            self.until("the sessions have begun", || self.joined() >= wanted).await?;
        }
        say(&format!("core: {} have begun in {:.0} s", self.tasks.len(), begun.elapsed().as_secs_f64()));
        let script = format!("[[sleep {STEP_MS}]][[list .]]").repeat(scale.steps());
        for _ in 0..scale.native {
            let task = self.prompt(NATIVE, &script).await?;
            self.tasks.push(task);
        }
        let all = self.tasks.len();
        let engine = self.engine.clone();
        let running = move || engine.status().is_ok_and(|status| status.running_turns as usize >= all);
        self.until("the native loops have begun", running).await?;
        tokio::time::sleep(SETTLED).await;
        Ok(())
    }

    fn joined(&self) -> usize {
        std::fs::read_dir(&self.joined).map_or(0, Iterator::count)
    }

    async fn prompt(&self, agent: &str, text: &str) -> Result<TaskId, String> {
        let agent: AgentName = agent.parse().map_err(|error| format!("{error}"))?;
        let (call, new) = (Call::user("bench"), NewSession { agents: vec![agent], ..NewSession::default() });
        let session = self.engine.create_session(&call, new).await.map_err(|refusal| refusal.to_string())?;
        let prompt = NewPrompt { text: text.to_owned(), ..NewPrompt::default() };
        let task = self.engine.prompt(&call, session.session.id, prompt).await;
        task.map(|task| task.task.id).map_err(|refusal| refusal.to_string())
    }

    pub(super) async fn measure(&self, scale: Scale) -> Result<Heard, String> {
        let watcher = Watcher::start(self.client.clone());
        self.until("somebody watches", || watcher.is_ready()).await?;
        // His wish is on its way; that it has arrived is nowhere said.
        tokio::time::sleep(ARRIVED).await;
        say(&format!("core: {:.0} events a second for {} s", scale.rate, scale.lasting.as_secs()));
        let mut speaker = Speaker::of(&self.joined)?;
        let speaking = std::thread::spawn(move || (speaker.speak(scale), speaker));
        self.until("everything was said", || speaking.is_finished()).await?;
        let (said, mut speaker) = speaking.join().map_err(|_| "the driver died".to_owned())?;
        let said = said?;
        let heard = tokio::task::spawn_blocking(move || watcher.finish(said))
            .await
            .map_err(|error| error.to_string())??;
        speaker.end()?;
        let over =
            |task: &TaskId| self.engine.task(*task).is_ok_and(|task| task.state == TaskState::Completed);
        self.until("every turn has ended well", || self.tasks.iter().all(over)).await?;
        Ok(heard)
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !done() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(super) async fn close(self) {
        self.running.stop().await;
        self.engine.shutdown().await;
    }
}

fn configure(root: &DataRoot, models: &Scripted, scale: Scale) -> Result<(), String> {
    let agent = json!({"vendor": "anthropic", "driver": "native", "model": "a-model", "permissions": "all",
        "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY});
    let limits = json!({"max_runs": scale.sessions + scale.native, "max_iterations": 2 * scale.steps()});
    let config = json!({"agents": {MULTIPLEXED: agent, NATIVE: agent}, "limits": limits, "titles": "words"});
    std::fs::write(root.config(), config.to_string()).map_err(|error| error.to_string())
}

async fn serve(root: &DataRoot, engine: Engine) -> Result<Running, String> {
    let options = ServerOptions {
        token_file: root.token(),
        socket: Some(root.daemon_dir().join("sock")),
        port: Port::Any,
        version: "bench",
        workspace: model::DEFAULT_WORKSPACE.to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        bounds: Bounds::default(),
    };
    let running = Server::bind(engine, options).await.map_err(|error| error.to_string())?;
    let info = DaemonInfo {
        version: "bench".to_owned(),
        api_revision: API_REVISION,
        pid: std::process::id(),
        socket: running.socket().map(ToOwned::to_owned),
        address: running.address(),
        started_at: model::Timestamp::from_millis(0),
    };
    server::announce(&root.daemon_info(), &info).map_err(|error| error.to_string())?;
    Ok(running)
}
