//! The conflict radar: twenty worktrees of a repository of twenty thousand files, one of which is edited.
//!
//! An edit is one of a session that was started by hand: its lock is taken on the bus, the file is written, and nobody says so.
//! It is over when the conflict is in the list. Idle is what a minute costs in which nothing happens, and the share of the sweeps
//! to come, which are paced by how long they take.

use crate::Order;
use crate::process::{command, timed, told};
use crate::row::Row;
use crate::sample::Samples;
use crate::{say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use bus::{Liveness, LockRequest, NewRegistration};
use engine::{Call, Engine, EngineOptions, NewRepo, NewWorktree};
use model::{DEFAULT_WORKSPACE, DataRoot, LockMode, RegistrationId, Repo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const FILES: usize = 20_000;
const FILES_IN_FOLDER: usize = 50;
const WORKTREES: usize = 20;
/// An edit is seen by then, in milliseconds.
const EDIT_MOST: f64 = 300.0;
/// A sweep of all is over by then, in milliseconds.
const SWEEP_MOST: f64 = 3_000.0;
/// Percent of one core while nothing happens.
const IDLE_MOST: f64 = 1.0;
/// How long the radar rests after a sweep, by how long that took, and at least; as the engine has it.
const REST: f64 = 200.0;
const REST_LEAST: f64 = 30.0;
/// Between two edits, so that each finds the radar at rest.
const PAUSE: Duration = Duration::from_millis(1_500);
const LOOK_EVERY: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

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

/// A repository of [`FILES`] files, committed.
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
        &["add", "--all"],
        &["-c", "user.name=Bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "-m", "all"],
    ] {
        let mut git = command("git");
        git.args(arguments).current_dir(repo);
        timed(git)?;
    }
    Ok(bytes)
}

async fn measure(order: &Order, root: &Path, repo: &Path) -> Result<(), String> {
    let (engine, places) = open(&root.join("data"), repo).await?;
    let call = Call::user("bench");
    let refused = |refusal: model::Refusal| refusal.message;
    let by_hand = somebody(&engine, &places[0])?;
    // The first look at everything reads every file once.
    let begun = Instant::now();
    engine.sweep_conflicts(&call, None).await.map_err(refused)?;
    tell(&Row::new("radar", "first_sweep", "ms", "once", millis(begun.elapsed())));
    sweeps(order, &engine, &places).await?;
    edits(order, &engine, &places, by_hand).await?;
    idle(order, &engine).await?;
    engine.shutdown().await;
    Ok(())
}

/// Every worktree has a change of its own that is not committed.
async fn sweeps(order: &Order, engine: &Engine, places: &[PathBuf]) -> Result<(), String> {
    let call = Call::user("bench");
    let (mut clean, mut busy) = (Samples::default(), Samples::default());
    for turn in 0..if order.quick { 3 } else { 10 } {
        let begun = Instant::now();
        engine.sweep_conflicts(&call, None).await.map_err(|refusal| refusal.message)?;
        clean.add(begun.elapsed());
        for (at, place) in places.iter().enumerate() {
            change(&place.join(file(at * FILES_IN_FOLDER)), turn)?;
            change(&place.join(file(15_000)), turn * places.len() + at)?;
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

async fn edits(order: &Order, engine: &Engine, places: &[PathBuf], me: RegistrationId) -> Result<(), String> {
    let mut samples = Samples::default();
    for turn in 0..if order.quick { 10 } else { 50 } {
        // A file that another worktree has changed, and this one has not.
        let name = file((turn + 100) * FILES_IN_FOLDER);
        change(&places[1].join(&name), 1)?;
        engine.sweep_conflicts(&Call::user("bench"), None).await.map_err(|refusal| refusal.message)?;
        tokio::time::sleep(PAUSE).await;
        let request = LockRequest {
            worktree: places[0].display().to_string(),
            paths: vec![name.clone()],
            mode: LockMode::Exclusive,
            holder: me,
            ttl: Duration::from_secs(60),
        };
        let acquired = engine.bus().acquire(&request).map_err(|error| error.to_string())?;
        tokio::time::sleep(PAUSE).await;
        change(&places[0].join(&name), 2)?;
        let begun = Instant::now();
        while !engine
            .conflicts(None)
            .map_err(|refusal| refusal.message)?
            .iter()
            .any(|one| one.paths.iter().any(|path| path.as_str() == name))
        {
            if begun.elapsed() > PATIENCE {
                return Err(format!("nobody saw the edit of {name}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        samples.add(begun.elapsed());
        for lock in acquired.locks {
            engine.bus().release(lock.token, me).map_err(|error| error.to_string())?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let note = format!("from the file's change to the list of conflicts, {} edits by hand", samples.len());
    tell(&Row::new("radar", "edit", "ms", "p50", samples.millis(0.5)).at_most(EDIT_MOST).note(&note));
    tell(&Row::new("radar", "edit", "ms", "p95", samples.millis(0.95)).at_most(EDIT_MOST));
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

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// An engine of this program alone, and the repository in it.
pub(crate) async fn engine(root: &Path, repo: &Path) -> Result<(Engine, Repo), String> {
    std::fs::create_dir_all(root).map_err(|error| error.to_string())?;
    let options = EngineOptions {
        data_root: DataRoot::new(root),
        workspace: DEFAULT_WORKSPACE.to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        executable: std::env::current_exe().map_err(|error| error.to_string())?,
        environment: Arc::new(|name| (name == "PATH").then(|| told(name)).flatten()),
        version: env!("CARGO_PKG_VERSION"),
    };
    let refused = |refusal: model::Refusal| refusal.message;
    let (engine, _) = Engine::open(options).await.map_err(refused)?;
    let (call, path) = (Call::user("bench"), repo.display().to_string());
    let repo =
        engine.add_repo(&call, NewRepo { path, slug: None, test_command: None }).await.map_err(refused)?;
    Ok((engine, repo))
}

async fn open(root: &Path, repo: &Path) -> Result<(Engine, Vec<PathBuf>), String> {
    let (engine, repo) = engine(root, repo).await?;
    let (call, refused) = (Call::user("bench"), |refusal: model::Refusal| refusal.message);
    let mut places = Vec::new();
    for at in 0..WORKTREES {
        let name = format!("w{at:02}");
        let new = NewWorktree { repo: repo.id, name, branch: None, from: None, checkout: None };
        let made = engine.add_worktree(&call, new).await.map_err(refused)?;
        places.push(PathBuf::from(made.path));
    }
    Ok((engine, places))
}

/// A session that was started by hand in a worktree.
fn somebody(engine: &Engine, place: &Path) -> Result<RegistrationId, String> {
    let pid = std::process::id();
    let starttime = bus::system::process_start(pid).ok_or("this process has no start time")?;
    let new = NewRegistration {
        id: None,
        agent: "codex".to_owned(),
        vendor: "openai".to_owned(),
        model: None,
        session: None,
        worktree: Some(place.display().to_string()),
        liveness: Liveness::Process { pid, starttime },
    };
    engine.bus().register(new).map(|one| one.id).map_err(|error| error.to_string())
}
