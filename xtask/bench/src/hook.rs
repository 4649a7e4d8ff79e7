//! What a vendor's program waits for at each step: cold starts of `coditect hook`, beside the start of a program that
//! does nothing, in turns.
//!
//! The floor is the same binary in a repository that takes no part: it reads its input, looks at the file system and
//! opens no database.

use crate::process::command;
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use bus::{Bus, Liveness, LockRequest, NewRegistration};
use model::{DEFAULT_WORKSPACE, DataRoot, LockMode, RegistrationId};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds a decision may take, at the 99th percentile.
const DECIDED_MOST: f64 = 10.0;
/// After so many edits a turn ends, unmeasured: its locks are freed.
const TURN: usize = 10;
/// Files that somebody else holds.
const HELD: usize = 8;

/// A data root with a repository that takes part, and one that does not.
struct Scene {
    root: DataRoot,
    repo: PathBuf,
    other: PathBuf,
}

/// A case: what is told to the hook, and where.
struct Case {
    name: &'static str,
    /// Nobody else has the bus open.
    alone: bool,
    target: bool,
    say: fn(&Scene, usize) -> String,
}

const CASES: [Case; 5] = [
    Case { name: "no_part", alone: true, target: false, say: |scene, turn| before(&scene.other, turn, "a") },
    Case { name: "edit_alone", alone: true, target: true, say: |scene, turn| before(&scene.repo, turn, "a") },
    Case { name: "edit", alone: false, target: true, say: |scene, turn| before(&scene.repo, turn, "a") },
    Case { name: "denied", alone: false, target: true, say: |scene, _| before(&scene.repo, 0, "held") },
    Case { name: "after", alone: false, target: true, say: |scene, turn| after(&scene.repo, turn) },
];

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    if !order.coditect.exists() {
        return Err(format!("{} is not built", order.coditect.display()));
    }
    let folder = scratch::folder(order, "hook-")?;
    let scene = scene(folder.path())?;
    let count = if order.quick { 100 } else { 500 };
    for case in
        CASES.iter().filter(|case| order.only.as_ref().is_none_or(|only| case.name.contains(only.as_str())))
    {
        measure(order, &scene, case, count)?;
    }
    Ok(())
}

fn scene(folder: &Path) -> Result<Scene, String> {
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let (repo, other) = (folder.join("repo"), folder.join("other"));
    for repo in [&repo, &other] {
        std::fs::create_dir_all(repo.join(".git")).map_err(|error| error.to_string())?;
        std::fs::write(repo.join(".git/HEAD"), "ref: refs/heads/main\n")
            .map_err(|error| error.to_string())?;
    }
    let root = DataRoot::new(folder.join("data"));
    let top = repo.to_str().ok_or("the scratch folder is not UTF-8")?;
    bus::manage(&root.workspace(DEFAULT_WORKSPACE).bus(), top).map_err(|error| error.to_string())?;
    Ok(Scene { root, repo, other })
}

/// Somebody who works in the repository and holds files there.
fn neighbour(scene: &Scene) -> Result<(Bus, RegistrationId), bus::BusError> {
    let folder = scene.root.workspace(DEFAULT_WORKSPACE).bus();
    let bus = Bus::open(&folder, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
    let worktree = scene.repo.display().to_string();
    let holder = bus.register(NewRegistration {
        id: None,
        agent: "neighbour".to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: Some(worktree.clone()),
        liveness: Liveness::Lease { ttl: Duration::from_secs(3600) },
    })?;
    let paths = (0..HELD).map(|n| format!("held{n}.rs")).collect();
    let ttl = Duration::from_secs(3600);
    bus.acquire(&LockRequest { worktree, paths, mode: LockMode::Exclusive, holder: holder.id, ttl })?;
    Ok((bus, holder.id))
}

fn measure(order: &Order, scene: &Scene, case: &Case, count: usize) -> Result<(), String> {
    say(&format!("hook: {} × {count}", case.name));
    let there = match case.alone {
        true => None,
        false => Some(neighbour(scene).map_err(|error| error.to_string())?),
    };
    hook(order, scene, &event(&scene.repo, "SessionStart", ""))?;
    let (mut ours, mut nothing) = (Samples::default(), Samples::default());
    for turn in 0..count {
        ours.add(hook(order, scene, &(case.say)(scene, turn))?);
        nothing.add(fed(command(Path::new("/bin/true")), "")?);
        if turn % TURN == TURN - 1 {
            hook(order, scene, &event(&scene.repo, "Stop", ""))?;
        }
    }
    if let Some((bus, holder)) = there {
        bus.end(holder, "finished").map_err(|error| error.to_string())?;
    }
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let row = Row::new("hook", case.name, "ms", stat, ours.millis(share))
            .peer("true", Some(nothing.millis(share)))
            .note(&format!("{} cold starts each", ours.len()));
        tell(&if case.target && stat == "p99" { row.at_most(DECIDED_MOST) } else { row });
    }
    Ok(())
}

fn event(repo: &Path, name: &str, more: &str) -> String {
    format!(r#"{{"session_id":"bench","cwd":"{}","hook_event_name":"{name}"{more}}}"#, repo.display())
}

fn before(repo: &Path, turn: usize, stem: &str) -> String {
    let path = repo.join(format!("{stem}{}.rs", turn % TURN));
    let more = format!(
        r#","tool_name":"Write","tool_use_id":"t{turn}","tool_input":{{"file_path":"{}","content":"x"}}"#,
        path.display()
    );
    event(repo, "PreToolUse", &more)
}

fn after(repo: &Path, turn: usize) -> String {
    let more = format!(r#","tool_name":"Bash","tool_use_id":"t{turn}","tool_input":{{"command":"ls"}}"#);
    event(repo, "PostToolUse", &more)
}

/// Starts the hook as a vendor's program does; how long until it has answered and is gone.
fn hook(order: &Order, scene: &Scene, input: &str) -> Result<Duration, String> {
    let mut command = command(&order.coditect);
    command
        .args(["hook", "claude"])
        .env("CODITECT_DATA_ROOT", scene.root.path())
        .env("HOME", scene.root.path());
    fed(command, input)
}

fn fed(mut command: std::process::Command, input: &str) -> Result<Duration, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let took = begun.elapsed();
    if output.status.success() { Ok(took) } else { Err(format!("the hook ended with {}", output.status)) }
}
