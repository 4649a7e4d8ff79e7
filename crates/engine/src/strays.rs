//! Strays: files that changed in a worktree without its writer, as a shell can do it.
//!
//! Invariant: what the writer wrote, what a lock's holder left in its file, and what was dirty before the first of the turns that
//! are alive now, is no stray; every other change is found once, at the look after it. What may still turn out to be its
//! holder's own is left for a later look. Ignored files are not looked at.

#[cfg(test)]
mod tests;

use crate::checkpoint;
use crate::engine::Shared;
use crate::writer::{self, FILE_MAX, UNFINISHED};
use bus::Pattern;
use git::Change;
use model::{
    Lock, LockMode, ParticipantStatus, Refusal, RegistrationId, RepoPath, STRAY_FILES_MAX, StrayFile,
    Vitality,
};
use std::collections::{HashMap, HashSet};
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
    /// Turns in which a call is open that may change files.
    at_work: HashSet<RegistrationId>,
    /// Files that the program of a turn has locked to change them itself, and has not said to have changed.
    expected: HashSet<(RegistrationId, RepoPath)>,
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
            known.expected.clear();
            known.at_work.clear();
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
    pub(crate) holders: Vec<Holder>,
}

/// Somebody who holds a file that changed without its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: RegistrationId,
    pub(crate) agent: String,
    pub(crate) path: RepoPath,
    /// How the file is brought back, and what to; none when nothing is kept.
    pub(crate) way_back: Option<String>,
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
            known.expected.retain(|(_, expected)| expected != path);
        }
    }
}

/// A turn that may edit begins in the worktree. `changed` is what a look of just now found not committed; without one, git is
/// asked.
pub(crate) async fn watch(shared: &Arc<Shared>, worktree: &Path, changed: Option<&[RepoPath]>) -> Sight {
    let watched = shared.strays.watched(worktree);
    let looking = watched.looking.lock().await;
    if watched.known().turns == 0 {
        let dirty = match changed {
            Some(changed) => watchable(worktree, changed.len())
                .map(|()| changed.iter().filter(|path| !is_unfinished(path)).cloned().collect()),
            None => dirty(shared, worktree).await.map(|dirty| dirty.into_keys().collect()),
        };
        let begun = match dirty {
            Ok(dirty) => prints(shared, worktree, dirty).await,
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
    /// A call of this turn may change files now, or none may.
    pub(crate) fn at_work(&self, own: RegistrationId, at_work: bool) {
        let mut known = self.watched.known();
        if at_work {
            known.at_work.insert(own);
        } else {
            known.at_work.remove(&own);
            // Whatever it was about to change it has changed and said so, or it will not.
            known.expected.retain(|(holder, _)| *holder != own);
        }
    }

    /// The turn's program has got the lock of a file, and changes it itself.
    pub(crate) fn expect(&self, own: RegistrationId, path: &RepoPath) {
        self.watched.known().expected.insert((own, path.clone()));
    }

    /// The turn changes nothing any more.
    pub(crate) fn left(&self, own: RegistrationId) {
        self.at_work(own, false);
    }

    /// What has changed since the last look without its lock, and who had it locked.
    pub(crate) async fn look(&self, shared: &Arc<Shared>, own: RegistrationId) -> Result<Found, Refusal> {
        let _looking = self.watched.looking.lock().await;
        let root = self.worktree.display().to_string();
        let asked = root.clone();
        let around = shared.blocking(move |shared| Ok(Around::at(shared, &asked, own))).await?;
        let (around, seen) = (Arc::new(around), self.watched.clone());
        let (judging, by) = (Arc::clone(&around), Arc::clone(shared));
        let strays = self
            .changed(shared, move |root, path, print| {
                let page = by.known.page(root, path.as_str());
                if page.is_some_and(|page| page.explains(print)) {
                    return Judgement::Accounted;
                }
                judging.judge(&seen.known().expected, path)
            })
            .await?;
        shared.blocking(move |shared| Ok(named(shared, &root, &around, strays))).await
    }

    /// Nothing of what is different now was this turn: it is somebody else's, unless another turn is at work.
    pub(crate) async fn account(&self, shared: &Arc<Shared>, own: RegistrationId) -> Result<(), Refusal> {
        let _looking = self.watched.looking.lock().await;
        if self.watched.known().at_work.iter().any(|turn| *turn != own) {
            return Ok(());
        }
        self.changed(shared, |_, _, _| Judgement::Accounted).await.map(drop)
    }

    /// Asks about everything that is not as it is known, and gives what is a stray.
    async fn changed(
        &self,
        shared: &Arc<Shared>,
        judge: impl Fn(&Path, &RepoPath, Option<&str>) -> Judgement + Send + 'static,
    ) -> Result<Vec<RepoPath>, Refusal> {
        if self.watched.known().blind {
            return Ok(Vec::new());
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
            let mut strays = Vec::new();
            for path in paths {
                let print = print(&root, &path);
                let before = watched.known().files.get(&path).cloned();
                let changed = match before {
                    Some(before) => before != print,
                    // Something that came and went between the two looks at it is nothing.
                    None => print.is_some() || dirty.get(&path) == Some(&true),
                };
                let judgement =
                    if changed { judge(&root, &path, print.as_deref()) } else { Judgement::Later };
                if judgement == Judgement::Later {
                    continue;
                }
                watched.known().files.insert(path.clone(), print);
                if judgement == Judgement::Stray {
                    strays.push(path);
                }
            }
            Ok(strays)
        });
        strays.await
    }
}

/// What a change is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It was made in good order, or has been told already.
    Accounted,
    Stray,
    /// Nobody can say yet.
    Later,
}

/// Who is in the worktree besides the turn that looks.
struct Around {
    /// Files that are locked for writing.
    locks: Vec<(Pattern, Lock)>,
    own: RegistrationId,
    /// Sessions started by hand of which a call is under way.
    busy: HashSet<RegistrationId>,
}

impl Around {
    fn at(shared: &Shared, worktree: &str, own: RegistrationId) -> Self {
        let locks = shared.bus.locks(Some(worktree)).unwrap_or_default().into_iter();
        let locks = locks.filter(|lock| lock.mode == LockMode::Exclusive);
        let locks = locks.filter_map(|lock| Some((Pattern::parse(&lock.path).ok()?, lock))).collect();
        let by_hand = shared.bus.sessions().unwrap_or_default().into_iter().filter(|one| {
            let there = one.registration.worktree.as_deref() == Some(worktree);
            there && one.registration.session.is_none() && one.vitality != Vitality::Dead
        });
        let writes =
            |status| matches!(status, Some(ParticipantStatus::Editing | ParticipantStatus::RunningTool));
        let busy = by_hand.filter(|one| writes(one.status)).map(|one| one.registration.id).collect();
        Self { locks, own, busy }
    }

    fn lock(&self, path: &RepoPath) -> Option<&Lock> {
        self.locks.iter().find(|(pattern, _)| pattern.matches(path.as_str())).map(|(_, lock)| lock)
    }

    fn judge(&self, expected: &HashSet<(RegistrationId, RepoPath)>, path: &RepoPath) -> Judgement {
        let unsettled = self.lock(path).is_some_and(|lock| {
            if lock.holder == self.own {
                // By its own shell or by somebody who says so when the call is back.
                return !self.busy.is_empty();
            }
            // Its holder may be writing it.
            self.busy.contains(&lock.holder) || expected.contains(&(lock.holder, path.clone()))
        });
        if unsettled { Judgement::Later } else { Judgement::Stray }
    }
}

/// The files, as far as there is room for names, each with who else had it locked.
fn named(shared: &Shared, worktree: &str, around: &Around, strays: Vec<RepoPath>) -> Found {
    let mut holders: Vec<Holder> = Vec::new();
    let mut holder = |path: &RepoPath| {
        let lock = around.lock(path).filter(|lock| lock.holder != around.own)?;
        if holders.iter().all(|known| known.id != lock.holder) {
            let page = shared.known.page(Path::new(worktree), path.as_str());
            holders.push(Holder {
                id: lock.holder,
                agent: lock.agent.clone(),
                path: path.clone(),
                way_back: page.and_then(|page| page.way_back(lock)),
            });
        }
        Some(lock.agent.clone())
    };
    let more = strays.len().saturating_sub(STRAY_FILES_MAX);
    let named = strays.into_iter().take(STRAY_FILES_MAX);
    let files = named.map(|path| StrayFile { locked_by: holder(&path), path }).collect();
    Found { files, more: u32::try_from(more).unwrap_or(u32::MAX), holders }
}

fn watchable(worktree: &Path, dirty: usize) -> Result<(), Refusal> {
    if dirty <= DIRTY_MAX {
        return Ok(());
    }
    let message = format!("{} has more than {DIRTY_MAX} changed files", worktree.display());
    Err(Refusal::invalid("worktree_dirty", message))
}

/// What differs from HEAD, and whether it is a file that was removed.
async fn dirty(shared: &Arc<Shared>, worktree: &Path) -> Result<HashMap<RepoPath, bool>, Refusal> {
    let path = worktree.display().to_string();
    shared
        .blocking(move |shared| {
            let status = checkpoint::open(shared, &path)?.status(&[])?;
            watchable(path.as_ref(), status.entries.len())?;
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
