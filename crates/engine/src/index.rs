//! The file index: the files of the workspace's worktrees, found by name and by the words in them, kept in workspace_idx.db.
//!
//! Nobody pays for it before somebody asks. From then on who knows of an edit leaves a word, and the file is looked at again; a
//! search has its worktrees looked at first, and does not wait long for that. Invariant: **one owner writes it, on a thread beside
//! those that serve**; no turn, no edit and no commit waits for it, and all of it can be deleted at any time.

mod answer;
mod language;
mod scan;
#[cfg(test)]
mod tests;

pub use answer::{FileQuery, FilesFound, FoundLine, FoundView, QUERY_MAX};

use crate::engine::Shared;
use crate::{Call, Engine, checkpoint};
use model::{Refusal, RefusalKind, RepoId, RepoPath, SessionId};
use scan::Ground;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{FileIndex, IndexCounts, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// A worktree that was looked at so short a time ago, and of which nothing was heard since, is not looked at again.
const FRESH: Duration = Duration::from_secs(2);
/// A look at edits that took a second is followed by so many seconds without one.
const LOOK_REST: u32 = 4;
/// Edited files of one worktree that are remembered by name; with more, all of it is looked at.
const NAMED_MAX: usize = 256;
/// Worktrees that are looked at, at most.
pub const INDEXED_WORKTREES_MAX: usize = 256;

/// Which files of a worktree were changed, and by which session; none: nobody knows which.
type Edits = Option<HashMap<RepoPath, Option<SessionId>>>;

/// Where words and orders for the owner are left.
pub(crate) struct Index {
    wanted: Mutex<Wanted>,
    /// Edits were heard of.
    bell: Notify,
    /// Somebody waits.
    asked: Notify,
    /// Somebody has searched, in this life of the workspace or in an earlier one.
    in_use: AtomicBool,
}

#[derive(Default)]
struct Wanted {
    edits: HashMap<PathBuf, Edits>,
    orders: Vec<Order>,
}

/// Worktrees are to be looked at.
struct Order {
    scope: Scope,
    /// From nothing.
    anew: bool,
    answer: oneshot::Sender<Result<IndexCounts, Refusal>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    All,
    Repo(RepoId),
    Worktree(PathBuf),
}

/// A worktree that is there.
#[derive(Debug, Clone)]
struct Place {
    top: PathBuf,
    repo: RepoId,
    is_main: bool,
}

impl Index {
    pub(crate) fn new(databases: &Path) -> Self {
        Self {
            wanted: Mutex::default(),
            bell: Notify::new(),
            asked: Notify::new(),
            in_use: AtomicBool::new(FileIndex::is_there(databases)),
        }
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire)
    }

    /// A file of a worktree was changed; without a path, nobody knows which.
    fn edited(&self, worktree: &Path, path: Option<&RepoPath>, by: Option<SessionId>) {
        if !self.is_in_use() {
            return;
        }
        let mut wanted = self.wanted();
        // Of one that is not remembered the next search knows.
        if wanted.edits.len() < INDEXED_WORKTREES_MAX || wanted.edits.contains_key(worktree) {
            let edits = wanted.edits.entry(worktree.to_owned()).or_insert_with(|| Some(HashMap::new()));
            match (path, edits.as_mut()) {
                (Some(path), Some(named)) if named.len() < NAMED_MAX => drop(named.insert(path.clone(), by)),
                _ => *edits = None,
            }
        }
        drop(wanted);
        self.bell.notify_one();
    }

    fn order(&self, scope: Scope, anew: bool) -> oneshot::Receiver<Result<IndexCounts, Refusal>> {
        let (answer, over) = oneshot::channel();
        self.in_use.store(true, Ordering::Release);
        self.wanted().orders.push(Order { scope, anew, answer });
        self.asked.notify_one();
        over
    }
}

impl Shared {
    /// A file of a worktree was changed, by a session if that is known; without a path, nobody knows which.
    pub(crate) fn edited(&self, worktree: &Path, path: Option<&RepoPath>, by: Option<SessionId>) {
        self.radar.edited(worktree, path);
        self.index.edited(worktree, path, by);
    }
}

impl Engine {
    /// Looks at the worktrees, of one repo or all, and says what is in the index then. `anew`: from nothing.
    pub async fn index_files(
        &self,
        call: &Call,
        repo: Option<RepoId>,
        anew: bool,
    ) -> Result<IndexCounts, Refusal> {
        call.only_user()?;
        self.look_for_files(repo.map_or(Scope::All, Scope::Repo), anew).await
    }

    /// Makes the index anew, if anybody uses it.
    pub(crate) async fn renew_index(&self) -> Result<(), Refusal> {
        match self.shared.index.is_in_use() {
            true => self.look_for_files(Scope::All, true).await.map(drop),
            false => Ok(()),
        }
    }

    async fn look_for_files(&self, scope: Scope, anew: bool) -> Result<IndexCounts, Refusal> {
        let over = self.shared.index.order(scope, anew);
        let stopping = || Refusal::internal("the daemon stops, and looks at no more files");
        tokio::select! {
            looked = over => looked.map_err(|_| stopping())?,
            () = self.shared.stopping.cancelled() => Err(stopping()),
        }
    }
}

/// Looks when it is asked and when something was edited, until the engine stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut owner = Owner { index: None, looked_at: HashMap::new() };
    let mut rested = Instant::now();
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return shared.index.wanted().orders.clear(),
            () = shared.index.asked.notified() => {}
            () = async {
                shared.index.bell.notified().await;
                tokio::time::sleep_until(rested).await;
            } => {}
        }
        let wanted = std::mem::take(&mut *shared.index.wanted());
        let (began, looking) = (Instant::now(), Arc::clone(&shared));
        let looked = tokio::task::spawn_blocking(move || {
            owner.look(&looking, wanted);
            owner
        });
        match looked.await {
            Ok(back) => owner = back,
            Err(error) => {
                tracing::error!(%error, "the file index begins again");
                owner = Owner { index: None, looked_at: HashMap::new() };
            }
        }
        rested = Instant::now() + began.elapsed() * LOOK_REST;
    }
}

/// Who writes the index, and when it looked at which worktree.
struct Owner {
    index: Option<FileIndex>,
    looked_at: HashMap<PathBuf, Instant>,
}

impl Owner {
    fn look(&mut self, shared: &Shared, mut wanted: Wanted) {
        if wanted.orders.iter().any(|order| order.anew) {
            self.index = None;
            self.looked_at.clear();
        }
        let anew = wanted.orders.iter().any(|order| order.anew);
        for order in wanted.orders {
            let done = self.attempt(shared, anew && self.index.is_none(), |owner, index| {
                owner.carry_out(shared, index, &order.scope, &mut wanted.edits)
            });
            // Whoever asked may have gone on without it.
            drop(order.answer.send(done));
        }
        let edits = std::mem::take(&mut wanted.edits);
        if edits.is_empty() {
            return;
        }
        let done = self.attempt(shared, false, |owner, index| owner.follow(shared, index, edits));
        if let Err(refusal) = done {
            tracing::warn!(%refusal, "the file index does not know of all edits; a search will look again");
        }
    }

    /// Works on the open index. After a fault it is opened again for the next work; one that is damaged is made anew.
    fn attempt<T>(
        &mut self,
        shared: &Shared,
        anew: bool,
        work: impl FnOnce(&mut Self, &mut FileIndex) -> Result<T, Fault>,
    ) -> Result<T, Refusal> {
        let databases = shared.workspace.databases();
        let mut index = match self.index.take() {
            Some(index) => index,
            None if anew => FileIndex::anew(&databases).map_err(refusal)?,
            None => FileIndex::open(&databases).map_err(refusal)?,
        };
        match work(self, &mut index) {
            Ok(done) => {
                self.index = Some(index);
                Ok(done)
            }
            Err(Fault::Store(error)) if error.is_damage() => {
                drop(index);
                self.looked_at.clear();
                self.index = Some(FileIndex::anew(&databases).map_err(refusal)?);
                Err(damaged())
            }
            Err(Fault::Store(error)) => Err(refusal(error)),
            Err(Fault::Refused(refusal)) => {
                self.index = Some(index);
                Err(refusal)
            }
        }
    }

    fn carry_out(
        &mut self,
        shared: &Shared,
        index: &mut FileIndex,
        scope: &Scope,
        edits: &mut HashMap<PathBuf, Edits>,
    ) -> Result<IndexCounts, Fault> {
        let places = places(shared)?;
        let there: Vec<String> = places.iter().map(|place| place.top.display().to_string()).collect();
        index.keep_only(&there)?;
        let meant = places.iter().filter(|place| match scope {
            Scope::All => true,
            Scope::Repo(repo) => place.repo == *repo,
            Scope::Worktree(top) => place.top == *top,
        });
        for place in meant {
            let edited = edits.remove(&place.top);
            let fresh = self.looked_at.get(&place.top).is_some_and(|at| at.elapsed() < FRESH);
            if edited.is_none() && fresh {
                continue;
            }
            let mut ground = Ground::open(shared, index, place)?;
            // Who changed a file is known from the words alone.
            if let Some(Some(named)) = edited {
                ground.some(index, &named)?;
            }
            ground.whole(index)?;
            self.looked_at.insert(place.top.clone(), Instant::now());
        }
        Ok(index.counts()?)
    }

    /// What was edited in worktrees that are in the index.
    fn follow(
        &mut self,
        shared: &Shared,
        index: &mut FileIndex,
        edits: HashMap<PathBuf, Edits>,
    ) -> Result<(), Fault> {
        let places = places(shared)?;
        for (top, edits) in edits {
            let known = index.find(&top.display().to_string())?.is_some();
            let Some(place) = places.iter().find(|place| known && place.top == top) else { continue };
            let mut ground = Ground::open(shared, index, place)?;
            match edits {
                Some(named) => ground.some(index, &named)?,
                None => {
                    ground.whole(index)?;
                    self.looked_at.insert(top, Instant::now());
                }
            }
        }
        Ok(())
    }
}

/// Why something could not be done.
enum Fault {
    Store(StoreError),
    Refused(Refusal),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

const DAMAGED: &str = "index_damaged";

fn damaged() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, DAMAGED, "the file index was damaged, and is made anew")
        .hint("search again")
}

fn refusal(error: StoreError) -> Refusal {
    match error {
        StoreError::Foreign { .. } => Refusal::conflict("index_foreign", error.to_string())
            .hint("the file index is made when that file is away and somebody searches"),
        error if error.is_full() => Refusal::new(
            RefusalKind::Full,
            "disk_full",
            "the disk is full, and the file index cannot take in what changed",
        )
        .hint("free some space; nothing but searches needs the index"),
        error => error.into(),
    }
}

/// The worktrees of the registered repos that are there: their checkouts first.
fn places(shared: &Shared) -> Result<Vec<Place>, Refusal> {
    let mut places = Vec::new();
    for repo in shared.store.read(|view| view.repos())? {
        let main = match checkpoint::open(shared, &repo.path) {
            Ok(main) => main,
            Err(refusal) => {
                tracing::debug!(%refusal, repo = repo.slug, "a repository that is away has no files to be found");
                continue;
            }
        };
        let own = main.top().to_owned();
        let listed = main.worktrees()?.into_iter();
        let live = listed.filter(|one| !one.missing && !crate::worktree::is_scratch(&one.id));
        places.push(Place { top: own.clone(), repo: repo.id, is_main: true });
        let others = live.map(|one| one.path).filter(|path| *path != own);
        places.extend(others.map(|top| Place { top, repo: repo.id, is_main: false }));
    }
    places.sort_by_key(|place| !place.is_main);
    places.truncate(INDEXED_WORKTREES_MAX);
    Ok(places)
}
