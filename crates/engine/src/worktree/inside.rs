//! Who is in a worktree: by the turns that have it, by what they announced on the bus, by the locks they hold, and by where processes stand.
//!
//! Invariant: whoever cannot be asked counts as somebody.

use crate::engine::Shared;
use model::{LockMode, Refusal, named};
use std::path::Path;
use std::time::{Duration, Instant};

/// Processes looked at, at most.
const PROCESSES_MAX: usize = 200_000;
/// Names given in a refusal.
const NAMED_MAX: usize = 5;
/// How long somebody who is just leaving is waited for.
const LEAVING: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is in it now, by name. Where somebody said so, his processes say nothing more.
pub(crate) fn inside(shared: &Shared, path: &Path) -> Vec<String> {
    let mut names = announced(shared, path);
    if let (true, Ok(path)) = (names.is_empty(), path.canonicalize()) {
        names = standing(&path);
    }
    names
}

/// Refuses when somebody is in it.
pub(crate) fn nobody_inside(shared: &Shared, path: &Path, label: &str) -> Result<(), Refusal> {
    all_left(|| inside(shared, path), label)
}

/// Refuses when somebody works in it; whoever only stands there is let stand.
pub(crate) fn nobody_works(shared: &Shared, path: &Path, label: &str) -> Result<(), Refusal> {
    all_left(|| announced(shared, path), label)
}

/// Waits a moment for those who are just leaving, as a run does whose task is over.
fn all_left(who: impl Fn() -> Vec<String>, label: &str) -> Result<(), Refusal> {
    let deadline = Instant::now() + LEAVING;
    loop {
        let names = who();
        if names.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(refused(&names, label));
        }
        std::thread::sleep(PAUSE);
    }
}

fn refused(names: &[String], label: &str) -> Refusal {
    let who = named(names.iter().take(NAMED_MAX), names.len().saturating_sub(NAMED_MAX));
    let verb = if names.len() == 1 { "works" } else { "work" };
    let message = format!("{who} {verb} in the worktree {label} now");
    Refusal::conflict("worktree_in_use", message)
        .hint("wait for the turn to end, cancel its task, or leave the folder in that terminal")
}

/// Turns that have it, sessions that said so, and holders of its locks.
fn announced(shared: &Shared, path: &Path) -> Vec<String> {
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (Ok(live), Ok(locks)) = (shared.bus.registrations(), shared.bus.locks(path.to_str())) else {
        return vec!["somebody".to_owned()];
    };
    let here = live.into_iter().filter(|one| {
        one.id != shared.user && one.worktree.as_deref().is_some_and(|at| Path::new(at).starts_with(path))
    });
    let alive = here.filter(|one| shared.bus.is_alive(one.id).unwrap_or(true)).map(|one| one.agent);
    let holding = locks.into_iter().filter(|lock| lock.mode != LockMode::Advisory).map(|lock| lock.agent);
    let mut names: Vec<String> = shared.claims.of(path).into_iter().chain(alive).chain(holding).collect();
    names.sort();
    names.dedup();
    names
}

/// Processes whose working directory is in there, but for the git processes with which we look at it; those that may
/// not be asked are somebody else's.
fn standing(path: &Path) -> Vec<String> {
    let own = std::process::id();
    let stands =
        |id: &u32| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd.starts_with(path));
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.take(PROCESSES_MAX)
        .filter(|id| *id != own && stands(id))
        // One that has ended since then was nobody's to ask.
        .filter(|id| !git::is_own_git(*id) && stands(id))
        .map(|id| {
            let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            format!("process {id} ({})", name.trim())
        })
        .collect()
}
