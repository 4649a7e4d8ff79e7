//! The conflict radar: twenty worktrees of a repository of twenty thousand files, one of which is edited.
//!
//! Edits are in `edit`. Idle is what a minute costs in which nothing happens, and the share of the sweeps to come, which are paced
//! by how long they take. Each case can be had alone by `--only=edit`, `idle` or `sweep`; all need the worktrees and one first sweep.

mod edit;

use crate::Order;
use crate::process::{command, timed, told};
use crate::row::Row;
use crate::sample::Samples;
use crate::{say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use engine::{Call, Engine, EngineOptions, NewRepo, NewWorktree};
use model::{DEFAULT_WORKSPACE, DataRoot, Repo, Vendor, WorktreeId};
use scripted::{Scripted, ScriptedOptions};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const FILES: usize = 20_000;
const FILES_IN_FOLDER: usize = 50;
const WORKTREES: usize = 20;
/// A sweep of all is over by then, in milliseconds.
const SWEEP_MOST: f64 = 3_000.0;
/// Percent of one core while nothing happens.
const IDLE_MOST: f64 = 1.0;
/// How long the radar rests after a sweep, by how long that took, and at least; as the engine has it.
const REST: f64 = 200.0;
const REST_LEAST: f64 = 30.0;
/// The agent that is driven, and the key of its scripted model.
const DRIVEN: &str = "driven";
const KEY: &str = "CODITECT_BENCH_KEY";
/// Calls of a model in one turn, at most.
const CALLS_MAX: u32 = 1_000;

/// A worktree of the bench.
struct Place {
    id: WorktreeId,
    path: PathBuf,
}

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let folder = scratch::folder(order, "radar-")?;
    let repo = folder.path().join("repo");
    say(&format!("radar: {FILES} files, {WORKTREES} worktrees"));
    files(&repo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(measure(order, folder.path(), &repo))
}

/// A repository of [`FILES`] files, committed and packed as a clone is. It does not tidy itself up while something is measured.
pub(crate) fn files(repo: &Path) -> Result<(), String> {
    let text: String = (1..=40).map(|line| format!("line {line} of a file as long as most\n")).collect();
    repository(repo, |at| format!("{at}\n{text}")).map(drop)
}

/// The same with these texts; how many bytes they have.
pub(crate) fn repository(repo: &Path, text: impl Fn(usize) -> String) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", repo.display());
    let mut bytes = 0;
    for at in 0..FILES {
        let file = repo.join(file(at));
        if let Some(folder) = file.parent().filter(|_| at % FILES_IN_FOLDER == 0) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = text(at);
        bytes += text.len() as u64;
        std::fs::write(file, text).map_err(failed)?;
    }
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["config", "gc.auto", "0"],
        &["config", "maintenance.auto", "false"],
        &["add", "--all"],
        &["-c", "user.name=Bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "-m", "all"],
        &["repack", "-a", "-d", "--quiet"],
        &["prune-packed", "--quiet"],
    ] {
        let mut git = command("git");
        git.args(arguments).current_dir(repo);
        timed(git)?;
    }
    Ok(bytes)
}

async fn measure(order: &Order, root: &Path, repo: &Path) -> Result<(), String> {
    let models = Scripted::start(ScriptedOptions::default()).map_err(|error| error.to_string())?;
    configure(&root.join("data"), &models)?;
    let (engine, repo, places) = open(order, &root.join("data"), repo).await?;
    let call = Call::user("bench");
    let refused = |refusal: model::Refusal| refusal.message;
    let wanted =
        |case: &str| order.only.as_deref().is_none_or(|only| only.starts_with(case) || case.contains(only));
    // The first look at everything reads every file once.
    let begun = Instant::now();
    engine.sweep_conflicts(&call, None).await.map_err(refused)?;
    tell(&Row::new("radar", "first_sweep", "ms", "once", millis(begun.elapsed())));
    if wanted("edit") {
        edit::bench(order, &engine, &repo, &places).await?;
    }
    if wanted("idle") {
        idle(order, &engine).await?;
    }
    if wanted("sweep") {
        sweeps(order, &engine, &places).await?;
    }
    engine.shutdown().await;
    Ok(())
}

/// Every worktree has a change of its own that is not committed.
async fn sweeps(order: &Order, engine: &Engine, places: &[Place]) -> Result<(), String> {
    let call = Call::user("bench");
    let (mut clean, mut busy) = (Samples::default(), Samples::default());
    for turn in 0..if order.quick { 3 } else { 10 } {
        let begun = Instant::now();
        engine.sweep_conflicts(&call, None).await.map_err(|refusal| refusal.message)?;
        clean.add(begun.elapsed());
        for (at, place) in places.iter().enumerate() {
            change(&place.path.join(file(at * FILES_IN_FOLDER)), turn)?;
            change(&place.path.join(file(15_000)), turn * places.len() + at)?;
        }
        let begun = Instant::now();
        engine.sweep_conflicts(&call, None).await.map_err(|refusal| refusal.message)?;
        busy.add(begun.elapsed());
    }
    let note = format!("{WORKTREES} worktrees, {FILES} files, load {}", scratch::load());
    tell(
        &Row::new("radar", "sweep_nothing_new", "ms", "p50", clean.millis(0.5))
            .at_most(SWEEP_MOST)
            .note(&note),
    );
    let all = "each changed in two files, one of them the same for all: 190 pairs";
    tell(
        &Row::new("radar", "sweep_all_changed", "ms", "p50", busy.millis(0.5)).at_most(SWEEP_MOST).note(all),
    );
    tell(&Row::new("radar", "sweep_all_changed", "ms", "max", busy.millis(1.0)).at_most(SWEEP_MOST));
    Ok(())
}

async fn idle(order: &Order, engine: &Engine) -> Result<(), String> {
    let (cpu, begun) = (processor_time()?, Instant::now());
    engine.sweep_conflicts(&Call::user("bench"), None).await.map_err(|refusal| refusal.message)?;
    let (sweep_cpu, sweep) = (processor_time()? - cpu, begun.elapsed().as_secs_f64());
    let minute = Duration::from_secs(if order.quick { 20 } else { 60 });
    let cpu = processor_time()?;
    tokio::time::sleep(minute).await;
    let still = (processor_time()? - cpu) / minute.as_secs_f64();
    let sweeps = sweep_cpu / (sweep * REST).max(REST_LEAST);
    let note = format!("{:.2} % at rest and {:.2} % for the sweeps to come", still * 100.0, sweeps * 100.0);
    tell(
        &Row::new("radar", "idle", "% of a core", "mean", (still + sweeps) * 100.0)
            .at_most(IDLE_MOST)
            .note(&note),
    );
    Ok(())
}

/// Seconds of processor time of this process and of those it has started and seen end.
fn processor_time() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let fields: Vec<&str> =
        text.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ticks: u64 = fields.iter().skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // What Linux counts in is a hundredth of a second on every machine it runs on.
    Ok(ticks as f64 / 100.0)
}

/// Where one of them is.
pub(crate) fn file(at: usize) -> String {
    format!("src/part{:03}/file{at:05}.txt", at / FILES_IN_FOLDER)
}

/// Writes another first line into a file.
pub(crate) fn change(file: &Path, mark: usize) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let (_, rest) = text.split_once('\n').unwrap_or_default();
    std::fs::write(file, format!("changed {mark} here\n{rest}")).map_err(failed)
}

/// As it was committed.
fn put_back(place: &Path) -> Result<(), String> {
    let mut git = command("git");
    git.args(["restore", "--worktree", "--", "."]).current_dir(place);
    timed(git).map(drop)
}

/// An agent whose model says what the prompt tells it to.
fn configure(root: &Path, models: &Scripted) -> Result<(), String> {
    let agent = json!({"vendor": "anthropic", "driver": "native", "model": "a-model", "permissions": "all",
        "base_url": models.base_url(Vendor::Anthropic), "api_key_env": KEY});
    let config =
        json!({"agents": {DRIVEN: agent}, "limits": {"max_iterations": CALLS_MAX}, "titles": "words"});
    let path = DataRoot::new(root).config();
    let folder = path.parent().ok_or("the configuration has no folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, config.to_string()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// An engine of this program alone, and the repository in it.
pub(crate) async fn engine(order: &Order, root: &Path, repo: &Path) -> Result<(Engine, Repo), String> {
    std::fs::create_dir_all(root).map_err(|error| error.to_string())?;
    let options = EngineOptions {
        data_root: DataRoot::new(root),
        workspace: DEFAULT_WORKSPACE.to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        executable: order.coditect.clone(),
        environment: Arc::new(|name| match name {
            KEY => Some("a-key-of-no-value".to_owned()),
            "PATH" => told(name),
            _ => None,
        }),
        version: env!("CARGO_PKG_VERSION"),
    };
    let refused = |refusal: model::Refusal| refusal.message;
    let (engine, _) = Engine::open(options).await.map_err(refused)?;
    let (call, path) = (Call::user("bench"), repo.display().to_string());
    let repo =
        engine.add_repo(&call, NewRepo { path, slug: None, test_command: None }).await.map_err(refused)?;
    Ok((engine, repo))
}

async fn open(order: &Order, root: &Path, repo: &Path) -> Result<(Engine, Repo, Vec<Place>), String> {
    let (engine, repo) = engine(order, root, repo).await?;
    let (call, refused) = (Call::user("bench"), |refusal: model::Refusal| refusal.message);
    let mut places = Vec::new();
    for at in 0..WORKTREES {
        let name = format!("w{at:02}");
        let new = NewWorktree { repo: repo.id, name, branch: None, from: None, checkout: None };
        let made = engine.add_worktree(&call, new).await.map_err(refused)?;
        let id = made.id.ok_or("a worktree that was made has no id")?;
        places.push(Place { id, path: PathBuf::from(made.path) });
    }
    Ok((engine, repo, places))
}
