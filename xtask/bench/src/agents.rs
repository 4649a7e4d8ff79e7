//! What our layer adds to an agent that is driven: milliseconds per streamed token, memory per live agent, and many at once; and how
//! soon it knows of a death.
//!
//! The agent's program is this program again, speaking as Claude Code does: each of its tokens says when it was written, on the clock that
//! all processes of the machine share. The engine runs in this process as it does in the daemon; guards and drivers are those of the
//! `coditect` binary.

mod death;

use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::{Order, say, scratch, tell};
use engine::{Call, Engine, EngineOptions, NewPrompt, NewSession};
use model::{AgentName, DataRoot, SessionId, TaskState};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds a token may take from the program's pipe to whoever watches.
const TOKEN_MOST: f64 = 2.0;
/// Megabytes of the daemon's own that a live agent may cost.
const MEMORY_MOST: f64 = 3.0;
/// Agents alive at the same time.
const MANY: usize = 30;
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two tokens: a fast model.
const PACE: Duration = Duration::from_millis(5);

/// The body of the agent's program: `agents-vendor <tokens>`.
pub(crate) fn body(name: &str, argument: &str) -> Option<Result<(), String>> {
    (name == "agents-vendor").then(|| vendor(argument))
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Shakes hands, waits for the prompt, says its tokens, and ends; without tokens it holds the turn until the file `go` is there.
fn vendor(tokens: &str) -> Result<(), String> {
    let tokens: usize = tokens.parse().map_err(|_| "a number of tokens is needed".to_owned())?;
    let mut lines = std::io::stdin().lock().lines();
    let mut heard = || lines.next().and_then(Result::ok).ok_or("nobody speaks to us".to_owned());
    let say = |line: serde_json::Value| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
    };
    heard()?;
    let response = json!({"subtype": "success", "request_id": "initialize", "response": {}});
    say(json!({"type": "control_response", "response": response}))?;
    heard()?;
    say(json!({"type": "system", "subtype": "init", "session_id": "s", "claude_code_version": "2.1.329"}))?;
    for _ in 0..tokens {
        std::thread::sleep(PACE);
        let delta = json!({"type": "text_delta", "text": format!("{} ", now())});
        let event = json!({"type": "content_block_delta", "index": 0, "delta": delta});
        say(json!({"type": "stream_event", "event": event, "session_id": "s", "parent_tool_use_id": null}))?;
    }
    while tokens == 0 && !Path::new("go").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = json!({"type": "result", "subtype": "success", "is_error": false, "result": "done"});
    say(done)?;
    let _ = heard();
    Ok(())
}

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let wanted = |case: &str| order.only.as_deref().is_none_or(|only| case.contains(only));
        if wanted("tokens") {
            tokens(order).await?;
        }
        if wanted("many") {
            many(order).await?;
        }
        if wanted("death") {
            death::bench(order).await?;
        }
        Ok(())
    })
}

/// From the moment a token is written to the moment who watches the daemon has it.
async fn tokens(order: &Order) -> Result<(), String> {
    say(&format!("agents: {P99_MIN} tokens"));
    let house = House::open(order, P99_MIN).await?;
    let mut deltas = house.engine.deltas();
    let session = house.session().await?;
    house.prompt(session).await?;
    let mut samples = Samples::default();
    let reading = async {
        while samples.len() < P99_MIN {
            let delta = deltas.recv().await.map_err(|error| error.to_string())?;
            let heard = now();
            for written in delta.text.split_whitespace().filter_map(|word| word.parse::<u64>().ok()) {
                samples.add(Duration::from_nanos(heard.saturating_sub(written)));
            }
        }
        Ok::<(), String>(())
    };
    tokio::time::timeout(PATIENCE, reading).await.map_err(|_| "the tokens did not come".to_owned())??;
    let note =
        format!("{} tokens, one every {} ms; load {}", samples.len(), PACE.as_millis(), scratch::load());
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let row = Row::new("agents", "token", "ms", stat, samples.millis(share)).note(&note);
        tell(&if stat == "p99" { row.at_most(TOKEN_MOST) } else { row });
    }
    house.close().await;
    Ok(())
}

/// Many agents alive at once: what each costs the daemon, and its own processes.
async fn many(order: &Order) -> Result<(), String> {
    say(&format!("agents: {MANY} at once"));
    let house = House::open(order, 0).await?;
    let warm = house.session().await?;
    let first = house.prompt(warm).await?;
    house.working(1).await?;
    house.go()?;
    house.over(&[first]).await?;
    house.stay()?;
    let mut sessions = Vec::new();
    for _ in 0..MANY {
        sessions.push(house.session().await?);
    }
    let me = std::process::id();
    let before = scratch::resident(me).ok_or("no figure of our memory")?;
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for session in sessions {
        tasks.push(house.prompt(session).await?);
    }
    house.working(MANY).await?;
    let took = begun.elapsed();
    let after = scratch::resident(me).ok_or("no figure of our memory")?;
    let each = after.saturating_sub(before) as f64 / 1e6 / MANY as f64;
    let note = format!("{MANY} agents; load {}", scratch::load());
    tell(&Row::new("agents", "daemon_memory", "MB", "per_agent", each).at_most(MEMORY_MOST).note(&note));
    tell(&Row::new("agents", "all_begun", "s", "total", took.as_secs_f64()).note(&note));
    for (case, word) in [("guard_memory", "__guard"), ("driver_memory", "__drive")] {
        let sizes: Vec<(u64, u64)> =
            scratch::descendants(me, word).into_iter().filter_map(scratch::sizes).collect();
        let mean = |total: u64| total as f64 / 1e6 / sizes.len().max(1) as f64;
        let (resident, proportional) =
            sizes.iter().fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let note = format!("{} processes, each resident {:.1} MB", sizes.len(), mean(resident));
        tell(&Row::new("agents", case, "MB", "pss", mean(proportional)).note(&note));
    }
    house.go()?;
    house.over(&tasks).await?;
    house.close().await;
    Ok(())
}

/// A workspace with one agent, whose program is ours.
struct House {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl House {
    async fn open(order: &Order, tokens: usize) -> Result<Self, String> {
        let folder = scratch::folder(order, "agents-")?;
        let root = DataRoot::new(folder.path().join("data"));
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        // What holds the turns is looked for in the folder that all runs share.
        let command = format!("cd {:?} && exec {:?} agents-vendor {tokens}", folder.path(), me);
        let agent = json!({"vendor": "anthropic", "driver": "claude", "model": "default",
            "command": ["sh", "-c", command, "claude"]});
        let config = json!({"agents": {"driven": agent}, "limits": {"max_runs": MANY + 2}});
        let path = root.config();
        let folder_of = path.parent().ok_or("the configuration has no folder")?;
        std::fs::create_dir_all(folder_of).map_err(|error| error.to_string())?;
        std::fs::write(&path, config.to_string()).map_err(|error| error.to_string())?;
        let options = EngineOptions {
            data_root: root,
            workspace: "default".to_owned(),
            clock: Arc::new(::bus::system::SystemClock),
            entropy: Arc::new(::bus::system::SystemEntropy),
            executable: order.coditect.clone(),
            environment: Arc::new(crate::process::told),
            version: "bench",
        };
        let (engine, _) = Engine::open(options).await.map_err(|error| error.to_string())?;
        Ok(Self { engine, folder })
    }

    async fn session(&self) -> Result<SessionId, String> {
        let agent: AgentName = "driven".parse().map_err(|error| format!("{error}"))?;
        let new = NewSession { agents: vec![agent], ..NewSession::default() };
        let made = self.engine.create_session(&Call::user("bench"), new).await;
        made.map(|session| session.session.id).map_err(|refusal| refusal.to_string())
    }

    async fn prompt(&self, session: SessionId) -> Result<model::TaskId, String> {
        let prompt = NewPrompt { text: "go".to_owned(), ..NewPrompt::default() };
        let task = self.engine.prompt(&Call::user("bench"), session, prompt).await;
        task.map(|task| task.task.id).map_err(|refusal| refusal.to_string())
    }

    /// Waits until so many programs have opened their sessions.
    async fn working(&self, count: usize) -> Result<(), String> {
        let all = || {
            let drivers = scratch::descendants(std::process::id(), "agents-vendor").len();
            // Each has a shell before it becomes the program; both carry the word for a moment.
            drivers >= count
        };
        self.until("the agents work", all).await?;
        // What a turn has at its beginning is committed by then.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    }

    async fn over(&self, tasks: &[model::TaskId]) -> Result<(), String> {
        let done = || {
            tasks
                .iter()
                .all(|task| self.engine.task(*task).is_ok_and(|task| task.state == TaskState::Completed))
        };
        self.until("the turns are over", done).await
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !done() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn go(&self) -> Result<(), String> {
        std::fs::write(self.folder.path().join("go"), "").map_err(|error| error.to_string())
    }

    fn stay(&self) -> Result<(), String> {
        std::fs::remove_file(self.folder.path().join("go")).map_err(|error| error.to_string())
    }

    async fn close(self) {
        self.engine.shutdown().await;
    }
}
