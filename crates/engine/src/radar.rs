//! The conflict radar: which worktrees are on their way to change the same things, seen before anybody merges.
//!
//! Invariant: one owner looks. Whoever knows of an edit leaves a word and goes on; words about one worktree become one look, so
//! neither a fast agent nor many of them make a queue. What was not seen to be over is not said to be. Nobody waits for an
//! owner that has ended.

mod field;
mod judge;
mod tell;
#[cfg(test)]
mod tests;

use crate::engine::Shared;
use crate::{Call, Engine, Finding, Severity};
use field::Field;
use model::{Conflict, Event, LockChange, LockMode, LockPhase, Refusal, RefusalKind, RepoId, RepoPath};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tell::Known;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Between two sweeps at least.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// A sweep that took a second is followed by so many seconds without one: an idle daemon stays idle however much there is to see.
const SWEEP_REST: u32 = 200;
/// After the start, so that whoever starts the daemon has it first.
const SWEEP_FIRST: Duration = Duration::from_secs(2);
/// A look that took a second is followed by so many without one, so that constant edits cost a third of a core at most.
const LOOK_REST: u32 = 2;
/// How often a file is looked at that somebody has locked who does not say when he has changed it.
const HANDS_EVERY: Duration = Duration::from_millis(100);
/// Files that are looked at so, at most; of more the next sweep knows.
const HANDS_MAX: usize = 1024;
/// Worktrees with words about them that wait, at most; with more, all are looked at.
const WORDS_MAX: usize = 4096;

/// What tells one state of a file from another without reading it.
type Print = Option<(i64, i64, u64, u64)>;

/// Where words for the owner are left.
#[derive(Default)]
pub(crate) struct Radar {
    wanted: Mutex<Wanted>,
    bell: Notify,
    /// Worktrees that could not be looked at the last time, and why.
    broken: Mutex<BTreeMap<PathBuf, String>>,
}

/// Which files of a worktree were changed; none: nobody knows which.
type Edits = Option<BTreeSet<RepoPath>>;

#[derive(Default)]
struct Wanted {
    edits: HashMap<PathBuf, Edits>,
    /// Somebody came: whoever is there now is to be told what there is.
    came: bool,
    sweep: bool,
    /// Who waits for the sweep.
    waiting: Vec<oneshot::Sender<Result<(), Refusal>>>,
    /// Files under the locks of sessions that were started by hand.
    hands: HashMap<(PathBuf, RepoPath), Print>,
    /// Nobody looks any more.
    ended: bool,
}

impl Radar {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file of a worktree was changed; without a path, nobody knows which.
    pub(crate) fn edited(&self, worktree: &Path, path: Option<&RepoPath>) {
        let mut wanted = self.wanted();
        if wanted.edits.len() >= WORDS_MAX {
            wanted.sweep = true;
            wanted.edits.clear();
        } else {
            let edits = wanted.edits.entry(worktree.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
            match path {
                Some(path) => edits.iter_mut().for_each(|edits| edits.extend([path.clone()])),
                None => *edits = None,
            }
        }
        drop(wanted);
        self.bell.notify_one();
    }

    /// What the bus says: who comes, and who is about to change which file without us.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::RegistrationAnnounced(registration) if registration.worktree.is_some() => {
                self.wanted().came = true;
                self.bell.notify_one();
            }
            Event::LockChanged(change) if change.session.is_none() && change.mode == LockMode::Exclusive => {
                self.locked(change);
            }
            _ => {}
        }
    }

    fn locked(&self, change: &LockChange) {
        if change.phase == LockPhase::Waiting {
            return;
        }
        let worktree = PathBuf::from(&change.worktree);
        // A pattern, or a name we cannot name, is known at the release or at the next sweep.
        let path =
            change.path.parse::<RepoPath>().ok().filter(|path| !path.as_str().contains(['*', '?', '[']));
        let taken = matches!(change.phase, LockPhase::Acquired | LockPhase::TakenOver);
        let mut wanted = self.wanted();
        match path {
            Some(path) if taken && wanted.hands.len() < HANDS_MAX => {
                let print = print(&worktree.join(path.as_str()));
                wanted.hands.insert((worktree.clone(), path), print);
            }
            Some(path) => drop(wanted.hands.remove(&(worktree.clone(), path))),
            None => {}
        }
        drop(wanted);
        if change.phase != LockPhase::Waiting && !taken {
            self.edited(&worktree, None);
        }
    }

    /// The files that others have locked and that are not as they were at the last look.
    fn changed_by_hand(&self) -> Vec<(PathBuf, RepoPath)> {
        let mut wanted = self.wanted();
        let mut changed = Vec::new();
        for ((worktree, path), before) in &mut wanted.hands {
            let now = print(&worktree.join(path.as_str()));
            if now != *before {
                *before = now;
                changed.push((worktree.clone(), path.clone()));
            }
        }
        changed
    }

    fn has_hands(&self) -> bool {
        !self.wanted().hands.is_empty()
    }

    /// What is wanted now; what others hold stays.
    fn take(&self) -> Wanted {
        let mut wanted = self.wanted();
        let (hands, ended) = (std::mem::take(&mut wanted.hands), wanted.ended);
        std::mem::replace(&mut *wanted, Wanted { hands, ended, ..Wanted::default() })
    }

    /// Whoever waits hears at once when nobody is there to look.
    fn want_sweep(&self, waiting: Option<oneshot::Sender<Result<(), Refusal>>>) {
        let mut wanted = self.wanted();
        if wanted.ended {
            return;
        }
        wanted.sweep = true;
        wanted.waiting.extend(waiting);
        drop(wanted);
        self.bell.notify_one();
    }
}

impl Radar {
    fn broken(&self) -> MutexGuard<'_, BTreeMap<PathBuf, String>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what could not be looked at, and says what is new of it.
    fn found_broken(&self, now: BTreeMap<PathBuf, String>) {
        let mut broken = self.broken();
        for (worktree, why) in now.iter().filter(|(worktree, why)| broken.get(*worktree) != Some(*why)) {
            let worktree = worktree.display();
            tracing::warn!(%worktree, %why, "a worktree is broken: its conflicts stay as they were");
        }
        *broken = now;
    }

    /// For the doctor: what the radar cannot see.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let broken = self.broken();
        let finding = |(worktree, why): (&PathBuf, &String)| {
            Finding {
            severity: Severity::Warning,
            check: "worktree_broken",
            message: format!(
                "the worktree {} cannot be looked at: {why}; its conflicts stay as they were",
                worktree.display()
            ),
            hint: Some(
                "`git worktree repair` in its repository mends a pointer; `coditect conflict sweep` looks again"
                    .to_owned(),
            ),
        }
        };
        broken.iter().map(finding).collect()
    }
}

/// The end of the owner, however it comes: whoever waits is woken.
struct Ending<'a>(&'a Radar);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut wanted = self.0.wanted();
        wanted.ended = true;
        wanted.waiting.clear();
    }
}

fn ended() -> Refusal {
    let message = "nobody looks for conflicts any more: the conflict radar has ended";
    Refusal::new(RefusalKind::Unavailable, "radar_ended", message)
        .hint("`coditect daemon restart` begins it again; the daemon's log says why it ended")
}

/// What tells one state of a file from another; none when it is not there.
fn print(path: &Path) -> Print {
    let meta = path.symlink_metadata().ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino()))
}

impl Engine {
    /// Conflicts that are open, the worst first; of one repo or all.
    pub fn conflicts(&self, repo: Option<RepoId>) -> Result<Vec<Conflict>, Refusal> {
        let mut open = self.shared.store.read(|view| view.conflicts())?;
        open.retain(|one| repo.is_none_or(|repo| repo == one.repo));
        open.sort_by_key(|one| (std::cmp::Reverse(one.kind), one.since));
        Ok(open)
    }

    /// Looks at every worktree now, and says what is open then.
    pub async fn sweep_conflicts(&self, call: &Call, repo: Option<RepoId>) -> Result<Vec<Conflict>, Refusal> {
        call.only_user()?;
        let (done, over) = oneshot::channel();
        self.shared.radar.want_sweep(Some(done));
        over.await.map_err(|_| ended())??;
        self.conflicts(repo)
    }
}

/// Looks until the engine stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let _ending = Ending(&shared.radar);
    let mut owner = match Owner::new(&shared) {
        Ok(owner) => owner,
        Err(refusal) => return tracing::error!(%refusal, "nobody looks for conflicts"),
    };
    let mut next = Instant::now() + SWEEP_FIRST;
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.radar.bell.notified() => {}
            () = tokio::time::sleep_until(next) => shared.radar.want_sweep(None),
            () = tokio::time::sleep(HANDS_EVERY), if shared.radar.has_hands() => {
                for (worktree, path) in shared.radar.changed_by_hand() {
                    shared.edited(&worktree, Some(&path), None);
                }
            }
        }
        let mut wanted = shared.radar.take();
        if !wanted.sweep && !wanted.came && wanted.edits.is_empty() {
            continue;
        }
        let (began, waiting) = (Instant::now(), std::mem::take(&mut wanted.waiting));
        let swept = wanted.sweep;
        let looking = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || {
            let seen = owner.look(&looking, &wanted);
            (owner, seen)
        });
        let (back, seen) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                return tracing::error!(%error, "a look for conflicts ended badly; there are no more");
            }
        };
        owner = back;
        let told = match seen {
            Ok(()) => owner.known.settle(&shared).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &told {
            tracing::warn!(%refusal, "not all conflicts between worktrees are known");
        }
        for waiter in waiting {
            drop(waiter.send(told.clone()));
        }
        let took = began.elapsed();
        if swept {
            next = Instant::now() + SWEEP_EVERY.max(took * SWEEP_REST);
        } else {
            tokio::select! {
                () = shared.stopping.cancelled() => return,
                () = tokio::time::sleep(took * LOOK_REST) => {}
            }
        }
    }
}

/// Who looks, and what it has seen.
struct Owner {
    fields: HashMap<RepoId, Field>,
    known: Known,
}

impl Owner {
    /// What an earlier daemon has seen and said counts; what it needed to see is made anew.
    fn new(shared: &Shared) -> Result<Self, Refusal> {
        match std::fs::remove_dir_all(folder(shared)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Refusal::internal(error));
            }
            _ => {}
        }
        let known = Known::new(shared.store.read(|view| view.conflicts())?);
        Ok(Self { fields: HashMap::new(), known })
    }

    fn look(&mut self, shared: &Shared, wanted: &Wanted) -> Result<(), Refusal> {
        let repos = shared.store.read(|view| view.repos())?;
        self.fields.retain(|id, _| repos.iter().any(|repo| repo.id == *id));
        self.known.drop_others(|id| repos.iter().any(|repo| repo.id == id));
        let mut trouble = None;
        for repo in &repos {
            if let Err(refusal) = self.look_at(shared, repo, wanted) {
                // What cannot be seen is as it was when it could; it is opened anew at the next look.
                self.fields.remove(&repo.id);
                trouble = Some(refusal);
            }
        }
        shared.radar.found_broken(self.fields.values().flat_map(Field::broken).collect());
        trouble.map_or(Ok(()), Err)
    }

    fn look_at(&mut self, shared: &Shared, repo: &model::Repo, wanted: &Wanted) -> Result<(), Refusal> {
        let known = self.fields.contains_key(&repo.id);
        if !known {
            let folder = folder(shared).join(repo.id.to_string());
            let Some(field) = Field::open(shared, repo, &folder)? else { return Ok(()) };
            self.fields.insert(repo.id, field);
        }
        let Some(field) = self.fields.get_mut(&repo.id) else { return Ok(()) };
        let looked = match wanted.sweep {
            true => field.sweep(shared)?,
            false => field.edited(shared, &wanted.edits)?,
        };
        if looked || !known {
            let seen = field.judge()?;
            self.known.seen(repo.id, seen, &field.unseen(), &field.tops());
        }
        Ok(())
    }
}

/// What the radar writes to see; nothing in it is needed tomorrow.
fn folder(shared: &Shared) -> PathBuf {
    shared.workspace.runs().join("radar")
}
