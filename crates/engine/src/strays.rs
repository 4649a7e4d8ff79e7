//! Strays: files that changed in a worktree without its writer, as a shell can do it.
//!
//! Invariant: what the writer wrote, and what was dirty before the first of the turns that are alive now, is no stray;
//! every other change is found once, at the look after it. Ignored files are not looked at.

#[cfg(test)]
mod tests;

use crate::checkpoint;
use crate::engine::Shared;
use crate::writer::{self, FILE_MAX, UNFINISHED};
use bus::Pattern;
use git::Change;
use model::{LockMode, Refusal, RegistrationId, RepoPath, STRAY_FILES_MAX, StrayFile};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Dirty files of a worktree that are looked at; with more of them it is not watched.
const DIRTY_MAX: usize = 4096;

/// The worktrees in which turns are alive.
#[derive(Default)]
pub(crate) struct Strays {
    worktrees: Mutex<HashMap<PathBuf, Arc<Watched>>>,
}

#[derive(Default)]
struct Watched {
    /// One look at a time, and none before the first.
    looking: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    turns: usize,
    /// What is accounted for: by path, the content it had; none when it was not there.
    files: HashMap<RepoPath, Option<String>>,
    /// Too much is dirty, or git cannot say what is.
    blind: bool,
}

impl Watched {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn's right to look; while somebody has one, the worktree is watched.
pub(crate) struct Sight {
    worktree: PathBuf,
    watched: Arc<Watched>,
}

impl Drop for Sight {
    fn drop(&mut self) {
        let mut known = self.watched.known();
        known.turns -= 1;
        if known.turns == 0 {
            // What happens while nobody works here is the user's.
            known.files.clear();
        }
    }
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) files: Vec<StrayFile>,
    /// How many there are besides.
    pub(crate) more: u32,
    /// Who else had some of the named files locked: each with the first of them.
    pub(crate) holders: Vec<(RegistrationId, String, RepoPath)>,
}

impl Strays {
    fn watched(&self, worktree: &Path) -> Arc<Watched> {
        let mut worktrees = self.worktrees.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(worktrees.entry(worktree.to_owned()).or_default())
    }

    /// These were changed in good order by somebody other than the writer, on the writer's thread.
    pub(crate) fn account(&self, worktree: &Path, paths: &[RepoPath]) {
        let watched = self.watched(worktree);
        let mut known = watched.known();
        if known.turns > 0 {
            known.files.extend(paths.iter().map(|path| (path.clone(), print(worktree, path))));
        }
    }

    /// The writer wrote this, or removed it. To be called on the writer's own thread, so that no look comes in between.
    pub(crate) fn wrote(&self, worktree: &Path, path: &RepoPath, content: Option<&str>) {
        let watched = self.watched(worktree);
        let mut known = watched.known();
        if known.turns > 0 {
            known.files.insert(path.clone(), content.map(str::to_owned));
        }
    }
}

/// A turn that may edit begins in the worktree.
pub(crate) async fn watch(shared: &Arc<Shared>, worktree: &Path) -> Sight {
    let watched = shared.strays.watched(worktree);
    let looking = watched.looking.lock().await;
    if watched.known().turns == 0 {
        let begun = match dirty(shared, worktree).await {
            Ok(dirty) => prints(shared, worktree, dirty.into_keys().collect()).await,
            Err(refusal) => Err(refusal),
        };
        let mut known = watched.known();
        known.blind = begun.is_err();
        match begun {
            Ok(files) => known.files = files.into_iter().collect(),
            Err(refusal) => {
                tracing::warn!(%refusal, "changes without locks will not be noticed in this worktree")
            }
        }
    }
    watched.known().turns += 1;
    drop(looking);
    Sight { worktree: worktree.to_owned(), watched }
}

impl Sight {
    /// What has changed since the last look without the writer, and who had it locked.
    pub(crate) async fn look(&self, shared: &Arc<Shared>, own: RegistrationId) -> Result<Found, Refusal> {
        let _looking = self.watched.looking.lock().await;
        if self.watched.known().blind {
            return Ok(Found::default());
        }
        let dirty = dirty(shared, &self.worktree).await?;
        let mut paths: Vec<RepoPath> = self.watched.known().files.keys().cloned().collect();
        paths.extend(dirty.keys().cloned());
        paths.sort();
        paths.dedup();
        let watched = Arc::clone(&self.watched);
        let root = self.worktree.clone();
        // On the writer's thread: what it has written is known by then, and nothing is half written.
        let strays = shared.writers.run(&self.worktree, move || {
            let mut known = watched.known();
            let mut strays = Vec::new();
            for path in paths {
                let print = print(&root, &path);
                let stray = match known.files.get(&path) {
                    Some(before) => *before != print,
                    // Something that came and went between the two looks at it is nothing.
                    None => print.is_some() || dirty.get(&path) == Some(&true),
                };
                if stray {
                    known.files.insert(path.clone(), print);
                    strays.push(path);
                }
            }
            Ok(strays)
        });
        let strays = strays.await?;
        let root = self.worktree.display().to_string();
        shared.blocking(move |shared| Ok(named(shared, &root, own, strays))).await
    }
}

/// The files, as far as there is room for names, each with who else had it locked.
fn named(shared: &Shared, worktree: &str, own: RegistrationId, strays: Vec<RepoPath>) -> Found {
    if strays.is_empty() {
        return Found::default();
    }
    let locks = shared.bus.locks(Some(worktree)).unwrap_or_default();
    let locks: Vec<(Pattern, RegistrationId, String)> = locks
        .into_iter()
        .filter(|lock| lock.holder != own && lock.mode == LockMode::Exclusive)
        .filter_map(|lock| Some((Pattern::parse(&lock.path).ok()?, lock.holder, lock.agent)))
        .collect();
    let mut holders: Vec<(RegistrationId, String, RepoPath)> = Vec::new();
    let mut holder = |path: &RepoPath| {
        let (_, id, agent) = locks.iter().find(|(pattern, ..)| pattern.matches(path.as_str()))?;
        if holders.iter().all(|(known, ..)| known != id) {
            holders.push((*id, agent.clone(), path.clone()));
        }
        Some(agent.clone())
    };
    let more = strays.len().saturating_sub(STRAY_FILES_MAX);
    let named = strays.into_iter().take(STRAY_FILES_MAX);
    let files = named.map(|path| StrayFile { locked_by: holder(&path), path }).collect();
    Found { files, more: u32::try_from(more).unwrap_or(u32::MAX), holders }
}

/// What differs from HEAD, and whether it is a file that was removed.
async fn dirty(shared: &Arc<Shared>, worktree: &Path) -> Result<HashMap<RepoPath, bool>, Refusal> {
    let path = worktree.display().to_string();
    shared
        .blocking(move |shared| {
            let status = checkpoint::open(shared, &path)?.status(&[])?;
            if status.entries.len() > DIRTY_MAX {
                let message = format!("{path} has more than {DIRTY_MAX} changed files");
                return Err(Refusal::invalid("worktree_dirty", message));
            }
            let removed = |change| matches!(change, Some(Change::Removed));
            let entries = status.entries.into_iter().filter(|entry| !is_unfinished(&entry.path));
            Ok(entries
                .map(|entry| {
                    let removed = removed(entry.unstaged) || removed(entry.staged);
                    (entry.path, removed)
                })
                .collect())
        })
        .await
}

fn is_unfinished(path: &RepoPath) -> bool {
    path.as_str().rsplit('/').next().is_some_and(|name| name.starts_with(UNFINISHED))
}

async fn prints(
    shared: &Arc<Shared>,
    worktree: &Path,
    paths: Vec<RepoPath>,
) -> Result<Vec<(RepoPath, Option<String>)>, Refusal> {
    let root = worktree.to_owned();
    let look = move || Ok(paths.into_iter().map(|path| (path.clone(), print(&root, &path))).collect());
    shared.writers.run(worktree, look).await
}

/// What tells one content from another: its hash, or of what is no text file of ours whatever is cheap to know.
fn print(root: &Path, path: &RepoPath) -> Option<String> {
    let path = root.join(path.as_str());
    let meta = std::fs::symlink_metadata(&path).ok()?;
    if meta.is_symlink() {
        return Some(format!("link {}", std::fs::read_link(&path).ok()?.display()));
    }
    if meta.is_file() && meta.len() <= FILE_MAX {
        return std::fs::read(&path).ok().map(|content| writer::hash(&content));
    }
    Some(format!("{} {:?}", meta.len(), meta.modified().ok()))
}
